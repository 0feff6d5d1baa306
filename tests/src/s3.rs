//! A real S3 for a test: versitygw over a folder of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::signer::Signer;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;

use crate::delta_log::content;
use crate::process::Process;
use shoal_testkit::eventually;

const ACCESS_KEY: &str = "shoal-tests";
const SECRET_KEY: &str = "shoal-tests-secret";

/// The bucket that every test has.
pub const BUCKET: &str = "lake";

/// Networks of tests, which no proxy of the environment knows.
const NOT_PROXIED: &str = "127.0.0.1,198.18.0.0/15";

/// How often another port is tried: somebody may take a free one before the server does.
const STARTS_MAX: usize = 5;

/// A running server with one bucket.
#[derive(Debug)]
pub struct S3 {
    address: String,
    folder: PathBuf,
    store: Arc<AmazonS3>,
    runtime: Runtime,
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
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let store = Arc::new(builder(address).build().unwrap());
        let this = Self { address: address.to_owned(), folder: folder.to_owned(), store, runtime, _own: None };
        this.make_bucket();
        this
    }

    fn make_bucket(&self) {
        // The library makes no buckets, but signs whatever it is asked to.
        let made = self.runtime.block_on(async {
            let root = Key::default();
            let url = self.store.signed_url(reqwest::Method::PUT, &root, Duration::from_secs(60)).await.unwrap();
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            client.put(url).send().await.unwrap()
        });
        assert!(made.status().is_success(), "{made:?}");
    }

    /// Where it listens, as `127.0.0.1:7070`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Variables of the environment that lead to it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment(&self.address)
    }

    /// The URL of a key.
    pub fn url(&self, key: &str) -> String {
        format!("s3://{BUCKET}/{key}")
    }

    /// Puts an object.
    pub fn put(&self, key: &str, bytes: Vec<u8>) {
        self.runtime.block_on(self.store.put(&Key::parse(key).unwrap(), bytes.into())).unwrap();
    }

    /// Puts every file of a folder below a prefix.
    pub fn put_folder(&self, prefix: &str, folder: &Path) {
        for (path, bytes) in content(folder) {
            self.put(&format!("{prefix}/{}", path.display()), bytes);
        }
    }

    /// Keys below a prefix, relative to it.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let prefix = Key::parse(prefix).unwrap();
        let listed = self.runtime.block_on(async {
            use futures::TryStreamExt;
            self.store.list(Some(&prefix)).try_collect::<Vec<_>>().await.unwrap()
        });
        let relative = |key: &Key| key.as_ref().trim_start_matches(prefix.as_ref()).trim_start_matches('/').to_owned();
        let mut keys: Vec<String> = listed.iter().map(|object| relative(&object.location)).collect();
        keys.sort();
        keys
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

/// Variables of the environment that lead to a server at an address.
pub fn environment(address: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ("NO_PROXY", NOT_PROXIED.to_owned()),
        ("no_proxy", NOT_PROXIED.to_owned()),
    ]
}

fn builder(address: &str) -> AmazonS3Builder {
    let client = object_store::ClientOptions::new().with_allow_http(true).with_proxy_excludes(NOT_PROXIED);
    AmazonS3Builder::new()
        .with_client_options(client)
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
