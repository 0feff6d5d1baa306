#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::autoscaling::samples::{of_answer, of_text};

const NOW: i64 = 1_700_000_000_000;
const AGE_MAX: i64 = 60;

/// What a head writes.
const TEXT: &str = r#"
# HELP shoal_head_leads 1 while this head leads, 0 while another one does.
# TYPE shoal_head_leads gauge
shoal_head_leads 1
shoal_jobs{kind="groupedTraining",phase="Running"} NaN
shoal_queued_slot_seconds{priority="0",shape="slot",worker_group="any"} 340
shoal_queued_slot_seconds{priority="7",shape="slot",worker_group="any"} 0.5
shoal_queued_tasks{priority="0",shape="slot",worker_group="any"} 68
shoal_queued_tasks{priority="7",shape="slot",worker_group="any"} 1
shoal_running_slot_seconds{priority="0",shape="slot",worker_group="any"} 3.25
shoal_running_slot_seconds{priority="7",shape="slot",worker_group="any"} 0
shoal_running_tasks{priority="0",shape="slot",worker_group="any"} 2
shoal_running_tasks{priority="7",shape="slot",worker_group="any"} 0
shoal_capacity_slots{state="ready"} 4
shoal_capacity_slots{state="busy"} 2
shoal_capacity_slots{state="draining"} 1
shoal_capacity_slots{state="disk_full"} 0
shoal_expected_workers 0
shoal_held_partition_bytes 4096
shoal_unfinished_jobs 3
shoal_signal_timestamp_seconds 1699999999.5
"#;

fn of(text: &str) -> Result<Signal, SignalTrouble> {
    read(&of_text(text, is_wanted)?, NOW, AGE_MAX)
}

fn signal() -> Signal {
    of(TEXT).unwrap()
}

/// The samples of the text, as Prometheus gives them that scraped that pod.
fn scraped(text: &str, pod: &str) -> Vec<Sample> {
    let mut samples = of_text(text, is_wanted).unwrap();
    for sample in &mut samples {
        for (label, value) in [("namespace", "n"), ("pod", pod), ("shoal_dev_cluster", "a"), ("instance", "x:7370")] {
            sample.labels.insert(label.into(), value.into());
        }
    }
    samples
}

fn answer(samples: &[Sample]) -> String {
    let result: Vec<serde_json::Value> = samples
        .iter()
        .map(|sample| {
            let mut metric = serde_json::json!(sample.labels);
            metric["__name__"] = sample.name.clone().into();
            serde_json::json!({"metric": metric, "value": [NOW / 1_000, sample.value.to_string()]})
        })
        .collect();
    serde_json::json!({"status": "success", "data": {"resultType": "vector", "result": result}}).to_string()
}

#[test]
fn what_a_head_writes_is_read() {
    let signal = signal();
    assert_eq!((signal.at_ms, signal.ready_slots, signal.busy_slots, signal.draining_slots), (NOW - 500, 4, 2, 1));
    assert_eq!((signal.full_slots, signal.expected_workers), (0, 0));
    assert_eq!((signal.held_bytes, signal.unfinished_jobs), (4096, 3));
    let priorities: Vec<i32> = signal.work.keys().map(|class| class.priority).collect();
    assert_eq!(priorities, [0, 7]);
    let total = signal.total();
    assert_eq!((total.queued_tasks, total.queued_seconds, total.running_tasks), (69, 340.5, 2));
}

#[test]
fn prometheus_answer_says_the_same() {
    let mut samples = scraped(TEXT, "a-head-0");
    samples.extend(scraped("shoal_head_leads 0\n", "a-head-1"));
    let read_back = of_answer(answer(&samples).as_bytes(), "").unwrap();
    assert_eq!(read(&read_back, NOW, AGE_MAX), Ok(signal()));
}

#[test]
fn each_kind_of_bad_metrics_has_its_reason() {
    let busy = "shoal_capacity_slots{state=\"busy\"} 2";
    let leads = "shoal_head_leads 1";
    let queued = "shoal_queued_slot_seconds{priority=\"0\",shape=\"slot\",worker_group=\"any\"} 340";
    let without = |line: &str| TEXT.replace(line, "");
    for (text, reason, words) in [
        (String::new(), "SeriesAbsent", "shoal_head_leads"),
        ("<html>no</html>".to_owned(), "AnswerMalformed", "line 1"),
        (without(leads), "SeriesAbsent", "shoal_head_leads"),
        (TEXT.replace(leads, "shoal_head_leads 0"), "HeadDoesNotLead", "does not lead"),
        (format!("{TEXT}{queued}\n"), "SeriesDuplicate", "twice"),
        (TEXT.replace(" 340", " NaN"), "ValueNotANumber", "shoal_queued_slot_seconds"),
        (TEXT.replace(" 340", " +Inf"), "ValueInfinite", "shoal_queued_slot_seconds"),
        (TEXT.replace(" 340", " -1"), "ValueNegative", "shoal_queued_slot_seconds"),
        (TEXT.replace("} 68", "} 0"), "MetricsContradictory", "340"),
        (TEXT.replace(busy, "shoal_capacity_slots{state=\"busy\"} 5"), "MetricsContradictory", "5 of 4"),
        (without(busy), "SeriesAbsent", "busy"),
        (without(queued), "SeriesAbsent", "priority 0"),
        (TEXT.replace("1699999999.5", "1699999000"), "MetricsStale", "1000 s ago"),
        (TEXT.replace("1699999999.5", "1700000100"), "MetricsStale", "clocks differ"),
        (TEXT.replace("priority=\"7\"", "priority=\"high\""), "AnswerMalformed", "`high`"),
    ] {
        let trouble = of(&text).unwrap_err();
        assert_eq!(trouble.reason(), reason, "{trouble:?}");
        assert!(trouble.to_string().contains(words), "{trouble}");
    }
    for metric in METRICS {
        let text: Vec<&str> = TEXT.lines().filter(|line| !line.starts_with(metric)).collect();
        let trouble = of(&text.join("\n")).unwrap_err();
        assert_eq!(trouble.reason(), "SeriesAbsent", "{metric}");
        assert!(trouble.to_string().contains(metric), "{trouble}");
    }
}

#[test]
fn a_head_that_does_not_lead_is_not_believed() {
    let leader = scraped(TEXT, "a-head-0");
    let with = |text: &str| {
        let mut samples = leader.clone();
        samples.extend(scraped(text, "a-head-1"));
        read(&samples, NOW, AGE_MAX).map_err(|trouble| trouble.reason())
    };
    assert_eq!(with("shoal_head_leads 0\n"), Ok(signal()));
    assert_eq!(with("shoal_head_leads 0\nshoal_held_partition_bytes 1\n"), Err("HeadDoesNotLead"));
    assert_eq!(with("shoal_held_partition_bytes 1\n"), Err("HeadDoesNotLead"), "it says nothing of leading");
    assert_eq!(with("shoal_head_leads 1\n"), Err("SeveralHeadsLead"));
    // An old sample of Prometheus, whatever the head says of its clock.
    let mut old = leader.clone();
    old[3].at_ms = Some(NOW - 120_000);
    assert_eq!(read(&old, NOW, AGE_MAX), Err(SignalTrouble::Stale { age_seconds: 120 }));
}

#[test]
fn what_a_query_has_summed_up_is_the_leaders() {
    let mut samples = scraped(TEXT, "a-head-0");
    for sample in &mut samples {
        if sample.name != LEADS {
            ["pod", "instance", "namespace"].iter().for_each(|label| drop(sample.labels.remove(*label)));
        }
    }
    assert_eq!(read(&samples, NOW, AGE_MAX), Ok(signal()));
}

proptest! {
    /// Whatever is taken out, put in twice or turned into what it cannot be: it is never read as something else.
    #[test]
    fn what_is_broken_is_read_as_it_was_or_not_at_all(index in 0..18_usize, how in 0..4_u8) {
        let mut samples = of_text(TEXT, is_wanted).unwrap();
        prop_assume!(index < samples.len());
        match how {
            0 => drop(samples.remove(index)),
            1 => { let twice = samples[index].clone(); samples.push(twice); }
            2 => samples[index].value = f64::NAN,
            _ => samples[index].value = -1.0,
        }
        prop_assert!(read(&samples, NOW, AGE_MAX).is_err());
    }
}
