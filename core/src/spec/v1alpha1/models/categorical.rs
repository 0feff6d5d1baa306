use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A column whose values are names and not quantities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.encode == 'hash' || !has(self.buckets)", "message": "`buckets` is for `encode: hash` only", "fieldPath": ".buckets"},
    {"rule": "self.encode == 'oneHot' || !has(self.dropFirst)", "message": "`dropFirst` is for `encode: oneHot` only", "fieldPath": ".dropFirst"},
]))]
pub struct Categorical {
    /// The exact name of a column, or a SQL expression with an alias, as `upper(region) AS region`.
    #[schemars(length(min = 1, max = 1024))]
    pub column: String,
    /// What becomes of it: `oneHot` gives a term per category, 1 in its rows and 0 in others, named as `region=west`;
    /// `ordinal` gives the place of the category in their order, which suits trees; `hash` deals categories to buckets, a
    /// term each, named as `region#3`. Categories are learned once per job from all its rows.
    #[serde(default)]
    pub encode: Encode,
    /// Whether the first category has no term of its own, so that the others are compared with it: needed beside a
    /// constant term where nothing penalises coefficients. True where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_first: Option<bool>,
    /// Buckets of `hash`; 32 where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 512))]
    pub buckets: Option<u32>,
}

/// How categories become terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Encode {
    #[allow(missing_docs)]
    #[default]
    OneHot,
    #[allow(missing_docs)]
    Ordinal,
    #[allow(missing_docs)]
    Hash,
}
