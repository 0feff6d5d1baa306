//! What a function prints, logs and warns of stands in the job's log, with the key of its group.

use shoal_tests::cluster::{Head, Worker};
use shoal_tests::slots;

use super::{firms, job};
use crate::place::Place;

#[test]
fn prints_logs_and_warnings_stand_in_the_jobs_log() {
    let _slots = slots::take(3);
    let place = Place::new();
    let code = "import logging, os, warnings\nprint('loading')\n\ndef fit(group, key):\n    if key.firm == 'firm 7':\n        \
                print('printed')\n        logging.warning('logged')\n        warnings.warn('warned')\n        \
                os.write(1, b'native\\n')\n    return {'n': 1}\n";
    let job = job("said", &firms(&place), code, &place.join("out"));
    let head = Head::start(&place.join("state"), &[]);
    let _worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    head.submit(&place.job(&job), &["--wait"]).succeeded();
    let log = head.ask(&["logs", "said"]).succeeded();
    let lines: Vec<&str> = log["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect();
    let line =
        |what: &str| *lines.iter().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {lines:#?}"));
    for said in ["printed", "WARNING:root:logged", "UserWarning: warned"] {
        assert!(line(said).contains("group=\"firm 7\""), "{}", line(said));
    }
    for said in ["loading", "native"] {
        assert!(!line(said).contains("firm 7"), "{}", line(said));
    }
}
