//! Google Cloud Storage for a test: fake-gcs-server, which lets in who is signed by an account of its own.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use object_store::gcp::GoogleCloudStorageBuilder;

use super::{BUCKET, Bucket, Environment, Service, client, past_proxies};
use crate::process::Process;

/// A running server with one bucket.
#[derive(Debug)]
pub struct Google {
    bucket: Bucket,
    folder: tempfile::TempDir,
    _process: Process,
}

impl Google {
    /// Starts a server.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(shoal_testkit::program("fake-gcs-server"));
        let mut process = Process::start(command.arg(folder.path()).arg(BUCKET));
        let address = process.wait_for_output("fake-gcs-server listens", |output| {
            Some(output.split_once("listens on ")?.1.split_once('\n')?.0.to_owned())
        });
        let store = GoogleCloudStorageBuilder::new()
            .with_client_options(client())
            .with_base_url(&format!("http://{address}"))
            .with_bucket_name(BUCKET)
            .with_application_credentials(folder.path().join("account.json").to_str().unwrap())
            .build()
            .unwrap();
        Self { bucket: Bucket::new("gs", &address, Arc::new(store)), folder, _process: process }
    }

    fn credentials(&self, account: &str) -> PathBuf {
        self.folder.path().join(format!("{account}.json"))
    }
}

impl Deref for Google {
    type Target = Bucket;

    fn deref(&self) -> &Bucket {
        &self.bucket
    }
}

impl Service for Google {
    fn environment_at(&self, address: &str) -> Environment {
        past_proxies([
            ("GOOGLE_BASE_URL", format!("http://{address}")),
            ("GOOGLE_ALLOW_HTTP", "true".to_owned()),
            ("GOOGLE_APPLICATION_CREDENTIALS", self.credentials("account").display().to_string()),
        ])
    }

    fn mistakes(&self) -> Vec<(Environment, &'static str, &'static str)> {
        let [file, key, http] = ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_ALLOW_HTTP"];
        let [stranger, nobody] = ["stranger", "nobody"].map(|name| self.credentials(name).display().to_string());
        vec![
            (self.environment_with(file, &stranger), "Unauthorized", file),
            (self.environment_with(file, &nobody), "InvalidValue", file),
            (self.environment_with(key, "{}"), "InvalidValue", key),
            (self.environment_with(http, "false"), "InvalidValue", http),
        ]
    }
}
