use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StructArray};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::column::MomentsColumn;
use super::groups::GroupMoments;

/// What an aggregate function is given: rows of variables, or moments of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Input {
    Rows,
    Moments,
}

/// The accumulator of both functions: they differ in their input alone.
#[derive(Debug)]
pub(super) struct MomentsAccumulator {
    input: Input,
    groups: GroupMoments,
}

impl MomentsAccumulator {
    /// For many groups: there are none yet.
    pub(super) fn grouped(input: Input, variables: usize) -> Self {
        Self { input, groups: GroupMoments::new(variables) }
    }

    /// For one group, which has no rows yet.
    pub(super) fn single(input: Input, variables: usize) -> Self {
        let mut accumulator = Self::grouped(input, variables);
        accumulator.groups.resize(1);
        accumulator
    }

    /// The one group's moments. They stay, because a window function asks again after each row.
    fn moments_of_single(&self) -> StructArray {
        self.groups.clone().emit(EmitTo::All)
    }
}

/// Folds a function's arguments.
fn fold(
    input: Input,
    into: &mut GroupMoments,
    values: &[ArrayRef],
    groups: impl ExactSizeIterator<Item = usize>,
    filter: Option<&BooleanArray>,
) -> Result<()> {
    match input {
        Input::Rows => into.push(values, groups, filter),
        Input::Moments => merge(into, values, groups, filter),
    }
}

fn merge(
    into: &mut GroupMoments,
    states: &[ArrayRef],
    groups: impl ExactSizeIterator<Item = usize>,
    filter: Option<&BooleanArray>,
) -> Result<()> {
    let [states] = datafusion::common::utils::take_function_args("moments", states)?;
    let states =
        MomentsColumn::new(states, into.variables()).map_err(|failure| DataFusionError::External(Box::new(failure)))?;
    into.merge(&states, groups, filter);
    Ok(())
}

fn len(values: &[ArrayRef]) -> usize {
    values.first().map_or(0, |values| values.len())
}

impl GroupsAccumulator for MomentsAccumulator {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize(total_num_groups);
        fold(self.input, &mut self.groups, values, group_indices.iter().copied(), opt_filter)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.groups.resize(total_num_groups);
        merge(&mut self.groups, values, group_indices.iter().copied(), None)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(Arc::new(self.groups.emit(emit_to)))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![GroupsAccumulator::evaluate(self, emit_to)?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = len(values);
        let mut groups = GroupMoments::new(self.groups.variables());
        groups.resize(rows);
        fold(self.input, &mut groups, values, 0..rows, opt_filter)?;
        Ok(vec![Arc::new(groups.emit(EmitTo::All))])
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.groups.heap_size()
    }
}

/// Without GROUP BY there is one group.
impl Accumulator for MomentsAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        fold(self.input, &mut self.groups, values, std::iter::repeat_n(0, len(values)), None)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        merge(&mut self.groups, states, std::iter::repeat_n(0, len(states)), None)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Struct(Arc::new(self.moments_of_single())))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![Accumulator::evaluate(self)?])
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(self)
    }
}
