use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a container asks for: Kubernetes' quantities. Memory is a limit, too; CPU is not, so that what is free is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// Cores, as `2` or `500m`.
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^([0-9]+(\.[0-9]{1,3})?|[0-9]+m)$"))]
    pub cpu: String,
    /// Memory, as `512Mi` or `8Gi`.
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^[0-9]+(Ki|Mi|Gi|Ti|k|M|G|T)?$"))]
    pub memory: String,
}

impl Resources {
    /// Cores in thousandths; `None` where the text is not one that the schema takes.
    pub fn millicores(&self) -> Option<u64> {
        match self.cpu.strip_suffix('m') {
            Some(milli) => milli.parse().ok(),
            None => {
                let (whole, fraction) = self.cpu.split_once('.').unwrap_or((&self.cpu, ""));
                let fraction = format!("{fraction:0<3}");
                whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(fraction.parse().ok()?)
            }
        }
    }

    /// Memory in bytes; `None` where the text is not one that the schema takes.
    pub fn memory_bytes(&self) -> Option<u64> {
        let digits = self.memory.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit: u64 = match &self.memory[digits.len()..] {
            "" => 1,
            "k" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return None,
        };
        digits.parse::<u64>().ok()?.checked_mul(unit)
    }
}

/// A part of a `PodTemplateSpec`, in Kubernetes' own words. The API server checks what comes of it: its schema alone is
/// larger than all of ours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PodTemplate(pub Map<String, Value>);

impl JsonSchema for PodTemplate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PodTemplate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        let resources = |cpu: &str, memory: &str| Resources { cpu: cpu.into(), memory: memory.into() };
        for (cpu, expected) in
            [("2", Some(2000)), ("500m", Some(500)), ("1.5", Some(1500)), ("0.25", Some(250)), ("x", None)]
        {
            assert_eq!(resources(cpu, "1").millicores(), expected, "{cpu}");
        }
        for (memory, expected) in [
            ("512Mi", Some(512 << 20)),
            ("2Gi", Some(2 << 30)),
            ("1G", Some(1_000_000_000)),
            ("7", Some(7)),
            ("1GiB", None),
            ("99999999999Ti", None),
        ] {
            assert_eq!(resources("1", memory).memory_bytes(), expected, "{memory}");
        }
    }
}
