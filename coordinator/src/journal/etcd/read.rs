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

/// The records of a range.
pub(super) async fn read(session: &Session, prefix: &str) -> Result<Vec<Record>, Failure> {
    let stored = assemble(read_entries(session, prefix).await?);
    let records = stored.and_then(|stored| stored.iter().map(|(key, bytes)| decode(key, bytes)).collect());
    records.map_err(|failure: Failure| failure.file(session.place()))
}

/// What is kept apart of a job.
pub(super) async fn read_apart(session: &Session, job: JobUid) -> Result<Option<JobHistory>, Failure> {
    let entries = read_entries(session, &session.keys.apart(job)).await?;
    let Some((key, bytes)) = entries.first() else { return Ok(None) };
    match decode(key, bytes).map_err(|failure| failure.file(session.place()))? {
        Record::History { history, .. } => Ok(Some(*history)),
        _ => Ok(None),
    }
}

/// All that is stored, as it is stored.
pub(super) async fn scan(session: &Session) -> Result<Vec<StoredRecord>, Failure> {
    let mut stored = assemble(read_entries(session, &session.keys.records()).await?)?;
    stored.extend(read_entries(session, &session.keys.all_apart()).await?);
    let of_job = |(key, bytes): (String, Vec<u8>)| Some(StoredRecord { job: session.keys.job_of(&key)?, bytes });
    Ok(stored.into_iter().filter_map(of_job).collect())
}

/// What a range holds.
async fn read_entries(session: &Session, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut times = 0;
    loop {
        match entries(session, prefix).await? {
            Some(entries) => return Ok(entries),
            None if times < COMPACTED_MAX => times += 1,
            None => {
                return Err(Failure::new(Reason::Io, "etcd is compacted faster than the journal can be read")
                    .file(session.place())
                    .next("compact less often: keep at least some minutes of history"));
            }
        }
    }
}

/// Keys and values below a prefix; none where the revision was compacted while they were read.
async fn entries(session: &Session, prefix: &str) -> Result<Option<Vec<(String, Vec<u8>)>>, Failure> {
    let (end, mut from) = (end_of(prefix), prefix.as_bytes().to_vec());
    let (mut revision, mut keys) = (0, PAGE_KEYS);
    let mut found = Vec::new();
    loop {
        let options = GetOptions::new().with_range(end.clone()).with_limit(keys).with_revision(revision);
        let page = session
            .retry(|client| {
                let mut kv = client.kv_client().max_decoding_message_size(PAGE_BYTES_MAX);
                let (from, options) = (from.clone(), options.clone());
                async move { kv.get(from, Some(options)).await }
            })
            .await;
        let mut page = match page {
            Ok(page) => page,
            Err(Trouble::Refused(error)) if is_compacted(&error) => return Ok(None),
            Err(Trouble::Refused(error)) if keys > 1 && is_too_large(&error) => {
                keys = (keys / 4).max(1);
                continue;
            }
            Err(trouble) => return Err(session.failure(trouble)),
        };
        if revision == 0 {
            revision = page.header().map_or(0, |header| header.revision());
        }
        let more = page.more();
        for entry in page.take_kvs() {
            let (key, value) = entry.into_key_value();
            from.clone_from(&key);
            found.push((String::from_utf8_lossy(&key).into_owned(), value));
        }
        if !more {
            return Ok(Some(found));
        }
        // The key right after the last one.
        from.push(0);
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
pub(super) fn assemble(entries: Vec<(String, Vec<u8>)>) -> Result<Vec<(String, Vec<u8>)>, Failure> {
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
