//! From `kubectl apply` of a job to its first task, with real pods.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use shoal_benches::BenchResult;
use shoal_benches::figures::{Figure, median};
use shoal_testkit::kubernetes::{Cluster, Layer, Options};

/// How often each is measured; the first warms up.
const RUNS: usize = 6;

/// The image of `make image RELEASE=1`.
const IMAGE: &str = "target/image/shoal.tar";

const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

pub(crate) async fn measure() -> BenchResult<Vec<Figure>> {
    if let Some(why) = Cluster::obstacle_to_nodes() {
        return Err(why.into());
    }
    let mut cluster = Cluster::start_own(Options::new(Layer::Node))?;
    let store = cluster.start_object_store("shoal")?;
    let data = tempfile::tempdir()?;
    write_table(&data.path().join("table.csv"))?;
    store.put_folder("data", data.path())?;
    cluster.apply(&store.secret("default", "s3"))?;
    cluster.import_image(Path::new(IMAGE))?;
    cluster.install_chart(Path::new("charts/shoal"))?;
    let workers = json!([{"name": "cpu", "replicas": 1, "resources": {"cpu": "100m", "memory": "512Mi"}}]);
    let storage = json!({"credentialsSecretRef": {"name": "s3"}});
    let shared = json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalCluster", "metadata": {"name": "shared"},
        "spec": {"storage": storage, "workerGroups": workers},
    });
    cluster.apply(&shared.to_string())?;
    cluster.kubectl(&["wait", "--for=condition=Ready", "--timeout=120s", "shoalcluster/shared"])?;

    let running = json!({"clusterRef": {"name": "shared"}});
    let own = json!({"cluster": {"storage": storage, "workerGroups": workers, "head": {"state": {"ephemeral": {}}}}});
    let on_running = runs(&cluster, "running", &running)?;
    let with_own = runs(&cluster, "own", &own)?;
    Ok(vec![
        Figure::at_most("apply of a job to its first task, running cluster", on_running, "s", 1.0),
        Figure::at_most("apply of a job to its first task, cluster of its own", with_own, "s", 5.0),
    ])
}

/// Rows enough that a job of its own cluster, which goes with it, is there for several looks.
const ROWS: u32 = 1_000_000;

fn write_table(path: &Path) -> BenchResult<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "id,y,x")?;
    for row in 0..ROWS {
        writeln!(file, "{},{},{}", row % 1_000, row % 97, row % 89)?;
    }
    Ok(file.flush()?)
}

/// The median of several, in seconds.
fn runs(cluster: &Cluster, name: &str, place: &Value) -> BenchResult<f64> {
    let mut seconds = Vec::new();
    for run in 0..RUNS {
        let job = format!("{name}-{run}");
        let took = first_task(cluster, &job, place)?;
        println!("{job}: {took:.2} s");
        cluster.kubectl(&["delete", "shoaljob", &job, "--timeout=60s"])?;
        if run > 0 {
            seconds.push(took);
        }
    }
    Ok(median(seconds))
}

/// From just before the apply to the time at which the head gave the first task to a worker, as its history has it.
fn first_task(cluster: &Cluster, name: &str, place: &Value) -> BenchResult<f64> {
    let mut job = json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "metadata": {"name": name},
        "spec": {"groupedTraining": {
            "input": {"table": "s3://shoal/data/table.csv"}, "groupBy": ["id"],
            "model": {"ols": {"target": "y", "features": ["x"]}},
            "output": {"table": format!("s3://shoal/models/{name}"), "mode": "overwrite"},
        }},
    });
    job["spec"].as_object_mut().ok_or("a job without a spec")?.extend(place.as_object().cloned().unwrap_or_default());
    let applied = SystemTime::now();
    cluster.apply(&job.to_string())?;
    loop {
        let status = status(cluster, name)?;
        if let Some(started_ms) =
            status["cluster"].as_str().map(|of| first_attempt(cluster, of, name)).transpose()?.flatten()
        {
            let applied_ms = applied.duration_since(UNIX_EPOCH)?.as_millis() as u64;
            return Ok(started_ms.saturating_sub(applied_ms) as f64 / 1e3);
        }
        if applied.elapsed()? > LIMIT || ["Failed", "Succeeded"].contains(&status["phase"].as_str().unwrap_or_default())
        {
            return Err(format!("no task of {name} was seen to run: {status}").into());
        }
        std::thread::park_timeout(POLL);
    }
}

fn status(cluster: &Cluster, name: &str) -> BenchResult<Value> {
    let found = cluster.kubectl(&["get", "shoaljob", name, "--output=json"])?;
    let job: Value = serde_json::from_str(&found)?;
    Ok(json!({"phase": job["status"]["phase"], "cluster": job["status"]["clusterName"], "status": job["status"]}))
}

/// When the head gave out the first attempt, in milliseconds since 1970-01-01 UTC; none while it has not.
fn first_attempt(cluster: &Cluster, of: &str, job: &str) -> BenchResult<Option<u64>> {
    let (secret, pod) = (format!("{of}-token"), format!("{of}-head-0"));
    let address = ["get", "pod", &pod, "--ignore-not-found", "--output=jsonpath={.status.podIP}"];
    let address = cluster.kubectl(&address)?;
    if address.is_empty() {
        return Ok(None);
    }
    let token = ["get", "secret", &secret, "--output=go-template={{.data.token | base64decode}}", "--ignore-not-found"];
    let token = cluster.kubectl(&token)?;
    let mut curl = cluster.on_node("curl").ok_or("there is no node")?;
    curl.args(["--silent", "--insecure", "--max-time", "5", "--header", &format!("authorization: Bearer {token}")]);
    // Whichever of the two the head speaks.
    let answered = ["https", "http"].iter().find_map(|scheme| {
        let done = curl.arg(format!("{scheme}://{address}:7370/api/v1/jobs/{job}/attempts")).output().ok()?;
        serde_json::from_slice::<Value>(&done.stdout).ok()
    });
    let attempts = answered.as_ref().and_then(|answer| answer["attempts"].as_array());
    Ok(attempts.and_then(|attempts| attempts.iter().filter_map(|one| one["startedMs"].as_u64()).min()))
}
