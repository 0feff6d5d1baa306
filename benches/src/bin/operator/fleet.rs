//! Many clusters, and one large one.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::{Value, json};
use shoal_benches::BenchResult;
use shoal_benches::figures::Figure;
use shoal_benches::processes::{Process, shoal};
use shoal_testkit::kubernetes::{Cluster, Layer, Options};

use crate::audit::{Audit, Write, pods_per_second};
use crate::client::{Admin, until};

/// Workers of each of the many clusters, which have one head each.
const WORKERS: usize = 3;

/// How many of each there are.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Clusters of four pods.
    #[arg(long, default_value_t = 1_000)]
    clusters: usize,
    /// Workers of the large cluster.
    #[arg(long, default_value_t = 1_000)]
    workers: usize,
}

/// Who the operator is in the audit log.
const ACCOUNT: &str = "system:serviceaccount:default:shoal-operator";

pub(crate) async fn measure(Size { clusters, workers: large }: Size) -> BenchResult<Vec<Figure>> {
    let pods = clusters * (1 + WORKERS);
    let audit = Audit::new()?;
    let flags = audit.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut api = Cluster::start_own(Options::new(Layer::ControlPlane).api_server_flags(&flags))?;
    api.apply(&shoal_operator::crds_yaml())?;
    api.start_hollow_nodes(10)?;
    api.apply(&rights())?;
    let admin = Admin::new(api.kubeconfig()).await?;
    let operator = start_operator(&api)?;

    // One pod of the operator's making, for the bare client to make as many of.
    admin.make_namespace("sample").await?;
    admin.create("sample", vec![cluster("sample", WORKERS)]).await?;
    admin.until_pods("sample", 1 + WORKERS).await?;
    let pod = admin.like_a_pod_of("sample", "sample-cpu-").await?;

    let bare_many = bare(&admin, &audit, "bare-many", &pod, pods).await?;
    admin.make_namespace("many").await?;
    let since = now();
    let specs = (0..clusters).map(|index| cluster(&format!("c{index}"), WORKERS)).collect();
    admin.create("many", specs).await?;
    admin.until_pods("many", pods).await?;
    let many = rate(&audit, "many", since, pods)?;
    until_quiet(&audit).await?;

    admin.make_namespace("large").await?;
    admin.create("large", vec![cluster("large", 0)]).await?;
    admin.until_pods("large", 1).await?;
    until_quiet(&audit).await?;
    let bare_large = bare(&admin, &audit, "bare-large", &pod, large).await?;
    let since = now();
    api.kubectl(&["scale", "--namespace=large", "shoalworkergroup", "large-cpu", &format!("--replicas={large}")])?;
    admin.until_pods("large", 1 + large).await?;
    let grown = rate(&audit, "large", since, large)?;
    until_quiet(&audit).await?;

    let memory = operator.peak_rss_mib()? * 1.048_576;
    let writes = audit.writes()?;
    tell(&writes);
    let own = |namespace: &str| of_operator(&writes, namespace).count() as f64;
    Ok(vec![
        Figure::of_peer(&format!("bare client: pods for {clusters} clusters"), bare_many, "1/s"),
        Figure::at_least(&format!("pods of {clusters} clusters of 4"), many, "1/s", 50.0),
        Figure::at_least("the same, in percent of the bare client", 100.0 * many / bare_many, "%", 80.0),
        Figure::of_peer(&format!("bare client: {large} pods"), bare_large, "1/s"),
        Figure::at_least(&format!("one cluster from 0 to {large} workers"), grown, "1/s", 50.0),
        Figure::at_least("the same, in percent of the bare client", 100.0 * grown / bare_large, "%", 80.0),
        Figure::at_most(
            &format!("memory of the operator at {} pods, at its highest", pods + large),
            memory,
            "MB",
            100.0,
        ),
        Figure::at_most("writes per pod, clusters of 4", own("many") / pods as f64, "", 3.0),
        Figure::at_most("writes per pod, one large cluster", own("large") / (1 + large) as f64, "", 3.0),
    ])
}

fn cluster(name: &str, workers: usize) -> Value {
    json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalCluster", "metadata": {"name": name},
        "spec": {
            "head": {"state": {"ephemeral": {}}, "resources": {"cpu": "10m", "memory": "64Mi"}},
            "workerGroups": [{"name": "cpu", "replicas": workers, "resources": {"cpu": "10m", "memory": "64Mi"}}],
        },
    })
}

/// All rights, under a name of its own.
fn rights() -> String {
    "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: shoal-operator, namespace: default}\n---\n\
     apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: shoal-operator}\n\
     roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n\
     subjects: [{kind: ServiceAccount, name: shoal-operator, namespace: default}]\n"
        .to_owned()
}

/// The operator's own process, as the chart starts it.
fn start_operator(api: &Cluster) -> BenchResult<Process> {
    let config = std::fs::read_to_string(api.kubeconfig())?;
    let line = "    client-key:";
    let config = config.replace(line, &format!("    as: {ACCOUNT}\n{line}"));
    let path = api.kubeconfig().with_file_name("operator.kubeconfig");
    std::fs::write(&path, config)?;
    let mut command = Command::new(shoal()?);
    command.args(["operator", "run", "--image=shoal:bench", "--listen=127.0.0.1:0", "--identity=bench"]);
    command.args(["--own-namespace=default"]).env("KUBECONFIG", path).env("RUST_LOG", "warn");
    Process::spawn(&mut command)
}

/// Pods per second of a client that does nothing but make them. They go again, and that is waited for.
async fn bare(admin: &Admin, audit: &Audit, namespace: &str, pod: &Value, count: usize) -> BenchResult<f64> {
    admin.make_namespace(namespace).await?;
    let named = |index: usize| {
        let mut pod = pod.clone();
        pod["metadata"]["name"] = format!("p{index}").into();
        pod
    };
    let since = now();
    admin.create(namespace, (0..count).map(named).collect()).await?;
    let rate = rate(audit, namespace, since, count)?;
    until_quiet(audit).await?;
    admin.delete_pods(namespace).await?;
    admin.until_pods(namespace, 0).await?;
    until_quiet(audit).await?;
    Ok(rate)
}

fn rate(audit: &Audit, namespace: &str, since: f64, expected: usize) -> BenchResult<f64> {
    let (count, rate) = pods_per_second(&audit.writes()?, namespace, since);
    if count < expected {
        return Err(format!("the audit log has {count} of {expected} pods of {namespace}").into());
    }
    println!("{namespace}: {count} pods at {rate:.0} per second");
    Ok(rate)
}

/// Waits until nobody writes any more but those who only say that they live: nothing of one case runs into the next.
async fn until_quiet(audit: &Audit) -> BenchResult<()> {
    let works = |writes: Vec<Write>| {
        let since = now() - 2.0;
        let is_work = |write: &&Write| !["leases", "nodes/status", "events"].contains(&write.resource.as_str());
        writes.iter().filter(is_work).any(|write| write.at > since)
    };
    until("nobody writes", async || Ok(!works(audit.writes()?))).await
}

fn of_operator<'a>(writes: &'a [Write], namespace: &'a str) -> impl Iterator<Item = &'a Write> {
    writes.iter().filter(move |write| write.user == ACCOUNT && write.namespace == namespace)
}

/// What the operator wrote, by kind: where a missed bar comes from.
fn tell(writes: &[Write]) {
    for namespace in ["many", "large"] {
        let mut kinds = BTreeMap::<String, usize>::new();
        for write in of_operator(writes, namespace) {
            *kinds.entry(format!("{} {}", write.verb, write.resource)).or_default() += 1;
        }
        println!("{namespace}: the operator's writes: {kinds:?}");
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
