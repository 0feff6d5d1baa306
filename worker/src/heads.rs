//! Where a worker's heads are.

use std::sync::Arc;

use async_trait::async_trait;
use shoal_core::{Failure, Reason};
use shoal_wire::{Tls, transport};

/// The heads of a cluster. Asked anew for every connection: a head that was started again may have another port.
#[async_trait]
pub trait Heads: Send + Sync {
    /// How many there are.
    fn number(&self) -> usize;

    /// URL of the gRPC port of one of them, counted from 0.
    ///
    /// # Errors
    /// What keeps it from being known, as that the head does not answer; the next one is tried then.
    async fn workers_url(&self, index: usize) -> Result<String, Failure>;

    /// Refuses what can never be reached, or not with these certificates.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`].
    fn check(&self, tls: Option<&Tls>) -> Result<(), Failure> {
        let _ = tls;
        if self.number() > 0 {
            return Ok(());
        }
        Err(Failure::new(Reason::InvalidValue, "a worker without a head has nothing to do").next("name one or several"))
    }
}

/// Heads whose gRPC ports are known, as `http://HOST:PORT`, or `https://HOST:PORT` with TLS.
#[derive(Clone, Debug)]
pub struct FixedHeads(pub Vec<String>);

impl FixedHeads {
    /// The only head.
    pub fn one(url: impl Into<String>) -> Arc<dyn Heads> {
        Arc::new(Self(vec![url.into()]))
    }
}

#[async_trait]
impl Heads for FixedHeads {
    fn number(&self) -> usize {
        self.0.len()
    }

    async fn workers_url(&self, index: usize) -> Result<String, Failure> {
        let url = self.0.get(index).cloned();
        url.ok_or_else(|| Failure::internal(format!("there is no head {index} among {}", self.0.len())))
    }

    fn check(&self, tls: Option<&Tls>) -> Result<(), Failure> {
        self.0.iter().try_for_each(|url| transport::endpoint(url, tls).map(drop))
    }
}
