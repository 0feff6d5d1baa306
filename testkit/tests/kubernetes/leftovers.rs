//! What a cluster leaves behind.

use std::path::{Path, PathBuf};
use std::process::Command;

use shoal_testkit::kubernetes::Cluster;

/// What to look for once a cluster has ended.
pub(crate) struct Traces {
    folder: PathBuf,
    cgroup: Option<String>,
    host_address: Option<String>,
}

impl Traces {
    /// Of a cluster that runs.
    pub(crate) fn of(cluster: &Cluster) -> Self {
        let folder = cluster.folder().unwrap().to_owned();
        let cgroup = std::fs::read_to_string(folder.join("cgroup")).ok();
        let host_address = cluster.addresses().map(|(host, _)| format!("{host}/30"));
        let this = Self { folder, cgroup, host_address };
        assert!(!this.found().is_empty(), "what is looked for cannot be seen");
        this
    }

    /// What is there, in words.
    pub(crate) fn found(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.folder.exists() {
            found.push(format!("the folder {}", self.folder.display()));
        }
        for process in std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()).map(|entry| entry.path()) {
            for file in ["cmdline", "mountinfo"] {
                if mentions(&process.join(file), &self.folder) {
                    found.push(format!("{}/{file} mentions the folder", process.display()));
                }
            }
        }
        if let Some(cgroup) = &self.cgroup {
            let paths = std::fs::read_dir("/sys/fs/cgroup").unwrap().map(|entry| entry.unwrap().path().join(cgroup));
            let paths = paths.chain([Path::new("/sys/fs/cgroup").join(cgroup)]);
            found.extend(paths.filter(|path| path.exists()).map(|path| format!("the cgroup {}", path.display())));
        }
        if let Some(address) = &self.host_address {
            let addresses = Command::new("ip").args(["-oneline", "address"]).output().unwrap();
            if String::from_utf8_lossy(&addresses.stdout).contains(address) {
                found.push(format!("an interface with {address}"));
            }
        }
        found
    }
}

fn mentions(file: &Path, folder: &Path) -> bool {
    // Processes come and go while they are looked at.
    let text = std::fs::read(file).unwrap_or_default();
    let needle = folder.to_str().unwrap().as_bytes();
    text.windows(needle.len()).any(|window| window == needle)
}
