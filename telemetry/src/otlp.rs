//! The way to a collector.

use async_trait::async_trait;
use opentelemetry_otlp::{
    OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, SpanExporter,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use shoal_core::history::JobHistory;
use shoal_core::report::JobStatus;
use shoal_core::traces::Traces;
use shoal_core::{Failure, Reason};

use crate::spans::spans;

/// What the service is called unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` say something else.
const SERVICE_NAME: &str = "shoal";

/// The protocol that is spoken, as OpenTelemetry's variables call it.
const PROTOCOL: &str = "http/protobuf";

/// Sends traces to a collector by OTLP over HTTP, as OpenTelemetry's usual variables say:
/// <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.
#[derive(Debug)]
pub struct OtlpTraces {
    exporter: SpanExporter,
}

impl OtlpTraces {
    /// As the variables say; none where they name no collector, or switch traces off.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] for variables that cannot be followed.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Failure> {
        if !is_wanted(&variable)? {
            return Ok(None);
        }
        let mut exporter = SpanExporter::builder().with_http().build().map_err(|error| {
            Failure::new(Reason::InvalidValue, "the way to the collector of traces cannot be used")
                .because(&error)
                .next("look at the variables that begin with OTEL_EXPORTER_OTLP_")
        })?;
        exporter.set_resource(&resource(&variable));
        Ok(Some(Self { exporter }))
    }
}

/// Whether the variables name a collector that this build can reach.
fn is_wanted(variable: &impl Fn(&str) -> Option<String>) -> Result<bool, Failure> {
    // What is set to nothing counts as not set.
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let is_off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || set("OTEL_TRACES_EXPORTER").is_some_and(|exporter| exporter != "otlp");
    let endpoint = set(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT).or_else(|| set(OTEL_EXPORTER_OTLP_ENDPOINT));
    if is_off || endpoint.is_none() {
        return Ok(false);
    }
    for name in [OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, OTEL_EXPORTER_OTLP_PROTOCOL] {
        let Some(protocol) = set(name) else { continue };
        if protocol == PROTOCOL {
            break;
        }
        return Err(Failure::new(
            Reason::InvalidValue,
            format!("{name} is `{protocol}`, and traces are sent by {PROTOCOL}"),
        )
        .next(format!("set {name}={PROTOCOL}; collectors take that at port 4318, where 4317 is that of gRPC")));
    }
    Ok(true)
}

fn resource(variable: &impl Fn(&str) -> Option<String>) -> Resource {
    let is_named = variable("OTEL_SERVICE_NAME").is_some_and(|name| !name.is_empty())
        || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
    let resource = Resource::builder();
    if is_named { resource.build() } else { resource.with_service_name(SERVICE_NAME).build() }
}

#[async_trait]
impl Traces for OtlpTraces {
    async fn export(&self, status: &JobStatus, history: &JobHistory) -> Result<(), Failure> {
        self.exporter.export(spans(status, history)).await.map_err(|error| {
            Failure::new(Reason::Io, "the collector has not taken the trace of a job")
                .because(&error)
                .next("look whether OTEL_EXPORTER_OTLP_ENDPOINT is where it takes OTLP over HTTP, as http://HOST:4318")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and values.
    type Variables<'a> = &'a [(&'a str, &'a str)];

    #[test]
    fn variables_decide_whether_and_how() {
        const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        // (variables, whether traces are sent; none where the variables are refused)
        let cases: [(Variables<'_>, Option<bool>); 10] = [
            (&[], Some(false)),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], Some(false)),
            (&[ENDPOINT], Some(true)),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")], Some(true)),
            (&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")], Some(false)),
            (&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")], Some(false)),
            (&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "otlp")], Some(true)),
            (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], None),
            (
                &[
                    ENDPOINT,
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
                ],
                Some(true),
            ),
            (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json")], None),
        ];
        for (variables, expected) in cases {
            let of =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(is_wanted(&of).ok(), expected, "{variables:?}");
        }
    }
}
