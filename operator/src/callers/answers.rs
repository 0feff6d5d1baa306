//! What was answered about callers a moment ago. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use shoal_core::Failure;
use shoal_wire::Token;
use shoal_wire::callers::Action;

/// How long a yes counts: as long a caller can go on whose right is taken away. A client that waits for a job asks twice a
/// second.
const YES: Duration = Duration::from_secs(30);

/// How long a no counts: whoever is given a right at last does not want to wait for it.
const NO: Duration = Duration::from_secs(5);

/// Most answers that are kept, each of some hundred bytes: far more callers than a cluster has, and a limit for whoever makes
/// tokens up.
const ANSWERS_MAX: usize = 4_096;

/// What an answer is about: a caller and what he wants to do. Of the token there is a hash, so that none is in memory longer
/// than its request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32], Action);

impl Key {
    pub(super) fn new(token: &Token, action: Action) -> Self {
        Self(Sha256::digest(token.header()).into(), action)
    }
}

/// Answers that count still.
#[derive(Debug, Default)]
pub(super) struct Answers(HashMap<Key, Kept>);

#[derive(Debug)]
struct Kept {
    until: Instant,
    answer: Result<(), Failure>,
}

impl Answers {
    /// The answer, where there is one that counts.
    pub(super) fn find(&self, key: &Key, now: Instant) -> Option<Result<(), Failure>> {
        self.0.get(key).filter(|kept| now < kept.until).map(|kept| kept.answer.clone())
    }

    /// Keeps an answer. That there was none, because nobody could say, is asked again each time.
    pub(super) fn keep(&mut self, key: Key, answer: &Result<(), Failure>, now: Instant) {
        let counts = match answer {
            Ok(()) => YES,
            Err(failure) if failure.is_transient() => return,
            Err(_) => NO,
        };
        if self.0.len() >= ANSWERS_MAX && !self.0.contains_key(&key) {
            self.0.retain(|_, kept| now < kept.until);
        }
        if self.0.len() >= ANSWERS_MAX && !self.0.contains_key(&key) {
            // Of what counts still, that which does so for the shortest time: a yes outlives what somebody makes up.
            let first = self.0.iter().min_by_key(|(_, kept)| kept.until).map(|(key, _)| key.clone());
            first.map(|first| self.0.remove(&first));
        }
        self.0.insert(key, Kept { until: now + counts, answer: answer.clone() });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_core::Reason;
    use shoal_wire::callers::{Resource, Verb};

    use super::*;

    const LIST: Action = Action { verb: Verb::List, resource: Resource::Jobs };
    const CREATE: Action = Action { verb: Verb::Create, resource: Resource::Jobs };

    fn key(token: &str, action: Action) -> Key {
        Key::new(&Token::new(token).unwrap(), action)
    }

    fn no() -> Result<(), Failure> {
        Err(Failure::new(Reason::Forbidden, "no"))
    }

    #[test]
    fn an_answer_counts_for_its_caller_its_action_and_its_time() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        answers.keep(key("0123456789abcdef", LIST), &Ok(()), now);
        answers.keep(key("0123456789abcdef", CREATE), &no(), now);
        for (token, action, seconds, expected) in [
            ("0123456789abcdef", LIST, 0, Some(Ok(()))),
            ("0123456789abcdef", LIST, 29, Some(Ok(()))),
            ("0123456789abcdef", LIST, 30, None),
            ("0123456789abcdef", CREATE, 4, Some(no())),
            ("0123456789abcdef", CREATE, 5, None),
            ("0123456789abcdeg", LIST, 0, None),
        ] {
            let found = answers.find(&key(token, action), now + Duration::from_secs(seconds));
            assert_eq!(found, expected, "{token} {action:?} {seconds}");
        }
        answers.keep(key("0123456789abcdef", CREATE), &Ok(()), now);
        assert_eq!(answers.find(&key("0123456789abcdef", CREATE), now), Some(Ok(())), "the newest counts");
    }

    #[test]
    fn that_nobody_could_say_is_not_kept() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        let away = Err(Failure::new(Reason::Io, "the API server is away"));
        answers.keep(key("0123456789abcdef", LIST), &away, now);
        assert_eq!(answers.find(&key("0123456789abcdef", LIST), now), None);
    }

    #[test]
    fn tokens_that_are_made_up_fill_no_memory_and_push_no_one_out() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        let known = key("0123456789abcdef", LIST);
        answers.keep(known.clone(), &Ok(()), now);
        for number in 0..2 * ANSWERS_MAX {
            answers.keep(key(&format!("made-up-token-{number:04}"), LIST), &no(), now);
        }
        assert_eq!(answers.0.len(), ANSWERS_MAX);
        assert_eq!(answers.find(&known, now), Some(Ok(())));
        // What does not count any more makes room first.
        let later = now + NO;
        answers.keep(key("another-token-0123", LIST), &Ok(()), later);
        assert_eq!(answers.0.len(), 2);
    }

    #[test]
    fn no_token_is_in_memory() {
        let token = "0123456789abcdef";
        assert!(!format!("{:?}", key(token, LIST)).contains(token));
        assert_ne!(key(token, LIST), key(token, CREATE));
    }
}
