//! S3, of AWS and of everything that speaks its language.

use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::{ObjectStore, RetryConfig};

use super::{Provider, Settings, Words, known};

pub(super) const PROVIDER: Provider = Provider {
    scheme: "s3",
    form: "s3://BUCKET/PREFIX",
    library_name: "S3",
    prefix: "AWS_",
    endpoints: &["AWS_ENDPOINT"],
    words: Words {
        bucket: "bucket",
        place: "AWS_ENDPOINT_URL and AWS_REGION",
        credentials: "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
        without_credentials: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the head and its workers, or \
                              AWS_SKIP_SIGNATURE=true for a public bucket",
    },
    build,
};

fn build(bucket: &str, settings: &Settings, retry: RetryConfig) -> object_store::Result<Arc<dyn ObjectStore>> {
    let builder = known(settings).fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value));
    let store = builder
        .with_bucket_name(bucket)
        // Commits rest on it: of two writers of one version, the store lets one through (`If-None-Match: *`).
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retry)
        .build()?;
    Ok(Arc::new(store))
}
