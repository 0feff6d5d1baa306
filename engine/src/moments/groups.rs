use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Float64Type;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::logical_expr::EmitTo;
use shoal_ml::MomentsMut;
use shoal_ml::moments::packed_len;

use super::column::{MomentsColumn, moments_array};

/// The moments of many groups in flat arrays.
///
/// A group's count, means and cross-products lie side by side, because rows come in any order of groups: each row touches
/// one place in memory instead of one per array.
#[derive(Clone, Debug)]
pub(crate) struct GroupMoments {
    variables: usize,
    /// Floats of one group: its count, its means, then its cross-products.
    stride: usize,
    dropped: Vec<u64>,
    values: Vec<f64>,
}

impl GroupMoments {
    pub(crate) fn new(variables: usize) -> Self {
        Self { variables, stride: stride(variables), dropped: Vec::new(), values: Vec::new() }
    }

    pub(super) fn variables(&self) -> usize {
        self.variables
    }

    /// Makes room for groups up to `groups`; new ones are of no rows.
    pub(crate) fn resize(&mut self, groups: usize) {
        self.dropped.resize(groups, 0);
        self.values.resize(groups * self.stride, 0.0);
    }

    /// Folds the rows of some columns, one per variable; row `i` is of group `groups[i]`.
    pub(crate) fn push(
        &mut self,
        columns: &[ArrayRef],
        groups: impl ExactSizeIterator<Item = usize>,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let slices =
            columns.iter().map(|column| column.as_primitive_opt::<Float64Type>().map(|column| &column.values()[..]));
        let slices: Vec<&[f64]> = slices
            .collect::<Option<_>>()
            .filter(|slices: &Vec<_>| slices.len() == self.variables)
            .ok_or_else(|| internal_datafusion_err!("{} columns of floats were expected", self.variables))?;
        let nulls = columns.iter().fold(None, |nulls, column| NullBuffer::union(nulls.as_ref(), column.nulls()));
        let rows = Rows { slices: &slices, nulls: nulls.as_ref(), filter };
        match self.variables {
            1 => self.push_rows::<1>(rows, groups),
            2 => self.push_rows::<2>(rows, groups),
            3 => self.push_rows::<3>(rows, groups),
            4 => self.push_rows::<4>(rows, groups),
            5 => self.push_rows::<5>(rows, groups),
            6 => self.push_rows::<6>(rows, groups),
            7 => self.push_rows::<7>(rows, groups),
            8 => self.push_rows::<8>(rows, groups),
            _ => self.push_wide_rows(rows, groups),
        }
        Ok(())
    }

    /// Folds rows of a few variables. With their number known to the compiler a row stays in registers and nothing loops,
    /// which is most of the time that few variables take.
    fn push_rows<const VARIABLES: usize>(&mut self, rows: Rows<'_>, groups: impl ExactSizeIterator<Item = usize>) {
        let slices: [&[f64]; VARIABLES] = std::array::from_fn(|variable| rows.slices[variable]);
        for (index, group) in groups.enumerate().filter(|(index, _)| is_kept(rows.filter, *index)) {
            let row: [f64; VARIABLES] = std::array::from_fn(|variable| slices[variable][index]);
            self.push_row(&row, rows.has_null(index), group);
        }
    }

    /// Folds rows of any number of variables.
    fn push_wide_rows(&mut self, rows: Rows<'_>, groups: impl ExactSizeIterator<Item = usize>) {
        let mut row = vec![0.0; self.variables];
        for (index, group) in groups.enumerate().filter(|(index, _)| is_kept(rows.filter, *index)) {
            for (value, slice) in row.iter_mut().zip(rows.slices) {
                *value = slice[index];
            }
            self.push_row(&row, rows.has_null(index), group);
        }
    }

    /// Folds a row into its group.
    // Always inlined, so that its length is known where that of the caller's row is.
    #[inline(always)]
    fn push_row(&mut self, row: &[f64], has_null: bool, group: usize) {
        if has_null || !row.iter().all(|value| value.is_finite()) {
            self.dropped[group] += 1;
            return;
        }
        let stride = stride(row.len());
        of_window(&mut self.values[group * stride..][..stride], row.len()).push(row);
    }

    /// Merges a column of moments; state `i` is of group `groups[i]`. Null states are of no rows.
    pub(super) fn merge(
        &mut self,
        states: &MomentsColumn<'_>,
        groups: impl ExactSizeIterator<Item = usize>,
        filter: Option<&BooleanArray>,
    ) {
        for (row, group) in groups.enumerate() {
            if !is_kept(filter, row) || states.is_null(row) {
                continue;
            }
            let window = &mut self.values[group * self.stride..][..self.stride];
            of_window(window, self.variables).merge(states.get(row));
            self.dropped[group] += states.dropped(row);
        }
    }

    /// Takes groups out, from the first on; those that stay move to the front.
    pub(crate) fn emit(&mut self, emit_to: EmitTo) -> StructArray {
        let dropped = emit_to.take_needed(&mut self.dropped);
        let values = match emit_to {
            EmitTo::All => EmitTo::All,
            EmitTo::First(groups) => EmitTo::First(groups * self.stride),
        }
        .take_needed(&mut self.values);

        let mut count = Vec::with_capacity(dropped.len());
        let mut mean = Vec::with_capacity(dropped.len() * self.variables);
        let mut comoment = Vec::with_capacity(dropped.len() * packed_len(self.variables));
        for window in values.chunks_exact(self.stride) {
            let (means, comoments) = window[1..].split_at(self.variables);
            count.push(window[0] as u64);
            mean.extend_from_slice(means);
            comoment.extend_from_slice(comoments);
        }
        moments_array(self.variables, count, dropped, mean, comoment)
    }

    /// Bytes on the heap, room that is not used yet included.
    pub(super) fn heap_size(&self) -> usize {
        self.values.capacity() * size_of::<f64>() + self.dropped.capacity() * size_of::<u64>()
    }
}

/// Floats of one group of so many variables.
const fn stride(variables: usize) -> usize {
    1 + variables + packed_len(variables)
}

/// The moments that a group's floats are.
#[inline(always)]
fn of_window(window: &mut [f64], variables: usize) -> MomentsMut<'_> {
    let (count, others) = window.split_at_mut(1);
    let (mean, comoment) = others.split_at_mut(variables);
    MomentsMut { count: &mut count[0], mean, comoment }
}

/// Rows as columns.
#[derive(Clone, Copy)]
struct Rows<'a> {
    slices: &'a [&'a [f64]],
    /// Null rows hold arbitrary values, so nullness is looked at on its own.
    nulls: Option<&'a NullBuffer>,
    filter: Option<&'a BooleanArray>,
}

impl Rows<'_> {
    fn has_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }
}

/// A row is kept where there is no filter or the filter is true; null is not true.
#[inline]
fn is_kept(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}
