//! Rows that are kept aside, to stop before the model learns noise.

use serde::{Deserialize, Serialize};

use crate::option_error::{OptionError, require};
use crate::random::Random;

/// When boosting stops before its last round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EarlyStopping {
    /// The share of the rows that is not learned from; of each class for itself where classes are predicted.
    pub validation_fraction: f64,
    /// Rounds without improvement after which to stop. The model keeps the rounds up to the best one.
    pub patience: usize,
    /// How much the mean loss of a kept row has to fall to count as improvement.
    pub tolerance: f64,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { validation_fraction: 0.1, patience: 10, tolerance: 1e-7 }
    }
}

impl EarlyStopping {
    pub(super) fn check(&self) -> Result<(), OptionError> {
        let Self { validation_fraction, patience, tolerance } = self;
        let is_share = *validation_fraction > 0.0 && *validation_fraction < 1.0;
        require(is_share, "validation_fraction", "must be between 0 and 1")?;
        require(*patience > 0, "patience", "must be at least 1")?;
        require(*tolerance >= 0.0, "tolerance", "must be zero or more")
    }
}

/// The rows to learn from and the rows to validate on. Each kind of rows gives its share, rounded down over the kinds so
/// far, so that small classes are not left out altogether and the shares add up.
pub(super) fn split(kinds: &[Vec<u32>], fraction: f64, random: &mut Random) -> (Vec<u32>, Vec<u32>) {
    let (mut learn, mut validate) = (Vec::new(), Vec::new());
    let mut rows = 0;
    for kind in kinds {
        rows += kind.len();
        let wanted = (rows as f64 * fraction) as usize;
        let mut kind = kind.clone();
        let count = (wanted - validate.len()).min(kind.len());
        random.draw(&mut kind, count);
        validate.extend_from_slice(&kind[..count]);
        learn.extend_from_slice(&kind[count..]);
    }
    learn.sort_unstable();
    validate.sort_unstable();
    (learn, validate)
}

/// Watches the loss of the rows that were kept aside.
#[derive(Debug)]
pub(super) struct Watch {
    best: f64,
    best_round: usize,
}

impl Watch {
    /// Before the first round, with the baseline's loss.
    pub(super) fn new(loss: f64) -> Self {
        Self { best: loss, best_round: 0 }
    }

    /// Takes in the loss after so many rounds, and says whether to stop.
    pub(super) fn should_stop(&mut self, rounds: usize, loss: f64, options: &EarlyStopping) -> bool {
        if loss < self.best - options.tolerance {
            self.best = loss;
            self.best_round = rounds;
        }
        rounds - self.best_round >= options.patience
    }

    /// The rounds to keep.
    pub(super) fn best_rounds(&self) -> usize {
        self.best_round
    }

    /// The loss after them.
    pub(super) fn best(&self) -> f64 {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_gives_its_share() {
        let kinds = [(0..40).collect(), (40..60).collect::<Vec<u32>>(), (60..65).collect()];
        let (learn, validate) = split(&kinds, 0.2, &mut Random::new(1));
        let among = |from, to| validate.iter().filter(|row| (from..to).contains(*row)).count();
        assert_eq!([among(0, 40), among(40, 60), among(60, 65)], [8, 4, 1]);
        let mut all = [learn, validate].concat();
        all.sort_unstable();
        assert_eq!(all, (0..65).collect::<Vec<u32>>());
    }

    #[test]
    fn stops_when_the_loss_has_not_fallen_for_long_enough() {
        let options = EarlyStopping { patience: 2, tolerance: 0.01, ..EarlyStopping::default() };
        let mut watch = Watch::new(1.0);
        let stops: Vec<bool> = [0.5, 0.495, 0.4, 0.41, 0.395]
            .into_iter()
            .enumerate()
            .map(|(round, loss)| watch.should_stop(round + 1, loss, &options))
            .collect();
        assert_eq!(stops, [false, false, false, false, true]);
        assert_eq!((watch.best_rounds(), watch.best()), (3, 0.4));
    }
}
