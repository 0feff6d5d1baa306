use std::ops::Range;

/// A row: its batch, and which of that batch's rows it is.
type Place = (u32, u32);

/// Bytes that are held for a row besides the row: its group, and its place.
pub(super) const BYTES_OF_PLACE: u64 = (size_of::<u32>() + size_of::<Place>()) as u64;

/// Where rows lie that are put into the order of their groups, those of a group as they came.
pub(super) struct Places {
    pub(super) of_rows: Vec<Place>,
    /// Where each group's rows end among all.
    ends: Vec<usize>,
}

impl Places {
    /// By a counting sort: `group_of` has the group of each row, below `groups`, and `batches` how many rows each batch has.
    pub(super) fn new(group_of: &[u32], groups: usize, batches: impl Iterator<Item = usize>) -> Self {
        // How many rows each group has says where its first one goes.
        let mut next = vec![0; groups + 1];
        for group in group_of {
            next[*group as usize + 1] += 1;
        }
        for group in 1..next.len() {
            next[group] += next[group - 1];
        }
        let mut of_rows = vec![Place::default(); group_of.len()];
        let mut group_of = group_of.iter();
        for (batch, rows) in (0_u32..).zip(batches) {
            for (row, group) in (0..rows as u32).zip(&mut group_of) {
                let next = &mut next[*group as usize];
                of_rows[*next] = (batch, row);
                *next += 1;
            }
        }
        // Each group has moved its own start up to its end.
        next.pop();
        Self { of_rows, ends: next }
    }

    /// The rows of a group among all.
    pub(super) fn of_group(&self, group: usize) -> Range<usize> {
        let start = if group == 0 { 0 } else { self.ends[group - 1] };
        start..self.ends[group]
    }
}
