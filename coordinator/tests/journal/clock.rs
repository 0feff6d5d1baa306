//! No store asks what time it is: a clock that somebody sets changes neither terms nor leases nor records.

use std::path::Path;

#[test]
fn journals_and_elections_never_read_the_wall_clock() {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("src/journal");
    let mut folders = vec![folder];
    let (mut files, mut measures) = (0, 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for clock in ["SystemTime", "UNIX_EPOCH", "now_ms", "chrono", "now_utc"] {
                assert!(!text.contains(clock), "{} reads the wall clock: `{clock}`", path.display());
            }
            files += 1;
            measures += text.matches("Instant::now()").count();
        }
    }
    assert!(files > 10 && measures > 0, "time is measured by what nobody sets: {files} files, {measures} places");
}
