//! Files that jobs bring along, to a head and from it.

use std::path::Path;

use futures::StreamExt;
use reqwest::{Body, Method};
use shoal_api::{BlobQuery, MissingBlobs, PackedEnvironment};
use shoal_core::blobs::{BlobStream, Digest, File, LocalFiles};
use shoal_core::limits::UPLOADS_MAX;
use shoal_core::{Failure, Reason};
use url::Url;

use super::{BLOB_TIME_MAX, Call, Client, Search, json};
use crate::file_body::FileBody;
use crate::uploads;

impl Client {
    /// Uploads files of this machine where the head has them not, and says how many.
    pub(crate) async fn upload(&self, files: &LocalFiles) -> Result<usize, Failure> {
        let digests: Vec<&Digest> = files.keys().collect();
        let mut uploaded = 0;
        for some in digests.chunks(UPLOADS_MAX) {
            let query = BlobQuery { digests: some.iter().map(|digest| digest.to_string()).collect() };
            let call = Call { method: Method::POST, body: Some(json(&query)?), ..Call::get(&["blobs", "missing"]) };
            let MissingBlobs { missing } = self.send(call).await?;
            for (digest, place) in files.iter().filter(|(digest, _)| missing.contains(&digest.to_string())) {
                let mut search = Search::new(true);
                while let Err(failure) = self.put(self.present(), digest, place).await {
                    self.look_on(&mut search, failure).await?;
                }
                uploaded += 1;
            }
        }
        if uploaded > 0 {
            tracing::debug!(uploaded, of = files.len(), "files of the job are uploaded");
        }
        Ok(uploaded)
    }

    /// The content of a file that was uploaded; none where the head has it not.
    pub(crate) async fn download(&self, digest: &Digest) -> Result<Option<BlobStream>, Failure> {
        let mut search = Search::new(true);
        loop {
            match self.get(self.present(), digest).await {
                Err(failure) => self.look_on(&mut search, failure).await?,
                answer => return answer,
            }
        }
    }

    /// The file that an environment is packed in; none where none is.
    pub(crate) async fn environment(&self, name: &Digest) -> Result<Option<File>, Failure> {
        let path = ["environments", &name.to_string()];
        match self.send::<PackedEnvironment>(Call::get(&path)).await {
            Ok(PackedEnvironment { digest, bytes }) => {
                Ok(Some(File { path: name.hex().to_owned(), digest: Digest::parse(&digest)?, bytes }))
            }
            Err(failure) if failure.reason == Reason::FileNotUploaded => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Uploads a file that an environment is packed in, and says so.
    pub(crate) async fn share_environment(&self, name: &Digest, place: &Path) -> Result<(), Failure> {
        let (digest, bytes) = uploads::hash(place)?;
        let packed = PackedEnvironment { digest: digest.to_string(), bytes };
        self.upload(&LocalFiles::from([(digest, place.to_owned())])).await?;
        let path = ["environments", &name.to_string()];
        let call = Call { method: Method::PUT, body: Some(json(&packed)?), ..Call::get(&path) };
        let mut search = Search::new(true);
        while let Err(failure) = self.answered(self.present(), &call).await {
            self.look_on(&mut search, failure).await?;
        }
        Ok(())
    }

    async fn put(&self, base: &Url, digest: &Digest, place: &Path) -> Result<(), Failure> {
        let cannot = |error: std::io::Error| {
            Failure::new(Reason::Io, "a file of the job cannot be read any more")
                .because(&error)
                .file(place.display().to_string())
        };
        let file = tokio::fs::File::open(place).await.map_err(cannot)?;
        let bytes = file.metadata().await.map_err(cannot)?.len();
        let body = Body::wrap(FileBody::new(uploads::pieces(file, place.to_owned()), bytes));
        let digest = digest.to_string();
        let path = ["blobs", &digest];
        let request = self
            .request(base, &Call { method: Method::PUT, ..Call::get(&path) })
            .await?
            .timeout(BLOB_TIME_MAX)
            .body(body);
        let response = request.send().await.map_err(|error| self.unreachable(base, &error))?;
        match response.status().is_success() {
            true => Ok(()),
            false => Err(self.refusal(base, response).await?.file(place.display().to_string())),
        }
    }

    async fn get(&self, base: &Url, digest: &Digest) -> Result<Option<BlobStream>, Failure> {
        let request = self.request(base, &Call::get(&["blobs", &digest.to_string()])).await?.timeout(BLOB_TIME_MAX);
        let response = request.send().await.map_err(|error| self.unreachable(base, &error))?;
        if !response.status().is_success() {
            let failure = self.refusal(base, response).await?;
            return if failure.reason == Reason::FileNotUploaded { Ok(None) } else { Err(failure) };
        }
        let stream = futures::stream::try_unfold(response, |mut response| async move {
            let broken = |error: reqwest::Error| {
                Failure::new(Reason::HeadUnreachable, "the head stopped in the middle of a file").because(&error)
            };
            Ok(response.chunk().await.map_err(broken)?.map(|piece| (piece, response)))
        });
        Ok(Some(stream.boxed()))
    }
}
