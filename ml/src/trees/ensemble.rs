//! Trees as flat arrays of nodes, which is also how they are stored.

use super::Columns;

/// Trees whose nodes follow each other in flat arrays.
///
/// A node with `left == 0` is a leaf and has `width` values; any other has a feature and a threshold, and sends a row to
/// `left` if its value is at most the threshold, to `right` if it is above, and where `missing_left` says if it is NaN. A
/// child comes after its parent, so a walk ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    /// Values per leaf.
    pub width: usize,
    /// The first node of each tree.
    pub roots: Vec<u32>,
    /// The feature that a node asks; 0 in a leaf.
    pub features: Vec<u32>,
    /// The largest value that goes left; 0 in a leaf. Infinity where only missing values go right.
    pub thresholds: Vec<f64>,
    /// The left child, or 0 in a leaf.
    pub left: Vec<u32>,
    /// The right child, or 0 in a leaf.
    pub right: Vec<u32>,
    /// 1 where a missing value goes left, else 0.
    pub missing_left: Vec<u8>,
    /// `width` values of each node; 0 in a node that is no leaf.
    pub values: Vec<f64>,
}

/// Why arrays are no trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnsembleError {
    /// The arrays are not all about the same number of nodes.
    #[error("the arrays of nodes have different lengths")]
    Lengths,
    /// A tree begins at a node that is not there.
    #[error("tree {0} begins at a node that is not there")]
    Root(usize),
    /// A node has a child that is not after it, or not there, or only one child.
    #[error("node {0} has a child that is not after it")]
    Child(usize),
    /// A node asks for a feature that the model does not have.
    #[error("node {0} asks for a feature that is not there")]
    Feature(usize),
    /// A threshold or a value is not a number.
    #[error("node {0} has a threshold or a value that is not a number")]
    NotANumber(usize),
}

impl Ensemble {
    /// No trees, with so many values per leaf.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            roots: Vec::new(),
            features: Vec::new(),
            thresholds: Vec::new(),
            left: Vec::new(),
            right: Vec::new(),
            missing_left: Vec::new(),
            values: Vec::new(),
        }
    }

    /// The number of trees.
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether there is no tree.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// The number of nodes of all trees.
    pub fn nodes(&self) -> usize {
        self.features.len()
    }

    /// Whether the arrays are trees over so many features. Nothing else in here may be asked of arrays that are not.
    pub fn check(&self, features: usize) -> Result<(), EnsembleError> {
        let nodes = self.nodes();
        let lengths = [self.thresholds.len(), self.left.len(), self.right.len(), self.missing_left.len()];
        if lengths.iter().any(|length| *length != nodes) || Some(self.values.len()) != nodes.checked_mul(self.width) {
            return Err(EnsembleError::Lengths);
        }
        if let Some(tree) = self.roots.iter().position(|root| *root as usize >= nodes) {
            return Err(EnsembleError::Root(tree));
        }
        for node in 0..nodes {
            let (left, right) = (self.left[node] as usize, self.right[node] as usize);
            if left == 0 && right == 0 {
                if self.values_of(node).iter().any(|value| value.is_nan()) {
                    return Err(EnsembleError::NotANumber(node));
                }
                continue;
            }
            if left <= node || right <= node || left >= nodes || right >= nodes {
                return Err(EnsembleError::Child(node));
            }
            if self.features[node] as usize >= features {
                return Err(EnsembleError::Feature(node));
            }
            if self.thresholds[node].is_nan() {
                return Err(EnsembleError::NotANumber(node));
            }
        }
        Ok(())
    }

    /// Keeps the first trees only.
    pub fn truncate(&mut self, trees: usize) {
        let Some(first_dropped) = self.roots.get(trees) else { return };
        let nodes = *first_dropped as usize;
        self.roots.truncate(trees);
        self.features.truncate(nodes);
        self.thresholds.truncate(nodes);
        self.left.truncate(nodes);
        self.right.truncate(nodes);
        self.missing_left.truncate(nodes);
        self.values.truncate(nodes * self.width);
    }

    /// The values of the leaf that a row ends in.
    #[inline]
    pub fn leaf(&self, tree: usize, columns: &Columns<'_>, row: usize) -> &[f64] {
        let mut node = self.roots[tree] as usize;
        while self.left[node] != 0 {
            let value = columns.get(row, self.features[node] as usize);
            let goes_left = if value.is_nan() { self.missing_left[node] != 0 } else { value <= self.thresholds[node] };
            node = if goes_left { self.left[node] } else { self.right[node] } as usize;
        }
        self.values_of(node)
    }

    /// Adds a node that is a leaf of zeros, for now.
    pub(super) fn push_node(&mut self) -> usize {
        self.features.push(0);
        self.thresholds.push(0.0);
        self.left.push(0);
        self.right.push(0);
        self.missing_left.push(0);
        self.values.resize(self.values.len() + self.width, 0.0);
        self.nodes() - 1
    }

    pub(super) fn values_of_mut(&mut self, node: usize) -> &mut [f64] {
        &mut self.values[node * self.width..(node + 1) * self.width]
    }

    fn values_of(&self, node: usize) -> &[f64] {
        &self.values[node * self.width..(node + 1) * self.width]
    }
}
