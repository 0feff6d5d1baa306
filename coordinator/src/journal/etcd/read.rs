//! Records out of etcd: page by page, all as of one revision.

use etcd_client::{Error, GetOptions};
use shoal_core::history::JobHistory;
use shoal_core::journal::{self, Record, StoredRecord};
use shoal_core::{Failure, JobUid, Reason};

use super::keys::{end_of, parse_part};
use super::session::{Session, Trouble};

/// Keys of a page: some megabytes of ordinary records.
const PAGE_KEYS: i64 = 2_000;

/// Bytes of a page. One that holds large records may be larger than this; fewer keys are asked for then.
pub(super) const PAGE_BYTES_MAX: usize = 64 << 20;

/// How often a reading is begun anew because etcd has forgotten the revision in the middle of it.
const COMPACTED_MAX: usize = 5;

/// A key and its value.
type Entry = (String, Vec<u8>);

/// The records of a range.
pub(super) async fn read(session: &Session, prefix: &str) -> Result<Vec<Record>, Failure> {
    let [entries] = read_entries(session, [prefix], PAGE_KEYS).await?;
    let records = assemble(entries)
        .and_then(|stored| stored.iter().map(|(key, bytes)| decode(key, bytes)).collect::<Result<Vec<_>, _>>());
    records.map_err(|failure: Failure| failure.file(session.place()))
}

/// What is kept apart of a job.
pub(super) async fn read_apart(session: &Session, job: JobUid) -> Result<Option<JobHistory>, Failure> {
    let [entries] = read_entries(session, [&session.keys.apart(job)], PAGE_KEYS).await?;
    let Some((key, bytes)) = entries.first() else { return Ok(None) };
    match decode(key, bytes).map_err(|failure| failure.file(session.place()))? {
        Record::History { history, .. } => Ok(Some(*history)),
        _ => Ok(None),
    }
}

/// All that is stored, as it is stored, also while a head writes: nothing of it is older than the rest.
pub(super) async fn scan(session: &Session) -> Result<Vec<StoredRecord>, Failure> {
    let ranges = [&*session.keys.records(), &*session.keys.all_apart()];
    let [records, apart] = read_entries(session, ranges, PAGE_KEYS).await?;
    let records = assemble(records).map_err(|failure| failure.file(session.place()))?;
    let stored =
        |(key, bytes): Entry, is_apart| Some(StoredRecord { job: session.keys.job_of(&key)?, key, is_apart, bytes });
    let records = records.into_iter().filter_map(|entry| stored(entry, false));
    Ok(records.chain(apart.into_iter().filter_map(|entry| stored(entry, true))).collect())
}

/// What ranges hold, all as of one revision. Begun anew where etcd forgets that revision meanwhile.
async fn read_entries<const N: usize>(
    session: &Session,
    prefixes: [&str; N],
    page_keys: i64,
) -> Result<[Vec<Entry>; N], Failure> {
    for _ in 0..=COMPACTED_MAX {
        if let Some(entries) = Snapshot::new(session, page_keys).ranges(prefixes).await? {
            return Ok(entries);
        }
    }
    Err(Failure::new(Reason::Io, "etcd is compacted faster than the journal can be read")
        .file(session.place())
        .next("compact less often: keep at least some minutes of history"))
}

/// What etcd held at one revision: that of the first page that is read.
struct Snapshot<'a> {
    session: &'a Session,
    /// 0 before the first page.
    revision: i64,
    page_keys: i64,
}

/// What is not read yet.
struct Range {
    from: Vec<u8>,
    end: Vec<u8>,
}

/// What came of asking for a page.
#[derive(Debug, PartialEq)]
enum Page {
    Read {
        entries: Vec<Entry>,
        more: bool,
    },
    /// The revision was compacted: nothing of what was read before can be completed.
    Compacted,
}

impl Range {
    fn below(prefix: &str) -> Self {
        Self { from: prefix.as_bytes().to_vec(), end: end_of(prefix) }
    }
}

impl<'a> Snapshot<'a> {
    fn new(session: &'a Session, page_keys: i64) -> Self {
        Self { session, revision: 0, page_keys }
    }

    /// All of some ranges; none where the revision was compacted meanwhile.
    async fn ranges<const N: usize>(mut self, prefixes: [&str; N]) -> Result<Option<[Vec<Entry>; N]>, Failure> {
        let mut all = [const { Vec::new() }; N];
        for (found, prefix) in all.iter_mut().zip(prefixes) {
            let mut range = Range::below(prefix);
            loop {
                match self.page(&mut range).await? {
                    Page::Compacted => return Ok(None),
                    Page::Read { entries, more } => {
                        found.extend(entries);
                        if !more {
                            break;
                        }
                    }
                }
            }
        }
        Ok(Some(all))
    }

    /// The next page of a range.
    async fn page(&mut self, range: &mut Range) -> Result<Page, Failure> {
        let mut page = loop {
            let options =
                GetOptions::new().with_range(range.end.clone()).with_limit(self.page_keys).with_revision(self.revision);
            let asked = self.session.retry(|client| {
                let mut kv = client.kv_client().max_decoding_message_size(PAGE_BYTES_MAX);
                let (from, options) = (range.from.clone(), options.clone());
                async move { kv.get(from, Some(options)).await }
            });
            match asked.await {
                Ok(page) => break page,
                Err(Trouble::Refused(error)) if is_compacted(&error) => return Ok(Page::Compacted),
                Err(Trouble::Refused(error)) if self.page_keys > 1 && is_too_large(&error) => {
                    self.page_keys = (self.page_keys / 4).max(1);
                }
                Err(trouble) => return Err(self.session.failure(trouble)),
            }
        };
        if self.revision == 0 {
            self.revision = page.header().map_or(0, |header| header.revision());
        }
        let more = page.more();
        let entries: Vec<_> = page.take_kvs().into_iter().map(|entry| entry.into_key_value()).collect();
        if let Some((last, _)) = entries.last() {
            // The key right after the last one.
            range.from = [last.as_slice(), &[0]].concat();
        }
        let text = |(key, value): (Vec<u8>, _)| (String::from_utf8_lossy(&key).into_owned(), value);
        Ok(Page::Read { entries: entries.into_iter().map(text).collect(), more })
    }
}

fn is_compacted(error: &Error) -> bool {
    matches!(error, Error::GRpcStatus(status) if status.message().contains("compacted"))
}

fn is_too_large(error: &Error) -> bool {
    matches!(error, Error::GRpcStatus(status) if status.code() == tonic::Code::OutOfRange)
}

/// Puts parts together: each record under the key of its last part. One of which parts are missing was never
/// acknowledged, and is none.
pub(super) fn assemble(entries: Vec<Entry>) -> Result<Vec<Entry>, Failure> {
    let mut records = Vec::new();
    // The record that the parts so far belong to, how many there were, and what they hold.
    let mut begun = (String::new(), 0, Vec::new());
    for (key, value) in entries {
        let part = parse_part(&key).ok_or_else(|| {
            Failure::new(Reason::CorruptFile, format!("`{key}` is no key of a record"))
                .next("another program may write below the same prefix: give Shoal one of its own")
        })?;
        // Parts come in the order of their keys.
        if part.index == 0 {
            begun = (part.record.clone(), 0, Vec::new());
        }
        if begun.0 != part.record || begun.1 != part.index {
            continue;
        }
        begun.1 += 1;
        begun.2.extend(value);
        if begun.1 == part.of {
            records.push((key, std::mem::take(&mut begun.2)));
        }
    }
    Ok(records)
}

pub(super) fn decode(key: &str, bytes: &[u8]) -> Result<Record, Failure> {
    journal::decode(bytes).map_err(|mut failure| {
        failure.message = format!("{} (key `{key}`)", failure.message);
        failure
    })
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
