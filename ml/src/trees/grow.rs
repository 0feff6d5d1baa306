//! One tree, the most promising leaf first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use crate::random::Random;

use super::binning::{Binned, MISSING};
use super::ensemble::Ensemble;
use super::histogram::{Histogram, Layout};
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
    /// The sums of its rows, where they are worth keeping.
    histogram: Option<Histogram>,
}

/// A node whose split is looked for.
struct Place {
    node: usize,
    depth: usize,
    rows: Range<usize>,
}

/// What a tree is grown on.
#[derive(Clone, Copy)]
struct Ground<'a> {
    gradients: Gradients<'a>,
    /// Those that it may be split by.
    features: &'a [u32],
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
    /// Of the features of this tree.
    layout: Layout,
    /// Histograms that open nodes hold.
    kept: usize,
    /// Arrays of histograms that are not needed any more.
    spare: Vec<Vec<f64>>,
}

impl<'a> Grower<'a> {
    pub(crate) fn new(binned: &'a Binned, options: &'a GrowOptions, width: usize) -> Self {
        debug_assert!(binned.rows() <= u32::MAX as usize);
        let search = Search::new(width);
        Self {
            binned,
            options,
            search,
            open: BinaryHeap::new(),
            leaves: Vec::new(),
            moved: Vec::new(),
            layout: Layout::default(),
            kept: 0,
            spare: Vec::new(),
        }
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
        self.layout = Layout::new(self.binned, features, gradients.width);
        let ground = Ground { gradients, features };
        let root = trees.push_node();
        trees.roots.push(root as u32);
        let mut leaf_count = 1;
        let whole = Place { node: root, depth: 0, rows: 0..rows.len() };
        let histogram = self.histogram(ground, rows);
        self.consider(ground, rows, random, trees, whole, histogram);
        let max_leaves = self.options.max_leaves.unwrap_or(usize::MAX);
        while let Some(Open { split, node, depth, rows: range, histogram }) = self.open.pop() {
            if leaf_count >= max_leaves {
                self.leaves.push((node, range));
                self.give_back(histogram);
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
            let left = Place { node: left, depth: depth + 1, rows: range.start..middle };
            let right = Place { node: right, depth: depth + 1, rows: middle..range.end };
            let (of_left, of_right) = self.histograms(ground, rows, histogram, &left, &right);
            self.consider(ground, rows, random, trees, left, of_left);
            self.consider(ground, rows, random, trees, right, of_right);
        }
        for (node, range) in self.leaves.drain(..) {
            finish(Leaf { rows: &rows[range], values: trees.values_of_mut(node) });
        }
    }

    /// Gives a node its value, and its place among the open ones if it can be split.
    fn consider(
        &mut self,
        Ground { gradients, features }: Ground<'_>,
        rows: &[u32],
        random: &mut Random,
        trees: &mut Ensemble,
        Place { node, depth, rows: range }: Place,
        histogram: Option<Histogram>,
    ) {
        let here = &rows[range.clone()];
        let totals = self.search.totals(gradients, here);
        let weight = totals[gradients.width] + self.options.l2;
        for (value, gradient) in trees.values_of_mut(node).iter_mut().zip(totals) {
            *value = if weight > 0.0 { -gradient / weight } else { 0.0 };
        }
        let split = match &histogram {
            _ if !self.may_split(depth, here.len()) => None,
            Some(histogram) => self.search.best_of(self.binned, (&self.layout, histogram), features, self.options),
            None => self.search.best(self.binned, gradients, here, features, self.options, random),
        };
        match split {
            Some(split) => {
                let histogram = self.keep(histogram, range.len());
                self.open.push(Open { split, node, depth, rows: range, histogram });
            }
            None => {
                self.leaves.push((node, range));
                self.give_back(histogram);
            }
        }
    }

    fn may_split(&self, depth: usize, rows: usize) -> bool {
        let deep = self.options.max_depth.is_some_and(|max_depth| depth >= max_depth);
        let small = (rows as f64) < 2.0 * self.options.min_samples_leaf;
        !deep && !small
    }

    /// The histogram of a tree's root, where there is to be one. Where each node draws features of its own, those of its
    /// parent are others.
    fn histogram(&mut self, ground: Ground<'_>, rows: &[u32]) -> Option<Histogram> {
        let draws = self.options.features_per_node.is_some_and(|wanted| wanted < ground.features.len());
        let is_kept = !draws && self.layout.is_worth(rows.len()) && self.kept < self.layout.kept_max();
        is_kept.then(|| self.fill(ground, rows))
    }

    fn fill(&mut self, Ground { gradients, features }: Ground<'_>, rows: &[u32]) -> Histogram {
        self.kept += 1;
        let sums = self.spare.pop().unwrap_or_default();
        Histogram::of_rows(&self.layout, (self.binned, features), gradients, rows, sums)
    }

    /// The histograms of both children, where their parent has one: that of the larger is what the smaller leaves of it.
    fn histograms(
        &mut self,
        ground: Ground<'_>,
        rows: &[u32],
        parent: Option<Histogram>,
        left: &Place,
        right: &Place,
    ) -> (Option<Histogram>, Option<Histogram>) {
        let Some(parent) = parent else { return (None, None) };
        let left_is_larger = left.rows.len() > right.rows.len();
        let (larger, smaller) = if left_is_larger { (left, right) } else { (right, left) };
        if !self.may_split(larger.depth, larger.rows.len()) {
            // Neither may the smaller one.
            self.give_back(Some(parent));
            return (None, None);
        }
        let features = (self.binned, ground.features);
        let (here, others) = (&rows[larger.rows.clone()], &rows[smaller.rows.clone()]);
        let of_smaller = self.layout.is_worth(others.len()).then(|| self.fill(ground, others));
        let of_larger = match &of_smaller {
            _ if !parent.keeps_digits(ground.gradients, here) => {
                Histogram::of_rows(&self.layout, features, ground.gradients, here, parent.into_sums())
            }
            Some(of_smaller) => parent.without(of_smaller),
            None => parent.without_rows(&self.layout, features, ground.gradients, others),
        };
        let of_larger = Some(of_larger);
        if left_is_larger { (of_larger, of_smaller) } else { (of_smaller, of_larger) }
    }

    /// Keeps the histogram of an open node, where its children's are worth being made from it.
    fn keep(&mut self, histogram: Option<Histogram>, rows: usize) -> Option<Histogram> {
        let is_kept = self.layout.is_worth(rows) && self.kept < self.layout.kept_max();
        if is_kept {
            return histogram;
        }
        self.give_back(histogram);
        None
    }

    /// Takes back the array of a histogram that is not needed any more.
    fn give_back(&mut self, histogram: Option<Histogram>) {
        if let Some(histogram) = histogram {
            self.kept -= 1;
            self.spare.push(histogram.into_sums());
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
