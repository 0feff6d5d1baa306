//! Plain HTTP, and Prometheus text.

use std::time::Duration;

use serde_json::Value;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Asks; `None` where nobody answers.
pub fn get(url: &str, token: Option<&str>) -> Option<Answer> {
    ask(|client| client.get(url), token)
}

/// Sends a body; `None` where nobody answers.
pub fn post(url: &str, token: Option<&str>, body: String) -> Option<Answer> {
    ask(|client| client.post(url).body(body), token)
}

fn ask(request: impl FnOnce(reqwest::Client) -> reqwest::RequestBuilder, token: Option<&str>) -> Option<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Only ever this machine: a proxy of the environment has no part in it.
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        let mut request = request(client);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.ok()?;
        Some(Answer { status: answer.status().as_u16(), body: answer.text().await.ok()? })
    })
}

/// Sum of a metric's samples whose labels hold all of `labels`, as `stage="map"`; zero where there is none.
pub fn metric(text: &str, name: &str, labels: &[&str]) -> f64 {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, of) = series.split_once('{').unwrap_or((series, ""));
            (found == name && labels.iter().all(|label| of.contains(label))).then(|| value.parse::<f64>().ok())?
        })
        .sum()
}

/// Names of all metrics of a text.
pub fn metric_names(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP a_total A.\n# TYPE a_total counter\na_total{stage=\"map\",state=\"ok\"} 2\n\
                        a_total{stage=\"reduce\",state=\"ok\"} 3\na_total_more 7\n# TYPE b gauge\nb 0.5\n";

    #[test]
    fn samples_are_summed_by_name_and_labels() {
        assert_eq!(metric(TEXT, "a_total", &[]), 5.0);
        assert_eq!(metric(TEXT, "a_total", &["stage=\"map\""]), 2.0);
        assert_eq!(metric(TEXT, "a_total", &["stage=\"map\"", "state=\"bad\""]), 0.0);
        assert_eq!(metric(TEXT, "b", &[]), 0.5);
        assert_eq!(metric_names(TEXT), ["a_total", "b"]);
    }
}
