//! What was seen of the objects that are asked for one by one: Secrets, which nobody is to list, and Services, which nobody
//! changes. A cluster that starts is looked at a dozen times, and each of these looks would ask for all of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::decide::Holder;
use super::tls::TlsFacts;

/// How long it is believed that what was there is there still.
const BELIEVED: Duration = Duration::from_secs(300);

/// Clusters that are remembered before those are forgotten that are not believed any more.
const REMEMBERED: usize = 1024;

/// What a cluster has of these objects.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sight {
    pub(super) service: Holder,
    pub(super) heads_service: Holder,
    pub(super) token: Holder,
    pub(super) tls: TlsFacts,
}

/// When a cluster was seen like that.
#[derive(Debug)]
struct Look {
    generation: Option<i64>,
    at: Instant,
    sight: Sight,
}

impl Look {
    fn is_believed(&self, generation: Option<i64>, now: Instant) -> bool {
        self.generation == generation && now.duration_since(self.at) < BELIEVED
    }
}

/// The last look at each cluster, by uid. Of one that lacks nothing: what is missing or somebody else's is looked at every
/// time.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<String, Look>>);

impl Seen {
    /// What is believed of a cluster of that generation.
    pub(super) fn of(&self, uid: &str, generation: Option<i64>, now: Instant) -> Option<Sight> {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looks.get(uid).filter(|look| look.is_believed(generation, now)).map(|look| look.sight.clone())
    }

    /// That was seen, and nothing has to be done about it.
    pub(super) fn note(&self, uid: &str, generation: Option<i64>, sight: Sight, now: Instant) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is only believed is not believed for longer.
        if looks.get(uid).is_some_and(|look| look.is_believed(generation, now)) {
            return;
        }
        if looks.len() >= REMEMBERED {
            looks.retain(|_, look| now.duration_since(look.at) < BELIEVED);
        }
        looks.insert(uid.to_owned(), Look { generation, at: now, sight });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight() -> Sight {
        let tls = TlsFacts { secret: Holder::Cluster, ..TlsFacts::default() };
        Sight { service: Holder::Cluster, heads_service: Holder::Nobody, token: Holder::User, tls }
    }

    #[test]
    fn what_was_seen_is_believed_for_a_while_and_of_that_generation() {
        let (seen, now) = (Seen::default(), Instant::now());
        seen.note("c", Some(1), sight(), now);
        assert_eq!(seen.of("c", Some(1), now), Some(sight()));
        assert_eq!(seen.of("c", Some(2), now), None);
        assert_eq!(seen.of("d", Some(1), now), None);
        assert_eq!(seen.of("c", Some(1), now + BELIEVED), None);
    }

    #[test]
    fn what_is_believed_does_not_prolong_itself() {
        let (seen, now) = (Seen::default(), Instant::now());
        seen.note("c", Some(1), sight(), now);
        let later = now + BELIEVED / 2;
        let believed = seen.of("c", Some(1), later).expect("it is believed still");
        seen.note("c", Some(1), believed, later);
        assert_eq!(seen.of("c", Some(1), now + BELIEVED), None);
    }
}
