//! `scripts/image`: what is in an image, and that the same files give the same bytes.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Of a program of this crate, which is linked to glibc as Shoal's is.
fn build(folder: &Path, name: &str, more: &[&str]) -> (PathBuf, String) {
    let archive = folder.join(name);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/image");
    let mut command = Command::new(script);
    command.arg("--program").arg(env!("CARGO_BIN_EXE_cluster")).arg("--output").arg(&archive).args(more);
    let done = command.output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap();
    (archive, format!("{}\n{said}", done.status.code().unwrap()))
}

fn tar(arguments: &[&str]) -> String {
    let done = Command::new("tar").args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Everything in the layers of an archive, as the listing of tar.
fn content(folder: &Path, archive: &Path) -> Vec<String> {
    tar(&["-xf", archive.to_str().unwrap(), "-C", folder.to_str().unwrap()]);
    let blobs = std::fs::read_dir(folder.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
    let layers = blobs.filter(|blob| std::fs::read(blob).unwrap().starts_with(&[0x1f, 0x8b]));
    let lists = layers.map(|layer| tar(&["--numeric-owner", "-tvzf", layer.to_str().unwrap()]));
    lists.flat_map(|list| list.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn an_image_has_what_a_program_needs_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, said) = build(folder.path(), "image.tar", &[]);
    assert!(said.starts_with("0\nimage: docker.io/library/cluster:"), "{said}");

    let content = content(folder.path(), &archive);
    let files: Vec<&str> = content.iter().map(|line| line.split_whitespace().nth(5).unwrap()).collect();
    let needed = ["usr/local/bin/cluster", "etc/passwd", "etc/ssl/certs/ca-certificates.crt", "tmp/"];
    for file in needed.iter().chain(&["usr/share/zoneinfo/Europe/Berlin"]) {
        assert!(files.contains(file), "{file} is missing in {files:?}");
    }
    assert!(files.iter().any(|file| file.ends_with("libc.so.6")), "{files:?}");
    let known = ["usr/", "etc/", "lib", "tmp/"];
    let other: Vec<&&str> = files.iter().filter(|file| !known.iter().any(|known| file.starts_with(known))).collect();
    assert!(other.is_empty() && !files.iter().any(|file| file.contains("bin/sh")), "{other:?}");
    // Owner, time and the sticky bit of /tmp.
    let tmp = content.iter().find(|line| line.ends_with(" tmp/")).unwrap();
    assert!(tmp.starts_with("drwxrwxrwt 0/0 ") && tmp.contains(" 1970-01-01 "), "{tmp}");

    let manifest = std::fs::read_to_string(folder.path().join("manifest.json")).unwrap();
    let config = manifest.split('"').find(|part| part.starts_with("blobs/")).unwrap();
    let config = std::fs::read_to_string(folder.path().join(config)).unwrap();
    for part in [r#""User":"65532""#, r#""Entrypoint":["/usr/local/bin/cluster"]"#, "org.opencontainers.image.version"]
    {
        assert!(config.contains(part), "{part} is missing in {config}");
    }
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| std::fs::read(build(folder.path(), name, &[]).0).unwrap());
    assert!(one == other, "{} and {} bytes differ", one.len(), other.len());
}

#[test]
fn an_image_that_is_too_large_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, said) = build(folder.path(), "image.tar", &["--max-mb", "0.5"]);
    assert!(said.starts_with("1\n") && said.contains("more than the 0.5 MB that are allowed"), "{said}");
}
