//! Reports in words.

use std::fmt;

use super::report::{GroupReport, Hold, Inputs, Misfit, Rule};
use crate::units::size_in_words;

impl Hold {
    /// A name that programs can rely on.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Work(trouble) | Self::Jobs(trouble) | Self::Workers { trouble, .. } => trouble.reason(),
            Self::GroupUnknown { .. } => "GroupUnknown",
            Self::HeadStarts => "HeadStarts",
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(trouble) => write!(f, "it is not known what work there is: {trouble}"),
            Self::Workers { group, trouble } => {
                write!(f, "it is not known what the workers of `{group}` do: {trouble}")
            }
            Self::GroupUnknown { group } => write!(f, "nothing is known of the group `{group}`"),
            Self::Jobs(trouble) => write!(f, "it is not known which jobs are unfinished: {trouble}"),
            Self::HeadStarts => write!(f, "the head starts, and tells of work once it is ready"),
        }
    }
}

impl Rule {
    /// A name that programs can rely on: of a metric's label, or a reason in a status.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Work => "Work",
            Self::TooLate => "TooLate",
            Self::Tasks => "Tasks",
            Self::MinReplicas(_) => "MinReplicas",
            Self::MaxReplicas(_) => "MaxReplicas",
            Self::Budget(_) => "Budget",
            Self::Tolerance(_) => "Tolerance",
            Self::Stabilization { .. } => "Stabilization",
            Self::Samples { .. } => "Samples",
            Self::Rate => "Rate",
            Self::Disabled => "Disabled",
            Self::Held => "Held",
            Self::Fallback(_) => "Fallback",
            Self::Blocked { .. } => "Blocked",
            Self::Refused => "Refused",
            Self::FirstWorker => "FirstWorker",
            Self::Asleep => "Asleep",
        }
    }
}

/// What a rule adds to what the work asks for.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work => write!(f, "as the work asks for"),
            Self::TooLate => write!(f, "as the queue will be empty before more workers are ready"),
            Self::Tasks => write!(f, "as there are no more tasks than that"),
            Self::MinReplicas(min) => write!(f, "limited by minReplicas {min}"),
            Self::MaxReplicas(max) => write!(f, "limited by maxReplicas {max}"),
            Self::Budget(budget) => write!(f, "limited by budgetPerHour {budget}"),
            Self::Tolerance(tolerance) => write!(f, "as the change is within the tolerance of {tolerance}"),
            Self::Stabilization { window_seconds, .. } => {
                write!(f, "until that has been asked for during {window_seconds} s")
            }
            Self::Samples { seen, needed } => {
                write!(f, "until {needed} complete samples in a row say so ({seen} so far)")
            }
            Self::Rate => write!(f, "limited by a policy of behavior"),
            Self::Disabled => write!(f, "as selectPolicy is Disabled"),
            Self::Held => write!(f, "held as it is"),
            Self::Fallback(workers) => write!(f, "raised by fallbackReplicas {workers}"),
            Self::Blocked { .. } => {
                write!(f, "as its last workers were not ready within provisioningTimeout")
            }
            Self::Refused => write!(f, "as the API server makes no more of its pods"),
            Self::FirstWorker => write!(f, "so that one is ready when the head tells of the job's tasks"),
            Self::Asleep => write!(f, "as the cluster had nothing to do for its idleTimeout"),
        }
    }
}

/// A number without what nobody reads.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number) = self;
        if *number >= 10.0 || number.fract() == 0.0 { write!(f, "{number:.0}") } else { write!(f, "{number:.1}") }
    }
}

/// `1 worker`, `2 workers`.
struct Workers(u32);

impl fmt::Display for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} worker{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queued_slot_seconds, target_drain_seconds, slots, busy, stuck, .. } = self;
        let is_queue = *queued_slot_seconds > 0.0;
        if is_queue {
            let (seconds, target) = (Short(*queued_slot_seconds), Short(*target_drain_seconds));
            write!(
                f,
                "{seconds} slot-seconds queued / {target} s target / {slots} slot{}",
                if *slots == 1 { "" } else { "s" }
            )?;
        }
        match (is_queue, *busy) {
            (true, 0) => {}
            (true, busy) => write!(f, ", {busy} busy")?,
            (false, 0) => write!(f, "nothing queued")?,
            (false, busy) => write!(f, "{busy} busy, nothing queued")?,
        }
        if *stuck > 0 {
            write!(f, ", {stuck} not ready in time")?;
        }
        Ok(())
    }
}

/// `8 workers: 340 slot-seconds queued / 30 s target / 2 slots, limited by maxReplicas 8`.
impl fmt::Display for GroupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group: _, current, asked, target, rule, inputs } = self;
        write!(f, "{}: ", Workers(*target))?;
        match rule {
            // What there is to do was not looked at, or is not known.
            Rule::Held | Rule::Fallback(_) | Rule::FirstWorker | Rule::Asleep => return write!(f, "{rule}"),
            Rule::Work if asked == target => return write!(f, "{inputs}"),
            _ => write!(f, "{inputs}")?,
        }
        if asked != target {
            write!(f, " ({asked} asked for)")?;
        }
        if let (Rule::Stabilization { .. } | Rule::Samples { .. } | Rule::Rate, true) = (rule, target != current) {
            write!(f, ", from {current}")?;
        }
        write!(f, ", {rule}")
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, slots, memory_bytes, tasks } = self;
        write!(f, "{tasks} {}", if *tasks == 1 { "task waits" } else { "tasks wait" })?;
        write!(f, " for a worker with {slots} slot{}", if *slots == 1 { "" } else { "s" })?;
        if *memory_bytes > 0 {
            write!(f, " and {}", size_in_words(*memory_bytes))?;
        }
        match group {
            Some(group) => write!(f, " of the group `{group}`, which has none"),
            None => write!(f, ", which no group has"),
        }
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
