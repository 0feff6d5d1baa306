//! The journal's store: one place that several heads write to, each only while it leads.

use std::collections::BTreeMap;

use shoal_core::journal::{Record, Retention, decode};
use shoal_core::lease::EpochGate;
use shoal_core::{Failure, JobUid, Reason};

use crate::message::HeadKey;

/// A head that has not renewed its lead for so long has lost it.
pub(crate) const LEASE_MS: u64 = 3_000;

#[derive(Clone, Copy)]
struct Holder {
    key: HeadKey,
    epoch: u64,
    /// Never, where the lead is a lock that ends with its process.
    expires_ms: u64,
}

pub(crate) struct Store {
    elected: bool,
    gate: EpochGate,
    holder: Option<Holder>,
    epochs: u64,
    records: BTreeMap<JobUid, Vec<Vec<u8>>>,
    /// The last append of each head's life that is stored: one that is repeated is not stored twice.
    last_append: BTreeMap<HeadKey, u64>,
    pub(crate) slow_until_ms: u64,
    pub(crate) full_until_ms: u64,
    pub(crate) loses_answers_until_ms: u64,
}

impl Store {
    /// Elected heads hold a lease, a single one a lock.
    pub(crate) fn new(elected: bool, gate: EpochGate) -> Self {
        Self {
            elected,
            gate,
            holder: None,
            epochs: 0,
            records: BTreeMap::new(),
            last_append: BTreeMap::new(),
            slow_until_ms: 0,
            full_until_ms: 0,
            loses_answers_until_ms: 0,
        }
    }

    fn expire(&mut self, now_ms: u64) {
        if let Some(holder) = self.holder.filter(|holder| holder.expires_ms <= now_ms) {
            self.holder = None;
            // Nobody writes under that epoch any more, also before there is another.
            self.gate.admit(holder.epoch + 1);
        }
    }

    /// A lock ends with its process.
    pub(crate) fn ended(&mut self, key: HeadKey) {
        if !self.elected {
            self.holder = self.holder.filter(|holder| holder.key != key);
        }
    }

    pub(crate) fn campaign(&mut self, key: HeadKey, now_ms: u64) -> Option<u64> {
        self.expire(now_ms);
        if let Some(holder) = self.holder {
            // The answer to the first try may have been lost.
            return (holder.key == key).then_some(holder.epoch);
        }
        self.epochs = self.epochs.max(self.gate.highest()) + 1;
        let expires_ms = if self.elected { now_ms + LEASE_MS } else { u64::MAX };
        self.holder = Some(Holder { key, epoch: self.epochs, expires_ms });
        self.gate.admit(self.epochs);
        Some(self.epochs)
    }

    pub(crate) fn renew(&mut self, epoch: u64, now_ms: u64) -> bool {
        self.expire(now_ms);
        match &mut self.holder {
            Some(holder) if holder.epoch == epoch => {
                holder.expires_ms = if self.elected { now_ms + LEASE_MS } else { u64::MAX };
                true
            }
            _ => false,
        }
    }

    /// Whoever leads under that epoch does not want to any more: nothing is written under it again.
    pub(crate) fn resign(&mut self, epoch: u64, now_ms: u64) {
        self.expire(now_ms);
        if self.holder.is_some_and(|holder| holder.epoch == epoch) {
            self.holder = None;
            self.gate.admit(epoch + 1);
        }
    }

    /// The epoch of the last election, and the next one where its lease has ended.
    pub(crate) fn epoch(&self) -> u64 {
        self.gate.highest()
    }

    /// Stores records and gives them back as a head would read them; none where they are stored already.
    ///
    /// # Errors
    /// [`Reason::NotLeading`], [`Reason::ResourcesExhausted`]; nothing is written then.
    pub(crate) fn append(
        &mut self,
        key: HeadKey,
        epoch: u64,
        append: u64,
        records: Vec<Vec<u8>>,
        now_ms: u64,
    ) -> Result<Vec<Record>, Failure> {
        self.expire(now_ms);
        if !self.gate.admit(epoch) {
            return Err(Failure::new(Reason::NotLeading, "another head has led since"));
        }
        if self.last_append.get(&key).is_some_and(|last| *last >= append) {
            return Ok(Vec::new());
        }
        if now_ms < self.full_until_ms {
            return Err(Failure::new(Reason::ResourcesExhausted, "the journal is full"));
        }
        self.last_append.insert(key, append);
        let mut stored = Vec::new();
        for bytes in records {
            let record = decode(&bytes)?;
            match record.retention() {
                Retention::All => self.records.entry(record.job()).or_default().push(bytes),
                Retention::First => {
                    let kept = self.records.entry(record.job()).or_default();
                    kept.truncate(1);
                    kept.push(bytes);
                }
                // Kept apart, and decides nothing.
                Retention::Apart => {}
                Retention::None => {
                    self.records.remove(&record.job());
                }
            }
            stored.push(record);
        }
        Ok(stored)
    }

    pub(crate) fn load_job(&self, job: JobUid) -> Vec<Vec<u8>> {
        self.records.get(&job).cloned().unwrap_or_default()
    }

    pub(crate) fn load(&self) -> Vec<Vec<u8>> {
        self.records.values().flatten().cloned().collect()
    }
}
