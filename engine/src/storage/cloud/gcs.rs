//! Google Cloud Storage.

use std::sync::Arc;

use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};

use super::{Provider, Settings, Words, known};

pub(super) const PROVIDER: Provider = Provider {
    scheme: "gs",
    form: "gs://BUCKET/PREFIX",
    library_name: "GCS",
    prefix: "GOOGLE_",
    endpoints: &["GOOGLE_BASE_URL"],
    words: Words {
        bucket: "bucket",
        place: "GOOGLE_BASE_URL",
        credentials: "GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT_KEY",
        without_credentials: "GOOGLE_APPLICATION_CREDENTIALS to a file of credentials, or GOOGLE_SERVICE_ACCOUNT_KEY to \
                              its content, for the head and its workers",
    },
    build,
};

/// Commits rest on `x-goog-if-generation-match: 0`, which the service honours everywhere.
fn build(bucket: &str, settings: &Settings, retry: RetryConfig) -> object_store::Result<Arc<dyn ObjectStore>> {
    // The library lets every URL be plain HTTP, also one that a file of credentials names.
    let strict = GoogleCloudStorageBuilder::new()
        .with_config(GoogleConfigKey::Client(ClientConfigKey::AllowHttp), false.to_string());
    let builder = known(settings).fold(strict, |builder, (key, value)| builder.with_config(key, value));
    Ok(Arc::new(builder.with_bucket_name(bucket).with_retry(retry).build()?))
}
