//! Where what lies in etcd.
//!
//! ```text
//!   PREFIX identity                             what this state is, and in which format
//!   PREFIX leader                               the head that leads, under its lease
//!   PREFIX records/JOB/EPOCH-NUMBER-PART-PARTS  a record of a job, in one part or several
//!   PREFIX apart/JOB                            what is kept apart of a job
//! ```
//!
//! Numbers are hexadecimal with a fixed width: the order of keys is the order of records. A key says all of its record's
//! place, so writing the same record again changes nothing.

use shoal_core::JobUid;

/// The keys of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

/// Which record it is: the epoch of the head that wrote it, and its number among those of that head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) epoch: u64,
    pub(super) number: u64,
}

/// What a key says of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The record, with its job.
    pub(super) record: String,
    /// Which part of it, from 0.
    pub(super) index: usize,
    /// How many there are.
    pub(super) of: usize,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub(super) fn identity(&self) -> String {
        format!("{}identity", self.prefix)
    }

    pub(super) fn leader(&self) -> String {
        format!("{}leader", self.prefix)
    }

    /// What the keys of all records begin with.
    pub(super) fn records(&self) -> String {
        format!("{}records/", self.prefix)
    }

    /// What the keys of a job's records begin with.
    pub(super) fn job(&self, job: JobUid) -> String {
        format!("{}{}/", self.records(), job.0.simple())
    }

    /// What the keys of all that is kept apart begin with.
    pub(super) fn all_apart(&self) -> String {
        format!("{}apart/", self.prefix)
    }

    /// The key of what is kept apart of a job.
    pub(super) fn apart(&self, job: JobUid) -> String {
        format!("{}{}", self.all_apart(), job.0.simple())
    }

    /// The job whose record or whose apart this key is.
    pub(super) fn job_of(&self, key: &str) -> Option<JobUid> {
        let rest = key.strip_prefix(&self.records()).or_else(|| key.strip_prefix(&self.all_apart()))?;
        rest.split('/').next()?.parse().ok().map(JobUid)
    }

    /// What the keys of a record's parts begin with; those of later records of the job come after it.
    pub(super) fn record(&self, job: JobUid, Place { epoch, number }: Place) -> String {
        format!("{}{epoch:016x}-{number:016x}", self.job(job))
    }

    /// The key of a part of a record.
    pub(super) fn part(&self, job: JobUid, place: Place, index: usize, of: usize) -> String {
        format!("{}-{index:04x}-{of:04x}", self.record(job, place))
    }
}

/// The first key that does not begin with that.
pub(super) fn end_of(prefix: &str) -> Vec<u8> {
    // Keys are ASCII: its last character always has one after it.
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// Reads the key of a part; none for what is no such key.
pub(super) fn parse_part(key: &str) -> Option<Part> {
    let mut numbers = key.rsplitn(3, '-');
    let of = usize::from_str_radix(numbers.next()?, 16).ok()?;
    let index = usize::from_str_radix(numbers.next()?, 16).ok()?;
    Some(Part { record: numbers.next()?.to_owned(), index, of })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_is_the_order_of_records() {
        let keys = Keys::new("/a-b/");
        let job = JobUid(uuid::Uuid::from_u128(7));
        let mut places = Vec::new();
        for epoch in [1, 9, 10, 255, 256, u64::from(u32::MAX), u64::MAX] {
            places.extend([0, 1, 15, 16, 4_096, u64::MAX].map(|number| Place { epoch, number }));
        }
        let parts: Vec<String> =
            places.iter().flat_map(|place| [0, 1, 2].map(|index| keys.part(job, *place, index, 3))).collect();
        assert!(parts.is_sorted());
        assert!(parts.iter().all(|part| part.starts_with(&keys.job(job)) && part.starts_with(&keys.records())));
        let next = JobUid(uuid::Uuid::from_u128(8));
        assert!(end_of(&keys.job(job)) <= keys.job(next).into_bytes());
        assert!(parts.iter().all(|part| part.as_bytes() < end_of(&keys.job(job)).as_slice()));
        // What deleting a record's followers begins at lies behind all of its parts.
        assert!(end_of(&keys.record(job, places[0])) > parts[2].clone().into_bytes());
        assert!(end_of(&keys.record(job, places[0])) < parts[3].clone().into_bytes());
    }

    #[test]
    fn a_key_says_which_part_it_is_of() {
        let keys = Keys::new("/shoal/");
        let (job, place) = (JobUid(uuid::Uuid::from_u128(7)), Place { epoch: 3, number: 4 });
        let part = parse_part(&keys.part(job, place, 1, 20)).unwrap();
        assert_eq!(part, Part { record: keys.record(job, place), index: 1, of: 20 });
        assert_eq!(parse_part("/shoal/leader"), None);
        assert_eq!(keys.job_of(&keys.part(job, place, 1, 20)), Some(job));
        assert_eq!(keys.job_of(&keys.apart(job)), Some(job));
        assert_eq!(keys.job_of("/shoal/leader"), None);
    }
}
