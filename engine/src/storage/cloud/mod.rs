//! Object stores elsewhere: whose there are, and the store of a bucket as the environment describes it.

mod azure;
mod gcs;
mod s3;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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

/// Whoever has object stores that tables may lie in.
pub(super) static PROVIDERS: [Provider; 3] = [s3::PROVIDER, gcs::PROVIDER, azure::PROVIDER];

/// The buckets that this process has met, by their URLs. A client keeps its connections, so each bucket has one.
static BUCKETS: Mutex<BTreeMap<String, Arc<dyn ObjectStore>>> = Mutex::new(BTreeMap::new());

/// Variables of the environment and their values, none of them empty. In the order of their names, so that of two that
/// say the same thing it is always the same one that counts.
type Settings = BTreeMap<String, String>;

/// A kind of object stores: how they are named and built, and what people are told about them.
pub(super) struct Provider {
    /// Scheme of its locations.
    pub(super) scheme: &'static str,
    /// What its locations look like, for people.
    pub(super) form: &'static str,
    /// The name that the library has for it in its errors.
    library_name: &'static str,
    /// Variables whose names start so are about it.
    prefix: &'static str,
    /// Variables whose names start so hold the URL of a store.
    endpoints: &'static [&'static str],
    pub(super) words: Words,
    /// Builds the store of a bucket.
    build: fn(&str, &Settings, RetryConfig) -> object_store::Result<Arc<dyn ObjectStore>>,
}

/// What failures of a store are told in.
#[derive(Clone, Copy)]
pub(super) struct Words {
    /// What its objects are in.
    pub(super) bucket: &'static str,
    /// Variables that say where it is.
    pub(super) place: &'static str,
    /// Variables that hold its credentials.
    pub(super) credentials: &'static str,
    /// What to do where there are none, after `set`.
    pub(super) without_credentials: &'static str,
}

impl Words {
    /// Where the error alone is known, and it does not say whose it is.
    pub(super) const OF_ANY: Self = Self {
        bucket: "bucket",
        place: "the endpoint in the variables that begin with AWS_, GOOGLE_ or AZURE_",
        credentials: "variables that begin with AWS_, GOOGLE_ or AZURE_",
        without_credentials: "the variables that begin with AWS_, GOOGLE_ or AZURE_ for the head and its workers",
    };
}

/// What locations in object stores look like, for people.
pub(super) fn forms() -> String {
    let [first, second, last] = PROVIDERS.each_ref().map(|provider| provider.form);
    format!("{first}, {second} or {last}")
}

impl Provider {
    /// The one whose locations have a scheme.
    pub(super) fn of_scheme(scheme: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|provider| provider.scheme == scheme)
    }

    /// The one that the library calls so in its errors.
    pub(super) fn of_library_name(name: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|provider| provider.library_name == name)
    }

    /// The store of a bucket.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] where the environment's settings cannot be used.
    pub(super) fn store(&self, bucket: &str) -> Result<Arc<dyn ObjectStore>, Failure> {
        let url = format!("{}://{bucket}", self.scheme);
        let mut buckets = BUCKETS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = buckets.get(&url) {
            return Ok(Arc::clone(store));
        }
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let store = self.store_as_set(bucket, environment)?;
        buckets.insert(url, Arc::clone(&store));
        Ok(store)
    }

    fn store_as_set(
        &self,
        bucket: &str,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Arc<dyn ObjectStore>, Failure> {
        // Without a value it is a variable that somebody meant to switch off.
        let settings: Settings =
            environment.filter(|(name, value)| name.starts_with(self.prefix) && !value.is_empty()).collect();
        self.refuse_plain_http(&settings)?;
        let retry = RetryConfig {
            backoff: BackoffConfig { init_backoff: FIRST_PAUSE, max_backoff: LONGEST_PAUSE, base: 2.0 },
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_TIMEOUT,
        };
        (self.build)(bucket, &settings, retry).map_err(|error| {
            Failure::new(Reason::InvalidValue, "the settings of the object store cannot be used")
                .next(format!(
                    "see the variables of the environment that begin with {}: for where the store is {}, for its \
                     credentials {}",
                    self.prefix, self.words.place, self.words.credentials
                ))
                .because(&error)
        })
    }

    fn refuse_plain_http(&self, settings: &Settings) -> Result<(), Failure> {
        let permission = format!("{}ALLOW_HTTP", self.prefix);
        let is_permitted = settings.get(&permission).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let is_plain = |(name, value): &(&String, &String)| {
            self.endpoints.iter().any(|start| name.starts_with(start)) && value.starts_with("http://")
        };
        match settings.iter().find(is_plain) {
            Some((name, _)) if !is_permitted => Err(Failure::new(
                Reason::InvalidValue,
                format!("{name} is an http:// URL, which would send data and signatures in the clear"),
            )
            .next(format!("name an https:// URL, or allow it with {permission}=true"))),
            _ => Ok(()),
        }
    }
}

/// The settings that the library knows by the names of their variables. Variables of other tools are no settings of ours.
fn known<K: FromStr>(settings: &Settings) -> impl Iterator<Item = (K, &str)> {
    settings.iter().filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.as_str())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn built(scheme: &str, settings: &[(&str, &str)]) -> Result<Arc<dyn ObjectStore>, Failure> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Provider::of_scheme(scheme).unwrap().store_as_set("bucket", settings)
    }

    #[test]
    fn an_endpoint_without_tls_has_to_be_allowed() {
        for (scheme, endpoint, permission) in [
            ("s3", "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP"),
            ("gs", "GOOGLE_BASE_URL", "GOOGLE_ALLOW_HTTP"),
            ("az", "AZURE_STORAGE_ENDPOINT", "AZURE_ALLOW_HTTP"),
        ] {
            let (account, plain) = (("AZURE_STORAGE_ACCOUNT", "me"), (endpoint, "http://127.0.0.1:7070"));
            let failure = built(scheme, &[account, plain]).unwrap_err();
            assert_eq!(failure.reason, Reason::InvalidValue);
            assert!(failure.message.contains(endpoint) && failure.next.unwrap().contains(permission), "{scheme}");
            assert!(built(scheme, &[account, plain, (permission, "true")]).is_ok(), "{scheme}");
            assert!(built(scheme, &[account, (endpoint, "https://objects.example.com")]).is_ok(), "{scheme}");
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_with_what_they_begin_with() {
        for (scheme, settings, begins) in [
            ("s3", [("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "perhaps")].as_slice(), "AWS_"),
            ("gs", &[("GOOGLE_SERVICE_ACCOUNT_KEY", "{")], "GOOGLE_"),
            ("gs", &[("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/account.json")], "GOOGLE_APPLICATION_CREDENTIALS"),
            ("az", &[("AZURE_STORAGE_ACCOUNT_KEY", "c2hvYWw=")], "AZURE_STORAGE_ACCOUNT_NAME"),
            ("az", &[("AZURE_STORAGE_ACCOUNT_NAME", "me"), ("AZURE_STORAGE_ACCOUNT_KEY", "?")], "AZURE_"),
        ] {
            let failure = built(scheme, settings).unwrap_err();
            assert_eq!(failure.reason, Reason::InvalidValue);
            assert!(failure.next.unwrap().contains(begins), "{settings:?}");
        }
    }

    #[test]
    fn variables_of_others_are_passed_over() {
        assert!(built("s3", &[("AWS_PAGER", "less"), ("HOME", "/root"), ("AWS_REGION", "eu-west-1")]).is_ok());
        assert!(built("gs", &[("GOOGLE_CLOUD_PROJECT", "p"), ("GOOGLE_SERVICE_ACCOUNT_KEY", "")]).is_ok());
        let account = [("AZURE_STORAGE_ACCOUNT", "me"), ("AZURE_STORAGE_KEY", "c2hvYWw="), ("AZURE_CONFIG_DIR", "/x")];
        assert!(built("az", &account).is_ok());
        assert!(built("az", &[("AZURE_STORAGE_USE_EMULATOR", "true")]).is_ok());
    }
}
