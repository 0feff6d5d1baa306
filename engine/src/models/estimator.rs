use serde::{Deserialize, Serialize};
use shoal_core::job::Model;
use shoal_core::spec::v1alpha1::{
    BoostingLoss, CostOfBoth, CostOfCoefficients, ElasticNet, Glm, GlmFamily, GlmLink, GradientBoosting, Lasso,
    Logistic, LogisticPenalty, Mean, Ols, Predicted, RandomForest, Ridge, StandardErrors,
};
use shoal_ml::boosting::{BoostingOptions, EarlyStopping, NumberLoss};
use shoal_ml::forest::ForestOptions;
use shoal_ml::model::LinearMethod;
use shoal_ml::{
    ElasticNetOptions, Family, GlmOptions, Link, LogisticOptions, Needs, OlsOptions, Penalty, RidgeOptions, RobustKind,
};

/// What is fitted, with all its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Estimator {
    /// Least squares, with standard errors of that kind where they are not the classical ones.
    Ols(OlsOptions, Option<RobustKind>),
    /// Ridge regression.
    Ridge(RidgeOptions),
    /// The lasso.
    Lasso(ElasticNetOptions),
    /// The elastic net.
    ElasticNet(ElasticNetOptions),
    /// Logistic regression, of more than two classes or not.
    Logistic(LogisticOptions, Classes),
    /// A generalised linear model.
    Glm(GlmOptions),
    /// A random forest.
    Forest(ForestOptions, Predicted),
    /// Boosted trees, which minimise that where they predict a number.
    Boosting(BoostingOptions, NumberLoss, Predicted),
    /// The mean.
    Mean,
}

/// How many classes a target may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Classes {
    /// Two.
    Two,
    /// Two or more.
    Many,
}

impl Estimator {
    /// The estimator that a job asks for.
    pub fn new(model: &Model) -> Self {
        match model {
            Model::Ols(Ols { intercept, standard_errors, .. }) => {
                Self::Ols(OlsOptions { intercept: *intercept }, robust(*standard_errors))
            }
            Model::Ridge(Ridge { intercept, alpha, .. }) => {
                Self::Ridge(RidgeOptions { intercept: *intercept, alpha: *alpha })
            }
            Model::Lasso(Lasso {
                target: _,
                features: _,
                categorical: _,
                weight: _,
                intercept,
                alpha,
                alphas: _,
                max_iterations,
                tolerance,
            }) => Self::Lasso(net(*intercept, *alpha, 1.0, *max_iterations, *tolerance)),
            Model::ElasticNet(ElasticNet {
                target: _,
                features: _,
                categorical: _,
                weight: _,
                intercept,
                alpha,
                alphas: _,
                l1_ratio,
                max_iterations,
                tolerance,
            }) => Self::ElasticNet(net(*intercept, *alpha, *l1_ratio, *max_iterations, *tolerance)),
            Model::Logistic(logistic) => {
                let classes = if logistic.multinomial { Classes::Many } else { Classes::Two };
                Self::Logistic(logistic_options(logistic), classes)
            }
            Model::Glm(glm) => Self::Glm(glm_options(glm)),
            Model::RandomForest(forest) => Self::Forest(forest_options(forest), forest.predict),
            Model::GradientBoosting(boosting) => {
                let loss = match boosting.loss {
                    None | Some(BoostingLoss::SquaredError) => NumberLoss::SquaredError,
                    Some(BoostingLoss::AbsoluteError) => NumberLoss::AbsoluteError,
                    Some(BoostingLoss::Poisson) => NumberLoss::Poisson,
                };
                Self::Boosting(boosting_options(boosting), loss, boosting.predict)
            }
            Model::Mean(Mean { target: _ }) => Self::Mean,
        }
    }

    /// What of a group's rows the estimator is fitted from, as long as no row weighs more than another.
    pub fn needs(&self) -> Needs {
        match self {
            Self::Ols(_, None) => OlsOptions::NEEDS,
            Self::Ridge(_) => RidgeOptions::NEEDS,
            Self::Lasso(_) | Self::ElasticNet(_) => ElasticNetOptions::NEEDS,
            Self::Mean => Needs::Moments,
            Self::Logistic(..) => LogisticOptions::NEEDS,
            Self::Glm(_) => GlmOptions::NEEDS,
            Self::Ols(_, Some(_)) | Self::Forest(..) | Self::Boosting(..) => Needs::Rows,
        }
    }

    /// The terms that have coefficients: the features, with the intercept first or without. `None` where there are none.
    pub(super) fn intercept(&self) -> Option<bool> {
        match self {
            Self::Ols(options, _) => Some(options.intercept),
            Self::Ridge(options) => Some(options.intercept),
            Self::Lasso(options) | Self::ElasticNet(options) => Some(options.intercept),
            Self::Logistic(options, _) => Some(options.intercept),
            Self::Glm(options) => Some(options.intercept),
            Self::Forest(..) | Self::Boosting(..) | Self::Mean => None,
        }
    }

    /// The method of a linear model whose prediction is its linear combination: its coefficients say all.
    pub fn plain_linear(&self) -> Option<LinearMethod> {
        match self {
            Self::Ols(..) => Some(LinearMethod::Ols),
            Self::Ridge(_) => Some(LinearMethod::Ridge),
            Self::Lasso(_) => Some(LinearMethod::Lasso),
            Self::ElasticNet(_) => Some(LinearMethod::ElasticNet),
            Self::Logistic(..) | Self::Glm(_) | Self::Forest(..) | Self::Boosting(..) | Self::Mean => None,
        }
    }
}

fn robust(errors: StandardErrors) -> Option<RobustKind> {
    match errors {
        StandardErrors::Classical => None,
        StandardErrors::Hc0 => Some(RobustKind::Hc0),
        StandardErrors::Hc1 => Some(RobustKind::Hc1),
        StandardErrors::Hc2 => Some(RobustKind::Hc2),
        StandardErrors::Hc3 => Some(RobustKind::Hc3),
    }
}

/// `alpha` is absent where nobody says it, and where it is chosen from several.
fn net(intercept: bool, alpha: Option<f64>, l1_ratio: f64, max_iterations: u32, tolerance: f64) -> ElasticNetOptions {
    let alpha = alpha.unwrap_or(ElasticNetOptions::default().alpha);
    ElasticNetOptions { intercept, alpha, l1_ratio, max_iterations: max_iterations as usize, tolerance }
}

fn logistic_options(logistic: &Logistic) -> LogisticOptions {
    let Logistic {
        target: _,
        features: _,
        categorical: _,
        weight: _,
        intercept,
        multinomial: _,
        penalty,
        max_iterations,
        tolerance,
    } = logistic;
    let penalty = match penalty {
        LogisticPenalty { l2: Some(CostOfCoefficients { c }), .. } => Penalty::L2 { c: *c },
        LogisticPenalty { l1: Some(CostOfCoefficients { c }), .. } => Penalty::L1 { c: *c },
        LogisticPenalty { elastic_net: Some(CostOfBoth { c, l1_ratio }), .. } => {
            Penalty::ElasticNet { c: *c, l1_ratio: *l1_ratio }
        }
        LogisticPenalty { none: _, .. } => Penalty::None,
    };
    LogisticOptions { intercept: *intercept, penalty, max_iterations: *max_iterations as usize, tolerance: *tolerance }
}

fn glm_options(glm: &Glm) -> GlmOptions {
    let Glm { target: _, features: _, categorical: _, weight: _, intercept, family, link, max_iterations, tolerance } =
        glm;
    GlmOptions {
        family: match family {
            GlmFamily::Poisson => Family::Poisson,
            GlmFamily::Gamma => Family::Gamma,
            GlmFamily::Binomial => Family::Binomial,
        },
        link: link.map(|link| match link {
            GlmLink::Log => Link::Log,
            GlmLink::Inverse => Link::Inverse,
            GlmLink::Logit => Link::Logit,
            GlmLink::Probit => Link::Probit,
        }),
        intercept: *intercept,
        max_iterations: *max_iterations as usize,
        tolerance: *tolerance,
    }
}

fn forest_options(forest: &RandomForest) -> ForestOptions {
    let RandomForest {
        target: _,
        features: _,
        categorical: _,
        predict: _,
        trees,
        max_depth,
        max_leaves,
        min_samples_leaf,
        features_per_split,
        bootstrap,
        max_bins,
        seed,
    } = forest;
    ForestOptions {
        trees: *trees as usize,
        max_depth: max_depth.map(|depth| depth as usize),
        max_leaves: max_leaves.map(|leaves| leaves as usize),
        min_samples_leaf: *min_samples_leaf as usize,
        features_per_split: *features_per_split,
        bootstrap: *bootstrap,
        max_bins: *max_bins as usize,
        seed: *seed,
    }
}

fn boosting_options(boosting: &GradientBoosting) -> BoostingOptions {
    let GradientBoosting {
        target: _,
        features: _,
        categorical: _,
        predict: _,
        loss: _,
        rounds,
        learning_rate,
        max_depth,
        max_leaves,
        min_samples_leaf,
        l2,
        max_bins,
        subsample,
        column_subsample,
        early_stopping,
        seed,
    } = boosting;
    BoostingOptions {
        rounds: *rounds as usize,
        learning_rate: *learning_rate,
        max_depth: max_depth.map(|depth| depth as usize),
        max_leaves: Some(*max_leaves as usize),
        min_samples_leaf: *min_samples_leaf as usize,
        l2: *l2,
        max_bins: *max_bins as usize,
        subsample: *subsample,
        column_subsample: *column_subsample,
        early_stopping: early_stopping.as_ref().map(|stopping| EarlyStopping {
            validation_fraction: stopping.validation_fraction,
            patience: stopping.patience as usize,
            tolerance: stopping.tolerance,
        }),
        seed: *seed,
    }
}
