//! Real object stores for tests, each a server of its own with one bucket.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;

use crate::delta_log::content;

pub mod azure;
pub mod google;
pub mod s3;

/// The bucket that every test has.
pub const BUCKET: &str = "lake";

/// Networks of tests, which no proxy of the environment knows.
const NOT_PROXIED: &str = "127.0.0.1,198.18.0.0/15";

/// Variables of the environment.
pub type Environment = Vec<(&'static str, String)>;

/// The bucket of a server: the test's own way to it, past all that is tested.
#[derive(Debug)]
pub struct Bucket {
    scheme: &'static str,
    address: String,
    store: Arc<dyn ObjectStore>,
    runtime: Runtime,
}

impl Bucket {
    fn new(scheme: &'static str, address: &str, store: Arc<dyn ObjectStore>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { scheme, address: address.to_owned(), store, runtime }
    }

    /// Where its server listens, as `127.0.0.1:7070`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The URL of a key.
    pub fn url(&self, key: &str) -> String {
        format!("{}://{BUCKET}/{key}", self.scheme)
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

    /// A copy of all that is below a prefix, as files of the same names.
    pub fn download(&self, prefix: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for key in self.keys(prefix) {
            let object = Key::parse(format!("{prefix}/{key}")).unwrap();
            let bytes = self.runtime.block_on(async { self.store.get(&object).await.unwrap().bytes().await.unwrap() });
            let file = folder.path().join(key);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, bytes).unwrap();
        }
        folder
    }
}

/// An object store, whosever it is, with its bucket.
pub trait Service: Deref<Target = Bucket> {
    /// Variables of the environment that lead to it by way of an address.
    fn environment_at(&self, address: &str) -> Environment;

    /// Variables of the environment that lead to it.
    fn environment(&self) -> Environment {
        self.environment_at(self.address())
    }

    /// Environments in which nothing can be read; each with the reason of the failure, and a variable that it names.
    fn mistakes(&self) -> Vec<(Environment, &'static str, &'static str)>;

    /// The environment with another value of one variable.
    fn environment_with(&self, name: &'static str, value: &str) -> Environment {
        let others = self.environment().into_iter().filter(|(other, _)| *other != name);
        others.chain([(name, value.to_owned())]).collect()
    }
}

fn client() -> ClientOptions {
    ClientOptions::new().with_allow_http(true).with_proxy_excludes(NOT_PROXIED)
}

/// With the variables that say which addresses no proxy of the environment knows.
fn past_proxies(variables: impl IntoIterator<Item = (&'static str, String)>) -> Environment {
    variables.into_iter().chain(["NO_PROXY", "no_proxy"].map(|name| (name, NOT_PROXIED.to_owned()))).collect()
}
