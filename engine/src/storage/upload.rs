use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path as ObjectPath;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, PutPayloadMut};
use tokio::runtime::Handle;

/// Bytes of a part. At least 5 MiB (but for the last one), and at most 10,000 parts, is what S3 and Google take, and Azure
/// takes more: 80 GB are more than a bucket of models ever has, and one part is what an upload holds in memory.
const PART_BYTES: usize = 8 << 20;

/// An object that is being written: in one request where it is small, in parts otherwise. Readers see all of it or
/// nothing.
///
/// Where it is dropped before it is finished, what was uploaded of it is thrown away in the background.
pub(super) struct Upload {
    store: Arc<dyn ObjectStore>,
    path: ObjectPath,
    /// What was not sent yet: less than a part.
    rest: PutPayloadMut,
    /// From the first whole part on.
    parts: Option<Box<dyn MultipartUpload>>,
    /// Where what is left of it is thrown away; `None` once there is nothing to throw away.
    cleaner: Option<Handle>,
}

impl Upload {
    /// Starts an object; sends nothing yet. Has to be called within a runtime.
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: ObjectPath) -> Self {
        Self { store, path, rest: PutPayloadMut::new(), parts: None, cleaner: Some(Handle::current()) }
    }

    pub(super) async fn write(&mut self, mut bytes: Bytes) -> object_store::Result<()> {
        while !bytes.is_empty() {
            let room = PART_BYTES - self.rest.content_length();
            self.rest.push(bytes.split_to(room.min(bytes.len())));
            if self.rest.content_length() == PART_BYTES {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    pub(super) async fn finish(&mut self) -> object_store::Result<()> {
        if self.parts.is_none() {
            let whole = std::mem::take(&mut self.rest).freeze();
            self.store.put(&self.path, whole).await?;
        } else {
            if self.rest.content_length() > 0 {
                self.send_part().await?;
            }
            if let Some(parts) = &mut self.parts {
                parts.complete().await?;
            }
        }
        self.cleaner = None;
        Ok(())
    }

    async fn send_part(&mut self) -> object_store::Result<()> {
        let part: PutPayload = std::mem::take(&mut self.rest).freeze();
        let parts = match &mut self.parts {
            Some(parts) => parts,
            // Kept before anything is sent, so that it can be aborted whatever happens.
            none => none.insert(self.store.put_multipart(&self.path).await?),
        };
        parts.put_part(part).await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(cleaner) = self.cleaner.take() else { return };
        let (store, path, parts) = (Arc::clone(&self.store), std::mem::take(&mut self.path), self.parts.take());
        cleaner.spawn(async move {
            let aborted = match parts {
                Some(mut parts) => parts.abort().await,
                None => Ok(()),
            };
            // The last request may have got through although its answer did not.
            let deleted = store.delete(&path).await;
            for error in [aborted, deleted].into_iter().filter_map(Result::err) {
                if !matches!(error, object_store::Error::NotFound { .. }) {
                    tracing::warn!(%path, %error, "an unfinished upload cannot be thrown away");
                }
            }
        });
    }
}
