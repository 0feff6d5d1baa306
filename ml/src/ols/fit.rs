//! The result of a least squares fit.

use serde::{Deserialize, Serialize};

use crate::status::{FitStatus, dropped_in_words};

/// The fit of one group. Every value that is present is finite; one that is missing was not
/// estimated, or is not defined for this group.
///
/// A term is the intercept, where there is one, or a feature; `n` is the row count, `rank` the number
/// of terms kept, `RSS` the residual sum of squares, and `TSS` the sum of squares of the target about
/// its mean, or about zero without an intercept.
///
/// A constant target has no variation to explain: its status is ok, but R², adjusted R² and F are
/// missing. So are, for a target that is fitted exactly, the t values, F and the likelihood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OlsFit {
    /// How the fit ended.
    pub status: FitStatus,
    /// The 0-based indices of the features that depend linearly on the terms before them.
    pub dropped: Vec<usize>,
    /// The estimate of each term: the intercept first where there is one, then the features in order.
    pub coefficients: Vec<Option<f64>>,
    /// The standard error of each term, `√(sigma² (XᵀX)⁻¹[j,j])`.
    pub std_errors: Vec<Option<f64>>,
    /// Each coefficient divided by its standard error.
    pub t_values: Vec<Option<f64>>,
    /// `P(|T| > |t|)` of each term, for Student's t with `df_residual` degrees of freedom.
    pub p_values: Vec<Option<f64>>,
    /// The share of `TSS` that the model explains, `1 − RSS / TSS`.
    pub r2: Option<f64>,
    /// `1 − (1 − r2) (n − intercept) / df_residual`, counting the intercept as 1.
    pub adj_r2: Option<f64>,
    /// The residual standard deviation, `√(RSS / df_residual)`.
    pub sigma: Option<f64>,
    /// `n − rank`.
    pub df_residual: Option<i64>,
    /// The F statistic of all slopes against none, or of all terms where there is no intercept.
    pub f_value: Option<f64>,
    /// `P(F > f_value)`.
    pub f_p_value: Option<f64>,
    /// The normal log likelihood at its maximum, `−n/2 (ln 2π + ln(RSS / n) + 1)`; with analytic weights `w`,
    /// `½ Σ ln w` more.
    pub log_likelihood: Option<f64>,
    /// `−2 log_likelihood + 2 rank`: sigma is not counted as a parameter.
    pub aic: Option<f64>,
    /// `−2 log_likelihood + rank ln n`.
    pub bic: Option<f64>,
    /// How many of the sixteen decimal digits of a float nearly dependent features may have cost the slopes, if they were
    /// estimated, measured in standard deviations of the target per standard deviation of the feature. Mostly fewer are
    /// lost; of a slope that is small against the largest in that measure, or against 1, as many more as it is small by.
    pub digits_lost: Option<f64>,
}

impl OlsFit {
    /// A fit of `terms` terms that estimated nothing.
    pub(super) fn empty(status: FitStatus, terms: usize) -> Self {
        let unknown = || vec![None; terms];
        let (std_errors, t_values, p_values) = (unknown(), unknown(), unknown());
        Self { std_errors, t_values, p_values, ..Self::of_coefficients(status, unknown()) }
    }

    /// A fit of which nothing but the coefficients is asked for: of their errors and tests there is not even room.
    pub(super) fn of_coefficients(status: FitStatus, coefficients: Vec<Option<f64>>) -> Self {
        Self {
            status,
            dropped: Vec::new(),
            coefficients,
            std_errors: Vec::new(),
            t_values: Vec::new(),
            p_values: Vec::new(),
            r2: None,
            adj_r2: None,
            sigma: None,
            df_residual: None,
            f_value: None,
            f_p_value: None,
            log_likelihood: None,
            aic: None,
            bic: None,
            digits_lost: None,
        }
    }

    /// What to tell the user about a status other than ok, in words.
    ///
    /// # Panics
    ///
    /// If `feature_names` does not name every feature.
    pub fn message(&self, feature_names: &[impl AsRef<str>], rows_used: u64) -> Option<String> {
        let terms = self.coefficients.len();
        match self.status {
            FitStatus::TooFewRows => {
                let rows = counted(rows_used, "row");
                let terms = counted(terms as u64, "term");
                Some(if self.df_residual.is_some() {
                    format!("{rows} for {terms}: the fit is exact and leaves no row to estimate its error from")
                } else {
                    format!("{rows} for {terms}: too few to estimate them")
                })
            }
            FitStatus::RankDeficient => {
                Some(dropped_in_words(&self.dropped, feature_names, terms > feature_names.len()))
            }
            FitStatus::IllConditioned => Some(match self.digits_lost {
                Some(digits) => format!(
                    "the features are so nearly dependent that up to {digits:.0} of 16 digits of the coefficients are lost"
                ),
                None => FitStatus::IllConditioned.words()?.to_owned(),
            }),
            other => other.words().map(str::to_owned),
        }
    }
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["age", "income"];

    #[test]
    fn a_complete_fit_needs_no_words() {
        assert_eq!(OlsFit::empty(FitStatus::Ok, 3).message(&NAMES, 9), None);
    }

    #[test]
    fn too_few_rows_are_counted_against_the_terms() {
        let mut fit = OlsFit::empty(FitStatus::TooFewRows, 3);
        assert_eq!(fit.message(&NAMES, 1).as_deref(), Some("1 row for 3 terms: too few to estimate them"));
        fit.df_residual = Some(0);
        assert_eq!(
            fit.message(&NAMES, 3).as_deref(),
            Some("3 rows for 3 terms: the fit is exact and leaves no row to estimate its error from")
        );
    }

    #[test]
    fn dropped_features_are_named_with_the_reason() {
        let mut fit = OlsFit::empty(FitStatus::RankDeficient, 3);
        fit.dropped = vec![1];
        assert_eq!(
            fit.message(&NAMES, 9).as_deref(),
            Some("dropped income: it is constant or a linear combination of the features before it")
        );
        let mut fit = OlsFit::empty(FitStatus::RankDeficient, 2);
        fit.dropped = vec![0, 1];
        assert_eq!(
            fit.message(&NAMES, 9).as_deref(),
            Some("dropped age, income: each is zero or a linear combination of the features before it")
        );
    }
}
