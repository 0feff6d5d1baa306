//! Whether this head leads, for the doors: REST and workers come in whether it does or not.

use std::sync::Arc;

use ractor::ActorRef;
use shoal_core::journal::Journal;
use shoal_core::{Failure, Reason};

use crate::coordinator::Message;
use crate::history::Histories;

/// Where a head stands.
#[derive(Clone)]
pub(crate) enum Standing {
    /// Another head leads, or nobody does yet.
    Standby,
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
            Self::Standby => Err(elsewhere(leader)),
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
        let failure = Standing::Standby.leading(Some("http://other:1".into())).err().unwrap();
        assert_eq!((failure.reason, failure.location.file.as_deref()), (Reason::NotLeading, Some("http://other:1")));
        assert!(failure.next.unwrap().contains("http://other:1"));
        let failure = Standing::Standby.leading(None).err().unwrap();
        assert!(failure.reason == Reason::NotLeading && failure.next.is_some());
    }
}
