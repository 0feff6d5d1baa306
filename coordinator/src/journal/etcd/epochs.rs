//! Epochs of a state that came from elsewhere: etcd's revisions, and what is added to them.

use async_trait::async_trait;
use etcd_client::{Client, TxnOp};
use shoal_core::Failure;

use super::{EtcdJournal, identity};
use crate::journal::Epochs;

#[async_trait]
impl Epochs for EtcdJournal {
    async fn highest(&self) -> Result<u64, Failure> {
        let (_, base, revision) = self.identity().await?;
        Ok(base.saturating_add(revision))
    }

    async fn raise(&self, epoch: u64, floor: u64) -> Result<(), Failure> {
        self.election.term.check(epoch)?;
        let (identity, base, revision) = self.identity().await?;
        // The next leader's key is made at a later revision than this one.
        let raised = floor.saturating_sub(revision).max(base);
        let identity = identity::with_epoch_base(&self.session.place(), &identity, raised)?;
        self.leading(epoch, vec![TxnOp::put(self.session.keys.identity(), identity, None)]).await
    }
}

impl EtcdJournal {
    /// What the state says of itself, the epoch base in that, and etcd's revision.
    async fn identity(&self) -> Result<(Vec<u8>, u64, u64), Failure> {
        let key = self.session.keys.identity();
        let asked = self.session.retry(|mut client: Client| {
            let key = key.clone();
            async move { client.get(key, None).await }
        });
        let mut answer = asked.await.map_err(|trouble| self.session.failure(trouble))?;
        let revision = answer.header().map_or(0, |header| u64::try_from(header.revision()).unwrap_or_default());
        let place = self.session.place();
        let Some(found) = answer.take_kvs().pop() else { return Err(identity::missing(&self.session, &place)) };
        let (_, identity) = found.into_key_value();
        let base = identity::epoch_base(&place, &identity)?;
        Ok((identity, base, revision))
    }
}
