//! What a person reads: failures, progress, reports, tables. Texts are made by pure functions.

pub(crate) mod dry_run;
mod failure;
pub(crate) mod history;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod scaling;
pub(crate) mod skew;
pub(crate) mod state;
pub(crate) mod table;
pub(crate) mod timeline;

use serde_json::{Value, json};
use shoal_core::report::JobStatus;

pub(crate) use self::failure::failure_text;
use crate::args::Output;
use crate::exit::End;
use crate::terminal::{Terminal, print_json};

/// Shows why a command did not succeed: on stderr, and on stdout where JSON was asked for.
pub(crate) fn show_end(end: &End, output: Output) {
    let text = match end {
        End::Failed(failed) => failure_text(&failed.failure, failed.source.as_ref()),
        End::Interrupted(status) => interrupted_text(status.as_deref()),
        // The report has said what is.
        End::Broken => return,
    };
    Terminal::new().line(text.trim_end());
    if output == Output::Json {
        // Nothing is left to be said where even that fails.
        let _ = print_json(&end_json(end));
    }
}

fn interrupted_text(status: Option<&JobStatus>) -> String {
    match status {
        None => "interrupted".to_owned(),
        Some(status) if status.phase.is_final() => {
            format!("interrupted: job `{}` was cancelled and published nothing", status.name)
        }
        Some(status) => format!("interrupted: job `{}` had not ended", status.name),
    }
}

fn end_json(end: &End) -> Value {
    match end {
        End::Failed(failed) => match &failed.status {
            Some(status) => json!({"status": status}),
            None => json!({"failure": failed.failure}),
        },
        End::Interrupted(Some(status)) => json!({"status": status}),
        End::Interrupted(None) | End::Broken => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use shoal_core::report::Phase;
    use shoal_core::{Failure, Reason};

    use super::*;

    #[test]
    fn an_end_is_a_document_with_the_job_or_without_one() {
        let bare = End::from(Failure::new(Reason::HeadUnreachable, "nobody"));
        assert_eq!(end_json(&bare)["failure"]["reason"], "HeadUnreachable");

        let mut status = report::testing::status(Phase::Failed);
        status.failure = Some(Failure::new(Reason::TooManyFailed, "2 of 3"));
        let failed = End::of_job(&status, None).err();
        assert_eq!(
            failed.map(|end| end_json(&end)["status"]["failure"]["reason"].clone()),
            Some("TooManyFailed".into())
        );
        assert_eq!(end_json(&End::Interrupted(None)), json!({}));
    }

    #[test]
    fn an_interrupted_job_is_cancelled_or_left() {
        let text = |phase| interrupted_text(Some(&report::testing::status(phase)));
        assert!(text(Phase::Failed).contains("published nothing"));
        assert!(text(Phase::Running).contains("had not ended"));
    }
}
