//! What the journal may hold.

use shoal_core::journal::Record;
use shoal_core::report::Phase;
use shoal_core::{AttemptId, JobUid};

use super::{Checked, Ledger, hold, job_index};
use crate::lake::{Lake, attempt_of};
use crate::scenario::{ATTEMPTS_ENOUGH, Scenario, Wish};

impl Ledger {
    /// Records were stored.
    pub(crate) fn stored(&mut self, records: &[Record], lake: &Lake, scenario: &Scenario, now_ms: u64) -> Checked {
        if scenario.is_fair {
            records.iter().try_for_each(|record| self.fair(record, scenario, now_ms))?;
        }
        records.iter().try_for_each(|record| self.in_time(record, now_ms))?;
        records.iter().try_for_each(|record| self.stored_one(record, lake, scenario))
    }

    fn stored_one(&mut self, record: &Record, lake: &Lake, scenario: &Scenario) -> Checked {
        match record {
            Record::Accepted { job, spec, .. } => {
                self.accepted.insert(*job, spec.metadata.name.clone());
                hold("a_refused_submission_leaves_no_trace", !self.refused.contains(job), || {
                    format!("{} was refused as {job}, and is accepted", spec.metadata.name)
                })
            }
            Record::Facts { job, .. } => {
                // The job starts anew.
                self.wrote.retain(|task, _| task.job != *job);
                self.leases.retain(|task, _| task.job != *job);
                self.beaten.retain(|attempt| attempt.task.job != *job);
                Ok(())
            }
            Record::AttemptStarted { attempt, worker, instance, duplicate, .. } => {
                if *duplicate {
                    self.duplicates.insert(*attempt);
                    self.seconds_met.push("a slow task runs a second time");
                    self.at_most_two_live_attempts(*attempt, &worker.0)?;
                } else {
                    self.one_lease_per_task(*attempt)?;
                }
                self.a_suspended_job_takes_no_slot(*attempt)?;
                let run = (worker.to_string(), instance.clone());
                let known = self.started.insert(*attempt, run);
                hold("attempt_numbers_are_never_reused", known.is_none(), || format!("{attempt} was started before"))
            }
            Record::AttemptFinished { attempt, output, .. } => {
                self.no_result_of_a_revoked_lease(*attempt)?;
                if self.duplicates.contains(attempt) {
                    self.seconds_met.push("a second attempt finishes its task");
                }
                // Whoever else ran the task was beaten.
                let live = self.leases.remove(&attempt.task).unwrap_or_default();
                let beaten = live.into_iter().filter(|other| other != attempt);
                self.beaten.extend(beaten.clone());
                self.given_up.extend(beaten);
                self.no_task_acknowledged_twice(*attempt, !output.files.is_empty())
            }
            Record::AttemptFailed { attempt, .. } => {
                self.given_up.insert(*attempt);
                self.beaten.remove(attempt);
                if let Some(live) = self.leases.get_mut(&attempt.task) {
                    live.retain(|other| other != attempt);
                }
                Ok(())
            }
            Record::Intent { intent } => {
                let known = self.intents.insert(intent.job, intent.clone());
                hold("one_intent_per_job", known.as_ref().is_none_or(|known| known == intent), || {
                    format!("{} had another intent", intent.job)
                })?;
                self.nothing_beaten_writes_beside_a_commit(intent.job)?;
                self.each_file_of_an_intent_counts(intent.job)
            }
            Record::Published { job, .. } => {
                hold("published_means_in_the_log", !lake.commits_of(*job).is_empty(), || format!("{job} is not there"))
            }
            Record::Ended { job, status, .. } => self.ended(*job, status, lake, scenario),
            Record::Resumed { job, .. } => {
                self.ended.remove(job);
                self.leases.retain(|task, _| task.job != *job);
                self.beaten.retain(|attempt| attempt.task.job != *job);
                Ok(())
            }
            Record::Updated { job, change, .. } => {
                match change.suspend {
                    Some(true) => drop(self.suspended.insert(*job)),
                    Some(false) => drop(self.suspended.remove(job)),
                    None => {}
                }
                Ok(())
            }
            Record::Forgotten { job } => {
                self.forgotten.insert(*job);
                hold("only_what_has_ended_is_forgotten", self.ended.contains_key(job), || format!("{job} has not"))
            }
            Record::StagePlanned { .. }
            | Record::PartitionsMoved { .. }
            | Record::TimeUsed { .. }
            | Record::Ending { .. }
            | Record::History { .. } => Ok(()),
        }
    }

    /// What became of second attempts since this was asked last.
    pub(crate) fn seconds_met(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.seconds_met)
    }

    fn one_lease_per_task(&mut self, attempt: AttemptId) -> Checked {
        let live = self.leases.entry(attempt.task).or_default();
        let others = std::mem::replace(live, vec![attempt]);
        hold("one_lease_per_task", others.is_empty(), || format!("{attempt} starts while {others:?} may run"))
    }

    /// A task that is slow runs a second time, beside the first attempt, and not on the same worker.
    fn at_most_two_live_attempts(&mut self, attempt: AttemptId, worker: &str) -> Checked {
        let live = self.leases.entry(attempt.task).or_default();
        let elsewhere = live.iter().all(|other| self.started.get(other).is_some_and(|(name, _)| name != worker));
        let others = live.clone();
        live.push(attempt);
        hold("at_most_two_live_attempts", others.len() == 1 && elsewhere, || {
            format!("{attempt} starts on {worker} beside {others:?}")
        })
    }

    fn a_suspended_job_takes_no_slot(&self, attempt: AttemptId) -> Checked {
        let suspended = self.suspended.contains(&attempt.task.job);
        hold("a_suspended_job_takes_no_slot", !suspended, || format!("{attempt} starts"))
    }

    fn no_result_of_a_revoked_lease(&self, attempt: AttemptId) -> Checked {
        hold("no_result_of_a_revoked_lease", self.started.contains_key(&attempt), || {
            format!("{attempt} was never started")
        })?;
        hold("no_result_of_a_revoked_lease", !self.given_up.contains(&attempt), || {
            format!("{attempt} had been given up")
        })
    }

    fn no_task_acknowledged_twice(&mut self, attempt: AttemptId, wrote_files: bool) -> Checked {
        let is_first = self.finished.insert(attempt);
        hold("no_task_acknowledged_twice", is_first, || format!("{attempt} counted twice"))?;
        let other = if wrote_files { self.wrote.insert(attempt.task, attempt) } else { None };
        hold("no_task_acknowledged_twice", other.is_none(), || format!("{attempt} counts, and {other:?} did too"))
    }

    fn nothing_beaten_writes_beside_a_commit(&self, job: JobUid) -> Checked {
        let writes = self.beaten.iter().find(|attempt| attempt.task.job == job);
        hold("nothing_beaten_writes_beside_a_commit", writes.is_none(), || format!("{writes:?} may leave a file"))
    }

    fn each_file_of_an_intent_counts(&self, job: JobUid) -> Checked {
        let files = self.intents.get(&job).map_or(&[][..], |intent| &intent.files);
        files.iter().filter_map(|file| attempt_of(&file.path)).try_for_each(|attempt| {
            hold("each_file_of_an_intent_counts", self.wrote.get(&attempt.task) == Some(&attempt), || {
                format!("the file of {attempt} is to be committed; {:?} counts", self.wrote.get(&attempt.task))
            })
        })
    }

    fn ended(
        &mut self,
        job: JobUid,
        status: &shoal_core::report::JobStatus,
        lake: &Lake,
        scenario: &Scenario,
    ) -> Checked {
        self.ended_once.insert(job);
        let known = self.ended.insert(job, status.phase);
        hold("the_end_is_the_end", known.is_none_or(|known| known == status.phase), || {
            format!("{} ended as {known:?} and then as {:?}", status.name, status.phase)
        })?;
        let commits = lake.commits_of(job).len();
        match status.phase {
            Phase::Succeeded => hold("success_means_published", commits == 1, || {
                format!("{} has succeeded and its log has {commits} commits", status.name)
            }),
            _ => {
                hold("failure_means_not_published", commits == 0, || {
                    format!("{} has failed and its commit is in the log", status.name)
                })?;
                hold("no_job_fails_without_a_cause", has_cause(status, scenario), || {
                    format!("{} failed with {:?}", status.name, status.failure)
                })
            }
        }
    }
}

/// Whether something was done to a job, or to the world, that explains its failure.
fn has_cause(status: &shoal_core::report::JobStatus, scenario: &Scenario) -> bool {
    use shoal_core::Reason;

    use crate::fault::Fault;
    let Some(job) = job_index(&status.name).and_then(|index| scenario.jobs.get(index)) else { return false };
    let Some(failure) = &status.failure else { return false };
    let met = |faults: &[Fault]| {
        let of_ambush = scenario.ambushes.iter().map(|(_, _, fault)| fault);
        scenario.faults.iter().map(|(_, fault)| fault).chain(of_ambush).any(|fault| faults.contains(fault))
    };
    match failure.reason {
        Reason::Cancelled => job.wishes.iter().any(|(_, wish)| *wish == Wish::Cancel),
        Reason::DeadlineExceeded => {
            job.deadline_s.is_some() || job.wishes.iter().any(|(_, wish)| matches!(wish, Wish::Allow(_)))
        }
        Reason::TaskKillsWorkers => {
            // Whoever is on a worker each time that it goes looks as if it were the cause.
            let goes = [Fault::WorkerCrash, Fault::WorkerMemoryFull, Fault::WorkerPause, Fault::CutHeadFromWorker];
            job.shape.poison.is_some() || met(&goes) || met(&[Fault::WorkerTwin, Fault::NetworkSlow])
        }
        Reason::NoWorkers => met(&[Fault::HeadClockForward, Fault::HeadPause, Fault::CutHeadFromWorker]),
        // The object store stayed away for longer than a commit is tried.
        Reason::Io | Reason::CommitConflict if met(&[Fault::LakeFails, Fault::LakeLosesAnswers, Fault::LakeSlow]) => {
            true
        }
        _ => job.max_task_attempts < ATTEMPTS_ENOUGH,
    }
}
