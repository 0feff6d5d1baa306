//! Where the head's memory is kept, and who may write to it: a file of one head, or etcd for several.

mod etcd;
mod redb;
mod term;

use std::path::PathBuf;
use std::sync::Arc;

use shoal_core::Failure;
use shoal_core::journal::{Journal, Leadership};

pub use self::etcd::{EtcdConfig, EtcdJournal, EtcdTls, EtcdUser, PREFIX_DEFAULT};
pub use self::redb::RedbJournal;
pub(crate) use self::redb::journal_path;

/// Where a head keeps what must survive it.
#[derive(Clone, Debug)]
pub enum StateConfig {
    /// A folder of this machine, which the head locks: the only head leads.
    Folder(PathBuf),
    /// An etcd, where one of several heads is elected.
    Etcd(EtcdConfig),
}

/// A journal and the right to write to it.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) leadership: Arc<dyn Leadership>,
    /// What messages call it.
    pub(crate) place: String,
}

impl Stores {
    /// Opens what is configured. This head does not lead yet.
    ///
    /// # Errors
    /// What keeps it from being used: see [`RedbJournal::open`] and [`EtcdJournal::connect`].
    pub(crate) async fn open(config: StateConfig) -> Result<Self, Failure> {
        Ok(match config {
            StateConfig::Folder(folder) => {
                let place = folder.display().to_string();
                let store = Arc::new(RedbJournal::open(&folder).await?);
                Self { journal: store.clone(), leadership: store, place }
            }
            StateConfig::Etcd(config) => {
                let place = config.place();
                let store = Arc::new(EtcdJournal::connect(config).await?);
                Self { journal: store.clone(), leadership: store, place }
            }
        })
    }
}
