//! Likelihoods and, without a penalty, the errors of the coefficients.

use crate::design::Design;
use crate::distributions::normal_two_sided;
use crate::newton::Loss;
use crate::positive_definite::{factorise, inverse};
use crate::rows::Rows;

use super::binary::BinaryLoss;
use super::fit::LogisticFit;
use super::multinomial::MultinomialLoss;

pub(super) fn complete(
    fit: &mut LogisticFit,
    rows: Rows<'_>,
    design: &Design,
    class_of: &[usize],
    parameters: &[f64],
    penalised: bool,
) {
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let counts: Vec<f64> = (0..rows.len()).map(|i| rows.weight(i)).collect();
    let classes = fit.classes.len();
    let width = design.width();
    let mut estimated = width;
    let loss = if classes == 2 {
        let signs: Vec<f64> = class_of.iter().map(|&class| if class == 1 { 1.0 } else { -1.0 }).collect();
        let mut loss = BinaryLoss::new(design, &signs, &counts, None);
        let value = loss.value(parameters);
        if !penalised {
            let mut information = vec![0.0; width * width];
            loss.derivatives(&mut vec![0.0; width], &mut information);
            test_coefficients(fit, design, information);
        }
        value
    } else {
        estimated *= classes - 1;
        // Without a penalty all sums are zero, and with one only those of the intercepts count, which are.
        MultinomialLoss::new(design, class_of, classes, &counts, penalised).value(parameters)
    };
    fit.log_likelihood = finite(-loss);

    let total: f64 = counts.iter().sum();
    let null = if design.intercept {
        let mut of_class = vec![0.0; classes];
        class_of.iter().zip(&counts).for_each(|(&class, count)| of_class[class] += count);
        of_class.iter().map(|count| count * (count / total).ln()).sum()
    } else {
        -total * (classes as f64).ln()
    };
    fit.null_log_likelihood = finite(null);
    fit.pseudo_r2 = finite(1.0 + loss / null);
    if !penalised {
        fit.aic = finite(2.0 * loss + 2.0 * estimated as f64);
        fit.bic = finite(2.0 * loss + estimated as f64 * total.ln());
    }
}

fn test_coefficients(fit: &mut LogisticFit, design: &Design, mut information: Vec<f64>) {
    if !factorise(&mut information, design.width(), 0.0) {
        return;
    }
    fit.std_errors = design.std_errors(&inverse(&information, design.width()));
    for (term, error) in fit.std_errors.iter().enumerate() {
        let z = fit.coefficients[0][term].zip(*error).map(|(coefficient, error)| coefficient / error);
        if let Some(z) = z.filter(|z| z.is_finite()) {
            fit.z_values[term] = Some(z);
            fit.p_values[term] = Some(normal_two_sided(z));
        }
    }
}
