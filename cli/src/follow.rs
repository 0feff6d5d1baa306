//! Watches a job until it has ended.

use std::time::{Duration, Instant};

use shoal_core::report::JobStatus;
use shoal_core::{Failure, Reason};

use crate::client::Client;
use crate::interrupts::Interrupts;
use crate::terminal::Terminal;

/// First pause between two looks. With the factor by which they grow, the end of a job is seen late by a tenth of what it
/// took, however small it is.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// Longest pause between two looks: often enough for a person, seldom enough for a head with a thousand watchers.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// How long a head that answered before may be gone: it is restarted within seconds, and goes on with its jobs.
const HEAD_GONE_MAX: Duration = Duration::from_secs(30);

/// What the first Ctrl-C does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnInterrupt {
    /// Cancels the job and waits for its end; the next one leaves at once.
    Cancel,
    /// Leaves the job alone and stops watching.
    Leave,
}

/// How watching ended.
#[derive(Debug)]
pub(crate) enum Followed {
    /// The job has ended.
    Ended(Box<JobStatus>),
    /// The user asked for the end, and this is how the job stood.
    Interrupted(Box<JobStatus>),
}

/// Watches a job until it has ended or the user wants no more.
///
/// # Errors
/// What the head answers; [`Reason::HeadUnreachable`] once it is gone for long.
pub(crate) async fn follow(
    client: &Client,
    submitted: JobStatus,
    terminal: &Terminal,
    interrupts: &mut Interrupts,
    on_interrupt: OnInterrupt,
) -> Result<Followed, Failure> {
    terminal.progress(None, &submitted);
    let mut status = submitted;
    let mut cancelling = false;
    let mut pause = PAUSE_MIN;
    while !status.phase.is_final() {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = interrupts.next() => {
                if cancelling || on_interrupt == OnInterrupt::Leave {
                    return Ok(Followed::Interrupted(Box::new(status)));
                }
                cancelling = true;
                cancel(client, &status.name, terminal).await?;
            }
        }
        pause = longer(pause);
        let now = tokio::select! {
            now = show(client, &status.name) => now?,
            _ = interrupts.next(), if cancelling || on_interrupt == OnInterrupt::Leave => {
                return Ok(Followed::Interrupted(Box::new(status)));
            }
        };
        terminal.progress(Some(&status), &now);
        status = now;
    }
    let was_cancelled = status.failure.as_ref().is_some_and(|failure| failure.reason == Reason::Cancelled);
    Ok(if cancelling && was_cancelled {
        Followed::Interrupted(Box::new(status))
    } else {
        Followed::Ended(Box::new(status))
    })
}

async fn cancel(client: &Client, name: &str, terminal: &Terminal) -> Result<(), Failure> {
    terminal.line("cancelling; Ctrl-C again leaves at once");
    client.cancel(name).await.map(drop)
}

async fn show(client: &Client, name: &str) -> Result<JobStatus, Failure> {
    while_head_restarts(|| client.show(name)).await
}

/// Asks again while a head that answered before is gone.
///
/// # Errors
/// What the head answers; [`Reason::HeadUnreachable`] once it is gone for long.
pub(crate) async fn while_head_restarts<T, F: Future<Output = Result<T, Failure>>>(
    ask: impl Fn() -> F,
) -> Result<T, Failure> {
    let since = Instant::now();
    loop {
        match ask().await {
            Err(failure) if failure.reason == Reason::HeadUnreachable && since.elapsed() < HEAD_GONE_MAX => {
                tokio::time::sleep(PAUSE_MAX).await;
            }
            answer => return answer,
        }
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 5 / 4).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let pauses: Vec<Duration> =
            std::iter::successors(Some(PAUSE_MIN), |pause| Some(longer(*pause))).take(30).collect();
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&PAUSE_MAX));
    }
}
