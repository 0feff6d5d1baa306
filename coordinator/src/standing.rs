//! Whether this head leads, for the doors: REST and workers come in whether it does or not.

use std::sync::Arc;

use ractor::{ActorRef, ActorStatus};
use shoal_core::journal::Journal;
use shoal_core::{Failure, Reason};

use crate::coordinator::Message;
use crate::history::Histories;

/// Where a head stands.
#[derive(Clone)]
pub(crate) enum Standing {
    /// Another head leads, or nobody does yet; with what ended this head's last try, where that was a failure.
    Standby(Option<Failure>),
    /// This one leads.
    Leading(Leading),
    /// It will never lead again: it was shut down, or cannot go on.
    Over(Failure),
}

/// The way to the coordinator of one term.
#[derive(Clone)]
pub(crate) struct Leading {
    pub(crate) coordinator: ActorRef<Message>,
    pub(crate) epoch: u64,
    /// What is stored.
    pub(crate) journal: Arc<dyn Journal>,
    /// What is told of unfinished jobs.
    pub(crate) histories: Histories,
}

impl Standing {
    /// The way to the coordinator.
    ///
    /// # Errors
    /// [`Reason::NotLeading`], with where `leader` is; what ended the head.
    pub(crate) fn leading(&self, leader: Option<String>) -> Result<Leading, Failure> {
        match self {
            Self::Leading(leading) => Ok(leading.clone()),
            Self::Over(failure) => Err(failure.clone()),
            Self::Standby(_) => Err(elsewhere(leader)),
        }
    }

    /// Why this head takes no requests, in words without addresses or paths: whoever asks need not show a token.
    /// `waits_for` is what its campaign waits for.
    ///
    /// # Errors
    /// Those words.
    pub(crate) fn readiness(&self, waits_for: Option<&Failure>) -> Result<(), String> {
        match self {
            Self::Leading(leading) if leading.coordinator.get_status() == ActorStatus::Running => Ok(()),
            Self::Leading(_) => Err("its coordinator has ended".to_owned()),
            Self::Over(_) => Err("it has ended".to_owned()),
            Self::Standby(failed) => Err(match (waits_for, failed) {
                (Some(_), _) => "it waits for etcd, which does not answer; its log says more".to_owned(),
                (None, Some(failed)) => format!("it could not lead ({:?}) and tries again", failed.reason),
                (None, None) => "it does not lead; another head may".to_owned(),
            }),
        }
    }
}

fn elsewhere(leader: Option<String>) -> Failure {
    match leader {
        Some(url) => Failure::new(Reason::NotLeading, "another head leads")
            .next(format!("ask the head at {url}; name all heads, as `--head URL,URL`, to be sent there"))
            .file(url),
        None => Failure::new(Reason::NotLeading, "this head does not lead, and does not know which one does")
            .next("try again within seconds; name all heads, as `--head URL,URL`, so that the one that leads is found"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_does_not_lead_says_which_one_does() {
        let failure = Standing::Standby(None).leading(Some("http://other:1".into())).err().unwrap();
        assert_eq!((failure.reason, failure.location.file.as_deref()), (Reason::NotLeading, Some("http://other:1")));
        assert!(failure.next.unwrap().contains("http://other:1"));
        let failure = Standing::Standby(None).leading(None).err().unwrap();
        assert!(failure.reason == Reason::NotLeading && failure.next.is_some());
    }

    #[test]
    fn why_a_head_is_not_ready_names_no_address() {
        let silent = Failure::new(Reason::Io, "etcd does not answer at http://10.0.0.5:2379");
        let full = Failure::new(Reason::ResourcesExhausted, "no room in /var/lib/shoal");
        let told = [
            Standing::Standby(None).readiness(None),
            Standing::Standby(None).readiness(Some(&silent)),
            Standing::Standby(Some(full)).readiness(None),
            Standing::Over(silent.clone()).readiness(None),
        ];
        let told = told.map(Result::unwrap_err);
        assert!(told[0].contains("another head"), "{told:?}");
        assert!(told[1].contains("etcd") && told[2].contains("ResourcesExhausted"), "{told:?}");
        assert!(told.iter().all(|why| !why.contains("10.0.0.5") && !why.contains("/var")), "{told:?}");
    }
}
