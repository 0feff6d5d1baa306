//! How the API server is asked about a caller.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::api::PostParams;
use kube::core::Request;
use kube::{Client, Config, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shoal_core::{Failure, Reason};
use shoal_wire::Token;
use shoal_wire::callers::Action;

use super::decide::{self, Ours};
use crate::crypto;

/// The API server, which is asked with the tokens of others.
pub(super) struct Server {
    config: Config,
    /// Made when it is asked first, and kept from when that worked.
    client: Mutex<Option<Client>>,
}

impl Server {
    /// The one at that address, known by the authority in that file.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] for what is no address.
    pub(super) fn new(host: &str, port: &str, authority: PathBuf) -> Result<Self, Failure> {
        let url = decide::url(host, port);
        let uri = url.parse::<http::Uri>().map_err(|error| {
            Failure::new(Reason::InvalidValue, format!("the API server cannot be at `{url}`")).because(&error)
        })?;
        let mut config = Config::new(uri);
        // The file is read again from time to time, since authorities are replaced; what stands beside it is not looked at.
        config.root_cert_file = Some(authority);
        config.root_cert = Some(Vec::new());
        Ok(Self { config, client: Mutex::default() })
    }

    /// Who shows that token, and whether he may do that.
    pub(super) async fn ask(
        &self,
        ours: &Ours,
        token: &Token,
        action: Action,
    ) -> kube::Result<(SelfSubjectReview, SelfSubjectAccessReview)> {
        let client = self.client()?;
        let (who, may) = (SelfSubjectReview::default(), decide::question(ours, action));
        tokio::try_join!(post(&client, token, &who), post(&client, token, &may))
    }

    fn client(&self) -> kube::Result<Client> {
        let mut kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*kept {
            return Ok(client.clone());
        }
        crypto::provide();
        let client = Client::try_from(self.config.clone())?;
        *kept = Some(client.clone());
        Ok(client)
    }
}

async fn post<T>(client: &Client, token: &Token, review: &T) -> kube::Result<T>
where
    T: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    let body = serde_json::to_vec(review).map_err(kube::Error::SerdeError)?;
    let request = Request::new(T::url_path(&(), None)).create(&PostParams::default(), body);
    let mut request = request.map_err(kube::Error::BuildRequest)?;
    let mut header: http::HeaderValue =
        token.header().parse().expect("a token is printable ASCII, which every header holds");
    header.set_sensitive(true);
    request.headers_mut().insert(http::header::AUTHORIZATION, header);
    client.request(request).await
}
