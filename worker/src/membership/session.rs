//! What a worker does about its head, without doing it: events and the time go in, effects come out.

use std::time::{Duration, Instant};

use shoal_core::lease::EpochGate;
use shoal_core::limits::HEAD_GONE_DEFAULT;
use shoal_core::task::{Assignment, PartitionSource};
use shoal_core::{AttemptId, Failure, JobUid, Reason};
use shoal_wire::json;
use shoal_wire::proto::head_message::Message;
use shoal_wire::proto::{
    Adopt, Assign, CancelAttempt, Drain, HeadMessage, PartitionsAdopted, Refused, Release, Shutdown, Welcome,
};

use crate::limits::{RECONNECT_PAUSE, RECONNECT_PAUSE_MAX};

/// Fastest heartbeat: a head that asks for more would only be busy with them.
const HEARTBEAT_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// A worker's relation to its head.
#[derive(Debug)]
pub(super) struct Session {
    gate: EpochGate,
    link: Link,
    /// From 0 to 1, different for every worker, so that they do not all come back at the same moment.
    spread: f64,
    /// How many heads there are to try.
    heads: usize,
    /// The one to try next, or that is spoken to.
    head: usize,
    /// How long it does without one.
    head_gone_max: Duration,
}

#[derive(Debug)]
enum Link {
    /// No head, or none that has said welcome yet.
    Down { since: Instant, tries: u32 },
    /// The worker belongs to the cluster.
    Joined,
}

/// What happens to a session.
#[derive(Debug)]
pub(super) enum Event {
    /// The head said something.
    FromHead(HeadMessage),
    /// The stream broke, or could not be opened.
    Broken(Box<Failure>),
    /// The time for a heartbeat has come.
    Beat,
    /// There is a result to send.
    ResultReady,
    /// The worker is to leave.
    Leave {
        /// Whether nobody would miss it.
        empty_handed: bool,
    },
    /// Partitions were taken over, or could not be.
    Adopted(PartitionsAdopted),
}

/// What is to be done about it.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    /// Close the stream, where there is one, and open another after a pause.
    Reopen(Duration),
    /// Send a heartbeat, and again after every such interval.
    HeartbeatEvery(Duration),
    /// Send one heartbeat.
    Heartbeat,
    /// Send all results again that are kept: this is another stream.
    SendAllResults,
    /// Send the results that were not sent yet.
    SendResults,
    /// Leave within that time.
    LeaveWithin(Duration),
    /// Say that the worker leaves, where it does.
    SendDraining,
    /// Take over partitions.
    Adopt(Vec<PartitionSource>),
    /// Say what came of that.
    SendAdopted(PartitionsAdopted),
    /// Run an attempt.
    Assign(Box<Assignment>),
    /// Cancel an attempt.
    Cancel(AttemptId),
    /// Drop what there is of a job.
    Release(JobUid),
    /// End the worker.
    End(Result<(), Box<Failure>>),
}

impl Session {
    pub(super) fn new(epoch: u64, spread: f64, now: Instant) -> Self {
        Self {
            gate: EpochGate::new(epoch),
            link: Link::Down { since: now, tries: 0 },
            spread,
            heads: 1,
            head: 0,
            head_gone_max: HEAD_GONE_DEFAULT,
        }
    }

    /// The same with so many heads, of which one leads at a time.
    pub(super) fn among(self, heads: usize) -> Self {
        Self { heads: heads.max(1), ..self }
    }

    /// The same, but it ends after so long without a head.
    pub(super) fn without_head_for(self, head_gone_max: Duration) -> Self {
        Self { head_gone_max, ..self }
    }

    /// The head to open a stream to, from 0.
    pub(super) fn head(&self) -> usize {
        self.head
    }

    /// The highest epoch that was seen.
    pub(super) fn epoch(&self) -> u64 {
        self.gate.highest()
    }

    pub(super) fn is_joined(&self) -> bool {
        matches!(self.link, Link::Joined)
    }

    pub(super) fn handle(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        match event {
            Event::Broken(failure) => vec![self.broken(*failure, now)],
            Event::Beat if self.is_joined() => vec![Effect::Heartbeat],
            Event::ResultReady if self.is_joined() => vec![Effect::SendResults],
            Event::Leave { .. } if self.is_joined() => vec![Effect::SendDraining],
            Event::Leave { empty_handed: true } => vec![Effect::End(Ok(()))],
            Event::Adopted(adopted) if self.is_joined() => vec![Effect::SendAdopted(adopted)],
            // Sent once there is a head again, or asked for by it again.
            Event::Beat | Event::ResultReady | Event::Leave { .. } | Event::Adopted(_) => Vec::new(),
            Event::FromHead(HeadMessage { message }) => match message {
                Some(message) => self.hear(message, now),
                // Something that a later head says and that this build does not know.
                None => Vec::new(),
            },
        }
    }

    fn hear(&mut self, message: Message, now: Instant) -> Vec<Effect> {
        match message {
            Message::Welcome(welcome) => self.welcome(&welcome, now),
            Message::Refused(Refused { failure_json }) => {
                let failure: Failure =
                    json::decode(&failure_json, "the head's refusal").unwrap_or_else(|failure| failure);
                match failure.reason {
                    // Heads of the version before refuse so whom they have no time for any more.
                    Reason::NotLeading => vec![self.broken(failure, now)],
                    _ => vec![Effect::End(Err(Box::new(failure)))],
                }
            }
            Message::Shutdown(Shutdown {}) => vec![Effect::End(Ok(()))],
            Message::Drain(Drain { leaves_within_ms }) => {
                vec![Effect::LeaveWithin(Duration::from_millis(leaves_within_ms)), Effect::SendDraining]
            }
            Message::Adopt(Adopt { sources_json }) => match json::decode(&sources_json, "partitions to take over") {
                Ok(sources) => vec![Effect::Adopt(sources)],
                // Which they are cannot be known; the head asks another worker when this one is gone.
                Err(failure) => vec![Effect::End(Err(Box::new(failure)))],
            },
            Message::Assign(Assign { epoch, .. }) if !self.gate.admit(epoch) => Vec::new(),
            Message::Assign(Assign { epoch: _, assignment_json }) => {
                match json::decode(&assignment_json, "an assignment") {
                    Ok(assignment) => vec![Effect::Assign(Box::new(assignment))],
                    // Which attempt it is cannot be known, so the head could never be told.
                    Err(failure) => vec![Effect::End(Err(Box::new(failure)))],
                }
            }
            Message::CancelAttempt(CancelAttempt { attempt }) => {
                attempt.parse().map(Effect::Cancel).into_iter().collect()
            }
            Message::Release(Release { job_uid }) => {
                job_uid.parse().map(|uid| Effect::Release(JobUid(uid))).into_iter().collect()
            }
        }
    }

    fn welcome(&mut self, welcome: &Welcome, now: Instant) -> Vec<Effect> {
        let Welcome { epoch, heartbeat_interval_ms } = *welcome;
        if !self.gate.admit(epoch) {
            let why = format!("this head's epoch is {epoch}, and one with epoch {} has been seen", self.epoch());
            return vec![self.broken(Failure::new(Reason::HeadUnreachable, why), now)];
        }
        self.link = Link::Joined;
        let interval = Duration::from_millis(heartbeat_interval_ms).max(HEARTBEAT_INTERVAL_MIN);
        // To leave may have been decided since it registered, when nobody could be told.
        vec![Effect::HeartbeatEvery(interval), Effect::SendAllResults, Effect::SendDraining]
    }

    fn broken(&mut self, failure: Failure, now: Instant) -> Effect {
        // Trying again would not change these.
        if matches!(failure.reason, Reason::Unauthorized | Reason::IncompatibleVersion) {
            return Effect::End(Err(Box::new(failure)));
        }
        let (since, tries) = match self.link {
            Link::Joined => (now, 0),
            Link::Down { since, tries } => (since, tries),
        };
        if now.duration_since(since) >= self.head_gone_max {
            let seconds = self.head_gone_max.as_secs();
            let message = format!("no head has answered for {seconds} seconds: {}", failure.message);
            let gone = Failure::new(Reason::HeadUnreachable, message)
                .next("check that the head runs and that this worker can reach it, then start the worker again");
            let gone = Failure { causes: failure.causes, location: failure.location, ..gone };
            return Effect::End(Err(Box::new(gone)));
        }
        self.link = Link::Down { since, tries: tries.saturating_add(1) };
        // Whatever is wrong with this one: another may lead by now. Pauses grow once all have been tried.
        self.head = (self.head + 1) % self.heads;
        let rounds = tries / u32::try_from(self.heads).unwrap_or(u32::MAX);
        Effect::Reopen(pause(rounds, self.spread))
    }
}

/// How long to wait before another try, after so many: doubling, and between half of that and all of it by `spread`.
fn pause(tries: u32, spread: f64) -> Duration {
    let doubled = RECONNECT_PAUSE.saturating_mul(2_u32.saturating_pow(tries)).min(RECONNECT_PAUSE_MAX);
    doubled.mul_f64(0.5 + spread / 2.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_core::{Payload, TaskId};
    use uuid::Uuid;

    use super::*;

    fn from_head(message: Message) -> Event {
        Event::FromHead(HeadMessage { message: Some(message) })
    }

    fn welcome(epoch: u64) -> Event {
        from_head(Message::Welcome(Welcome { epoch, heartbeat_interval_ms: 1000 }))
    }

    fn broken() -> Event {
        Event::Broken(Box::new(Failure::new(Reason::Io, "gone")))
    }

    fn assignment() -> Assignment {
        let task = TaskId { job: JobUid(Uuid::from_u128(1)), stage: 0, index: 0 };
        Assignment {
            attempt: AttemptId { task, number: 1 },
            job_name: "j".into(),
            kind: "k".into(),
            stage: "map".into(),
            common: Payload::default(),
            payload: Payload::default(),
            sources: vec![],
            lost_workers: 0,
        }
    }

    fn assign(epoch: u64) -> Event {
        from_head(Message::Assign(Assign { epoch, assignment_json: json::encode(&assignment()).unwrap() }))
    }

    #[test]
    fn nothing_is_sent_before_the_welcome() {
        let now = Instant::now();
        let mut session = Session::new(0, 0.0, now);
        assert_eq!(session.handle(Event::Beat, now), []);
        assert_eq!(session.handle(Event::ResultReady, now), []);
        let joined = session.handle(welcome(3), now);
        let interval = Duration::from_secs(1);
        assert_eq!(joined, [Effect::HeartbeatEvery(interval), Effect::SendAllResults, Effect::SendDraining]);
        assert_eq!(session.handle(Event::ResultReady, now), [Effect::SendResults]);
    }

    #[test]
    fn only_the_newest_head_is_obeyed() {
        let now = Instant::now();
        let mut session = Session::new(0, 0.0, now);
        session.handle(welcome(3), now);
        assert_eq!(session.handle(assign(2), now), []);
        assert_eq!(session.handle(assign(3), now), [Effect::Assign(Box::new(assignment()))]);
        assert_eq!(session.handle(assign(4), now), [Effect::Assign(Box::new(assignment()))]);
        assert_eq!(session.handle(assign(3), now), []);
        // A paused old head comes back: it is left alone.
        assert!(matches!(session.handle(welcome(3), now)[..], [Effect::Reopen(_)]));
        assert!(!session.is_joined());
        session.handle(welcome(4), now);
        assert!(session.is_joined());
    }

    #[test]
    fn pauses_grow_to_a_limit_and_start_anew_after_a_welcome() {
        let now = Instant::now();
        let mut session = Session::new(0, 1.0, now);
        let mut next = |event| match session.handle(event, now)[..] {
            [Effect::Reopen(pause)] => pause.as_millis(),
            ref other => panic!("{other:?}"),
        };
        assert_eq!([(); 5].map(|()| next(broken())), [100, 200, 400, 500, 500]);
        session.handle(welcome(1), now);
        assert_eq!(session.handle(broken(), now), [Effect::Reopen(RECONNECT_PAUSE)]);
        assert_eq!(pause(0, 0.0), RECONNECT_PAUSE / 2);
        assert_eq!(pause(u32::MAX, 1.0), RECONNECT_PAUSE_MAX);
    }

    #[test]
    fn every_head_is_tried_in_turn_until_one_leads() {
        let now = Instant::now();
        let mut session = Session::new(0, 1.0, now).among(3);
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(session.head());
            let elsewhere = Event::Broken(Box::new(Failure::new(Reason::NotLeading, "another head leads")));
            match session.handle(elsewhere, now)[..] {
                [Effect::Reopen(pause)] => assert!(pause <= 2 * RECONNECT_PAUSE, "{pause:?}"),
                ref other => panic!("{other:?}"),
            }
        }
        assert_eq!((seen, session.head()), (vec![0, 1, 2, 0], 1));
        session.handle(welcome(1), now);
        assert_eq!(session.head(), 1, "it stays with the one that leads");
        session.handle(broken(), now);
        assert_eq!(session.head(), 2);
    }

    #[test]
    fn a_head_that_stays_away_ends_the_worker() {
        let start = Instant::now();
        let head_gone_max = Duration::from_secs(7);
        let mut session = Session::new(0, 0.0, start).without_head_for(head_gone_max);
        session.handle(welcome(1), start);
        let lost = start + Duration::from_secs(100);
        assert!(matches!(session.handle(broken(), lost)[..], [Effect::Reopen(_)]));
        let almost = lost + head_gone_max - Duration::from_millis(1);
        assert!(matches!(session.handle(broken(), almost)[..], [Effect::Reopen(_)]));
        match &session.handle(broken(), lost + head_gone_max)[..] {
            [Effect::End(Err(failure))] => {
                assert!(failure.reason == Reason::HeadUnreachable && failure.next.is_some());
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_head_that_leads_no_more_when_it_answers_is_tried_again() {
        let now = Instant::now();
        let mut session = Session::new(0, 0.0, now);
        session.handle(welcome(1), now);
        let failure = Failure::new(Reason::NotLeading, "the head stopped leading before it could answer");
        let refused = Message::Refused(Refused { failure_json: json::encode(&failure).unwrap() });
        assert!(matches!(session.handle(from_head(refused), now)[..], [Effect::Reopen(_)]));
        assert!(!session.is_joined());
    }

    #[test]
    fn what_trying_again_cannot_change_ends_the_worker() {
        let now = Instant::now();
        let mut session = Session::new(0, 0.0, now);
        let failure = Failure::new(Reason::Unauthorized, "wrong token");
        let refused = Message::Refused(Refused { failure_json: json::encode(&failure).unwrap() });
        let failure = Box::new(failure);
        for event in [Event::Broken(failure.clone()), from_head(refused)] {
            assert_eq!(session.handle(event, now), [Effect::End(Err(failure.clone()))]);
        }
        assert_eq!(session.handle(from_head(Message::Shutdown(Shutdown {})), now), [Effect::End(Ok(()))]);
        let garbage = Message::Assign(Assign { epoch: 9, assignment_json: b"{".to_vec() });
        match &session.handle(from_head(garbage), now)[..] {
            [Effect::End(Err(failure))] => assert_eq!(failure.reason, Reason::IncompatibleVersion),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_worker_that_leaves_says_so_or_ends_where_nobody_would_miss_it() {
        let now = Instant::now();
        let mut session = Session::new(0, 0.0, now);
        assert_eq!(session.handle(Event::Leave { empty_handed: false }, now), []);
        assert_eq!(session.handle(Event::Leave { empty_handed: true }, now), [Effect::End(Ok(()))]);
        let adopted = PartitionsAdopted::default();
        assert_eq!(session.handle(Event::Adopted(adopted.clone()), now), []);
        session.handle(welcome(1), now);
        assert_eq!(session.handle(Event::Leave { empty_handed: true }, now), [Effect::SendDraining]);
        assert_eq!(session.handle(Event::Adopted(adopted.clone()), now), [Effect::SendAdopted(adopted)]);
        let told = session.handle(from_head(Message::Drain(Drain { leaves_within_ms: 7 })), now);
        assert_eq!(told, [Effect::LeaveWithin(Duration::from_millis(7)), Effect::SendDraining]);
        let adopt = Adopt { sources_json: json::encode(&Vec::<PartitionSource>::new()).unwrap() };
        assert_eq!(session.handle(from_head(Message::Adopt(adopt)), now), [Effect::Adopt(Vec::new())]);
    }

    #[test]
    fn names_of_attempts_and_jobs_are_read() {
        let now = Instant::now();
        let mut session = Session::new(0, 0.0, now);
        let attempt = assignment().attempt;
        let cancel = |attempt: String| from_head(Message::CancelAttempt(CancelAttempt { attempt }));
        assert_eq!(session.handle(cancel(attempt.to_string()), now), [Effect::Cancel(attempt)]);
        assert_eq!(session.handle(cancel("x".into()), now), []);
        let release = from_head(Message::Release(Release { job_uid: attempt.task.job.to_string() }));
        assert_eq!(session.handle(release, now), [Effect::Release(attempt.task.job)]);
    }
}
