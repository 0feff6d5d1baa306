//! The namespaces of a node: network, mounts and processes of its own. When the first process in them ends the kernel ends
//! all others, and takes away interfaces, rules and mounts.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::folder::Folder;
use super::network::run;
use super::place::Place;
use super::process::{Launch, Processes, children};
use super::tools;
use super::trouble::Trouble;

/// How long the kernel may take to make namespaces: a moment, on a machine that does anything at all.
const LIMIT: Duration = Duration::from_secs(30);

/// Folders that kubelet, containerd and their plugins write to whatever their options say, and what the node sees there.
const OWN: [(&str, &str); 2] = [("/run", "node/run"), ("/var/log", "node/log")];

/// As these, where something of the host must stay visible below.
const OWN_ABOVE: &str = "/var/lib";

/// What the kubelet wants of the kernel as a whole. The node sees files that say so: then it changes nothing on the host.
const KERNEL: [(&str, &str); 6] = [
    ("/proc/sys/vm/overcommit_memory", "1"),
    ("/proc/sys/vm/panic_on_oom", "0"),
    ("/proc/sys/kernel/panic", "10"),
    ("/proc/sys/kernel/panic_on_oops", "1"),
    ("/proc/sys/kernel/keys/root_maxkeys", "1000000"),
    ("/proc/sys/kernel/keys/root_maxbytes", "25000000"),
];

/// Whom the node asks for names, containerd above all: the machine's name servers may be out of its reach, and then an image
/// that cannot be pulled would fail after minutes.
pub(super) const RESOLVER: &str = "node/host-resolv.conf";

/// Name of the process that makes them, and waits for the first one in them.
pub(super) const NAMESPACES: &str = "namespaces";

/// Makes them; returns their first process, as the host numbers it.
pub(super) fn start(folder: &Folder, processes: &mut Processes) -> Result<u32, Trouble> {
    // It reaps what nobody else does, which is all that the first process has to do.
    let first = tools::built("pause")?;
    let options = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"];
    let mut arguments: Vec<String> = options.map(str::to_owned).to_vec();
    arguments.push(first.display().to_string());
    let name = NAMESPACES;
    let launch =
        Launch { name, program: tools::system("unshare")?, arguments, environment: Vec::new(), place: Place::Host };
    let outside = processes.start(folder, launch)?;
    let init = processes.wait(folder, LIMIT, name, "a network namespace was made", || {
        let init = *children(outside).first()?;
        // Before, it is still about to mount /proc.
        (std::fs::read_link(format!("/proc/{init}/exe")).ok()? == first).then_some(init)
    })?;
    folder.note_process("init", init)?;
    mount(folder, init)?;
    Ok(init)
}

fn mount(folder: &Folder, init: u32) -> Result<(), Trouble> {
    let at_risk = OWN.iter().map(|(path, _)| *path).chain([OWN_ABOVE]).find(|path| folder.path().starts_with(path));
    if let Some(path) = at_risk {
        return Err(Trouble::new(format!(
            "a cluster's folder must not be below {path}, which its node has of its own"
        )));
    }
    let mut script = String::from("mount --make-rshared /\n");
    for (path, own) in OWN {
        let own = folder.make(own)?;
        script += &format!("mount --bind '{}' {path}\n", own.display());
    }
    let [upper, work] = [folder.make("node/lib")?, folder.make("node/lib-work")?];
    let layers = format!("lowerdir={OWN_ABOVE},upperdir={},workdir={}", upper.display(), work.display());
    script += &format!("mount -t overlay -o '{layers}' shoal {OWN_ABOVE}\n");
    folder.make("node/kernel")?;
    for (path, value) in KERNEL {
        let own = folder.write(&format!("node/kernel/{}", path.replace('/', "_")), &format!("{value}\n"))?;
        script += &format!("[ ! -e {path} ] || mount --bind '{}' {path}\n", own.display());
    }
    let resolver = folder.write(RESOLVER, "")?;
    // Where this is a link to what the node has of its own now, the node has no name server, which is as good.
    script += &format!("[ ! -f /etc/resolv.conf ] || mount --bind '{}' /etc/resolv.conf\n", resolver.display());
    run(Place::Node(init).command("sh").args(["-ec", &script]).stdin(Stdio::null()))
}

/// Why this machine cannot have such namespaces; none where it can.
pub(super) fn obstacle() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("a node needs Linux".to_owned());
    }
    let tried = Command::new("unshare").args(["--net", "--mount", "--pid", "--fork", "true"]).output();
    match tried {
        Ok(done) if done.status.success() => None,
        Ok(done) => {
            let error = String::from_utf8_lossy(&done.stderr).into_owned();
            Some(format!("a node needs root, for namespaces of its own ({})", error.trim()))
        }
        Err(error) => Some(format!("a node needs unshare, of the package util-linux ({error})")),
    }
}
