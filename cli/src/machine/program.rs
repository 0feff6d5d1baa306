//! This program as something that runs where its system is not: itself, and all that it was linked to.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use shoal_core::{Failure, Reason};

/// What the kernel has mapped into this process: the program, its loader and its libraries are among it.
const MAPPED: &str = "/proc/self/maps";

/// This program's file.
const ITSELF: &str = "/proc/self/exe";

/// Names the file with the authorities that this program trusts, where they are not those of the system.
const AUTHORITIES: &str = "SSL_CERT_FILE";

/// Where they are in Debian's and many other systems.
const AUTHORITIES_DEFAULT: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Copies it into a folder: `shoal`, the `loader` that starts it, `lib/` and `ca-certificates.crt`.
pub(crate) fn copy(to: &Path) -> Result<(), Failure> {
    let mapped = fs::read_to_string(MAPPED).map_err(|error| failed(Path::new(MAPPED), &error))?;
    let libraries = shared_libraries(&mapped);
    let loader = libraries.iter().find(|library| is_loader(library)).ok_or_else(|| {
        Failure::internal("this program is linked statically, and has no loader that other images could start it with")
    })?;
    let lib = to.join("lib");
    fs::create_dir_all(&lib).map_err(|error| failed(&lib, &error))?;
    put(Path::new(ITSELF), &to.join("shoal"))?;
    put(loader, &to.join("loader"))?;
    for library in &libraries {
        put(library, &lib.join(library.file_name().unwrap_or_default()))?;
    }
    let authorities = std::env::var_os(AUTHORITIES).unwrap_or_else(|| AUTHORITIES_DEFAULT.into());
    put(Path::new(&authorities), &to.join("ca-certificates.crt"))
}

/// In one step: a container that is started again may find what the last one has left.
fn put(from: &Path, to: &Path) -> Result<(), Failure> {
    let new = to.with_extension("new");
    fs::copy(from, &new).map_err(|error| failed(from, &error))?;
    fs::rename(&new, to).map_err(|error| failed(to, &error))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Reason::Io, "this program cannot be copied").file(path.display().to_string()).because(error)
}

/// The shared libraries among what is mapped, the loader included.
fn shared_libraries(mapped: &str) -> BTreeSet<PathBuf> {
    let paths = mapped.lines().filter_map(|line| Some(Path::new(&line[line.find('/')?..])));
    paths.filter(|path| name(path).contains(".so")).map(Path::to_owned).collect()
}

/// As ld-linux-x86-64.so.2, ld-linux-aarch64.so.1 and ld64.so.2 are.
fn is_loader(library: &Path) -> bool {
    name(library).starts_with("ld")
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_and_the_libraries_are_found_among_what_is_mapped() {
        let mapped = "\
55d0c8a00000-55d0c8a20000 r--p 00000000 fe:00 1234                       /usr/local/bin/shoal
7f3a00000000-7f3a00021000 rw-p 00000000 00:00 0
7f3a10000000-7f3a10026000 r--p 00000000 fe:00 42                         /usr/lib/x86_64-linux-gnu/libc.so.6
7f3a10026000-7f3a1017c000 r-xp 00026000 fe:00 42                         /usr/lib/x86_64-linux-gnu/libc.so.6
7f3a20000000-7f3a20001000 r--p 00000000 fe:00 43                         /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f3a30000000-7f3a30001000 rw-p 00000000 00:00 0                          [stack]
";
        let found = shared_libraries(mapped);
        let names: Vec<&str> = found.iter().map(|path| name(path)).collect();
        assert_eq!(names, ["ld-linux-x86-64.so.2", "libc.so.6"]);
        let loaders: Vec<&str> = found.iter().filter(|path| is_loader(path)).map(|path| name(path)).collect();
        assert_eq!(loaders, ["ld-linux-x86-64.so.2"]);
    }
}
