//! Paths of a job file, as texts: they are of whoever wrote it, on whichever machine. Pure.

/// The same path without what says nothing: `./a/../b.py` is `b.py`. What leads above its beginning stays.
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            // There is nothing above the root.
            ".." if path.starts_with('/') => {}
            other => parts.push(other),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// The folder of a clean path: empty for one that has none.
pub fn folder_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder,
        None => "",
    }
}

/// Where a clean path lies in a clean folder; none where it lies elsewhere, or is the folder itself.
pub fn place_in<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    let place = match folder {
        "" if path.starts_with('/') => None,
        "" => Some(path),
        "/" => path.strip_prefix('/'),
        folder => path.strip_prefix(folder)?.strip_prefix('/'),
    };
    place.filter(|place| is_plain(place))
}

/// Whether a path leads to something below wherever it begins.
pub fn is_plain(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_has_one_way_to_be_written() {
        for (path, expected) in [
            ("a.py", "a.py"),
            ("./a.py", "a.py"),
            ("lib//x/./y/", "lib/x/y"),
            ("a/../b.py", "b.py"),
            ("../b.py", "../b.py"),
            ("../../b/../c", "../../c"),
            ("a/../../b", "../b"),
            ("/../a", "/a"),
            ("/a/../..", "/"),
            (".", ""),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }

    #[test]
    fn what_lies_in_a_folder_has_a_place_there_and_nothing_else_has() {
        for (folder, path, expected) in [
            ("", "a.py", Some("a.py")),
            ("", "lib/a.py", Some("lib/a.py")),
            ("", "../a.py", None),
            ("", "/a.py", None),
            ("", "", None),
            ("lib", "lib/a.py", Some("a.py")),
            ("lib", "library/a.py", None),
            ("lib", "lib", None),
            ("..", "../a.py", Some("a.py")),
            ("..", "../../a.py", None),
            ("..", "a.py", None),
            ("/x", "/x/y/a.py", Some("y/a.py")),
            ("/", "/a.py", Some("a.py")),
        ] {
            assert_eq!(place_in(folder, path), expected, "{folder} {path}");
        }
        assert_eq!(["a", "b/a", "../a", "/a", "/b/a"].map(folder_of), ["", "b", "..", "/", "/b"]);
    }

    proptest! {
        #[test]
        fn a_place_never_leads_out_of_its_folder(folder in "[a./]{0,8}", path in "[ab./]{0,12}") {
            let (folder, path) = (clean(&folder), clean(&path));
            prop_assert_eq!(&clean(&path), &path);
            if let Some(place) = place_in(&folder, &path) {
                prop_assert!(is_plain(place));
                let joined = clean(&format!("{folder}/{place}"));
                prop_assert_eq!(joined.trim_start_matches('/'), path.trim_start_matches('/'));
            }
        }
    }
}
