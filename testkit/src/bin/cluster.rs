//! A throw-away Kubernetes on this machine, for trying Shoal: `cluster up`, `cluster down`. `make cluster-up` builds what
//! it starts.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use shoal_testkit::kubernetes::{Cluster, Layer, ObjectStore, Options};

/// Where the cluster's files are, if not in the cache.
const FOLDER: &str = "SHOAL_CLUSTER_DIR";

/// The bucket that holds the examples' data.
const BUCKET: &str = "shoal";

/// The Secret with the variables that lead to it, as the examples call it.
const SECRET: &str = "s3";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["up", images @ ..] if !images.is_empty() => up(images),
        ["down"] => down(),
        _ => {
            eprintln!("usage: cluster up IMAGE.tar... | cluster down");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cluster: {error}");
            ExitCode::FAILURE
        }
    }
}

fn folder() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return Ok(folder.into());
    }
    let home = std::env::var_os("HOME").ok_or(format!("neither {FOLDER} nor HOME is set"))?;
    Ok(Path::new(&home).join(".cache/shoal/cluster"))
}

fn up(images: &[&str]) -> Result<(), Box<dyn Error>> {
    let folder = folder()?;
    if Cluster::runs(&folder) {
        println!("cluster: it runs already");
        say_how(&Cluster::kubeconfig_in(&folder), None);
        return Ok(());
    }
    // What a machine that was switched off has left.
    Cluster::end(&folder)?;
    let started = Instant::now();
    let options = Options::new(Layer::Node).folder(folder).progress(|step| println!("cluster: {step}"));
    let mut cluster = Cluster::start_own(options)?;
    println!("cluster: starting S3 with the examples' data");
    let store = cluster.start_object_store(BUCKET)?;
    store.put_folder("data", Path::new("examples/data"))?;
    cluster.apply(&store.secret("default", SECRET))?;
    for image in images {
        println!("cluster: importing {image}");
        cluster.import_image(Path::new(image))?;
    }
    println!("cluster: installing charts/shoal");
    cluster.install_chart(Path::new("charts/shoal"))?;
    let kubeconfig = cluster.release();
    println!("cluster: ready after {} s", started.elapsed().as_secs());
    say_how(&kubeconfig, Some(&store));
    Ok(())
}

fn down() -> Result<(), Box<dyn Error>> {
    let folder = folder()?;
    if !folder.exists() {
        println!("cluster: there is none");
        return Ok(());
    }
    Cluster::end(&folder)?;
    println!("cluster: ended, and {} removed", folder.display());
    Ok(())
}

fn say_how(kubeconfig: &Path, store: Option<&ObjectStore>) {
    println!("\nexport KUBECONFIG={}", kubeconfig.display());
    if let Some(store) = store {
        println!("# S3 for pods:        {} (s3://{BUCKET}/data, Secret {SECRET})", store.endpoint_in_cluster());
        println!("# S3 for this machine: {}", store.endpoint());
    }
    println!("kubectl apply -f examples/kubernetes/cluster.yaml -f examples/kubernetes/grunfeld.yaml");
    println!("kubectl get shoaljobs --watch");
    println!("make cluster-down     # ends it and removes all of it");
}
