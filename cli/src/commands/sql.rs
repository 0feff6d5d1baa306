//! `shoal sql`.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::writer::{JsonArray, WriterBuilder};
use arrow::util::pretty::pretty_format_batches_with_schema;
use futures::TryStreamExt;
use shoal_core::Failure;
use shoal_core::partition::BatchStream;
use shoal_engine::sql;

use crate::args::{Output, SqlArgs};
use crate::exit::End;
use crate::interrupts::Interrupts;
use crate::terminal::{Terminal, print};

/// Rows of a table for people; columns can only be aligned once all rows are known.
const ROWS_SHOWN_MAX: usize = 1_000;

/// Runs a statement and writes its rows to stdout.
pub(crate) async fn run(args: SqlArgs) -> Result<(), End> {
    let mut interrupts = Interrupts::listen()?;
    tokio::select! {
        written = query(&args.statement, args.output) => Ok(written?),
        _ = interrupts.next() => Err(End::Interrupted(None)),
    }
}

async fn query(statement: &str, output: Output) -> Result<(), Failure> {
    let sql::Answer { schema, batches } = sql::query(statement).await?;
    match output {
        Output::Table => write_table(&schema, batches).await,
        Output::Json => write_json(batches).await,
    }
}

async fn write_table(schema: &SchemaRef, mut batches: BatchStream) -> Result<(), Failure> {
    let mut shown: Vec<RecordBatch> = Vec::new();
    let mut room = ROWS_SHOWN_MAX;
    let mut more = false;
    while let Some(batch) = batches.try_next().await? {
        more = batch.num_rows() > room;
        let rows = batch.num_rows().min(room);
        room -= rows;
        shown.push(batch.slice(0, rows));
        if more {
            break;
        }
    }
    let table = pretty_format_batches_with_schema(schema.clone(), &shown).map_err(|error| cannot_write(&error))?;
    print(&format!("{table}\n"))?;
    if more {
        Terminal::new()
            .line(&format!("only the first {ROWS_SHOWN_MAX} rows are shown; --output json writes all of them"));
    }
    Ok(())
}

/// One array, written as rows come in.
async fn write_json(mut batches: BatchStream) -> Result<(), Failure> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
    while let Some(batch) = batches.try_next().await? {
        writer.write(&batch).map_err(|error| cannot_write(&error))?;
        let text = std::mem::take(writer.get_mut());
        print(&String::from_utf8_lossy(&text))?;
    }
    writer.finish().map_err(|error| cannot_write(&error))?;
    print(&format!("{}\n", String::from_utf8_lossy(&writer.into_inner())))
}

fn cannot_write(error: &arrow::error::ArrowError) -> Failure {
    Failure::internal("the rows cannot be written").because(error)
}
