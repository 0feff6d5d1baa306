//! Samples as Prometheus writes them: a process' `/metrics`, and the answer to a query. Pure, and strict: who decides by
//! what was half understood decides by chance.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::trouble::SignalTrouble;

/// A value of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name of the metric.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
    /// When it was so, in milliseconds since 1970-01-01 UTC, where that is said.
    pub at_ms: Option<i64>,
}

impl Sample {
    /// The series, as people write it.
    pub fn series(&self) -> String {
        let labels: Vec<String> = self.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        if labels.is_empty() { self.name.clone() } else { format!("{}{{{}}}", self.name, labels.join(",")) }
    }
}

/// Reads the text format, version 0.0.4. Only series whose name is wanted are kept; all lines are read.
///
/// # Errors
/// [`SignalTrouble::Malformed`] with the line.
pub fn of_text(text: &str, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<Sample>, SignalTrouble> {
    let mut samples = Vec::new();
    for (line, number) in text.lines().zip(1_u64..) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let sample =
            of_line(trimmed).ok_or_else(|| SignalTrouble::Malformed { what: format!("line {number} is no sample") })?;
        if is_wanted(&sample.name) {
            samples.push(sample);
        }
    }
    Ok(samples)
}

fn of_line(line: &str) -> Option<Sample> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(line.len());
    let (name, mut rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = of_labels(inside, &mut labels)?;
    }
    // What follows a name or its labels is set apart.
    let mut words = rest.strip_prefix([' ', '\t'])?.split_whitespace();
    let value = number(words.next()?)?;
    let at_ms = words.next().map(str::parse).transpose().ok()?;
    words.next().is_none().then(|| Sample { name: name.to_owned(), labels, value, at_ms })
}

/// Reads labels up to the brace that ends them; gives what follows.
fn of_labels<'a>(mut rest: &'a str, labels: &mut BTreeMap<String, String>) -> Option<&'a str> {
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after);
        }
        let (name, after) = rest.split_once('=')?;
        let name = name.trim();
        let is_name = !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let (value, after) = quoted(after.trim_start())?;
        if !is_name || labels.insert(name.to_owned(), value).is_some() {
            return None;
        }
        rest = after.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(after) => after,
            None if rest.starts_with('}') => rest,
            None => return None,
        };
    }
}

/// A text in quotation marks, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut letters = inside.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &inside[at + 1..])),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                escaped @ ('\\' | '"') => escaped,
                _ => return None,
            }),
            letter => value.push(letter),
        }
    }
    None
}

/// A number as Go writes it.
fn number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        // Rust would read `infinity` and `nan`, too.
        text if text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c)) => text.parse().ok(),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Answer {
    Success {
        data: Data,
    },
    Error {
        #[serde(rename = "errorType", default)]
        kind: String,
        #[serde(default)]
        error: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

/// Name of the label that has a metric's name.
const NAME: &str = "__name__";

/// Reads the answer of `/api/v1/query`. What has no name, as sums have none, is of the metric `name`.
///
/// # Errors
/// [`SignalTrouble::QueryFailed`] where it says so, [`SignalTrouble::Malformed`] for what is no answer.
pub fn of_answer(body: &[u8], name: &str) -> Result<Vec<Sample>, SignalTrouble> {
    let malformed = |what: String| SignalTrouble::Malformed { what };
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| malformed(format!("the answer is none of Prometheus: {error}")))?;
    let data = match answer {
        Answer::Success { data } => data,
        Answer::Error { kind, error } => return Err(SignalTrouble::QueryFailed { what: format!("{kind}: {error}") }),
    };
    if data.result_type != "vector" {
        return Err(malformed(format!("the query gives a {} and no instant vector", data.result_type)));
    }
    let series: Vec<Series> = serde_json::from_value(data.result)
        .map_err(|error| malformed(format!("the answer has something else than samples: {error}")))?;
    let sample = |Series { mut metric, value: (at, text) }: Series| {
        let name = metric.remove(NAME).unwrap_or_else(|| name.to_owned());
        let value = number(&text).ok_or_else(|| malformed(format!("`{text}` is no value of {name}")))?;
        Ok(Sample { name, labels: metric, value, at_ms: Some((at * 1_000.0) as i64) })
    };
    series.into_iter().map(sample).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Result<Vec<Sample>, SignalTrouble> {
        of_text(text, |_| true)
    }

    #[test]
    fn the_text_format_is_read() {
        let samples = text(concat!(
            "# HELP a Something with \"quotes\" {and} braces.\n# TYPE a gauge\n\n",
            "a 1\n",
            "b{} 2.5\n",
            "c{x=\"1\",y=\"two \\\"words\\\" \\\\ \\n and } , =\",} -3e-2 1700000000000\n",
            "d:e{ z=\"ä\" } +Inf\n",
            "f NaN\n",
        ))
        .unwrap();
        let series: Vec<String> = samples.iter().map(Sample::series).collect();
        assert_eq!(series, ["a", "b", r#"c{x="1",y="two \"words\" \\ \n and } , ="}"#, r#"d:e{z="ä"}"#, "f"]);
        let values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
        assert_eq!(values[..4], [1.0, 2.5, -0.03, f64::INFINITY]);
        assert!(values[4].is_nan());
        assert_eq!(samples[2].at_ms, Some(1_700_000_000_000));
        assert_eq!(of_text("a 1\nb 2\n", |name| name == "b").unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_text_format_is_told_by_its_line() {
        for line in [
            "a",
            "a b",
            "1a 1",
            "a{x=\"1\" 1",
            "a{x=1} 1",
            "a{x=\"1\"y=\"2\"} 1",
            "a{x=\"1\",x=\"2\"} 1",
            "a 1 2 3",
            "a 1 x",
            "a{x=\"\\t\"} 1",
            "a nan",
            "a infinity",
            "a 0x10",
            "a{1x=\"\"} 1",
            "<html>",
            "{\"status\":\"success\"}",
            "a{x=\"1\"}",
            "a-b 1",
        ] {
            let found = text(&format!("ok 1\n{line}\n"));
            assert_eq!(found, Err(SignalTrouble::Malformed { what: "line 2 is no sample".into() }), "{line}");
        }
    }

    #[test]
    fn an_answer_to_a_query_is_read() {
        let body = br#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"__name__":"a","x":"1"},"value":[1700000000.5,"2"]},
            {"metric":{},"value":[1700000000,"+Inf"]}]},"warnings":["w"]}"#;
        let samples = of_answer(body, "b").unwrap();
        assert_eq!(samples[0].series(), r#"a{x="1"}"#);
        assert_eq!((samples[0].value, samples[0].at_ms), (2.0, Some(1_700_000_000_500)));
        assert_eq!((samples[1].series(), samples[1].value), ("b".to_owned(), f64::INFINITY));
    }

    #[test]
    fn what_is_no_answer_to_a_query_is_told() {
        let failed = br#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
        let told = SignalTrouble::QueryFailed { what: "bad_data: parse error".into() };
        assert_eq!(of_answer(failed, "a"), Err(told));
        for body in [
            "",
            "<html>",
            "[]",
            r#"{"status":"success"}"#,
            r#"{"status":"maybe","data":{}}"#,
            r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"two"]}]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}}"#,
        ] {
            let found = of_answer(body.as_bytes(), "a");
            assert!(matches!(found, Err(SignalTrouble::Malformed { .. })), "{body}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in any::<f64>(), label in ".{0,20}", at in prop::option::of(any::<i64>())) {
            let escaped = label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let shown = if value.is_nan() { "NaN".into() } else if value.is_infinite() { format!("{}Inf", if value > 0.0 { '+' } else { '-' }) } else { format!("{value:e}") };
            let at_text = at.map(|at| format!(" {at}")).unwrap_or_default();
            let samples = text(&format!("m{{l=\"{escaped}\"}} {shown}{at_text}")).unwrap();
            prop_assert_eq!(&samples[0].labels["l"], &label);
            prop_assert_eq!(samples[0].value.to_bits(), if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() });
            prop_assert_eq!(samples[0].at_ms, at);
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = (of_text(&text, |_| true), of_answer(&bytes, "a"));
        }
    }
}
