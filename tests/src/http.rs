//! HTTP, plain or inside TLS, and Prometheus text.

use std::path::Path;
use std::time::Duration;

use reqwest::tls::TlsInfo;
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
    get_trusting(url, token, None)
}

/// As [`get`], from a server whose certificate the authority in that file has signed.
pub fn get_trusting(url: &str, token: Option<&str>, ca: Option<&Path>) -> Option<Answer> {
    ask(|client| client.get(url), token, ca).map(|(answer, _)| answer)
}

/// Sends a body; `None` where nobody answers.
pub fn post(url: &str, token: Option<&str>, body: String) -> Option<Answer> {
    ask(|client| client.post(url).body(body), token, None).map(|(answer, _)| answer)
}

/// The certificate that a server shows, as DER; `None` where it shows none that this authority has signed.
pub fn certificate(url: &str, ca: &Path) -> Option<Vec<u8>> {
    ask(|client| client.get(url), None, Some(ca)).and_then(|(_, certificate)| certificate)
}

fn ask(
    request: impl FnOnce(reqwest::Client) -> reqwest::RequestBuilder,
    token: Option<&str>,
    ca: Option<&Path>,
) -> Option<(Answer, Option<Vec<u8>>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Only ever this machine: a proxy of the environment has no part in it.
        let mut client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).tls_info(true);
        if let Some(ca) = ca {
            let ca = std::fs::read(ca).unwrap();
            client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(&ca).unwrap());
        }
        let mut request = request(client.build().unwrap());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        // Shown where the test fails.
        let answer = request.send().await.inspect_err(|error| eprintln!("no answer: {error:?}")).ok()?;
        let shown = answer.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate).map(<[u8]>::to_vec);
        Some((Answer { status: answer.status().as_u16(), body: answer.text().await.ok()? }, shown))
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
