//! Whether each task reads all models, or models and rows are exchanged. Pure.

use shoal_core::job::ScoringStrategy;

/// Bytes of the models' files up to which each task reads all of them: a fraction of a second, and a few times as much
/// memory, which a slot has.
pub(super) const BROADCAST_BYTES_MAX: u64 = 32 << 20;

/// Bytes of models that one bucket may have: they are held in memory while its rows pass by.
const BUCKET_MODEL_BYTES: u64 = 16 << 20;

/// Bytes of rows that one bucket may have: seconds of work.
const BUCKET_ROW_BYTES: u64 = 64 << 20;

/// Buckets at the most: each costs a file, and every pair of split and bucket a partition.
const BUCKETS_MAX: u32 = 4_096;

/// The strategy, and why, for the report.
#[derive(Debug, PartialEq)]
pub(super) struct Decision {
    /// Buckets to deal to; none where each task reads all models.
    pub(super) buckets: Option<u32>,
    pub(super) note: String,
}

/// Takes what the job asks for, else decides by the size of the models' files.
pub(super) fn decide(asked: ScoringStrategy, model_bytes: u64, row_bytes: u64, slots: u32) -> Decision {
    let chosen = || {
        let enough = (model_bytes / BUCKET_MODEL_BYTES).max(row_bytes / BUCKET_ROW_BYTES);
        u32::try_from(enough).unwrap_or(u32::MAX).max(slots).clamp(1, BUCKETS_MAX)
    };
    let kib = model_bytes.div_ceil(1 << 10);
    match asked {
        ScoringStrategy::Broadcast => {
            Decision { buckets: None, note: "strategy broadcast: the job asks for it".to_owned() }
        }
        ScoringStrategy::Bucket(buckets) => Decision {
            buckets: Some(buckets.unwrap_or_else(chosen)),
            note: "strategy bucket: the job asks for it".to_owned(),
        },
        ScoringStrategy::Auto if model_bytes <= BROADCAST_BYTES_MAX => Decision {
            buckets: None,
            note: format!("strategy broadcast: the models' files have {kib} KiB, which each task can read"),
        },
        ScoringStrategy::Auto => Decision {
            buckets: Some(chosen()),
            note: format!("strategy bucket: the models' files have {kib} KiB, too much for each task to read"),
        },
    }
}

/// A function gets the rows of a group together, so that rows and models are exchanged, however few there are.
pub(super) fn decide_for_function(asked: ScoringStrategy, model_bytes: u64, row_bytes: u64, slots: u32) -> Decision {
    match asked {
        ScoringStrategy::Bucket(_) => decide(asked, model_bytes, row_bytes, slots),
        ScoringStrategy::Auto | ScoringStrategy::Broadcast => Decision {
            note: "strategy bucket: a function gets the rows of a group together".to_owned(),
            ..decide(ScoringStrategy::Bucket(None), model_bytes, row_bytes, slots)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_models_are_read_by_each_task_and_large_ones_dealt() {
        let decided = |model_bytes, row_bytes| decide(ScoringStrategy::Auto, model_bytes, row_bytes, 4).buckets;
        assert_eq!(decided(0, u64::MAX), None);
        assert_eq!(decided(BROADCAST_BYTES_MAX, 0), None);
        assert_eq!(decided(BROADCAST_BYTES_MAX + 1, 0), Some(4));
        assert_eq!(decided(1 << 30, 0), Some(64));
        assert_eq!(decided(1 << 30, 1 << 40), Some(BUCKETS_MAX));
    }

    #[test]
    fn what_the_job_asks_for_is_taken() {
        assert_eq!(decide(ScoringStrategy::Broadcast, u64::MAX, 0, 4).buckets, None);
        assert_eq!(decide(ScoringStrategy::Bucket(Some(7)), 0, 0, 4).buckets, Some(7));
        assert_eq!(decide(ScoringStrategy::Bucket(None), 0, 0, 4).buckets, Some(4));
    }

    #[test]
    fn models_meet_whole_groups_where_a_function_predicts() {
        let decided = |asked, model_bytes| decide_for_function(asked, model_bytes, 0, 4).buckets;
        assert_eq!(decided(ScoringStrategy::Auto, 0), Some(4));
        assert_eq!(decided(ScoringStrategy::Auto, 1 << 30), Some(64));
        assert_eq!(decided(ScoringStrategy::Bucket(Some(7)), 0), Some(7));
    }
}
