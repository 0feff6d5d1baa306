//! Trees node by node, in an order that does not depend on how they were numbered.

use serde_json::Value;
use shoal_ml::trees::Ensemble;

/// A node: what it asks, or what it answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Split { feature: usize, threshold: f64, missing_left: bool },
    Leaf(Vec<f64>),
}

/// The nodes of one tree: each before its left side, and that before its right.
pub(crate) fn of(trees: &Ensemble, tree: usize) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut open = vec![trees.roots[tree] as usize];
    while let Some(node) = open.pop() {
        if trees.left[node] == 0 {
            nodes.push(Node::Leaf(trees.values[node * trees.width..(node + 1) * trees.width].to_vec()));
            continue;
        }
        nodes.push(Node::Split {
            feature: trees.features[node] as usize,
            threshold: trees.thresholds[node],
            missing_left: trees.missing_left[node] != 0,
        });
        open.push(trees.right[node] as usize);
        open.push(trees.left[node] as usize);
    }
    nodes
}

/// The nodes of an oracle's tree.
pub(crate) fn from_oracle(tree: &Value) -> Vec<Node> {
    let nodes = tree.as_array().unwrap().iter();
    nodes
        .map(|node| match node["value"].as_array() {
            Some(values) => Node::Leaf(values.iter().map(|value| value.as_f64().unwrap()).collect()),
            None => Node::Split {
                feature: node["feature"].as_u64().unwrap() as usize,
                threshold: node["threshold"].as_f64().unwrap_or(f64::INFINITY),
                missing_left: node["missing_left"].as_bool().unwrap(),
            },
        })
        .collect()
}

/// The nodes without their thresholds and the way of missing values: which feature is asked, and what is answered.
pub(crate) fn shape(nodes: Vec<Node>) -> Vec<Node> {
    let without = |node| match node {
        Node::Split { feature, .. } => Node::Split { feature, threshold: 0.0, missing_left: false },
        leaf => leaf,
    };
    nodes.into_iter().map(without).collect()
}

/// Fails unless the trees ask the same and answer the same to within `tolerance`.
#[track_caller]
pub(crate) fn assert_same(actual: &[Node], expected: &[Node], tolerance: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}\n{actual:?}\n{expected:?}");
    for (actual, expected) in actual.iter().zip(expected) {
        let same = match (actual, expected) {
            (Node::Leaf(actual), Node::Leaf(expected)) => {
                let close = |(a, e): (&f64, &f64)| (a - e).abs() <= tolerance * e.abs().max(1.0);
                actual.len() == expected.len() && actual.iter().zip(expected).all(close)
            }
            (
                Node::Split { feature, threshold, missing_left },
                Node::Split { feature: asked, threshold: highest, missing_left: goes_left },
            ) => {
                // A number loses its last bit on its way through JSON.
                let close = (threshold - highest).abs() <= 1e-14 * highest.abs() || threshold == highest;
                (feature, missing_left) == (asked, goes_left) && close
            }
            _ => false,
        };
        assert!(same, "{what}: {actual:?} and not {expected:?}");
    }
}
