//! The crates' one direction: who may see whom, as ARCHITECTURE.md says it.

use std::collections::BTreeSet;

use cargo_metadata::DependencyKind;
use shoal_tests::workspace;

/// A crate and the crates of the workspace that it may be built from. Tests and benches of a crate may use more.
const ALLOWED: [(&str, &[&str]); 14] = [
    ("shoal-ml", &[]),
    ("shoal-core", &[]),
    ("shoal-wire", &["shoal-core"]),
    ("shoal-engine", &["shoal-core", "shoal-ml"]),
    ("shoal-functions", &["shoal-core"]),
    ("shoal-jobs", &["shoal-core", "shoal-ml", "shoal-engine"]),
    ("shoal-worker", &["shoal-core", "shoal-wire"]),
    ("shoal-coordinator", &["shoal-core", "shoal-wire"]),
    ("shoal-api", &["shoal-core", "shoal-wire", "shoal-coordinator", "shoal-engine"]),
    ("shoal-operator", &["shoal-core", "shoal-wire"]),
    ("shoal-scaling", &["shoal-core"]),
    ("shoal-simulation", &["shoal-core"]),
    ("shoal-telemetry", &["shoal-core"]),
    ("shoal-testkit", &[]),
];

/// Crates that see all of the above: the binary puts everything together, the others look at it from outside.
const SEES_ALL: [&str; 3] = ["shoal-cli", "shoal-tests", "shoal-benches"];

/// What is wrong with an arrow, if something is.
fn verdict(from: &str, to: &str) -> Option<String> {
    if SEES_ALL.contains(&to) {
        return Some(format!("{from} -> {to}: nothing may depend on {to}"));
    }
    if SEES_ALL.contains(&from) {
        return None;
    }
    match ALLOWED.iter().find(|(name, _)| *name == from) {
        None => Some(format!("{from} -> {to}: {from} has no line in the table of arrows")),
        Some((_, allowed)) if allowed.contains(&to) => None,
        Some((_, [])) => Some(format!("{from} -> {to}: {from} may depend on no crate of the workspace")),
        Some((_, allowed)) => Some(format!("{from} -> {to}: {from} may depend on {} only", allowed.join(", "))),
    }
}

/// What crates are built from, by package: dependencies for tests do not count.
fn arrows() -> Vec<(String, String)> {
    let metadata = workspace::metadata();
    let members: BTreeSet<&str> = metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let mut arrows = Vec::new();
    for package in metadata.workspace_packages() {
        for dependency in &package.dependencies {
            if dependency.kind != DependencyKind::Development && members.contains(dependency.name.as_str()) {
                arrows.push((package.name.to_string(), dependency.name.clone()));
            }
        }
    }
    arrows
}

#[test]
fn crates_depend_in_one_direction() {
    let arrows = arrows();
    assert!(arrows.len() > 10, "only {arrows:?} were found");
    let wrong: Vec<String> = arrows.iter().filter_map(|(from, to)| verdict(from, to)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_crate_has_its_line() {
    for package in workspace::metadata().workspace_packages() {
        let name = package.name.as_str();
        let known = SEES_ALL.contains(&name) || ALLOWED.iter().any(|(allowed, _)| *allowed == name);
        assert!(known, "{name} has no line in the table of arrows");
    }
}

#[test]
fn a_wrong_arrow_is_named() {
    for (from, to, expected) in [
        ("shoal-ml", "shoal-core", "shoal-ml -> shoal-core: shoal-ml may depend on no crate of the workspace"),
        ("shoal-coordinator", "shoal-engine", "shoal-coordinator may depend on shoal-core, shoal-wire only"),
        ("shoal-jobs", "shoal-cli", "nothing may depend on shoal-cli"),
        ("shoal-tests", "shoal-cli", "nothing may depend on shoal-cli"),
        ("shoal-new", "shoal-core", "shoal-new has no line in the table of arrows"),
    ] {
        let said = verdict(from, to).unwrap_or_else(|| panic!("{from} -> {to} is allowed"));
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(verdict("shoal-engine", "shoal-ml"), None);
    assert_eq!(verdict("shoal-cli", "shoal-jobs"), None);
}
