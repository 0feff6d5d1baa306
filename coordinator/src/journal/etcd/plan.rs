//! Records as transactions that etcd takes: none too large, in an order in which any beginning of them makes sense.

use std::collections::BTreeMap;

use shoal_core::journal::{self, Record, Retention};
use shoal_core::{Failure, JobUid, Reason};

use super::keys::{Keys, Place, end_of};

/// Operations of a transaction. etcd takes 128 unless told otherwise.
const OPERATIONS_MAX: usize = 120;

/// Bytes of a transaction's keys and values. etcd takes 1.5 MiB unless told otherwise; the rest is room for what goes
/// around them.
const BYTES_MAX: usize = 1 << 20;

/// Bytes of one part of a record.
const PART_BYTES_MAX: usize = BYTES_MAX - 4_096;

/// Parts of one record: far more than any plan of a stage takes, and what a key has digits for.
const PARTS_MAX: usize = 0xffff;

/// One transaction. Deletes come with what makes them right, so that there is never a state in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Transaction {
    /// Keys and values.
    pub(super) puts: Vec<(String, Vec<u8>)>,
    /// Ranges, each from a key up to and without another. None holds a key of `puts`.
    pub(super) deletes: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
}

impl Transaction {
    fn operations(&self) -> usize {
        self.puts.len() + self.deletes.len()
    }

    fn is_empty(&self) -> bool {
        self.operations() == 0
    }

    fn put(&mut self, key: String, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.puts.push((key, value));
    }

    /// Takes a put back.
    fn delete_put(&mut self, key: &str) {
        let bytes = &mut self.bytes;
        self.puts.retain(|(other, value)| {
            let goes = other == key;
            if goes {
                *bytes -= other.len() + value.len();
            }
            !goes
        });
    }

    /// Deletes a range, and leaves out what this transaction itself would have put there.
    fn delete(&mut self, from: Vec<u8>, to: Vec<u8>) {
        let is_in = |key: &str| key.as_bytes() >= from.as_slice() && key.as_bytes() < to.as_slice();
        let bytes = &mut self.bytes;
        self.puts.retain(|(key, value)| {
            let goes = is_in(key);
            if goes {
                *bytes -= key.len() + value.len();
            }
            !goes
        });
        self.bytes += from.len() + to.len();
        self.deletes.push((from, to));
    }

    fn has_room_for(&self, operations: usize, bytes: usize) -> bool {
        self.operations() + operations <= OPERATIONS_MAX && self.bytes + bytes <= BYTES_MAX
    }
}

/// Jobs of which only the first record stays: for these it must be known which one that is.
pub(super) fn jobs_cut_to_first(records: &[Record]) -> impl Iterator<Item = JobUid> {
    records.iter().filter(|record| record.retention() == Retention::First).map(Record::job)
}

/// Plans the transactions that append records, the first of them under the number of `start`. `firsts` says under which
/// key the first record of a job is stored, without the end that says which part it is; a job that has none is missing.
///
/// # Errors
/// [`Reason::ResourcesExhausted`] for a record that is larger than any journal should hold.
pub(super) fn plan(
    keys: &Keys,
    start: Place,
    records: &[Record],
    mut firsts: BTreeMap<JobUid, String>,
) -> Result<Vec<Transaction>, Failure> {
    let mut planned = Vec::new();
    let mut now = Transaction::default();
    for (record, number) in records.iter().zip(start.number..) {
        let (job, place) = (record.job(), Place { number, ..start });
        if record.retention() == Retention::Apart {
            let (key, value) = (keys.apart(job), journal::encode(record)?);
            if !now.has_room_for(1, key.len() + value.len()) {
                planned.push(std::mem::take(&mut now));
            }
            // One key in a transaction twice is refused: the later one stands for both.
            now.delete_put(&key);
            now.put(key, value);
            continue;
        }
        let name = keys.record(job, place);
        // Of a retention that deletes, the range comes first: it ends where this record begins.
        let range = match record.retention() {
            Retention::All | Retention::Apart => None,
            Retention::None => Some((keys.job(job).into_bytes(), name.clone().into_bytes())),
            Retention::First => {
                firsts.get(&job).map(|first| (end_of(first), name.clone().into_bytes())).filter(|(from, to)| from < to)
            }
        };
        let parts = if record.retention() == Retention::None { Vec::new() } else { parts(keys, record, place)? };
        firsts.entry(job).or_insert(name);
        // With its deletes in one transaction where it has one part only; else the deletes go with its last part, so that
        // nothing is gone before the record is whole.
        let last = parts.len().saturating_sub(1);
        for (index, (key, value)) in parts.into_iter().enumerate() {
            let (operations, bytes) = (2, key.len() + value.len() + 512);
            if !now.has_room_for(operations, bytes) {
                planned.push(std::mem::take(&mut now));
            }
            if let Some((from, to)) = range.clone().filter(|_| index == last) {
                now.delete(from, to);
            }
            now.put(key, value);
        }
        if record.retention() == Retention::None
            && let Some((from, to)) = range
        {
            let apart = keys.apart(job);
            if !now.has_room_for(2, from.len() + to.len() + 2 * apart.len()) {
                planned.push(std::mem::take(&mut now));
            }
            now.delete(from, to);
            now.delete(apart.clone().into_bytes(), end_of(&apart));
        }
    }
    if !now.is_empty() {
        planned.push(now);
    }
    Ok(planned)
}

fn parts(keys: &Keys, record: &Record, place: Place) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let bytes = journal::encode(record)?;
    let of = bytes.len().div_ceil(PART_BYTES_MAX);
    if of > PARTS_MAX {
        let why = format!("a record of the journal takes {} bytes", bytes.len());
        return Err(Failure::new(Reason::ResourcesExhausted, why)
            .next("split the job: its plan is larger than a head can remember"));
    }
    let part = |(index, bytes): (usize, &[u8])| (keys.part(record.job(), place, index, of), bytes.to_vec());
    Ok(bytes.chunks(PART_BYTES_MAX).enumerate().map(part).collect())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
