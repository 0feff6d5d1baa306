//! Linear models.

use crate::model::{LinearMethod, LinearModel, Link, ModelError, Uncertainty};

use super::cbor::Value;
use super::fields::{Fields, map, text, texts};

impl LinearMethod {
    /// All methods; their names are the names of stored estimators.
    pub const ALL: [Self; 6] = [Self::Ols, Self::Ridge, Self::Lasso, Self::ElasticNet, Self::Logistic, Self::Glm];
}

const LINKS: [Link; 8] =
    [Link::Identity, Link::Log, Link::Inverse, Link::Sqrt, Link::Logit, Link::Probit, Link::Cloglog, Link::Softmax];

pub(super) fn name(method: LinearMethod) -> &'static str {
    match method {
        LinearMethod::Ols => "ols",
        LinearMethod::Ridge => "ridge",
        LinearMethod::Lasso => "lasso",
        LinearMethod::ElasticNet => "elasticNet",
        LinearMethod::Logistic => "logistic",
        LinearMethod::Glm => "glm",
    }
}

fn link_name(link: Link) -> &'static str {
    match link {
        Link::Identity => "identity",
        Link::Log => "log",
        Link::Inverse => "inverse",
        Link::Sqrt => "sqrt",
        Link::Logit => "logit",
        Link::Probit => "probit",
        Link::Cloglog => "cloglog",
        Link::Softmax => "softmax",
    }
}

pub(super) fn to_value(model: &LinearModel) -> Value {
    let LinearModel { method: _, link, terms, intercepts, coefficients, uncertainty } = model;
    let uncertainty = uncertainty.as_ref().map_or(Value::Null, |Uncertainty { sigma, df, inverse_gram }| {
        map([
            ("sigma", Value::Number(*sigma)),
            ("df", Value::Number(*df)),
            ("inverseGram", Value::Numbers(inverse_gram.clone())),
        ])
    });
    map([
        ("link", text(link_name(*link))),
        ("terms", texts(terms)),
        ("intercepts", Value::Numbers(intercepts.clone())),
        ("coefficients", Value::Numbers(coefficients.clone())),
        ("uncertainty", uncertainty),
    ])
}

pub(super) fn from_fields(method: LinearMethod, mut fields: Fields) -> Result<LinearModel, ModelError> {
    let link = fields.text("link")?;
    let link = LINKS.into_iter().find(|known| link_name(*known) == link);
    let uncertainty = fields.optional_map("uncertainty")?.map(|mut fields| {
        Ok::<_, ModelError>(Uncertainty {
            sigma: fields.number("sigma")?,
            df: fields.number("df")?,
            inverse_gram: fields.numbers("inverseGram")?,
        })
    });
    Ok(LinearModel {
        method,
        link: link.ok_or(ModelError::Field { field: "link", expected: "a link that this version has" })?,
        terms: fields.texts("terms")?,
        intercepts: fields.numbers("intercepts")?,
        coefficients: fields.numbers("coefficients")?,
        uncertainty: uncertainty.transpose()?,
    })
}
