use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of things, or a share of all of them as `5%`. An integer or a string, as Kubernetes has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum IntOrPercent {
    /// So many.
    Int(u32),
    /// So many of a hundred, from 0 to 100.
    Percent(u8),
}

impl IntOrPercent {
    /// How many of `total` that is; a share is rounded down.
    pub fn of(self, total: u64) -> u64 {
        match self {
            Self::Int(number) => u64::from(number),
            Self::Percent(share) => u64::try_from(u128::from(total) * u128::from(share) / 100).unwrap_or(total),
        }
    }

    /// As [`IntOrPercent::of`], where a share is rounded up.
    pub fn of_rounded_up(self, total: u64) -> u64 {
        match self {
            Self::Int(number) => u64::from(number),
            Self::Percent(share) => {
                u64::try_from((u128::from(total) * u128::from(share)).div_ceil(100)).unwrap_or(total)
            }
        }
    }
}

/// A text that is no share.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{0}` is neither a number nor a share from 0% to 100%")]
pub struct ParseIntOrPercentError(String);

impl FromStr for IntOrPercent {
    type Err = ParseIntOrPercentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_suffix('%')
            .and_then(|share| share.parse().ok())
            .filter(|share| *share <= 100)
            .map(Self::Percent)
            .ok_or_else(|| ParseIntOrPercentError(text.to_owned()))
    }
}

impl fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl Serialize for IntOrPercent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(number) => serializer.serialize_u32(*number),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for IntOrPercent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = IntOrPercent;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a share such as `5%`")
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
                u32::try_from(number).map(IntOrPercent::Int).map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
                u32::try_from(number).map(IntOrPercent::Int).map_err(E::custom)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for IntOrPercent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "IntOrPercent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "maximum": u32::MAX,
            // Of a text; more than a share needs, so that it is the rule that speaks of a wrong one.
            "maxLength": 16,
            "x-kubernetes-validations": [{
                "rule": "type(self) == int ? self >= 0 : self.matches('^(100|[0-9]{1,2})%$')",
                "message": "a number, or a share from 0% to 100%, is expected",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down_and_a_number_stays() {
        assert_eq!(IntOrPercent::Percent(5).of(39), 1);
        assert_eq!(IntOrPercent::Percent(100).of(u64::MAX), u64::MAX);
        assert_eq!(IntOrPercent::Percent(0).of(10), 0);
        assert_eq!(IntOrPercent::Int(7).of(3), 7);
        let up = |share, total| IntOrPercent::Percent(share).of_rounded_up(total);
        assert_eq!([up(10, 0), up(10, 1), up(10, 10), up(10, 11), up(100, u64::MAX)], [0, 1, 1, 2, u64::MAX]);
        assert_eq!(IntOrPercent::Int(7).of_rounded_up(3), 7);
    }

    #[test]
    fn only_whole_shares_up_to_a_hundred_are_read() {
        for (text, expected) in
            [("0%", Some(0)), ("100%", Some(100)), ("101%", None), ("5", None), ("5.5%", None), ("-1%", None)]
        {
            assert_eq!(text.parse().ok(), expected.map(IntOrPercent::Percent), "{text}");
        }
    }
}
