//! What all tests share: a node with Shoal and S3 on it, and tables in S3.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use serde_json::Value;
use shoal_testkit::kubernetes::{Cluster, Layer, ObjectStore, Options};
use shoal_tests::oracle::{Fit, statsmodels};
use shoal_tests::process::{Finished, Process};
use shoal_tests::table::{ByKey, assert_agrees, by_key};
use shoal_tests::{data, shoal, workspace};

/// How long pods may take on a busy machine to be scheduled and to start, and a small job to run.
pub(crate) const POD_LIMIT: Duration = Duration::from_secs(240);

/// The image that the chart installs, and the same under another name, for clusters that get a new one.
pub(crate) const OTHER_IMAGE: &str = "docker.io/library/shoal:other";
pub(crate) const IMAGE: &str = concat!("docker.io/library/shoal:", env!("CARGO_PKG_VERSION"));

/// Shoal with Python.
pub(crate) const PYTHON_IMAGE: &str = concat!("docker.io/library/shoal:", env!("CARGO_PKG_VERSION"), "-python");

/// An image as users have them: Python with packages, and nothing of Shoal.
pub(crate) const FUNCTIONS_IMAGE: &str = "docker.io/library/functions:1";

/// The bucket of all tests.
const BUCKET: &str = "shoal";

/// A table in the bucket, with a model per shop.
pub(crate) struct Shops {
    name: &'static str,
    /// How many there are.
    pub(crate) count: u64,
    /// Where it was made.
    folder: tempfile::TempDir,
    /// What statsmodels says of it.
    fits: OnceLock<ByKey>,
}

impl Shops {
    fn new(name: &'static str, files: &[usize], count: u64, store: &ObjectStore) -> Self {
        let folder = tempfile::tempdir().unwrap();
        data::padded_csv(folder.path(), files, count);
        store.put_folder(name, folder.path()).unwrap();
        Self { name, count, folder, fits: OnceLock::new() }
    }

    pub(crate) fn url(&self) -> String {
        url(self.name)
    }

    /// The rows of a table of models are those of the shops: each once, with the right numbers.
    pub(crate) fn assert_models(&self, table: &str) {
        let fit = Fit { table: self.folder.path(), keys: &["shop"], features: &["a", "b"], target: "y", every: 1 };
        let fits = self.fits.get_or_init(|| by_key(&statsmodels(&fit), &["shop"]));
        let rows = ask(&["sql", "--output", "json", &format!("SELECT * FROM '{table}'")]);
        let rows: Value = serde_json::from_str(&rows).unwrap();
        let models = by_key(rows.as_array().unwrap(), &["shop"]);
        assert_eq!((models.len() as u64, fits.len() as u64), (self.count, self.count));
        assert_agrees(&models, fits);
    }
}

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) store: ObjectStore,
    /// Few shops with many rows: reading them is what takes a worker seconds that is slowed down.
    pub(crate) shops: Shops,
    /// Many shops with few rows: a job in hundreds of parts, each a moment's work, lasts as long as a test wants, however
    /// quick the machine.
    pub(crate) many_shops: Shops,
}

pub(crate) static WORLD: LazyLock<World> = LazyLock::new(|| {
    if let Some(why) = Cluster::obstacle_to_nodes() {
        panic!("{why}");
    }
    let mut cluster = Cluster::start_own(Options::new(Layer::Node)).unwrap();
    let store = cluster.start_object_store(BUCKET).unwrap();
    store.put_folder("data", &workspace::root().join("examples/data")).unwrap();
    let shops = Shops::new("shops", &[2_200_000; 8], 40, &store);
    let many_shops = Shops::new("many-shops", &[2_000_000; 2], 400, &store);
    cluster.import_image(&image("shoal")).unwrap();
    cluster.tag_image(IMAGE, OTHER_IMAGE).unwrap();
    cluster.install_chart(&workspace::root().join("charts/shoal")).unwrap();
    World { cluster, store, shops, many_shops }
});

fn image(name: &str) -> PathBuf {
    workspace::root().join(format!("target/image/{name}.tar"))
}

/// Has the node know the images with Python. They are large, and most tests need none of them.
pub(crate) fn import_python_images() {
    static IMPORTED: LazyLock<()> = LazyLock::new(|| {
        for name in ["shoal-python", "functions"] {
            WORLD.cluster.import_image(&image(name)).unwrap();
        }
    });
    LazyLock::force(&IMPORTED);
}

/// A URL in the bucket.
pub(crate) fn url(path: &str) -> String {
    format!("s3://{BUCKET}/{path}")
}

/// What a command of this machine says that finds the object store as pods do.
pub(crate) fn ask(arguments: &[&str]) -> String {
    let finished = try_ask(arguments);
    assert_eq!(finished.code, 0, "{finished:#?}");
    finished.stdout
}

/// The same, of one that may fail.
pub(crate) fn try_ask(arguments: &[&str]) -> Finished {
    let store = &WORLD.store;
    let mut command: Command = shoal::command(arguments);
    command.envs(store.environment()).env("AWS_ENDPOINT_URL", store.endpoint());
    Process::start(&mut command).finish_within(POD_LIMIT)
}

/// The pods of the operator.
pub(crate) fn operator_pods() -> Vec<Value> {
    let list = ["get", "pods", "--selector=app.kubernetes.io/name=shoal-operator", "--output=json"];
    let list: Value = serde_json::from_str(&WORLD.cluster.kubectl(&list).unwrap()).unwrap();
    list["items"].as_array().unwrap().clone()
}

/// A file that the README applies.
pub(crate) fn example(name: &str) -> PathBuf {
    workspace::root().join("examples/kubernetes").join(name)
}
