use super::{INTERCEPT, refuse_duplicates};
use crate::failure::{Failure, Reason};
use crate::spec::v1alpha1::{
    self, Alphas, Categorical, ElasticNet, Glm, GradientBoosting, Lasso, Logistic, Mean, Ols, Predicted, RandomForest,
    Ridge,
};

/// The model to train. Features are distinct, and neither the target nor called as the constant term.
#[derive(Clone, Debug)]
pub enum Model {
    /// Ordinary or weighted least squares.
    Ols(Ols),
    /// Least squares with a penalty on squares.
    Ridge(Ridge),
    /// Least squares with a penalty on absolute values.
    Lasso(Lasso),
    /// Least squares with both penalties.
    ElasticNet(ElasticNet),
    /// Logistic regression.
    Logistic(Logistic),
    /// A generalised linear model.
    Glm(Glm),
    /// A random forest.
    RandomForest(RandomForest),
    /// Boosted trees.
    GradientBoosting(GradientBoosting),
    /// The mean.
    Mean(Mean),
}

/// What a model is of, as the spec says it.
struct Variables<'a> {
    target: &'a str,
    features: &'a [String],
    categorical: &'a [Categorical],
    weight: Option<&'a str>,
}

impl Model {
    /// Makes a model of a spec, whose member `path` is the model.
    ///
    /// # Errors
    /// A failure with the field's path: no model, a feature twice, a feature that is the target or has the constant
    /// term's name.
    pub(super) fn parse(spec: &v1alpha1::Model, path: &str) -> Result<Self, Failure> {
        // Taken apart without `..`, so that a new model cannot be forgotten here.
        let v1alpha1::Model {
            ols,
            ridge,
            lasso,
            elastic_net,
            logistic,
            glm,
            random_forest,
            gradient_boosting,
            mean,
            python: _,
        } = spec.clone();
        let model = ols
            .map(Self::Ols)
            .or_else(|| ridge.map(Self::Ridge))
            .or_else(|| lasso.map(Self::Lasso))
            .or_else(|| elastic_net.map(Self::ElasticNet))
            .or_else(|| logistic.map(Self::Logistic))
            .or_else(|| glm.map(Self::Glm))
            .or_else(|| random_forest.map(Self::RandomForest))
            .or_else(|| gradient_boosting.map(Self::GradientBoosting))
            .or_else(|| mean.map(Self::Mean))
            .ok_or_else(|| Failure::new(Reason::MissingField, "no model is named").field(path).next("add `ols`"))?;
        model.check(&format!("{path}.{}", model.name()))?;
        Ok(model)
    }

    /// The name of its member of the spec, and of its stored form.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ols(_) => "ols",
            Self::Ridge(_) => "ridge",
            Self::Lasso(_) => "lasso",
            Self::ElasticNet(_) => "elasticNet",
            Self::Logistic(_) => "logistic",
            Self::Glm(_) => "glm",
            Self::RandomForest(_) => "randomForest",
            Self::GradientBoosting(_) => "gradientBoosting",
            Self::Mean(_) => "mean",
        }
    }

    /// Column or aliased expression to explain.
    pub fn target(&self) -> &str {
        self.variables().target
    }

    /// Columns or aliased expressions to explain it by; none of the mean.
    pub fn features(&self) -> &[String] {
        self.variables().features
    }

    /// Columns of categories to explain it by.
    pub fn categorical(&self) -> &[Categorical] {
        self.variables().categorical
    }

    /// Column or aliased expression of what a row weighs, where rows differ in that.
    pub fn weight(&self) -> Option<&str> {
        self.variables().weight
    }

    /// The alphas to choose from, where there are several.
    pub fn alphas(&self) -> Option<&Alphas> {
        match self {
            Self::Lasso(Lasso { alphas, .. }) | Self::ElasticNet(ElasticNet { alphas, .. }) => alphas.as_ref(),
            _ => None,
        }
    }

    /// Whether what it predicts are classes: values of the target, each with a probability.
    pub fn predicts_classes(&self) -> bool {
        match self {
            Self::Logistic(_) => true,
            Self::RandomForest(RandomForest { predict, .. })
            | Self::GradientBoosting(GradientBoosting { predict, .. }) => *predict == Predicted::Class,
            Self::Ols(_) | Self::Ridge(_) | Self::Lasso(_) | Self::ElasticNet(_) | Self::Glm(_) | Self::Mean(_) => {
                false
            }
        }
    }

    /// Whether it would predict classes, if it were asked to.
    pub fn can_predict_classes(&self) -> bool {
        matches!(self, Self::Logistic(_) | Self::RandomForest(_) | Self::GradientBoosting(_))
    }

    fn variables(&self) -> Variables<'_> {
        macro_rules! of {
            ($model:ident) => {
                Variables {
                    target: &$model.target,
                    features: &$model.features,
                    categorical: &$model.categorical,
                    weight: None,
                }
            };
            (weighted $model:ident) => {
                Variables { weight: $model.weight.as_deref(), ..of!($model) }
            };
        }
        match self {
            Self::Ols(model) => of!(weighted model),
            Self::Ridge(model) => of!(weighted model),
            Self::Lasso(model) => of!(weighted model),
            Self::ElasticNet(model) => of!(weighted model),
            Self::Logistic(model) => of!(weighted model),
            Self::Glm(model) => of!(weighted model),
            Self::RandomForest(model) => of!(model),
            Self::GradientBoosting(model) => of!(model),
            Self::Mean(Mean { target }) => Variables { target, features: &[], categorical: &[], weight: None },
        }
    }

    fn check(&self, path: &str) -> Result<(), Failure> {
        let path = format!("{path}.features");
        let features = self.features();
        refuse_duplicates(features, &path, "feature")?;
        if let Some(index) = features.iter().position(|feature| feature == self.target()) {
            return Err(Failure::new(
                Reason::DuplicateName,
                format!("`{}` is the target and a feature", self.target()),
            )
            .field(format!("{path}[{index}]"))
            .next("remove it from the features: a model that knows the answer learns nothing"));
        }
        if let Some(index) = features.iter().position(|feature| feature == INTERCEPT) {
            return Err(Failure::new(
                Reason::InvalidName,
                "a feature cannot be called `intercept`: the constant term of the output has that name",
            )
            .field(format!("{path}[{index}]"))
            .next("give it another name with `AS`, as `intercept AS intercept_column`"));
        }
        Ok(())
    }
}
