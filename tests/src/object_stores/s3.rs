//! A real S3 for a test: versitygw over a folder of its own.

use std::net::TcpListener;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::signer::Signer;

use super::{BUCKET, Bucket, Environment, Service, client, past_proxies};
use crate::delta_log::content;
use crate::process::Process;
use shoal_testkit::eventually;

const ACCESS_KEY: &str = "shoal-tests";
const SECRET_KEY: &str = "shoal-tests-secret";

/// How often another port is tried: somebody may take a free one before the server does.
const STARTS_MAX: usize = 5;

/// A running server with one bucket.
#[derive(Debug)]
pub struct S3 {
    folder: PathBuf,
    bucket: Bucket,
    /// The server and its folder, where both are its own: they end when it is dropped.
    _own: Option<(Process, tempfile::TempDir)>,
}

impl S3 {
    /// Starts a server and makes the bucket.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, address) = start(folder.path());
        let mut this = Self::over(folder.path(), &address);
        this._own = Some((process, folder));
        this
    }

    /// Makes the bucket of a server that was started by [`server_command`] and that listens.
    pub fn over(folder: &Path, address: &str) -> Self {
        let store = Arc::new(builder(address).build().unwrap());
        let bucket = Bucket::new("s3", address, Arc::clone(&store) as _);
        make_bucket(&bucket, &store);
        Self { folder: folder.to_owned(), bucket, _own: None }
    }

    /// The folder in which the server keeps the objects of a prefix, as files of the same names.
    pub fn folder(&self, prefix: &str) -> PathBuf {
        self.folder.join("objects").join(BUCKET).join(prefix)
    }

    /// Uploads in parts that were neither completed nor aborted, as the server keeps them.
    pub fn unfinished_uploads(&self) -> Vec<PathBuf> {
        content(&self.folder(".sgwtmp/multipart")).into_iter().map(|(path, _)| path).collect()
    }
}

impl Deref for S3 {
    type Target = Bucket;

    fn deref(&self) -> &Bucket {
        &self.bucket
    }
}

impl Service for S3 {
    fn environment_at(&self, address: &str) -> Environment {
        environment(address)
    }

    fn mistakes(&self) -> Vec<(Environment, &'static str, &'static str)> {
        let [key, http] = ["AWS_SECRET_ACCESS_KEY", "AWS_ALLOW_HTTP"];
        vec![
            (self.environment_with(key, "wrong"), "Unauthorized", key),
            (self.environment_with(http, "false"), "InvalidValue", http),
        ]
    }
}

fn make_bucket(bucket: &Bucket, store: &AmazonS3) {
    // The library makes no buckets, but signs whatever it is asked to.
    let made = bucket.runtime.block_on(async {
        let root = Key::default();
        let url = store.signed_url(reqwest::Method::PUT, &root, Duration::from_secs(60)).await.unwrap();
        reqwest::Client::builder().no_proxy().build().unwrap().put(url).send().await.unwrap()
    });
    assert!(made.status().is_success(), "{made:?}");
}

/// Variables of the environment that lead to a server at an address.
pub fn environment(address: &str) -> Environment {
    past_proxies([
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
    ])
}

fn builder(address: &str) -> AmazonS3Builder {
    AmazonS3Builder::new()
        .with_client_options(client())
        .with_endpoint(format!("http://{address}"))
        .with_region("us-east-1")
        .with_bucket_name(BUCKET)
        .with_access_key_id(ACCESS_KEY)
        .with_secret_access_key(SECRET_KEY)
}

/// The command of a server that listens on an address and keeps its objects in a folder.
pub fn server_command(folder: &Path, address: &str) -> Command {
    let [objects, metadata] = ["objects", "metadata"].map(|name| folder.join(name));
    for folder in [&objects, &metadata] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let mut command = Command::new(shoal_testkit::program("versitygw"));
    command.args(["--port", address, "posix", "--sidecar"]).arg(metadata).arg(objects);
    command.env("ROOT_ACCESS_KEY", ACCESS_KEY).env("ROOT_SECRET_KEY", SECRET_KEY);
    command
}

fn start(folder: &Path) -> (Process, String) {
    for _ in 0..STARTS_MAX {
        // It says port 0 where it is asked to take a free one, so one is found for it.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut process = Process::start(&mut server_command(folder, &address));
        let is_up =
            eventually("versitygw listens", || match (std::net::TcpStream::connect(&address), process.is_running()) {
                (Ok(_), running) => Some(running),
                (Err(_), false) => Some(false),
                (Err(_), true) => None,
            });
        if is_up && process.is_running() {
            return (process, address);
        }
    }
    panic!("versitygw does not start: no port stayed free for {STARTS_MAX} times");
}
