use serde::{Deserialize, Serialize};

use super::bucket_of;

/// The buckets that keys are dealt to: some that they share by their hashes, and after these one for each key that has so
/// many rows that it is to share with none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Buckets {
    shared: u32,
    /// Hashes of the keys with a bucket of their own.
    own: Vec<u64>,
}

/// How it is told to workers. One that knows of no own buckets must not read it as if there were none: it would put rows of
/// one group into two buckets.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Shared(u32),
    WithOwn { shared: u32, own: Vec<u64> },
}

impl Buckets {
    /// So many buckets, and one more for each of the keys with these hashes.
    pub fn new(shared: u32, own: Vec<u64>) -> Self {
        Self { shared: shared.max(1), own }
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        // A planner gives few keys their own, far from the end of the numbers.
        self.shared.saturating_add(u32::try_from(self.own.len()).unwrap_or(u32::MAX))
    }

    /// The bucket of a key with that hash, from 0 to [`Buckets::count`].
    #[inline]
    pub fn of(&self, hash: u64) -> u32 {
        match (0..).zip(&self.own).find(|(_, own)| **own == hash) {
            Some((place, _)) => self.shared.saturating_add(place),
            None => bucket_of(hash, self.shared),
        }
    }
}

impl From<Stored> for Buckets {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Shared(shared) => Self::new(shared, Vec::new()),
            Stored::WithOwn { shared, own } => Self::new(shared, own),
        }
    }
}

impl From<Buckets> for Stored {
    fn from(Buckets { shared, own }: Buckets) -> Self {
        if own.is_empty() { Self::Shared(shared) } else { Self::WithOwn { shared, own } }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_its_own_bucket_leaves_the_others_where_they_were() {
        let (plain, with_own) = (Buckets::new(8, Vec::new()), Buckets::new(8, vec![7 << 60, 5]));
        assert_eq!((plain.count(), with_own.count()), (8, 10));
        assert_eq!((with_own.of(7 << 60), with_own.of(5)), (8, 9));
        for hash in [0, 6, 1 << 63, u64::MAX] {
            assert_eq!(with_own.of(hash), plain.of(hash));
            assert_eq!(plain.of(hash), bucket_of(hash, 8));
        }
    }

    #[test]
    fn without_own_buckets_a_number_is_told_as_ever_and_with_them_none() {
        let plain = Buckets::new(8, Vec::new());
        assert_eq!(serde_json::to_string(&plain).unwrap(), "8");
        assert_eq!(serde_json::from_str::<Buckets>("8").unwrap(), plain);
        let with_own = Buckets::new(8, vec![u64::MAX]);
        let told = serde_json::to_string(&with_own).unwrap();
        assert!(serde_json::from_str::<u32>(&told).is_err());
        assert_eq!(serde_json::from_str::<Buckets>(&told).unwrap(), with_own);
    }
}
