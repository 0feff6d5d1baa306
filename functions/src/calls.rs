//! Calls of a function, whatever happens to the processes that make them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use shoal_core::Failure;
use shoal_core::functions::{Caller, Calls, Groups, Program, Returns};
use shoal_core::tally::Tally;

use crate::answer::{Applied, Told};
use crate::death::Death;
use crate::pool::Shared;
use crate::process::{End, Process};
use crate::queue::Queue;
use crate::said::{Line, Lines, Stream};

/// Calls by a process of a pool, which gets it back in the end.
pub(crate) struct PooledCalls {
    pool: Arc<Shared>,
    caller: Caller,
    program: Arc<Program>,
    takes_pieces: bool,
    /// None where one died and the next one is not there yet.
    process: Option<Process>,
    /// Looked into by whoever asks which group runs.
    queue: Arc<Mutex<Queue>>,
}

impl PooledCalls {
    pub(crate) fn new(pool: Arc<Shared>, caller: Caller, program: Arc<Program>, process: Process) -> Self {
        let takes_pieces = process.iterates();
        let mut calls = Self { pool, caller, program, takes_pieces, process: None, queue: Arc::default() };
        calls.goes_on_with(process);
        calls
    }

    /// Lets that process be called from now on.
    fn goes_on_with(&mut self, process: Process) {
        let (progress, queue) = (process.progress(), Arc::clone(&self.queue));
        self.caller.log.watch(move || {
            let running = progress.running()?;
            lock(&queue).group(running).map(|group| key_text(&group.keys))
        });
        self.process = Some(process);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// Hands over to the process whatever it takes.
    fn dispatch(&mut self) {
        let Some(process) = &self.process else { return };
        let mut queue = self.queue();
        while let Some((sequence, groups)) = queue.unsent() {
            if !process.send(sequence, groups) {
                return;
            }
            queue.note_sent();
        }
    }

    /// What a process answered, as the groups that it is about.
    fn understood(&mut self, applied: Applied) -> Result<Returns, Failure> {
        let Applied { sequence, groups, rows, group_of_row, failed, told } = applied;
        let (groups, before) = self.queue().answered(sequence, groups).map_err(|error| foreign(&error.to_string()))?;
        let place = |group: u32| {
            let place = (group as usize).checked_sub(before).filter(|place| *place < groups.len());
            place.map(|place| place as u32).ok_or_else(|| foreign("a group was answered that was not asked about"))
        };
        let group_of_row: Vec<u32> = group_of_row.into_iter().map(place).collect::<Result<_, _>>()?;
        if !group_of_row.is_sorted() || group_of_row.len() != rows.num_rows() {
            return Err(foreign("rows are not in the order of their groups"));
        }
        let failed = failed
            .into_iter()
            .map(|failed| Ok(shoal_core::functions::FailedGroup { group: place(failed.group)?, ..failed }))
            .collect::<Result<_, Failure>>()?;
        let Told { counted, took } = told;
        Ok(Returns { groups, rows, group_of_row, failed, counted, took })
    }

    /// What becomes of the groups of a process that died: the one that is to blame, where that is known.
    fn after(&mut self, end: End) -> Result<Option<Returns>, Failure> {
        let End { death, running, complaints, lines } = end;
        tell(lines);
        self.process = None;
        let culprit = self.queue().died(running);
        let key = culprit.as_ref().map(|groups| key_text(&groups.keys));
        tracing::warn!(group = key, "a process of the function {}", death.in_words());
        // The head counts those of all attempts; as many as end the job end this one, too.
        let deaths = self.caller.log.note_death(key, death.in_words());
        if deaths.count > u64::from(self.program.deaths_max) {
            return Err(deaths.give_up(self.program.deaths_max));
        }
        Ok(culprit.map(|groups| blamed(groups, &death, &complaints)))
    }
}

#[async_trait]
impl Calls for PooledCalls {
    fn takes_pieces(&self) -> bool {
        self.takes_pieces
    }

    fn send(&mut self, groups: Groups) {
        self.queue().push(groups);
        self.dispatch();
    }

    fn waiting(&self) -> usize {
        self.queue().waiting()
    }

    async fn next(&mut self) -> Result<Option<Returns>, Failure> {
        while self.waiting() > 0 {
            if self.process.is_none() {
                let process = self.pool.process(&self.caller, &self.program).await?;
                self.goes_on_with(process);
            }
            self.dispatch();
            let Some(process) = &mut self.process else { continue };
            match process.answer().await {
                Ok((applied, lines)) => {
                    tell(lines);
                    return self.understood(applied).map(Some);
                }
                Err(end) => {
                    if let Some(returns) = self.after(*end)? {
                        return Ok(Some(returns));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl Drop for PooledCalls {
    fn drop(&mut self) {
        self.caller.log.unwatch();
        // One that still computes would answer somebody else.
        if let Some(process) = self.process.take()
            && self.waiting() == 0
        {
            Arc::clone(&self.pool).put_back(self.caller.job, process);
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // Nothing in it is ever half done.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A group that cost its process.
fn blamed(groups: Groups, death: &Death, complaints: &[String]) -> Returns {
    let rows = RecordBatch::new_empty(groups.rows.schema());
    Returns {
        groups,
        rows,
        group_of_row: Vec::new(),
        failed: vec![death.of_group(complaints)],
        counted: Tally::default(),
        took: Vec::new(),
    }
}

/// Logs what a function said.
fn tell(Lines { lines, left_out }: Lines) {
    if left_out > 0 {
        tracing::info!(left_out, "the function said more than is kept");
    }
    for Line { stream, group, text } in lines {
        match (stream, group) {
            (Stream::Output, Some(group)) => tracing::info!(group, "{text}"),
            (Stream::Output, None) => tracing::info!("{text}"),
            (Stream::Error, Some(group)) => tracing::warn!(group, "{text}"),
            (Stream::Error, None) => tracing::warn!("{text}"),
        }
    }
}

/// The key of the first group, as a person would write it.
fn key_text(keys: &RecordBatch) -> String {
    let options = FormatOptions::default().with_null("null");
    let part = |(field, column)| {
        let field: &arrow::datatypes::FieldRef = field;
        let column: &arrow::array::ArrayRef = column;
        let value = ArrayFormatter::try_new(column, &options).map(|formatter| formatter.value(0).to_string());
        value.map_or_else(|_| field.name().clone(), |value| format!("{}={value}", field.name()))
    };
    keys.schema().fields().iter().zip(keys.columns()).map(part).collect::<Vec<_>>().join(", ")
}

fn foreign(why: &str) -> Failure {
    Failure::internal("a function's process answers something else than it was asked")
        .because(&std::io::Error::other(why.to_owned()))
}
