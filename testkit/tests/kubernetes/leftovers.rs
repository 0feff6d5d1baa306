//! What a cluster leaves behind.

use std::path::{Path, PathBuf};

use shoal_testkit::kubernetes::Cluster;

/// What to look for once a cluster has ended.
pub(crate) struct Traces {
    folder: PathBuf,
    cgroup: Option<String>,
    link: Option<Link>,
}

/// An interface of the host. Another cluster may take the name as soon as it is free; the number is given once.
struct Link {
    name: String,
    index: Option<String>,
}

impl Link {
    fn new(name: String) -> Self {
        let mut this = Self { name, index: None };
        this.index = this.now();
        assert!(this.index.is_some(), "there is no interface {}", this.name);
        this
    }

    fn now(&self) -> Option<String> {
        std::fs::read_to_string(format!("/sys/class/net/{}/ifindex", self.name)).ok()
    }
}

impl Traces {
    /// Of a cluster that runs.
    pub(crate) fn of(cluster: &Cluster) -> Self {
        Self::of_folder(cluster.folder().unwrap())
    }

    /// Of a cluster that runs and has this folder.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        let note = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let name = |link: String| link.split(' ').next().map(str::to_owned);
        let (cgroup, link) = (note("cgroup"), note("link").and_then(name).map(Link::new));
        let this = Self { folder: folder.to_owned(), cgroup, link };
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
        if let Some(link) = &self.link {
            found.extend((link.now() == link.index).then(|| format!("the interface {}", link.name)));
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
