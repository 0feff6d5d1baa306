//! What a function prints, logs and warns of stands in the job's log, with the key of its group.

use shoal_tests::slots;

use super::{firms, job, run_here};
use crate::place::Place;

#[test]
fn prints_logs_and_warnings_stand_in_the_jobs_log() {
    let _slots = slots::take(2);
    let place = Place::new();
    let code = "import logging, os, warnings\nprint('loading')\n\ndef fit(group, key):\n    if key.firm == 'firm 7':\n        \
                print('printed')\n        logging.warning('logged')\n        warnings.warn('warned')\n        \
                os.write(1, b'native\\n')\n    return {'n': 1}\n";
    let job = job("said", &firms(&place), code, &place.join("out"));
    let finished = run_here(&place, &job, &[]);
    finished.succeeded();
    let line = |what: &str| finished.stderr.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {finished:#?}"));
    for said in ["printed", "WARNING:root:logged", "UserWarning: warned"] {
        assert!(line(said).contains("firm 7"), "{}", line(said));
    }
    for said in ["loading", "native"] {
        assert!(!line(said).contains("firm 7"), "{}", line(said));
    }
    // What is printed is no result.
    assert!(!finished.stdout.contains("printed"));
}
