//! Which files a head keeps. Pure.
//!
//! Several clusters may keep files in one storage, and none knows of the others' jobs. So whoever has a job that names a file
//! notes down now and then that it is of use, and what nobody has noted for long is deleted by any of them.

use std::collections::BTreeSet;

use super::Digest;
use crate::limits::{BLOB_UNUSED_MAX, BLOB_USE_NOTED_EVERY};

/// A file that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What is in it.
    pub digest: Digest,
    /// When it was last of use, in milliseconds since 1970-01-01 UTC.
    pub used_ms: u64,
}

/// What is to be done about files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chores {
    /// To note down that these are of use.
    pub mark: Vec<Digest>,
    /// To delete these.
    pub delete: Vec<Digest>,
}

/// What is to be done now, where jobs name these files. What a job names is never deleted.
pub fn chores(kept: &[Kept], named: &BTreeSet<Digest>, now_ms: u64) -> Chores {
    let mut chores = Chores::default();
    for Kept { digest, used_ms } in kept {
        let unused_ms = u128::from(now_ms.saturating_sub(*used_ms));
        if named.contains(digest) {
            if unused_ms >= BLOB_USE_NOTED_EVERY.as_millis() {
                chores.mark.push(digest.clone());
            }
        } else if unused_ms > BLOB_UNUSED_MAX.as_millis() {
            chores.delete.push(digest.clone());
        }
    }
    chores
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(number: u8) -> Digest {
        Digest::of_hex(&format!("{number:064x}")).unwrap()
    }

    #[test]
    fn what_no_job_names_goes_after_its_time_and_what_one_names_is_noted_down() {
        let day = BLOB_USE_NOTED_EVERY.as_millis() as u64;
        let most = BLOB_UNUSED_MAX.as_millis() as u64;
        let now = 10 * most;
        let kept = [(1, 0), (2, most), (3, most + 1), (4, day), (5, day - 1), (6, 5 * most)]
            .map(|(number, age)| Kept { digest: digest(number), used_ms: now - age });
        let named = BTreeSet::from([digest(4), digest(5), digest(6), digest(7)]);
        assert_eq!(chores(&kept, &named, now), Chores { mark: vec![digest(4), digest(6)], delete: vec![digest(3)] });
        // A clock that was set back deletes nothing.
        assert_eq!(chores(&kept, &BTreeSet::new(), 0), Chores::default());
    }

    proptest! {
        #[test]
        fn nothing_is_deleted_that_a_job_names_or_that_was_of_use_lately(
            kept in prop::collection::vec((any::<u8>(), any::<u64>()), 0..20),
            named in prop::collection::btree_set(any::<u8>(), 0..20),
            now in any::<u64>(),
        ) {
            let kept: Vec<Kept> =
                kept.into_iter().map(|(number, used_ms)| Kept { digest: digest(number), used_ms }).collect();
            let named: BTreeSet<Digest> = named.into_iter().map(digest).collect();
            let Chores { mark, delete } = chores(&kept, &named, now);
            for digest in &delete {
                prop_assert!(!named.contains(digest) && !mark.contains(digest));
                let old = |kept: &&Kept| u128::from(now.saturating_sub(kept.used_ms)) > BLOB_UNUSED_MAX.as_millis();
                prop_assert!(kept.iter().filter(|kept| kept.digest == *digest).any(|kept| old(&kept)));
            }
            prop_assert!(mark.iter().all(|digest| named.contains(digest)));
        }
    }
}
