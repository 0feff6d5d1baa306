//! Errors of predicted classes and of their probabilities. Classes are numbered from 0.

/// Rows counted by their class and the class that was predicted for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// Row-major: `counts[actual * classes + predicted]`.
    counts: Vec<u64>,
}

impl Confusion {
    /// No rows of so many classes.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// The counts of one slice of rows.
    ///
    /// # Panics
    ///
    /// If the slices differ in length, or a class is not below `classes`.
    pub fn of(classes: usize, actual: &[usize], predicted: &[usize]) -> Self {
        assert_eq!(actual.len(), predicted.len());
        let mut confusion = Self::new(classes);
        for (actual, predicted) in actual.iter().zip(predicted) {
            confusion.push(*actual, *predicted);
        }
        confusion
    }

    /// Adds one row.
    ///
    /// # Panics
    ///
    /// If a class is not below the number of classes.
    pub fn push(&mut self, actual: usize, predicted: usize) {
        assert!(actual < self.classes && predicted < self.classes, "there is no such class");
        self.counts[actual * self.classes + predicted] += 1;
    }

    /// Adds the rows of another value, in any order.
    ///
    /// # Panics
    ///
    /// If it is about another number of classes.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.classes, other.classes);
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }

    /// How many rows of one class were predicted to be of another.
    pub fn count(&self, actual: usize, predicted: usize) -> u64 {
        self.counts[actual * self.classes + predicted]
    }

    /// The share of rows whose class was predicted.
    pub fn accuracy(&self) -> Option<f64> {
        let right = (0..self.classes).map(|class| self.count(class, class)).sum();
        ratio(right, self.counts.iter().sum())
    }

    /// Of the rows that were predicted to be of a class, the share that is: `TP / (TP + FP)`. Missing if there are none.
    pub fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.predicted(class))
    }

    /// Of the rows of a class, the share that was predicted to be: `TP / (TP + FN)`. Missing if there are none.
    pub fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.actual(class))
    }

    /// The harmonic mean of precision and recall, `2 TP / (2 TP + FP + FN)`. Missing if the class is in neither.
    pub fn f1(&self, class: usize) -> Option<f64> {
        ratio(2 * self.count(class, class), self.predicted(class) + self.actual(class))
    }

    /// The plain mean of F1 over the classes that occur, among the rows or the predictions.
    pub fn macro_f1(&self) -> Option<f64> {
        let values: Vec<f64> = (0..self.classes).filter_map(|class| self.f1(class)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        mean.is_finite().then_some(mean)
    }

    fn actual(&self, class: usize) -> u64 {
        (0..self.classes).map(|predicted| self.count(class, predicted)).sum()
    }

    fn predicted(&self, class: usize) -> u64 {
        (0..self.classes).map(|actual| self.count(actual, class)).sum()
    }
}

/// The mean of `−ln p(class of the row)`, as a sum that merges.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LogLoss {
    count: u64,
    sum: f64,
}

impl LogLoss {
    /// The loss of one slice of rows; `probabilities` is row-major, `rows × classes`, and each row adds up to 1.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit, or a class is not below `classes`.
    pub fn of(classes: usize, actual: &[usize], probabilities: &[f64]) -> Self {
        assert_eq!(actual.len() * classes, probabilities.len());
        let mut loss = Self::default();
        for (actual, probabilities) in actual.iter().zip(probabilities.chunks_exact(classes)) {
            loss.push(probabilities[*actual]);
        }
        loss
    }

    /// Adds one row, by the probability that was predicted for its class.
    ///
    /// It is held within `[ε, 1 − ε]` for the machine's ε of 2.2e-16, as scikit-learn does, so that one row that was
    /// thought impossible costs 36 and not everything.
    pub fn push(&mut self, probability: f64) {
        self.count += 1;
        self.sum -= probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
    }

    /// Adds the rows of another value, in any order.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
    }

    /// The mean over the rows.
    pub fn mean(&self) -> Option<f64> {
        let mean = self.sum / self.count as f64;
        mean.is_finite().then_some(mean)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
