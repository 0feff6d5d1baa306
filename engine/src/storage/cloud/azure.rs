//! Azure Blob Storage, whose buckets are the containers of an account.

use std::sync::Arc;

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::{ObjectStore, RetryConfig};

use super::{Provider, Settings, Words, known};

pub(super) const PROVIDER: Provider = Provider {
    scheme: "az",
    form: "az://CONTAINER/PREFIX",
    library_name: "MicrosoftAzure",
    prefix: "AZURE_",
    endpoints: &["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"],
    words: Words {
        bucket: "container",
        place: "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ENDPOINT",
        credentials: "AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_CLIENT_ID with its secret",
        without_credentials: "AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN for the head and its workers, or \
                              AZURE_SKIP_SIGNATURE=true for a public container",
    },
    build,
};

/// What Azure's own command line calls settings that the library knows by other names.
const OTHER_NAMES: [(&str, AzureConfigKey); 2] =
    [("AZURE_STORAGE_ACCOUNT", AzureConfigKey::AccountName), ("AZURE_STORAGE_KEY", AzureConfigKey::AccessKey)];

/// Commits rest on `If-None-Match: *`, which the service honours everywhere.
fn build(container: &str, settings: &Settings, retry: RetryConfig) -> object_store::Result<Arc<dyn ObjectStore>> {
    let others = OTHER_NAMES.into_iter().filter_map(|(name, key)| Some((key, settings.get(name)?.as_str())));
    let builder = others
        .chain(known(settings))
        .fold(MicrosoftAzureBuilder::new(), |builder, (key, value)| builder.with_config(key, value));
    Ok(Arc::new(builder.with_container_name(container).with_retry(retry).build()?))
}
