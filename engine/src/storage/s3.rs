//! Buckets of S3 and of everything that speaks its language, as the environment describes them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use shoal_core::{Failure, Reason};

/// How often one request is repeated. With the pauses below that is about 15 seconds: a store that is busy for longer
/// than that is better met by the task's own retry, which frees the slot meanwhile.
const RETRIES_MAX: usize = 7;

/// From the first try on, for how long a request may be repeated.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// Pauses between two tries, with jitter: from the first, doubled, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Variables whose names start so describe object stores.
const PREFIX: &str = "AWS_";

/// The buckets that this process has met. A client keeps its connections, so each bucket has one.
static BUCKETS: Mutex<BTreeMap<String, Arc<dyn ObjectStore>>> = Mutex::new(BTreeMap::new());

/// The store of a bucket.
///
/// # Errors
/// [`Reason::InvalidValue`] where the environment's settings cannot be used.
pub(super) fn store(bucket: &str) -> Result<Arc<dyn ObjectStore>, Failure> {
    let mut buckets = BUCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(store) = buckets.get(bucket) {
        return Ok(Arc::clone(store));
    }
    let settings = std::env::vars_os().filter_map(|(name, value)| {
        // Without a value it is a variable that somebody meant to switch off.
        let value = value.into_string().ok().filter(|value| !value.is_empty())?;
        Some((name.into_string().ok()?, value))
    });
    let store = build(bucket, settings)?;
    buckets.insert(bucket.to_owned(), Arc::clone(&store));
    Ok(store)
}

fn build(bucket: &str, settings: impl Iterator<Item = (String, String)>) -> Result<Arc<dyn ObjectStore>, Failure> {
    let mut builder = AmazonS3Builder::new();
    let (mut plain_endpoint, mut plain_allowed) = (None, false);
    for (name, value) in settings.filter(|(name, _)| name.starts_with(PREFIX)) {
        if name.starts_with("AWS_ENDPOINT") && value.starts_with("http://") {
            plain_endpoint = Some(name.clone());
        }
        plain_allowed |= name == "AWS_ALLOW_HTTP" && value.eq_ignore_ascii_case("true");
        // Variables of other tools are no settings of ours.
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value);
        }
    }
    if let (Some(name), false) = (plain_endpoint, plain_allowed) {
        return Err(Failure::new(
            Reason::InvalidValue,
            format!("{name} is an http:// URL, which would send data and signatures in the clear"),
        )
        .next("name an https:// URL, or allow it with AWS_ALLOW_HTTP=true"));
    }
    let store = builder
        .with_bucket_name(bucket)
        // Commits rest on it: of two writers of one version, the store lets one through (`If-None-Match: *`).
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(RetryConfig {
            backoff: BackoffConfig { init_backoff: FIRST_PAUSE, max_backoff: LONGEST_PAUSE, base: 2.0 },
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_TIMEOUT,
        })
        .build()
        .map_err(|error| {
            Failure::new(Reason::InvalidValue, "the settings of the object store cannot be used")
                .next("see the variables of the environment that begin with AWS_")
                .because(&error)
        })?;
    Ok(Arc::new(store))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn built(settings: &[(&str, &str)]) -> Result<Arc<dyn ObjectStore>, Failure> {
        build("bucket", settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn an_endpoint_without_tls_has_to_be_allowed() {
        let plain = ("AWS_ENDPOINT_URL", "http://127.0.0.1:7070");
        let failure = built(&[plain]).unwrap_err();
        assert_eq!(failure.reason, Reason::InvalidValue);
        assert!(failure.message.contains("AWS_ENDPOINT_URL") && failure.next.unwrap().contains("AWS_ALLOW_HTTP"));
        assert!(built(&[plain, ("AWS_ALLOW_HTTP", "true")]).is_ok());
        assert!(built(&[("AWS_ENDPOINT_URL", "https://s3.example.com")]).is_ok());
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_and_those_of_others_passed_over() {
        let failure = built(&[("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "perhaps")]).unwrap_err();
        assert_eq!(failure.reason, Reason::InvalidValue);
        assert!(built(&[("AWS_PAGER", "less"), ("HOME", "/root"), ("AWS_REGION", "eu-west-1")]).is_ok());
    }
}
