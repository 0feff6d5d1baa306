//! From rows to a fitted model.

use crate::design::Design;
use crate::newton::{End, Limits, Penalties, minimise};
use crate::rows::Rows;
use crate::status::FitStatus;

use super::binary::BinaryLoss;
use super::by_class::{center_undecided, class_by_class};
use super::fit::LogisticFit;
use super::inference;
use super::multinomial::MultinomialLoss;
use super::options::LogisticOptions;

/// How many parameters are moved together at most: their Hessian takes 8 MB, and its factorisation half a second.
const MOST_AT_ONCE: usize = 1000;

/// Fits the probabilities of the target's values, its classes, from the features of `rows`, minimising
///
/// `c Σ weight · (−ln P(class)) + l1_ratio Σ |w| + ½ (1 − l1_ratio) Σ w²`
///
/// as [`Penalty`](super::Penalty) has it, the objective of scikit-learn's `LogisticRegression`; without a penalty the
/// likelihood alone, as statsmodels' `Logit` and `MNLogit` do. With two classes `P = 1 / (1 + e^(−b − xᵀw))` for the second
/// one; with more they are the softmax of a sum per class (D. R. Cox, "The regression analysis of binary sequences", JRSS
/// B 20, 1958; D. Böhning, "Multinomial logistic regression algorithm", AISM 44, 1992). It is minimised by Newton's
/// method, with absolute penalties by its proximal form.
///
/// A weight says how many rows a row stands for. Without a penalty, dependent features are dropped, and a group whose
/// classes the features separate, so that the coefficients grow without end, is reported as such.
///
/// # Panics
///
/// If an option is outside its range.
pub fn fit_logistic(rows: Rows<'_>, options: &LogisticOptions) -> LogisticFit {
    options.check().expect("the options of the logistic regression were checked");
    let terms = rows.features().len() + usize::from(options.intercept);
    if !rows.are_usable() {
        return LogisticFit::empty(FitStatus::NonFinite, Vec::new(), terms);
    }
    let (classes, class_of) = classes_of(rows);
    match classes.len() {
        0 => return LogisticFit::empty(FitStatus::TooFewRows, classes, terms),
        1 => return LogisticFit::empty(FitStatus::SingleClass, classes, terms),
        _ => {}
    }
    fit_classes(rows, options, &class_of, &classes).unwrap_or_else(|status| LogisticFit::empty(status, classes, terms))
}

/// The values of the target in rows that count, ascending, and the number of each row's.
fn classes_of(rows: Rows<'_>) -> (Vec<f64>, Vec<usize>) {
    // 0 and −0 are one class.
    let value = |i: usize| rows.target()[i] + 0.0;
    let mut classes: Vec<f64> = Vec::new();
    for i in (0..rows.len()).filter(|&i| rows.weight(i) > 0.0) {
        if let Err(at) = classes.binary_search_by(|class| class.total_cmp(&value(i))) {
            classes.insert(at, value(i));
        }
    }
    let class_of =
        (0..rows.len()).map(|i| classes.binary_search_by(|class| class.total_cmp(&value(i))).unwrap_or(0)).collect();
    (classes, class_of)
}

fn fit_classes(
    rows: Rows<'_>,
    options: &LogisticOptions,
    class_of: &[usize],
    classes: &[f64],
) -> Result<LogisticFit, FitStatus> {
    let (c, l1, l2) = options.penalty.costs();
    let penalised = l1 + l2 > 0.0;
    let design = Design::new(rows, options.intercept, !penalised)?;
    let counts: Vec<f64> = (0..rows.len()).map(|i| c * rows.weight(i)).collect();
    let lists = if classes.len() > 2 { classes.len() } else { 1 };
    let penalties = penalties(&design, lists, l1, l2);
    let limits = Limits { max_iterations: options.max_iterations, tolerance: options.tolerance };
    let width = design.width();
    let mut parameters = vec![0.0; width * lists];

    let (end, iterations) = if lists == 1 {
        let signs: Vec<f64> = class_of.iter().map(|&class| if class == 1 { 1.0 } else { -1.0 }).collect();
        minimise(&mut BinaryLoss::new(&design, &signs, &counts, None), &penalties, &mut parameters, limits)
    } else if parameters.len() <= MOST_AT_ONCE {
        let mut loss = MultinomialLoss::new(&design, class_of, lists, &counts, penalised);
        minimise(&mut loss, &penalties, &mut parameters, limits)
    } else {
        class_by_class(&design, class_of, &counts, &penalties, &mut parameters, limits, penalised)
    };
    if lists > 1 {
        center_undecided(&design, &mut parameters, penalised);
    }

    let status = match end {
        End::Converged if design.dropped.is_empty() => FitStatus::Ok,
        End::Converged => FitStatus::RankDeficient,
        End::OutOfIterations => FitStatus::NotConverged,
        End::Unbounded => return Err(FitStatus::Separated),
        End::Singular => return Err(FitStatus::IllConditioned),
    };
    let mut fit = LogisticFit::empty(status, classes.to_vec(), design.terms());
    fit.iterations = iterations;
    for (list, parameters) in fit.coefficients.iter_mut().zip(parameters.chunks_exact(width.max(1))) {
        *list = design.coefficients(parameters).ok_or(FitStatus::NonFinite)?;
    }
    if lists > 1 && design.intercept {
        // Taking the means out of the features moved their sum.
        let mean = fit.coefficients.iter().filter_map(|list| list[0]).sum::<f64>() / lists as f64;
        fit.coefficients.iter_mut().filter_map(|list| list[0].as_mut()).for_each(|value| *value -= mean);
    }
    inference::complete(&mut fit, rows, &design, class_of, &parameters, penalised);
    fit.dropped = design.dropped;
    Ok(fit)
}

/// What the scaled parameters cost: `|w| = |u| / scale`.
fn penalties(design: &Design, lists: usize, l1: f64, l2: f64) -> Penalties {
    let free = usize::from(design.intercept);
    // Beyond the largest float it is as good as infinite, which nothing could be multiplied with.
    let costs = |cost: f64, power: i32| -> Vec<f64> {
        let one = std::iter::repeat_n(0.0, free)
            .chain(design.scale.iter().map(|scale| (cost * scale.powi(-power)).min(f64::MAX.sqrt())));
        one.collect::<Vec<_>>().repeat(lists)
    };
    Penalties { l1: costs(l1, 1), l2: costs(l2, 2) }
}
