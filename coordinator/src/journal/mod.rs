//! Where the head's memory is kept, and who may write to it: a file of one head, or etcd for several.

mod etcd;
mod redb;
mod term;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use shoal_core::Failure;
use shoal_core::journal::{Journal, Leadership};

pub use self::etcd::{EtcdConfig, EtcdJournal, EtcdTls, EtcdUser, PREFIX_DEFAULT};
pub use self::redb::RedbJournal;

/// Where a head keeps what must survive it.
#[derive(Clone, Debug)]
pub enum StateConfig {
    /// A folder of this machine, which the head locks: the only head leads.
    Folder(PathBuf),
    /// An etcd, where one of several heads is elected.
    Etcd(EtcdConfig),
}

impl StateConfig {
    /// What messages call it.
    fn place(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Etcd(config) => config.place(),
        }
    }
}

/// The epochs of a state. They go on where it is moved to: workers follow no head under a lower one than they have seen.
#[async_trait]
pub(crate) trait Epochs: Send + Sync {
    /// No epoch so far was higher than this.
    async fn highest(&self) -> Result<u64, Failure>;

    /// Has every term from the next one on have a higher epoch than `floor`. Only for the head that leads under `epoch`.
    async fn raise(&self, epoch: u64, floor: u64) -> Result<(), Failure>;
}

/// A journal and the right to write to it.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) leadership: Arc<dyn Leadership>,
    pub(crate) epochs: Arc<dyn Epochs>,
    /// What messages call it.
    pub(crate) place: String,
}

impl Stores {
    /// Opens what is configured. This head does not lead yet.
    ///
    /// # Errors
    /// What keeps it from being used: see [`RedbJournal::open`] and [`EtcdJournal::connect`].
    pub(crate) async fn open(config: StateConfig) -> Result<Self, Failure> {
        let place = config.place();
        Ok(match config {
            StateConfig::Folder(folder) => Self::of(RedbJournal::open(&folder).await?, place),
            StateConfig::Etcd(config) => Self::of(EtcdJournal::connect(config).await?, place),
        })
    }

    /// As [`Stores::open`], but an etcd that does not answer is waited for by the campaign.
    ///
    /// # Errors
    /// See [`RedbJournal::open`] and [`EtcdJournal::await_etcd`].
    pub(crate) async fn await_etcd(config: StateConfig) -> Result<Self, Failure> {
        let place = config.place();
        Ok(match config {
            StateConfig::Folder(folder) => Self::of(RedbJournal::open(&folder).await?, place),
            StateConfig::Etcd(config) => Self::of(EtcdJournal::await_etcd(config).await?, place),
        })
    }

    /// As [`Stores::open`], for whoever only looks: nothing is made.
    ///
    /// # Errors
    /// [`shoal_core::Reason::InvalidValue`] where there is no state.
    pub(crate) async fn open_existing(config: StateConfig) -> Result<Self, Failure> {
        let place = config.place();
        Ok(match config {
            StateConfig::Folder(folder) => Self::of(RedbJournal::open_existing(&folder).await?, place),
            StateConfig::Etcd(config) => Self::of(EtcdJournal::connect_existing(config).await?, place),
        })
    }

    fn of<T: Journal + Leadership + Epochs + 'static>(store: T, place: String) -> Self {
        let store = Arc::new(store);
        Self { journal: store.clone(), leadership: store.clone(), epochs: store, place }
    }
}
