//! Many classes or features: the parameters of one class at a time.

use crate::design::Design;
use crate::newton::{End, Limits, Loss, Penalties, minimise};

use super::binary::BinaryLoss;
use super::multinomial::MultinomialLoss;

/// Moves the parameters of one class after the other, each as if the others were known: the loss is then that of two
/// classes, with `−ln Σ e^η` of the others added to the sum (J. Friedman, T. Hastie, R. Tibshirani, Journal of Statistical
/// Software 33, 2010, section 4.1). Slower to converge than all at once, in the memory of one.
pub(super) fn class_by_class(
    design: &Design,
    class_of: &[usize],
    counts: &[f64],
    penalties: &Penalties,
    parameters: &mut [f64],
    limits: Limits,
    penalised: bool,
) -> (End, usize) {
    let (rows, width) = (design.rows, design.width());
    let classes = parameters.len() / width;
    let mut eta = vec![0.0; rows * classes];
    let mut whole = MultinomialLoss::new(design, class_of, classes, counts, penalised);
    let mut value = f64::INFINITY;
    for round in 1..=limits.max_iterations {
        for k in 0..classes {
            let offset: Vec<f64> = (0..rows)
                .map(|i| {
                    let others = (0..classes).filter(|&l| l != k).map(|l| eta[l * rows + i]);
                    let highest = others.clone().fold(f64::NEG_INFINITY, f64::max);
                    -highest - others.map(|other| (other - highest).exp()).sum::<f64>().ln()
                })
                .collect();
            let signs: Vec<f64> = class_of.iter().map(|&class| if class == k { 1.0 } else { -1.0 }).collect();
            let range = k * width..(k + 1) * width;
            let own = Penalties { l1: penalties.l1[range.clone()].to_vec(), l2: penalties.l2[range.clone()].to_vec() };
            let mut loss = BinaryLoss::new(design, &signs, counts, Some(&offset));
            minimise(&mut loss, &own, &mut parameters[range.clone()], Limits { max_iterations: 2, ..limits });
            design.predict(&parameters[range], &mut eta[k * rows..(k + 1) * rows]);
        }
        center_undecided(design, parameters, penalised);
        for k in 0..classes {
            design.predict(&parameters[k * width..(k + 1) * width], &mut eta[k * rows..(k + 1) * rows]);
        }
        let costs: f64 = parameters
            .iter()
            .zip(&penalties.l1)
            .zip(&penalties.l2)
            .map(|((u, l1), l2)| l1 * u.abs() + 0.5 * l2 * u * u)
            .sum();
        let reached = whole.value(parameters) + costs;
        if !penalised && whole.falls_forever(&vec![0.0; parameters.len()]) {
            return (End::Unbounded, round);
        }
        // A round falls by a share of what is left, so less than a hundredth of the tolerance has to be left to fall.
        if value - reached <= limits.tolerance / 100.0 * reached.abs() {
            return (End::Converged, round);
        }
        value = reached;
    }
    (End::OutOfIterations, limits.max_iterations)
}

/// Makes what nothing decides sum to zero over the classes.
pub(super) fn center_undecided(design: &Design, parameters: &mut [f64], penalised: bool) {
    let width = design.width();
    let free = if penalised { usize::from(design.intercept) } else { width };
    for j in 0..free {
        let (sum, count) =
            parameters.iter().skip(j).step_by(width).fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        parameters.iter_mut().skip(j).step_by(width).for_each(|value| *value -= sum / count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Rows;

    #[test]
    fn one_class_at_a_time_ends_where_all_at_once_does() {
        let value = |seed: usize, i: usize| ((i * i * seed + 7 * i) % 101) as f64 / 50.0 - 1.0;
        let columns: Vec<Vec<f64>> = [3, 11].map(|seed| (0..90).map(|i| value(seed, i)).collect()).to_vec();
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let class_of: Vec<usize> = (0..90).map(|i| (value(3, i) + value(29, i) + 2.0) as usize % 3).collect();
        let target: Vec<f64> = class_of.iter().map(|&class| class as f64).collect();
        let design = Design::new(Rows::new(&columns, &target), true, false).unwrap();
        let counts = vec![1.0; 90];
        let limits = Limits { max_iterations: 1000, tolerance: 1e-13 };
        for (l1, l2) in [(0.0, 0.0), (0.0, 1.0), (0.7, 0.1)] {
            let penalised = l1 + l2 > 0.0;
            let costs = |cost: f64| [0.0, cost, cost].repeat(3);
            let penalties = Penalties { l1: costs(l1), l2: costs(l2) };
            let mut at_once = vec![0.0; 9];
            let mut loss = MultinomialLoss::new(&design, &class_of, 3, &counts, penalised);
            assert_eq!(minimise(&mut loss, &penalties, &mut at_once, limits).0, End::Converged);
            let mut one_by_one = vec![0.0; 9];
            let (end, _) = class_by_class(&design, &class_of, &counts, &penalties, &mut one_by_one, limits, penalised);
            assert_eq!(end, End::Converged);
            for (a, b) in at_once.iter().zip(&one_by_one) {
                assert!((a - b).abs() < 1e-5, "{at_once:?} {one_by_one:?}");
            }
        }
    }
}
