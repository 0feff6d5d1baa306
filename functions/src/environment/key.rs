//! What an environment is known by: a hash of all that it is made of, so that what is there under it can be taken as it is.

use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};
use shoal_core::Failure;
use shoal_core::blobs::{Digest as Name, File, Hashing};
use shoal_core::functions::Requirements;

use super::base::Base;

/// Raised where environments are built in another way than they were.
const FORMAT: &str = "1";

/// Raised where environments are packed in another way than they were.
const PACKED_FORMAT: &str = "packed 1";

/// Bytes of a hash that make a key: no two of a machine's will ever agree.
const KEY_BYTES: usize = 16;

/// The key of an environment: a name that any file may have.
pub(crate) fn key(requirements: &Requirements, base: &Base, wheels: &[Wheel]) -> String {
    // Taken apart without `..`, so that a new field cannot be forgotten here. What a file is called says nothing of it.
    let Requirements { text, file: _, wheels: folder, wheel_files, index_url } = requirements;
    // Of files that travel it does not matter where they were.
    let folder = folder.as_ref().filter(|_| wheel_files.is_empty());
    // On one machine there is one platform.
    let Base { version, executable: _, real, has_pip: _, platform: _ } = base;
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        let (length, part) = framed(part);
        hash.update(length);
        hash.update(part);
    };
    [FORMAT, text, real, version].into_iter().for_each(&mut add);
    for optional in [folder, index_url.as_ref()] {
        add(if optional.is_some() { "some" } else { "none" });
        add(optional.map(String::as_str).unwrap_or_default());
    }
    for Wheel { name, bytes, modified } in wheels {
        add(name);
        add(&bytes.to_string());
        add(&modified.to_string());
    }
    for File { path, digest, bytes: _ } in wheel_files {
        add(path);
        add(digest.hex());
    }
    hash.finalize().iter().take(KEY_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// A part, preceded by its length: no two lists of parts look alike.
fn framed(part: &str) -> ([u8; 8], &[u8]) {
    ((part.len() as u64).to_le_bytes(), part.as_bytes())
}

/// The name that an environment of that key is shared under with other machines: what is built for one may not run on another.
pub(crate) fn shared_name(key: &str, base: &Base) -> Result<Name, Failure> {
    let mut hashing = Hashing::default();
    for part in [PACKED_FORMAT, key, &base.platform] {
        let (length, part) = framed(part);
        hashing.add(&length)?;
        hashing.add(part)?;
    }
    Ok(hashing.digest())
}

/// A file that packages come from. Its bytes are not read each time that a process starts: one that was replaced has another
/// time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wheel {
    name: String,
    bytes: u64,
    modified: u128,
}

/// The files of a folder, by their names.
pub(crate) fn wheels(folder: &Path) -> io::Result<Vec<Wheel>> {
    let mut wheels = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = std::fs::metadata(entry.path())?;
        if metadata.is_file() {
            let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
            wheels.push(Wheel {
                name: entry.file_name().to_string_lossy().into_owned(),
                bytes: metadata.len(),
                modified,
            });
        }
    }
    wheels.sort();
    Ok(wheels)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn requirements(text: &str) -> Requirements {
        Requirements { text: text.into(), file: None, wheels: None, wheel_files: Vec::new(), index_url: None }
    }

    fn base() -> Base {
        Base {
            version: "3.11.7".into(),
            executable: "python3".into(),
            real: "/usr/bin/python3".into(),
            has_pip: true,
            platform: "linux x86_64 glibc 2.36".into(),
        }
    }

    #[test]
    fn whatever_an_environment_is_made_of_changes_its_key() {
        let plain = requirements("a==1");
        let wheel = |name: &str, bytes, modified| Wheel { name: name.into(), bytes, modified };
        let travels = |wheels: &str, path: &str, digit: &str| Requirements {
            wheels: Some(wheels.into()),
            wheel_files: vec![File { path: path.into(), digest: Name::of_hex(&digit.repeat(64)).unwrap(), bytes: 1 }],
            ..plain.clone()
        };
        assert_eq!(key(&travels("/v", "a", "1"), &base(), &[]), key(&travels("/w", "a", "1"), &base(), &[]));
        let keys = [
            key(&plain, &base(), &[]),
            key(&requirements("a==2"), &base(), &[]),
            key(&plain, &Base { version: "3.11.8".into(), ..base() }, &[]),
            key(&plain, &Base { real: "/opt/python".into(), ..base() }, &[]),
            key(&Requirements { index_url: Some("https://i".into()), ..plain.clone() }, &base(), &[]),
            key(&Requirements { wheels: Some("https://i".into()), ..plain.clone() }, &base(), &[]),
            key(&Requirements { index_url: Some(String::new()), ..plain.clone() }, &base(), &[]),
            key(&plain, &base(), &[wheel("a", 1, 1)]),
            key(&plain, &base(), &[wheel("b", 1, 1)]),
            key(&plain, &base(), &[wheel("a", 2, 1)]),
            key(&plain, &base(), &[wheel("a", 1, 2)]),
            key(&travels("/w", "a", "1"), &base(), &[]),
            key(&travels("/w", "b", "1"), &base(), &[]),
            key(&travels("/w", "a", "2"), &base(), &[]),
        ];
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        assert!(keys.iter().all(|key| key.len() == 32 && key.chars().all(|c| c.is_ascii_hexdigit())), "{keys:?}");
        // The same on every machine, and in every later build of this format.
        assert_eq!(keys[0], "118f0e3735860218e5e55aae25d7c405");
        let named = Requirements { file: Some("requirements.txt".into()), ..plain };
        assert_eq!(key(&named, &Base { executable: "x".into(), has_pip: false, ..base() }, &[]), keys[0]);
    }

    #[test]
    fn what_is_built_for_another_platform_is_not_shared() {
        let name = |key: &str, platform: &str| shared_name(key, &Base { platform: platform.into(), ..base() }).unwrap();
        let names = [name("a", "linux x86_64"), name("b", "linux x86_64"), name("a", "linux aarch64")];
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert_eq!(name("a", "linux x86_64"), names[0]);
        let on = |platform: &str| key(&requirements("a==1"), &Base { platform: platform.into(), ..base() }, &[]);
        assert_eq!(on("linux x86_64"), on("linux aarch64"), "a machine keeps what it has");
    }

    #[test]
    fn a_wheel_that_is_replaced_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.whl");
        std::fs::write(&file, "one").unwrap();
        std::fs::create_dir(folder.path().join("more")).unwrap();
        let before = wheels(folder.path()).unwrap();
        assert_eq!((before.len(), &before), (1, &wheels(folder.path()).unwrap()));
        let later = SystemTime::now() + Duration::from_secs(5);
        std::fs::File::options().append(true).open(&file).unwrap().set_modified(later).unwrap();
        assert_ne!(wheels(folder.path()).unwrap(), before);
        assert!(wheels(&folder.path().join("none")).is_err());
    }
}
