//! DataFusion and Delta, put to work for tasks: tables in, group keys, aggregates, models, tables out.

pub mod archive;
pub mod blobs;
pub mod columns;
mod csv_diagnosis;
pub mod delta;
pub mod error;
pub mod exchange;
pub mod folds;
pub mod functions;
pub mod group_apply;
pub mod keys;
pub mod models;
pub mod moments;
mod ndjson_diagnosis;
mod nearest;
pub mod scanned;
pub mod scoring;
pub mod session;
pub mod sql;
pub mod storage;
pub mod table;
