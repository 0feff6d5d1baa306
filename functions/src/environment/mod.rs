//! Environments of users' functions: a Python of their own with the packages that a job asks for. Each is built once for all
//! workers of a machine, and is there for later jobs.

mod base;
mod failure;
mod installer;
mod key;
mod packed;
mod supervised;

use std::io;
use std::path::Path;
use std::time::{Instant, SystemTime};

use shoal_core::Failure;
use shoal_core::functions::{Prepared, Program, Requirements};
use tokio::time::timeout;

use self::base::Base;
use self::installer::Installer;
use self::supervised::Supervised;
use crate::cache::{Cache, Hold, Lease, locked};
use crate::files::Files;
use crate::limits::BUILD_TIME_MAX;

/// Where an environment has its interpreter.
const PYTHON: &str = "bin/python";

/// The environment in its folder, beside which a build keeps what is temporary.
const ENVIRONMENT: &str = "environment";

/// What shows that an environment is complete.
const COMPLETE: &str = "environment/bin/python";

/// Wheels that the job brings along, beside what a build keeps.
const WHEELS: &str = "wheels";

/// The environment of a program that has requirements, kept in that folder: the one that is there, or a new one. Where another
/// task of this machine builds it, that is waited for.
///
/// # Errors
/// What is wrong with the requirements, with the interpreter, or with the folder.
pub(crate) async fn ready(
    folder: &Path,
    sources: &Path,
    files: &Files,
    program: &Program,
    requirements: &Requirements,
) -> Result<(Lease, Prepared), Failure> {
    let base = Base::of(program).await?;
    let wheels = match &requirements.wheels {
        Some(_) if !requirements.wheel_files.is_empty() => Vec::new(),
        Some(wheels) => key::wheels(Path::new(wheels)).map_err(|error| failure::no_wheels(wheels, &error))?,
        None => Vec::new(),
    };
    let key = key::key(requirements, &base, &wheels);
    let no_place = |error: io::Error| failure::no_place(folder, &error);
    let cache = Cache::open(folder, COMPLETE).map_err(no_place)?;
    let waits =
        || tracing::info!(environment = key, "another task of this machine builds the environment: waiting for it");
    let mut prepared = Prepared::Found;
    loop {
        let lock = locked(&cache, &key, Hold::Together, waits).await.map_err(no_place)?;
        if let Some(lease) = cache.lease(&key, lock) {
            return Ok((lease, prepared));
        }
        // Between the two somebody else may have built it.
        let lock = locked(&cache, &key, Hold::Alone, waits).await.map_err(no_place)?;
        if cache.ready(&key).is_none() {
            let packs = program.packs;
            prepared = Build { cache: &cache, key: &key, base: &base, sources, files, requirements, folder, packs }
                .run()
                .await?;
        }
        drop(lock);
    }
}

/// An environment that is being built by whoever holds its lock alone.
struct Build<'a> {
    cache: &'a Cache,
    key: &'a str,
    base: &'a Base,
    sources: &'a Path,
    files: &'a Files,
    requirements: &'a Requirements,
    /// The cache's.
    folder: &'a Path,
    /// Whether it is shared with other machines.
    packs: bool,
}

impl Build<'_> {
    async fn run(&self) -> Result<Prepared, Failure> {
        if self.packs
            && let Some(prepared) = self.fetched().await?
        {
            return Ok(prepared);
        }
        let installer = Installer::of(std::env::var_os("PATH").as_deref(), self.base)
            .ok_or_else(|| failure::no_installer(self.requirements, &self.base.executable))?;
        let since = Instant::now();
        let by = installer.name().to_owned();
        tracing::info!(environment = self.key, python = self.base.version, by, "the environment is built");
        self.make_room();
        let place = self.cache.place(self.key);
        let built = self.build(&installer, &place).await;
        if let Err(failure) = built {
            // What is left of it is deleted before it is tried again.
            let _ = tokio::fs::remove_dir_all(&place).await;
            return Err(failure);
        }
        self.publish(&place)?;
        let milliseconds = milliseconds(since);
        tracing::info!(environment = self.key, milliseconds, by, "the environment is ready");
        if self.packs {
            self.share(&place).await;
        }
        Ok(Prepared::Built { by, milliseconds })
    }

    fn publish(&self, place: &Path) -> Result<(), Failure> {
        let Base { version, .. } = self.base;
        let made_of = serde_json::json!({"python": version, "requirements": self.requirements.text});
        self.cache.publish(self.key, place, &made_of).map_err(|error| failure::no_place(self.folder, &error))
    }

    /// What runs commands in a folder that exists.
    fn supervised<'b>(&'b self, folder: &'b Path) -> Supervised<'b> {
        Supervised {
            python: Path::new(&self.base.executable),
            sources: self.sources,
            folder,
            variables: installer::variables(std::env::vars_os()).collect(),
        }
    }

    /// Deletes what an interrupted build has left, and environments that nobody uses any more. What cannot be deleted, as
    /// somebody still writes there, harms nobody, and is tried again with the next build.
    fn make_room(&self) {
        if let Err(error) = self.cache.delete(self.key) {
            tracing::warn!(environment = self.key, %error, "what a build has left cannot be deleted");
        }
        match self.cache.delete_unused(SystemTime::now()) {
            Ok(deleted) if deleted.is_empty() => {}
            Ok(deleted) => tracing::info!(?deleted, "environments that nobody has used for long are deleted"),
            Err(error) => tracing::warn!(%error, "environments that nobody uses cannot be deleted"),
        }
    }

    async fn build(&self, installer: &Installer, place: &Path) -> Result<(), Failure> {
        let no_place = |error: io::Error| failure::no_place(self.folder, &error);
        let temporary = place.join("tmp");
        std::fs::create_dir_all(&temporary).map_err(no_place)?;
        let file = temporary.join(self.requirements.file.as_deref().unwrap_or("requirements.txt"));
        std::fs::write(&file, &self.requirements.text).map_err(no_place)?;
        let mut requirements = self.requirements.clone();
        if !requirements.wheel_files.is_empty() {
            let wheels = temporary.join(WHEELS);
            self.files.lay_out(&requirements.wheel_files, &wheels).await?;
            requirements.wheels = Some(wheels.display().to_string());
        }
        let environment = place.join(ENVIRONMENT);
        let supervised = self.supervised(&temporary);
        let in_temporary = format!("{}/", temporary.display());
        let said = |line: &str| tracing::info!("{}", failure::without_passwords(&line.replace(&in_temporary, "")));
        for command in installer.commands(self.base, &environment, &file, &requirements) {
            let ran = timeout(BUILD_TIME_MAX, supervised.run(&command.line, said)).await;
            let mut ended = ran.map_err(|_| failure::too_long(self.requirements, command.name))?.map_err(no_place)?;
            if ended.code != Some(0) {
                ended.last_lines.iter_mut().for_each(|line| *line = line.replace(&in_temporary, ""));
                return Err(failure::not_installed(self.folder, self.requirements, command.name, ended));
            }
        }
        tokio::fs::remove_dir_all(&temporary).await.map_err(no_place)
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
