//! Groups of a part on their way to a trainer.

use arrow::array::StructArray;
use shoal_core::Failure;

use super::GroupTrainer;
use super::part::Part;
use super::places::Places;
use crate::moments::MomentsColumn;
use crate::session::BATCH_ROWS;

/// What is handed over of the groups of a part.
pub(super) enum HandOver {
    /// Their rows.
    Rows(RowsByGroup),
    /// The moments of their rows.
    Moments(MomentsByGroup),
}

impl HandOver {
    /// All groups of a part, as the trainer wants them.
    pub(super) fn new(part: Part, trainer: &impl GroupTrainer) -> Result<Self, Failure> {
        Ok(match trainer.moments_wanted() {
            Some(variables) => Self::Moments(MomentsByGroup::new(part, variables)?),
            None => Self::Rows(RowsByGroup::new(part)),
        })
    }

    /// As [`super::Clustered::train_next`].
    pub(super) fn next(&mut self, trainer: &mut impl GroupTrainer) -> Result<bool, Failure> {
        match self {
            Self::Rows(rows) => rows.next(trainer),
            Self::Moments(moments) => moments.next(trainer),
        }
    }
}

pub(super) struct RowsByGroup {
    part: Part,
    places: Places,
    /// What was handed over: groups, and rows.
    group: usize,
    row: usize,
}

impl RowsByGroup {
    fn new(part: Part) -> Self {
        Self { places: part.places(), part, group: 0, row: 0 }
    }

    fn next(&mut self, trainer: &mut impl GroupTrainer) -> Result<bool, Failure> {
        let chunk = self.row..self.part.rows().min(self.row + BATCH_ROWS);
        if chunk.is_empty() {
            return Ok(false);
        }
        let columns = self.part.gathered(&self.places, chunk.clone())?;
        while self.row < chunk.end {
            let end = self.places.of_group(self.group).end;
            let rows = self.row - chunk.start..end.min(chunk.end) - chunk.start;
            self.row = chunk.start + rows.end;
            trainer.rows(&columns, rows)?;
            if self.row == end {
                trainer.finish(&self.part.keys, self.group)?;
                self.group += 1;
            }
        }
        Ok(true)
    }
}

pub(super) struct MomentsByGroup {
    part: Part,
    variables: usize,
    moments: StructArray,
    /// Looked up for the first group whose rows are wanted after all.
    places: Option<Places>,
    /// How many groups were handed over.
    group: usize,
}

impl MomentsByGroup {
    fn new(part: Part, variables: usize) -> Result<Self, Failure> {
        Ok(Self { moments: part.moments(variables)?, part, variables, places: None, group: 0 })
    }

    fn next(&mut self, trainer: &mut impl GroupTrainer) -> Result<bool, Failure> {
        let chunk = self.group..self.part.groups().min(self.group + BATCH_ROWS);
        let moments = MomentsColumn::new(&self.moments, self.variables)?;
        for group in chunk.clone() {
            if !trainer.moments(&self.part.keys, group, (moments.get(group), moments.dropped(group)))? {
                let places = self.places.get_or_insert_with(|| self.part.places());
                hand_rows_over(&self.part, places, group, trainer)?;
            }
        }
        self.group = chunk.end;
        Ok(!chunk.is_empty())
    }
}

/// All rows of a group, a batch at a time.
fn hand_rows_over(part: &Part, places: &Places, group: usize, trainer: &mut impl GroupTrainer) -> Result<(), Failure> {
    let rows = places.of_group(group);
    for start in rows.clone().step_by(BATCH_ROWS) {
        let columns = part.gathered(places, start..rows.end.min(start + BATCH_ROWS))?;
        trainer.rows(&columns, 0..rows.end.min(start + BATCH_ROWS) - start)?;
    }
    trainer.finish(&part.keys, group)
}
