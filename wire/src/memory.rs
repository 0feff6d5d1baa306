//! How much memory this process takes, as the kernel counts it.

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What it takes now.
    pub resident: u64,
    /// The most that it ever took.
    pub peak: u64,
}

impl Memory {
    /// This process's; zeros where the kernel does not say.
    pub fn now() -> Self {
        std::fs::read_to_string("/proc/self/status").map(|text| parse(&text)).unwrap_or_default()
    }
}

fn parse(status: &str) -> Memory {
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    let bytes = |name| kib(name).unwrap_or_default() * 1024;
    Memory { resident: bytes("VmRSS:"), peak: bytes("VmHWM:") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let text = "Name:\tshoal\nVmPeak:\t  999 kB\nVmHWM:\t   2048 kB\nVmRSS:\t 1024 kB\nThreads:\t3\n";
        assert_eq!(parse(text), Memory { resident: 1 << 20, peak: 2 << 20 });
        assert_eq!(parse("VmRSS: many kB"), Memory::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_takes_memory() {
        let memory = Memory::now();
        assert!(memory.resident > 0 && memory.peak >= memory.resident / 2, "{memory:?}");
    }
}
