//! Problems to fit.

/// A source of numbers for problems.
pub(crate) struct Numbers(shoal_testkit::Numbers);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(shoal_testkit::Numbers::new(seed))
    }

    /// Evenly from 0 to 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0.uniform()
    }

    /// About normal: a sum of twelve.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.uniform() * bound as f64) as usize
    }
}

/// Columns and what they explain.
#[derive(Clone)]
pub(crate) struct Problem {
    pub(crate) columns: Vec<Vec<f64>>,
    /// The expected value of the target, and the target with noise.
    pub(crate) expected: Vec<f64>,
    pub(crate) target: Vec<f64>,
}

impl Problem {
    pub(crate) fn rows(&self) -> usize {
        self.target.len()
    }

    pub(crate) fn slices(&self) -> Vec<&[f64]> {
        self.columns.iter().map(Vec::as_slice).collect()
    }

    /// The rows in another order, or some of them.
    pub(crate) fn pick(&self, rows: &[usize]) -> Self {
        let pick = |values: &Vec<f64>| rows.iter().map(|row| values[*row]).collect::<Vec<f64>>();
        let columns = self.columns.iter().map(pick).collect();
        Self { columns, expected: pick(&self.expected), target: pick(&self.target) }
    }

    pub(crate) fn split(&self, first: usize) -> (Self, Self) {
        let rows: Vec<usize> = (0..self.rows()).collect();
        (self.pick(&rows[..first]), self.pick(&rows[first..]))
    }

    /// The target cut at its quantiles into so many classes.
    pub(crate) fn classes(&self, count: usize) -> Vec<usize> {
        let mut sorted = self.target.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let cuts: Vec<f64> = (1..count).map(|k| sorted[k * sorted.len() / count]).collect();
        self.target.iter().map(|value| cuts.iter().filter(|cut| value >= *cut).count()).collect()
    }
}

/// J. H. Friedman's first problem (1991): five features matter, the sixth does not.
pub(crate) fn friedman(seed: u64, rows: usize, noise: f64) -> Problem {
    let mut numbers = Numbers::new(seed);
    let columns: Vec<Vec<f64>> = (0..6).map(|_| (0..rows).map(|_| numbers.uniform()).collect()).collect();
    let value = |row: usize| {
        let x = |feature: usize| columns[feature][row];
        10.0 * (std::f64::consts::PI * x(0) * x(1)).sin() + 20.0 * (x(2) - 0.5).powi(2) + 10.0 * x(3) + 5.0 * x(4)
    };
    let expected: Vec<f64> = (0..rows).map(value).collect();
    let target = expected.iter().map(|value| value + noise * numbers.normal()).collect();
    Problem { columns, expected, target }
}

/// The problem with so great a share of all values missing.
pub(crate) fn with_missing(mut problem: Problem, seed: u64, share: f64) -> Problem {
    let mut numbers = Numbers::new(seed);
    for value in problem.columns.iter_mut().flatten() {
        if numbers.uniform() < share {
            *value = f64::NAN;
        }
    }
    problem
}
