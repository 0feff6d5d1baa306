//! The columns of a table of models that depend on the estimator.

use arrow::datatypes::Schema;
use shoal_core::job::{GroupedTraining, INTERCEPT, Model};
use shoal_core::spec::v1alpha1::{Predicted, Statistics};

use super::estimator::{Classes, Estimator};
use super::training::Training;

/// Columns that every table has, after the keys.
pub(super) const STATUS: &str = "status";
pub(super) const MESSAGE: &str = "message";
pub(super) const ROWS_USED: &str = "rows_used";
pub(super) const ROWS_DROPPED: &str = "rows_dropped";

/// The column that has what is known of each term, where that is a list.
pub(super) const TERMS: &str = "terms";

/// The column of stored models.
pub const MODEL: &str = "model";

/// Terms that are fields of structs at the most. A struct of more is unwieldy in every tool, and each of its fields is a
/// column of the file.
const STRUCT_TERMS_MAX: usize = 64;

/// A column of its own that an estimator gives the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnColumn {
    pub(super) name: &'static str,
    pub(super) holds: Holds,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// A number per term; the name is that of one of them.
    PerTerm(&'static str),
    Number,
    Count,
    Model,
}

/// How what is known of terms is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TermsLayout {
    /// A column per number, a struct with a field per term.
    Structs,
    /// One column, a list of structs with a field per number.
    List,
    /// As [`TermsLayout::List`], where a term is of a class.
    ListByClass,
}

const fn per_term(name: &'static str, one: &'static str) -> OwnColumn {
    OwnColumn { name, holds: Holds::PerTerm(one) }
}

const fn number(name: &'static str) -> OwnColumn {
    OwnColumn { name, holds: Holds::Number }
}

const fn count(name: &'static str) -> OwnColumn {
    OwnColumn { name, holds: Holds::Count }
}

const STORED: OwnColumn = OwnColumn { name: MODEL, holds: Holds::Model };
const COEFFICIENTS: OwnColumn = per_term("coefficients", "coefficient");
const STD_ERRORS: OwnColumn = per_term("std_errors", "std_error");
const P_VALUES: OwnColumn = per_term("p_values", "p_value");

const OLS: &[OwnColumn] = &[
    COEFFICIENTS,
    STD_ERRORS,
    per_term("t_values", "t_value"),
    P_VALUES,
    number("r2"),
    number("adj_r2"),
    number("sigma"),
    count("df_residual"),
    number("f_value"),
    number("f_p_value"),
    number("log_likelihood"),
    number("aic"),
    number("bic"),
    STORED,
];
const RIDGE: &[OwnColumn] = &[COEFFICIENTS, number("r2"), number("rmse"), STORED];
const ELASTIC_NET: &[OwnColumn] =
    &[COEFFICIENTS, number("r2"), number("rmse"), count("nonzero"), count("iterations"), number("duality_gap"), STORED];
const ALPHA: OwnColumn = number("alpha");
const CHOSEN_ELASTIC_NET: &[OwnColumn] = &[
    COEFFICIENTS,
    ALPHA,
    number("r2"),
    number("rmse"),
    count("nonzero"),
    count("iterations"),
    number("duality_gap"),
    STORED,
];
const LOGISTIC: &[OwnColumn] = &[
    COEFFICIENTS,
    STD_ERRORS,
    per_term("z_values", "z_value"),
    P_VALUES,
    number("log_likelihood"),
    number("null_log_likelihood"),
    number("pseudo_r2"),
    number("aic"),
    number("bic"),
    count("iterations"),
    STORED,
];
const GLM: &[OwnColumn] = &[
    COEFFICIENTS,
    STD_ERRORS,
    per_term("z_values", "z_value"),
    P_VALUES,
    number("deviance"),
    number("null_deviance"),
    number("pearson_chi2"),
    number("dispersion"),
    number("df_residual"),
    number("log_likelihood"),
    number("aic"),
    count("iterations"),
    STORED,
];
const FOREST: &[OwnColumn] = &[number("out_of_bag_score"), STORED];
const BOOSTING: &[OwnColumn] = &[count("rounds"), number("train_loss"), number("validation_loss"), STORED];
const MEAN: &[OwnColumn] = &[number("mean"), number("sigma"), STORED];

/// What predictions of rows tell that the model of all others made.
const TESTED_NUMBERS: &[OwnColumn] = &[count("cv_rows"), number("cv_rmse"), number("cv_mae"), number("cv_r2")];
const TESTED_CLASSES: &[OwnColumn] =
    &[count("cv_rows"), number("cv_accuracy"), number("cv_log_loss"), number("cv_macro_f1"), number("cv_roc_auc")];

/// The names that a table of such models has for its own columns, which no key may have. `input` has the columns of the
/// table that is trained on.
pub fn reserved_columns(training: &GroupedTraining, model: &Model, input: &Schema) -> Vec<&'static str> {
    let estimator = Estimator::new(model);
    let is_column = |feature: &String| input.field_with_name(feature).is_ok();
    let is_told_by_names = model.categorical().is_empty() && model.features().iter().all(is_column);
    let tested: &[OwnColumn] = if training.evaluate.is_some() { evaluation_columns(&estimator) } else { &[] };
    let chooses_alpha = model.alphas().is_some();
    let own = own_columns(&estimator, chooses_alpha, training.statistics, is_told_by_names);
    let own = own.iter().chain(tested).map(|column| column.name);
    [STATUS, MESSAGE, ROWS_USED, ROWS_DROPPED, TERMS].into_iter().chain(own).collect()
}

fn evaluation_columns(estimator: &Estimator) -> &'static [OwnColumn] {
    match estimator {
        Estimator::Logistic(..)
        | Estimator::Forest(_, Predicted::Class)
        | Estimator::Boosting(.., Predicted::Class) => TESTED_CLASSES,
        _ => TESTED_NUMBERS,
    }
}

/// Coefficients are the model of a linear combination of columns; any other is stored as well.
fn own_columns(
    estimator: &Estimator,
    chooses_alpha: bool,
    statistics: Statistics,
    is_told_by_names: bool,
) -> &'static [OwnColumn] {
    match statistics {
        Statistics::Coefficients if chooses_alpha && is_told_by_names => &[COEFFICIENTS, ALPHA],
        Statistics::Coefficients if chooses_alpha => &[COEFFICIENTS, ALPHA, STORED],
        Statistics::Full if chooses_alpha => CHOSEN_ELASTIC_NET,
        Statistics::Coefficients if is_told_by_names && estimator.plain_linear().is_some() => &[COEFFICIENTS],
        Statistics::Coefficients if estimator.intercept().is_some() => &[COEFFICIENTS, STORED],
        Statistics::Coefficients | Statistics::Full => match estimator {
            Estimator::Ols(..) => OLS,
            Estimator::Ridge(_) => RIDGE,
            Estimator::Lasso(_) | Estimator::ElasticNet(_) => ELASTIC_NET,
            Estimator::Logistic(..) => LOGISTIC,
            Estimator::Glm(_) => GLM,
            Estimator::Forest(..) => FOREST,
            Estimator::Boosting(..) => BOOSTING,
            Estimator::Mean => MEAN,
        },
    }
}

impl Training {
    /// The estimator's columns, in their order.
    pub(super) fn own_columns(&self) -> &'static [OwnColumn] {
        own_columns(&self.estimator, self.alphas.is_some(), self.statistics, self.is_told_by_names())
    }

    /// The columns that say how predictions of other rows went, where models are tested.
    pub(super) fn evaluation_columns(&self) -> &'static [OwnColumn] {
        if self.folds.is_some() { evaluation_columns(&self.estimator) } else { &[] }
    }

    /// All columns that depend on what is trained.
    pub(super) fn columns(&self) -> impl Iterator<Item = &'static OwnColumn> + use<> {
        self.own_columns().iter().chain(self.evaluation_columns())
    }

    /// The terms that have coefficients, in order.
    pub(super) fn terms(&self) -> Vec<String> {
        let Some(intercept) = self.estimator.intercept() else { return Vec::new() };
        let constant = intercept.then(|| INTERCEPT.to_owned());
        constant.into_iter().chain(self.features.iter().cloned()).collect()
    }

    pub(super) fn terms_layout(&self) -> TermsLayout {
        match &self.estimator {
            Estimator::Logistic(_, Classes::Many) => TermsLayout::ListByClass,
            _ if self.has_categories || self.terms().len() > STRUCT_TERMS_MAX => TermsLayout::List,
            _ => TermsLayout::Structs,
        }
    }
}
