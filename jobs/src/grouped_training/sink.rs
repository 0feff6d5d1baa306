//! Where groups go one after the other, and from where what is made of them comes into the output's file.

use std::sync::Arc;

use shoal_core::Failure;
use shoal_core::functions::Calls;
use shoal_core::task::Counters;
use shoal_engine::functions::{FunctionTable, Packed, Packer};
use shoal_engine::group_apply::{GroupTrainer, ModelsOfGroups};
use shoal_engine::models::{ModelCounts, ParquetFile};

use crate::calling::Calling;

/// Models that are written at a time: a batch, so that memory stays flat however many groups a bucket has.
const MODELS_PER_BATCH: usize = 8192;

/// Takes groups, and writes what is made of them.
pub(crate) trait GroupSink: Send {
    /// What takes the groups, rows or moments as it likes.
    type Trainer: GroupTrainer;

    /// Groups are handed over to it.
    fn trainer(&mut self) -> &mut Self::Trainer;

    /// Writes what is there to be written, as groups of one batch have been handed over.
    fn write(&mut self, file: &mut ParquetFile) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Writes the rest, and says what was counted.
    fn end(self, file: &mut ParquetFile) -> impl Future<Output = Result<Counters, Failure>> + Send;
}

/// What a task reports of the groups that it counted.
pub(super) fn counters(counts: ModelCounts) -> Counters {
    Counters { groups_ok: counts.ok, groups_failed: counts.failed, ..Counters::default() }
}

/// Our own models, which are trained as their groups come.
pub(super) struct Models<T>(pub(super) T);

impl<T: ModelsOfGroups> Models<T> {
    async fn write_from(&mut self, file: &mut ParquetFile, models_min: usize) -> Result<(), Failure> {
        if self.0.models().len() >= models_min {
            file.write(&self.0.models().take()?).await?;
        }
        Ok(())
    }
}

impl<T: ModelsOfGroups + Send> GroupSink for Models<T> {
    type Trainer = T;

    fn trainer(&mut self) -> &mut T {
        &mut self.0
    }

    async fn write(&mut self, file: &mut ParquetFile) -> Result<(), Failure> {
        self.write_from(file, MODELS_PER_BATCH).await
    }

    async fn end(mut self, file: &mut ParquetFile) -> Result<Counters, Failure> {
        self.write_from(file, 1).await?;
        Ok(counters(self.0.models().counts()))
    }
}

/// What a user's function returns, which works while further groups are packed.
pub(super) struct Called {
    packer: Packer,
    calls: Calling,
    table: Arc<FunctionTable>,
    counts: ModelCounts,
}

impl Called {
    pub(super) fn new(packer: Packer, calls: Box<dyn Calls>, table: Arc<FunctionTable>) -> Self {
        Self { packer, calls: Calling::new(calls), table, counts: ModelCounts::default() }
    }

    /// Sends what is packed, and waits where much is on its way.
    async fn send(&mut self, file: &mut ParquetFile) -> Result<(), Failure> {
        while let Some(packed) = self.packer.take() {
            match packed {
                Packed::Groups(groups) => self.calls.send(groups),
                Packed::TooLarge(key, rows) => {
                    let (batch, counts) = self.table.too_large(key, rows)?;
                    self.counts.add(counts);
                    file.write(&batch).await?;
                }
            }
            while self.calls.is_full() && self.receive(file).await? {}
        }
        Ok(())
    }

    /// Waits for what came of the next groups; false where none are on their way.
    async fn receive(&mut self, file: &mut ParquetFile) -> Result<bool, Failure> {
        let Some(returns) = self.calls.next().await? else { return Ok(false) };
        let (batch, counts) = self.table.rows(&returns)?;
        self.counts.add(counts);
        file.write(&batch).await?;
        Ok(true)
    }
}

impl GroupSink for Called {
    type Trainer = Packer;

    fn trainer(&mut self) -> &mut Packer {
        &mut self.packer
    }

    async fn write(&mut self, file: &mut ParquetFile) -> Result<(), Failure> {
        self.send(file).await
    }

    async fn end(mut self, file: &mut ParquetFile) -> Result<Counters, Failure> {
        self.packer.close()?;
        self.send(file).await?;
        while self.receive(file).await? {}
        Ok(Counters { function_counters: self.calls.counted(), ..counters(self.counts) })
    }
}
