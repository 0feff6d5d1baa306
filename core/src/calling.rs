//! What becomes of a user's function while a task calls it: written down by whoever calls it, and asked by its worker now and
//! then, so that the head knows it also where the worker ends before its task does.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Reason};
use crate::limits::{DEATHS_TOLD_MAX, GROUP_TOLD_BYTES_MAX};

/// What an attempt's calls have come to so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CallsSoFar {
    /// Processes of the function that died.
    #[serde(skip_serializing_if = "ProcessDeaths::is_none")]
    pub deaths: ProcessDeaths,
    /// Key of the group that the function is called for right now, as a person would write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl CallsSoFar {
    /// Whether there is nothing to tell.
    pub fn is_nothing(&self) -> bool {
        self.deaths.is_none() && self.group.is_none()
    }
}

/// Processes of a user's function that died.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProcessDeaths {
    /// How many.
    pub count: u64,
    /// The last of them, at most [`DEATHS_TOLD_MAX`].
    pub last: Vec<ProcessDeath>,
}

/// A process of a user's function that died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessDeath {
    /// Key of the group that it was called for, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How it ended, as the end of a sentence about it.
    pub how: String,
}

impl fmt::Display for ProcessDeath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "with `{group}` a process {}", self.how),
            None => write!(f, "a process {}", self.how),
        }
    }
}

impl ProcessDeaths {
    /// Whether none died.
    pub fn is_none(&self) -> bool {
        self.count == 0
    }

    /// One more has died.
    pub fn note(&mut self, death: ProcessDeath) {
        self.add(&Self { count: 1, last: vec![death] });
    }

    /// So many more have died, later than those that are known.
    pub fn add(&mut self, more: &Self) {
        self.count += more.count;
        self.last.extend(more.last.iter().cloned());
        self.last.drain(..self.last.len().saturating_sub(DEATHS_TOLD_MAX));
    }

    /// What becomes of a job under which more of them died than may.
    pub fn give_up(&self, deaths_max: u32) -> Failure {
        let message = format!("{} processes of the function died; {deaths_max} may in the whole job", self.count);
        let mut failure = Failure::new(Reason::ProcessesKeepDying, message)
            .field("spec.failurePolicy.maxProcessDeaths")
            .next("mend what the function does with these groups, or raise the limit: each death costs one group");
        failure.location.group = self.last.iter().rev().find_map(|death| death.group.clone());
        failure.causes = self.last.iter().rev().map(ProcessDeath::to_string).collect();
        failure
    }
}

/// Where is written down what becomes of an attempt's calls. Clones are the same one.
#[derive(Clone, Default)]
pub struct CallLog(Arc<Mutex<Written>>);

#[derive(Default)]
struct Written {
    deaths: ProcessDeaths,
    /// Says which group the function is called for.
    group: Option<Box<dyn Fn() -> Option<String> + Send>>,
}

impl CallLog {
    /// From now on this says which group the function is called for; nothing calls it for longer than it is asked.
    pub fn watch(&self, group: impl Fn() -> Option<String> + Send + 'static) {
        self.written().group = Some(Box::new(group));
    }

    /// The function is called for none any more.
    pub fn unwatch(&self) {
        self.written().group = None;
    }

    /// A process died. Returns all that did.
    pub fn note_death(&self, group: Option<String>, how: String) -> ProcessDeaths {
        let mut written = self.written();
        written.deaths.note(ProcessDeath { group: group.map(cut), how });
        written.deaths.clone()
    }

    /// Processes that died.
    pub fn deaths(&self) -> ProcessDeaths {
        self.written().deaths.clone()
    }

    /// What is to be told at this moment.
    pub fn so_far(&self) -> CallsSoFar {
        let written = self.written();
        let group = written.group.as_ref().and_then(|group| group());
        CallsSoFar { deaths: written.deaths.clone(), group: group.map(cut) }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        // Nothing in it is ever half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CallLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallLog").field(&self.so_far()).finish()
    }
}

/// A key that anybody can read: of a long one the beginning.
fn cut(mut group: String) -> String {
    if group.len() > GROUP_TOLD_BYTES_MAX {
        let end = (0..=GROUP_TOLD_BYTES_MAX).rev().find(|end| group.is_char_boundary(*end)).unwrap_or(0);
        group.truncate(end);
        group.push_str("...");
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_the_one_of_the_moment_and_deaths_stay() {
        let log = CallLog::default();
        assert!(log.so_far().is_nothing());
        let other = log.clone();
        other.watch(|| Some("firm=".to_owned() + &"é".repeat(GROUP_TOLD_BYTES_MAX)));
        let group = log.so_far().group.unwrap_or_default();
        assert!(group.starts_with("firm=é") && group.ends_with("é...") && group.len() <= GROUP_TOLD_BYTES_MAX + 3);
        other.watch(|| None);
        assert!(log.so_far().is_nothing());
        other.watch(|| Some("firm=a".to_owned()));
        assert_eq!(other.note_death(Some("firm=a".to_owned()), "is gone".to_owned()).count, 1);
        log.unwatch();
        let CallsSoFar { deaths, group } = log.so_far();
        assert_eq!((deaths.count, group), (1, None));
        assert_eq!(log.deaths(), deaths);
    }

    #[test]
    fn a_job_that_is_given_up_says_which_groups_cost_processes_and_how() {
        let death = |number: u64| ProcessDeath { group: Some(format!("firm={number}")), how: "is gone".to_owned() };
        let mut deaths = ProcessDeaths::default();
        (0..7).for_each(|number| deaths.note(death(number)));
        let mut of_another = ProcessDeaths { count: 3, last: Vec::new() };
        of_another.note(ProcessDeath { group: None, how: "ended with exit code 7".to_owned() });
        deaths.add(&of_another);
        assert_eq!((deaths.count, deaths.last.len()), (11, DEATHS_TOLD_MAX));
        let failure = deaths.give_up(10);
        assert_eq!(failure.reason, Reason::ProcessesKeepDying);
        assert!(!failure.is_transient());
        assert_eq!(failure.message, "11 processes of the function died; 10 may in the whole job");
        assert_eq!(failure.location.group.as_deref(), Some("firm=6"));
        assert_eq!(
            failure.causes[..2],
            ["a process ended with exit code 7".to_owned(), "with `firm=6` a process is gone".to_owned()]
        );
    }
}
