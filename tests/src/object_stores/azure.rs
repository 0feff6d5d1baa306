//! Azure Blob Storage for a test: Azurite, with the account that it is known for.

use std::ops::Deref;
use std::process::Command;
use std::sync::Arc;

use object_store::azure::MicrosoftAzureBuilder;

use super::{BUCKET, Bucket, Environment, Service, client, past_proxies};
use crate::process::Process;

/// The account of every emulator, and its key, which Azure's documentation has.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A key of the same form that is not the account's.
const OTHER_KEY: &str = "c2hvYWwtdGVzdHM=";

/// Lets its bearer make containers of that account: the library makes none. Signed with the key above, until 2099.
const MAY_MAKE_CONTAINERS: &str = "sv=2020-08-04&ss=b&srt=c&sp=c&se=2099-01-01T00%3A00%3A00Z&spr=https%2Chttp&sig=%2BsoA40uf2FRDRIzoBFneXMrTQx39OWnKSZqrMe3PzzQ%3D";

/// A running server with one container.
#[derive(Debug)]
pub struct Azure {
    bucket: Bucket,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Azure {
    /// Starts a server and makes the container.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(shoal_testkit::program("azurite-blob"));
        command.args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--silent", "--disableTelemetry", "--location"]);
        let mut process = Process::start(command.arg(folder.path()));
        let address = process.wait_for_output("Azurite listens", |output| {
            Some(output.split_once("successfully listens on http://")?.1.split_once('\n')?.0.trim().to_owned())
        });
        let store = MicrosoftAzureBuilder::new()
            .with_client_options(client())
            .with_endpoint(endpoint(&address))
            .with_account(ACCOUNT)
            .with_access_key(KEY)
            .with_container_name(BUCKET)
            .build()
            .unwrap();
        let bucket = Bucket::new("az", &address, Arc::new(store));
        make_container(&bucket, &address);
        Self { bucket, _process: process, _folder: folder }
    }

    /// Variables of the environment that lead to it as to a store that is no emulator. Not to tables of Delta: lists that
    /// begin in the middle are what no emulator has.
    pub fn environment_of_endpoint(&self) -> Environment {
        past_proxies(self.endpoint_variables().into_iter().chain([("AZURE_ALLOW_HTTP", "true".to_owned())]))
    }

    fn endpoint_variables(&self) -> [(&'static str, String); 3] {
        [
            ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
            ("AZURE_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
            ("AZURE_STORAGE_ENDPOINT", endpoint(self.address())),
        ]
    }
}

impl Deref for Azure {
    type Target = Bucket;

    fn deref(&self) -> &Bucket {
        &self.bucket
    }
}

impl Service for Azure {
    fn environment_at(&self, address: &str) -> Environment {
        past_proxies([
            ("AZURE_STORAGE_USE_EMULATOR", "true".to_owned()),
            ("AZURITE_BLOB_STORAGE_URL", format!("http://{address}")),
        ])
    }

    fn mistakes(&self) -> Vec<(Environment, &'static str, &'static str)> {
        let [account, key] = ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"];
        vec![
            (self.environment_with(key, OTHER_KEY), "Unauthorized", key),
            (self.environment_with(key, "no base64"), "InvalidValue", key),
            (past_proxies([(key, KEY.to_owned())]), "InvalidValue", account),
            (past_proxies(self.endpoint_variables()), "InvalidValue", "AZURE_ALLOW_HTTP"),
        ]
    }
}

/// An emulator has the account in the path, in place of the host.
fn endpoint(address: &str) -> String {
    format!("http://{address}/{ACCOUNT}")
}

fn make_container(bucket: &Bucket, address: &str) {
    let url = format!("{}/{BUCKET}?restype=container&{MAY_MAKE_CONTAINERS}", endpoint(address));
    let made = bucket.runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.put(url).header("Content-Length", "0").send().await.unwrap()
    });
    assert!(made.status().is_success(), "{made:?}");
}
