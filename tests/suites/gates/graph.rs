//! What crates must not reach, through however many others: a head that links a query engine is no head.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, PackageId};
use shoal_tests::workspace;

/// A crate, and the beginnings of the names of packages that it must not be built from.
const MUST_NOT_REACH: [(&str, &[&str]); 7] = [
    ("shoal-ml", &["tokio", "datafusion", "deltalake", "ractor", "tonic"]),
    ("shoal-core", &["datafusion", "deltalake", "ractor", "tonic", "redb", "actix"]),
    ("shoal-wire", &["datafusion", "deltalake"]),
    ("shoal-worker", &["datafusion", "deltalake", "redb"]),
    ("shoal-functions", &["datafusion", "deltalake", "ractor", "tonic"]),
    ("shoal-coordinator", &["datafusion", "deltalake"]),
    ("shoal-operator", &["datafusion", "deltalake", "shoal-engine"]),
];

/// For each package, the packages that it is built from; dependencies for tests do not count.
type Graph = BTreeMap<String, BTreeSet<String>>;

fn graph(metadata: &Metadata) -> Graph {
    let name = |id: &PackageId| metadata[id].name.to_string();
    let mut graph = Graph::new();
    for node in &metadata.resolve.as_ref().expect("cargo resolves the workspace").nodes {
        let edges = graph.entry(name(&node.id)).or_default();
        for dependency in &node.deps {
            if dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development) {
                edges.insert(name(&dependency.pkg));
            }
        }
    }
    graph
}

/// The shortest way from a package to one whose name begins with any of those.
fn way(graph: &Graph, from: &str, to: &[&str]) -> Option<Vec<String>> {
    let mut seen = BTreeSet::from([from]);
    let mut ways = std::collections::VecDeque::from([vec![from]]);
    while let Some(way) = ways.pop_front() {
        let last = *way.last()?;
        if way.len() > 1 && to.iter().any(|start| last.starts_with(start)) {
            return Some(way.into_iter().map(str::to_owned).collect());
        }
        for next in graph.get(last).into_iter().flatten() {
            if seen.insert(next) {
                ways.push_back([way.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

#[test]
fn light_crates_stay_light() {
    let graph = graph(&workspace::metadata());
    let wrong: Vec<String> = MUST_NOT_REACH
        .iter()
        .filter_map(|(from, to)| way(&graph, from, to))
        .map(|way| format!("must not be: {}", way.join(" -> ")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(way(&graph, "shoal-engine", &["datafusion"]).is_some(), "the graph is not read right");
}

#[test]
fn a_way_through_others_is_found() {
    let edges = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let graph = Graph::from([
        ("a".to_owned(), edges(&["b", "c"])),
        ("b".to_owned(), edges(&["a"])),
        ("c".to_owned(), edges(&["datafusion-common"])),
    ]);
    assert_eq!(way(&graph, "a", &["datafusion"]).unwrap(), ["a", "c", "datafusion-common"]);
    assert_eq!(way(&graph, "b", &["tokio"]), None);
    assert_eq!(way(&graph, "unknown", &["tokio"]), None);
}
