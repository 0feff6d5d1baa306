use super::{INTERCEPT, refuse_duplicates};
use crate::failure::{Failure, Reason};
use crate::spec::v1alpha1::{
    self, Categorical, ElasticNet, Glm, GradientBoosting, Lasso, Logistic, Mean, Ols, RandomForest, Ridge,
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

impl Model {
    /// Makes a model of a spec, whose member `path` is the model.
    ///
    /// # Errors
    /// A failure with the field's path: no model, a feature twice, a feature that is the target or has the constant
    /// term's name.
    pub(super) fn parse(spec: &v1alpha1::Model, path: &str) -> Result<Self, Failure> {
        // Taken apart without `..`, so that a new model cannot be forgotten here.
        let v1alpha1::Model { ols, ridge, lasso, elastic_net, logistic, glm, random_forest, gradient_boosting, mean } =
            spec.clone();
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
        match self {
            Self::Ols(Ols { target, .. })
            | Self::Ridge(Ridge { target, .. })
            | Self::Lasso(Lasso { target, .. })
            | Self::ElasticNet(ElasticNet { target, .. })
            | Self::Logistic(Logistic { target, .. })
            | Self::Glm(Glm { target, .. })
            | Self::RandomForest(RandomForest { target, .. })
            | Self::GradientBoosting(GradientBoosting { target, .. })
            | Self::Mean(Mean { target }) => target,
        }
    }

    /// Columns or aliased expressions to explain it by; none of the mean.
    pub fn features(&self) -> &[String] {
        match self {
            Self::Ols(Ols { features, .. })
            | Self::Ridge(Ridge { features, .. })
            | Self::Lasso(Lasso { features, .. })
            | Self::ElasticNet(ElasticNet { features, .. })
            | Self::Logistic(Logistic { features, .. })
            | Self::Glm(Glm { features, .. })
            | Self::RandomForest(RandomForest { features, .. })
            | Self::GradientBoosting(GradientBoosting { features, .. }) => features,
            Self::Mean(_) => &[],
        }
    }

    /// Columns of categories to explain it by.
    pub fn categorical(&self) -> &[Categorical] {
        match self {
            Self::Ols(Ols { categorical, .. })
            | Self::Ridge(Ridge { categorical, .. })
            | Self::Lasso(Lasso { categorical, .. })
            | Self::ElasticNet(ElasticNet { categorical, .. })
            | Self::Logistic(Logistic { categorical, .. })
            | Self::Glm(Glm { categorical, .. })
            | Self::RandomForest(RandomForest { categorical, .. })
            | Self::GradientBoosting(GradientBoosting { categorical, .. }) => categorical,
            Self::Mean(_) => &[],
        }
    }

    /// Column or aliased expression of what a row weighs, where rows differ in that.
    pub fn weight(&self) -> Option<&str> {
        match self {
            Self::Ols(Ols { weight, .. })
            | Self::Ridge(Ridge { weight, .. })
            | Self::Lasso(Lasso { weight, .. })
            | Self::ElasticNet(ElasticNet { weight, .. })
            | Self::Logistic(Logistic { weight, .. })
            | Self::Glm(Glm { weight, .. }) => weight.as_deref(),
            Self::RandomForest(_) | Self::GradientBoosting(_) | Self::Mean(_) => None,
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
