//! The features of some rows.

/// The features of some rows, column by column; a missing value is NaN.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    rows: usize,
    columns: &'a [&'a [f64]],
}

impl<'a> Columns<'a> {
    /// Columns that are all of `rows` values.
    ///
    /// # Panics
    ///
    /// If a column has another length.
    pub fn new(rows: usize, columns: &'a [&'a [f64]]) -> Self {
        assert!(columns.iter().all(|column| column.len() == rows), "a column has another length than its rows");
        Self { rows, columns }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of features.
    pub fn features(&self) -> usize {
        self.columns.len()
    }

    /// The values of one feature.
    pub fn column(&self, feature: usize) -> &'a [f64] {
        self.columns[feature]
    }

    /// One value.
    #[inline]
    pub fn get(&self, row: usize, feature: usize) -> f64 {
        self.columns[feature][row]
    }
}
