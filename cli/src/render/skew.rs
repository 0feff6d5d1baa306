//! How uneven the tasks of a job's stages are.

use std::fmt::Write;

use shoal_core::report::JobStatus;
use shoal_core::skew::{Spread, StageSkew};

use crate::sizes;

/// A line per stage; says where it is told from a part of the tasks.
pub(crate) fn skew_text(skew: &[StageSkew], status: &JobStatus) -> String {
    let mut text = String::new();
    for of_stage in skew {
        let StageSkew { stage, tasks, seconds, rows_in } = of_stage;
        let Spread { median, largest, task } = seconds;
        // Writing to a string cannot fail.
        let _ = write!(text, "{stage}: median {median:.2} s, slowest {stage}/{task} {largest:.2} s");
        let _ = write!(text, "{}", times(*largest, *median));
        if let Some(Spread { median, largest, task }) = rows_in.filter(|rows| rows.largest > 0) {
            let _ = write!(text, ", most rows {stage}/{task} {}", sizes::count(largest));
            let _ = write!(text, "{}", times(largest as f64, median as f64));
        }
        let done = status.report.stages.iter().find(|report| report.name == *stage).map_or(0, |report| report.done);
        if done > *tasks {
            let _ = write!(text, "; told from the {tasks} of {done} tasks whose attempts are kept");
        }
        text.push('\n');
    }
    text
}

/// How many times the median; nothing where that is zero.
fn times(largest: f64, median: f64) -> String {
    if median > 0.0 { format!(" ({:.1}x)", largest / median) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use shoal_core::report::{Phase, StageReport};

    use super::*;
    use crate::render::report::testing::status;

    #[test]
    fn a_line_says_what_is_uneven_and_how_much_is_known() {
        let mut job = status(Phase::Succeeded);
        let stage = |name: &str, done| StageReport { name: name.to_owned(), done, ..StageReport::default() };
        job.report.stages = vec![stage("map", 8), stage("reduce", 1_000)];
        let skew = |stage: &str, tasks, rows_in| StageSkew {
            stage: stage.to_owned(),
            tasks,
            seconds: Spread { median: 1.2, largest: 4.8, task: 7 },
            rows_in,
        };
        let rows = Spread { median: 300_000, largest: 1_170_000, task: 7 };
        let none = Spread { median: 0, largest: 5, task: 2 };
        let expected = "\
map: median 1.20 s, slowest map/7 4.80 s (4.0x), most rows map/7 1.2 M (3.9x)
reduce: median 1.20 s, slowest reduce/7 4.80 s (4.0x), most rows reduce/2 5; told from the 256 of 1000 tasks whose attempts are kept
";
        assert_eq!(skew_text(&[skew("map", 8, Some(rows)), skew("reduce", 256, Some(none))], &job), expected);
        let unknown = [skew("map", 8, None)];
        assert_eq!(skew_text(&unknown, &job), "map: median 1.20 s, slowest map/7 4.80 s (4.0x)\n");
    }
}
