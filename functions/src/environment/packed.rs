//! Environments that one machine has built and others fetch, through the cluster's storage.
//!
//! Nothing fails for want of a packed one: what cannot be fetched is built, and what cannot be packed is built elsewhere, too.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Instant;

use shoal_core::functions::Prepared;
use shoal_core::{Failure, Reason};
use tokio::time::timeout;

use super::{Build, ENVIRONMENT, failure, key, milliseconds};
use crate::death::Death;
use crate::limits::BUILD_TIME_MAX;

/// What an environment is packed into, beside it.
const PACKED: &str = "packed.tar.gz";

/// What packs, in the sources.
const PACKING: &str = "shoal/worker/packing.py";

impl Build<'_> {
    /// Takes what another machine has packed; none where none has, or where it cannot be used.
    pub(super) async fn fetched(&self) -> Result<Option<Prepared>, Failure> {
        let since = Instant::now();
        let place = self.cache.place(self.key);
        match self.fetch(&place).await {
            Ok(true) => {
                self.publish(&place)?;
                let milliseconds = milliseconds(since);
                tracing::info!(environment = self.key, milliseconds, "the environment is fetched from the storage");
                Ok(Some(Prepared::Fetched { milliseconds }))
            }
            Ok(false) => Ok(None),
            Err(failure) => {
                let causes = &failure.causes;
                tracing::warn!(environment = self.key, %failure, ?causes, "the packed environment cannot be used");
                let _ = tokio::fs::remove_dir_all(&place).await;
                Ok(None)
            }
        }
    }

    async fn fetch(&self, place: &Path) -> Result<bool, Failure> {
        let no_place = |error: io::Error| failure::no_place(self.folder, &error);
        let name = key::shared_name(self.key, self.base)?;
        let Some(file) = self.files.shared(&name).await? else { return Ok(false) };
        self.make_room();
        std::fs::create_dir_all(place).map_err(no_place)?;
        let (packed, environment) = (place.join(PACKED), place.join(ENVIRONMENT));
        tracing::info!(environment = self.key, bytes = file.bytes, "a packed environment is fetched");
        self.files.fetch_to(&file, &packed).await?;
        let make = ["-m", "venv", "--without-pip"].map(OsString::from);
        self.python(place, make.into_iter().chain([environment.clone().into()])).await?;
        self.pack(place, ["unpack".into(), packed.clone().into(), environment.into()]).await?;
        tokio::fs::remove_file(packed).await.map_err(no_place)?;
        Ok(true)
    }

    /// Packs what was built and shares it.
    pub(super) async fn share(&self, place: &Path) {
        let (packed, since) = (place.join(PACKED), Instant::now());
        let environment = place.join(ENVIRONMENT);
        let shared = async {
            let name = key::shared_name(self.key, self.base)?;
            self.pack(place, ["pack".into(), environment.into(), packed.clone().into()]).await?;
            self.files.share(&name, &packed).await
        };
        match shared.await {
            Ok(()) => {
                let milliseconds = milliseconds(since);
                tracing::info!(environment = self.key, milliseconds, "the environment is packed for other workers");
            }
            Err(failure) => {
                let causes = &failure.causes;
                tracing::warn!(environment = self.key, %failure, ?causes, "the environment cannot be packed for others");
            }
        }
        let _ = tokio::fs::remove_file(packed).await;
    }

    async fn pack(&self, place: &Path, arguments: [OsString; 3]) -> Result<(), Failure> {
        // The folder of a script is not where it looks for modules.
        let script = [OsString::from("-I"), self.sources.join(PACKING).into()];
        self.python(place, script.into_iter().chain(arguments)).await
    }

    /// Runs the interpreter that environments are made from.
    async fn python(&self, place: &Path, arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
        let line: Vec<OsString> = [OsString::from(&self.base.executable)].into_iter().chain(arguments).collect();
        let ran = timeout(BUILD_TIME_MAX, self.supervised(place).run(&line, |line| tracing::info!("{line}"))).await;
        let ended = match ran {
            Ok(ended) => ended.map_err(|error| failure::no_place(self.folder, &error))?,
            Err(_) => return Err(failure::too_long(self.requirements, "packing")),
        };
        if ended.code == Some(0) {
            return Ok(());
        }
        let message = format!("what packs environments {}", Death::Ended(ended.code).in_words());
        let mut failure = Failure::new(Reason::Io, message);
        failure.causes = ended.last_lines;
        Err(failure)
    }
}
