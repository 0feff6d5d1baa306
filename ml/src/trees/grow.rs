//! One tree, the most promising leaf first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use crate::random::Random;

use super::binning::{Binned, MISSING};
use super::ensemble::Ensemble;
use super::search::{Gradients, Search, Split};

/// What bounds a tree.
#[derive(Clone, Debug)]
pub(crate) struct GrowOptions {
    /// Edges from the root to a leaf at most.
    pub(crate) max_depth: Option<usize>,
    pub(crate) max_leaves: Option<usize>,
    /// Rows of a leaf at least; a float, as it is compared with sums.
    pub(crate) min_samples_leaf: f64,
    /// The penalty λ of a leaf's value.
    pub(crate) l2: f64,
    /// Features that a node may choose from, drawn anew for each; all if absent.
    pub(crate) features_per_node: Option<usize>,
}

/// A leaf of a tree that has just been grown.
#[derive(Debug)]
pub(crate) struct Leaf<'a> {
    /// The rows of the tree that ended here.
    pub(crate) rows: &'a [u32],
    /// The values to fill in; they hold the Newton step `−G_k / (H + λ)`.
    pub(crate) values: &'a mut [f64],
}

/// A node that may be split, ordered by what that gains; of equal ones the older first.
#[derive(Debug)]
struct Open {
    split: Split,
    node: usize,
    depth: usize,
    rows: Range<usize>,
}

/// Grows trees on the same binned rows, without allocating anew for each.
#[derive(Debug)]
pub(crate) struct Grower<'a> {
    binned: &'a Binned,
    options: &'a GrowOptions,
    search: Search,
    open: BinaryHeap<Open>,
    leaves: Vec<(usize, Range<usize>)>,
    moved: Vec<u32>,
}

impl<'a> Grower<'a> {
    pub(crate) fn new(binned: &'a Binned, options: &'a GrowOptions, width: usize) -> Self {
        debug_assert!(binned.rows() <= u32::MAX as usize);
        let search = Search::new(width);
        Self { binned, options, search, open: BinaryHeap::new(), leaves: Vec::new(), moved: Vec::new() }
    }

    /// Adds to `trees` one tree of `rows` (which may repeat; they come back in another order), split by `features` only,
    /// and calls `finish` for each leaf.
    pub(crate) fn grow(
        &mut self,
        gradients: Gradients<'_>,
        rows: &mut [u32],
        features: &[u32],
        random: &mut Random,
        trees: &mut Ensemble,
        mut finish: impl FnMut(Leaf<'_>),
    ) {
        self.leaves.clear();
        let root = trees.push_node();
        trees.roots.push(root as u32);
        let mut leaf_count = 1;
        self.consider(gradients, rows, features, random, trees, (root, 0, 0..rows.len()));
        let max_leaves = self.options.max_leaves.unwrap_or(usize::MAX);
        while let Some(Open { split, node, depth, rows: range }) = self.open.pop() {
            if leaf_count >= max_leaves {
                self.leaves.push((node, range));
                continue;
            }
            leaf_count += 1;
            let middle = range.start + self.partition(&mut rows[range.clone()], &split);
            let (left, right) = (trees.push_node(), trees.push_node());
            trees.features[node] = split.feature as u32;
            trees.thresholds[node] = self.binned.threshold(split.feature, split.bin);
            trees.left[node] = left as u32;
            trees.right[node] = right as u32;
            trees.missing_left[node] = u8::from(split.missing_left);
            trees.values_of_mut(node).fill(0.0);
            self.consider(gradients, rows, features, random, trees, (left, depth + 1, range.start..middle));
            self.consider(gradients, rows, features, random, trees, (right, depth + 1, middle..range.end));
        }
        for (node, range) in self.leaves.drain(..) {
            finish(Leaf { rows: &rows[range], values: trees.values_of_mut(node) });
        }
    }

    /// Gives a node its value, and its place among the open ones if it can be split.
    fn consider(
        &mut self,
        gradients: Gradients<'_>,
        rows: &[u32],
        features: &[u32],
        random: &mut Random,
        trees: &mut Ensemble,
        (node, depth, range): (usize, usize, Range<usize>),
    ) {
        let here = &rows[range.clone()];
        let totals = self.search.totals(gradients, here);
        let weight = totals[gradients.width] + self.options.l2;
        for (value, gradient) in trees.values_of_mut(node).iter_mut().zip(totals) {
            *value = if weight > 0.0 { -gradient / weight } else { 0.0 };
        }
        let deep = self.options.max_depth.is_some_and(|max_depth| depth >= max_depth);
        let small = (here.len() as f64) < 2.0 * self.options.min_samples_leaf;
        let split = if deep || small {
            None
        } else {
            self.search.best(self.binned, gradients, here, features, self.options, random)
        };
        match split {
            Some(split) => self.open.push(Open { split, node, depth, rows: range }),
            None => self.leaves.push((node, range)),
        }
    }

    /// Puts the rows that go left first, keeping the order within each side, and says how many they are.
    fn partition(&mut self, rows: &mut [u32], split: &Split) -> usize {
        let bins = self.binned.column(split.feature);
        self.moved.clear();
        let mut kept = 0;
        for place in 0..rows.len() {
            let row = rows[place];
            let bin = bins[row as usize];
            let goes_left = if bin == MISSING { split.missing_left } else { bin <= split.bin };
            if goes_left {
                rows[kept] = row;
                kept += 1;
            } else {
                self.moved.push(row);
            }
        }
        rows[kept..].copy_from_slice(&self.moved);
        kept
    }
}

impl Ord for Open {
    fn cmp(&self, other: &Self) -> Ordering {
        self.split.gain.total_cmp(&other.split.gain).then_with(|| other.node.cmp(&self.node))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Open {}
