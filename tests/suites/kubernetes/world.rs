//! What all tests share: a node with Shoal and S3 on it, and tables in S3.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
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
const IMAGE: &str = concat!("docker.io/library/shoal:", env!("CARGO_PKG_VERSION"));

/// The bucket of all tests.
const BUCKET: &str = "shoal";

/// A table whose map stage has a task per file; each is a second's work for a worker that is not slowed down.
const SHOPS_BYTES: [usize; 8] = [2_200_000; 8];
const SHOPS: u64 = 40;

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) store: ObjectStore,
    shops: tempfile::TempDir,
}

pub(crate) static WORLD: LazyLock<World> = LazyLock::new(|| {
    if let Some(why) = Cluster::obstacle_to_nodes() {
        panic!("{why}");
    }
    let mut cluster = Cluster::start_own(Options::new(Layer::Node)).unwrap();
    let store = cluster.start_object_store(BUCKET).unwrap();
    store.put_folder("data", &workspace::root().join("examples/data")).unwrap();
    let shops = tempfile::tempdir().unwrap();
    data::padded_csv(shops.path(), &SHOPS_BYTES, SHOPS);
    store.put_folder("shops", shops.path()).unwrap();
    cluster.import_image(&image()).unwrap();
    cluster.tag_image(IMAGE, OTHER_IMAGE).unwrap();
    cluster.install_chart(&workspace::root().join("charts/shoal")).unwrap();
    World { cluster, store, shops }
});

fn image() -> PathBuf {
    workspace::root().join("target/image/shoal.tar")
}

/// What statsmodels says of the shops.
static FITS: LazyLock<ByKey> = LazyLock::new(|| {
    let table = WORLD.shops.path();
    by_key(&statsmodels(&Fit { table, keys: &["shop"], features: &["a", "b"], target: "y", every: 1 }), &["shop"])
});

/// A URL in the bucket.
pub(crate) fn url(path: &str) -> String {
    format!("s3://{BUCKET}/{path}")
}

/// The rows of a table of models are those of the shops: each once, with the right numbers.
pub(crate) fn assert_shops(table: &str) {
    let rows: Value =
        serde_json::from_str(&ask(&["sql", "--output", "json", &format!("SELECT * FROM '{table}'")])).unwrap();
    let models = by_key(rows.as_array().unwrap(), &["shop"]);
    assert_eq!((models.len() as u64, FITS.len() as u64), (SHOPS, SHOPS));
    assert_agrees(&models, &FITS);
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
