use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int64Builder, RecordBatch, StringBuilder, StructArray};
use arrow::datatypes::Fields;
use shoal_core::Failure;
use shoal_ml::{FitStatus, OlsFit};

use super::schema::{OlsTable, RESERVED_COLUMNS};

/// What was counted over some models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelCounts {
    /// Models whose status is `ok`.
    pub ok: u64,
    /// Models with any other status.
    pub failed: u64,
    /// Rows that the models were fitted to.
    pub rows_used: u64,
    /// Rows that were left out for a missing value.
    pub rows_dropped: u64,
}

impl ModelCounts {
    /// Adds the counts of other models.
    pub fn add(&mut self, other: ModelCounts) {
        // Taken apart without `..`, so that a new count cannot be forgotten here.
        let ModelCounts { ok, failed, rows_used, rows_dropped } = other;
        self.ok += ok;
        self.failed += failed;
        self.rows_used += rows_used;
        self.rows_dropped += rows_dropped;
    }
}

/// Collects fits as rows of the output table, column by column.
pub struct OlsModelBuilder {
    table: Arc<OlsTable>,
    counts: ModelCounts,
    status: StringBuilder,
    message: StringBuilder,
    rows_used: Int64Builder,
    rows_dropped: Int64Builder,
    coefficients: TermsBuilder,
    std_errors: TermsBuilder,
    t_values: TermsBuilder,
    p_values: TermsBuilder,
    r2: Float64Builder,
    adj_r2: Float64Builder,
    sigma: Float64Builder,
    df_residual: Int64Builder,
    f_value: Float64Builder,
    f_p_value: Float64Builder,
    log_likelihood: Float64Builder,
    aic: Float64Builder,
    bic: Float64Builder,
}

impl OlsModelBuilder {
    /// A builder of rows of that table.
    pub fn new(table: Arc<OlsTable>) -> Self {
        let terms = table.terms();
        Self {
            table,
            counts: ModelCounts::default(),
            status: StringBuilder::new(),
            message: StringBuilder::new(),
            rows_used: Int64Builder::new(),
            rows_dropped: Int64Builder::new(),
            coefficients: TermsBuilder::new(terms),
            std_errors: TermsBuilder::new(terms),
            t_values: TermsBuilder::new(terms),
            p_values: TermsBuilder::new(terms),
            r2: Float64Builder::new(),
            adj_r2: Float64Builder::new(),
            sigma: Float64Builder::new(),
            df_residual: Int64Builder::new(),
            f_value: Float64Builder::new(),
            f_p_value: Float64Builder::new(),
            log_likelihood: Float64Builder::new(),
            aic: Float64Builder::new(),
            bic: Float64Builder::new(),
        }
    }

    /// Rows that wait for [`OlsModelBuilder::finish`].
    pub fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        self.rows_used.len()
    }

    /// Whether no row waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was counted over all rows so far, finished ones included.
    pub fn counts(&self) -> ModelCounts {
        self.counts
    }

    /// Adds the fit of one group.
    pub fn append(&mut self, fit: &OlsFit, rows_used: u64, rows_dropped: u64) {
        // Taken apart without `..`, so that a new number cannot be forgotten here.
        let OlsFit {
            status,
            dropped: _,
            coefficients,
            std_errors,
            t_values,
            p_values,
            r2,
            adj_r2,
            sigma,
            df_residual,
            f_value,
            f_p_value,
            log_likelihood,
            aic,
            bic,
            digits_lost: _,
        } = fit;
        let is_ok = *status == FitStatus::Ok;
        self.counts.add(ModelCounts { ok: u64::from(is_ok), failed: u64::from(!is_ok), rows_used, rows_dropped });
        self.status.append_value(status.as_str());
        self.message.append_option(fit.message(self.table.features(), rows_used));
        self.rows_used.append_value(signed(rows_used));
        self.rows_dropped.append_value(signed(rows_dropped));
        self.coefficients.append(coefficients);
        self.std_errors.append(std_errors);
        self.t_values.append(t_values);
        self.p_values.append(p_values);
        self.r2.append_option(*r2);
        self.adj_r2.append_option(*adj_r2);
        self.sigma.append_option(*sigma);
        self.df_residual.append_option(*df_residual);
        self.f_value.append_option(*f_value);
        self.f_p_value.append_option(*f_p_value);
        self.log_likelihood.append_option(*log_likelihood);
        self.aic.append_option(*aic);
        self.bic.append_option(*bic);
    }

    /// Takes the rows so far, with the keys of their groups.
    ///
    /// # Errors
    /// An internal failure where the keys do not fit the table's schema or are not as many as the rows.
    pub fn finish(&mut self, keys: Vec<ArrayRef>) -> Result<RecordBatch, Failure> {
        let terms = self.table.term_fields();
        let mut columns = keys;
        let own: [ArrayRef; RESERVED_COLUMNS.len()] = [
            Arc::new(self.status.finish()),
            Arc::new(self.message.finish()),
            Arc::new(self.rows_used.finish()),
            Arc::new(self.rows_dropped.finish()),
            self.coefficients.finish(&terms),
            self.std_errors.finish(&terms),
            self.t_values.finish(&terms),
            self.p_values.finish(&terms),
            Arc::new(self.r2.finish()),
            Arc::new(self.adj_r2.finish()),
            Arc::new(self.sigma.finish()),
            Arc::new(self.df_residual.finish()),
            Arc::new(self.f_value.finish()),
            Arc::new(self.f_p_value.finish()),
            Arc::new(self.log_likelihood.finish()),
            Arc::new(self.aic.finish()),
            Arc::new(self.bic.finish()),
        ];
        columns.extend(own);
        RecordBatch::try_new(Arc::clone(self.table.schema()), columns)
            .map_err(|error| Failure::internal("models do not fit their table").because(&error))
    }
}

/// A struct column with a field per term.
struct TermsBuilder(Vec<Float64Builder>);

impl TermsBuilder {
    fn new(terms: usize) -> Self {
        Self((0..terms).map(|_| Float64Builder::new()).collect())
    }

    fn append(&mut self, values: &[Option<f64>]) {
        debug_assert_eq!(self.0.len(), values.len());
        for (builder, value) in self.0.iter_mut().zip(values) {
            builder.append_option(*value);
        }
    }

    fn finish(&mut self, fields: &Fields) -> ArrayRef {
        let columns = self.0.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
        Arc::new(StructArray::new(fields.clone(), columns, None))
    }
}

/// Delta has no unsigned integers.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
