//! Licences of all that is built in: each one allowed for a reason, so that Apache-2.0 binaries can be handed on.

use shoal_tests::workspace;

use spdx::{Expression, LicenseReq, ParseMode};

/// Licences that may come in, and why.
const ALLOWED: [(&str, &str); 14] = [
    ("Apache-2.0", "our own"),
    ("MIT", "permissive: keep the notice"),
    ("MIT-0", "permissive, without even the notice"),
    ("BSD-2-Clause", "permissive: keep the notice"),
    ("BSD-3-Clause", "permissive: keep the notice, do not use the names"),
    ("ISC", "permissive: keep the notice"),
    ("Zlib", "permissive: do not claim to be the author"),
    ("BlueOak-1.0.0", "permissive: hand on its text or a link to it"),
    ("BSL-1.0", "permissive: keep the notice with source"),
    ("0BSD", "permissive, without conditions"),
    ("Unlicense", "given to the public"),
    ("CC0-1.0", "given to the public"),
    ("Unicode-3.0", "permissive: tables of characters, keep the notice"),
    ("bzip2-1.0.6", "permissive: the BSD licence with another name"),
];

/// Packages under a licence that is not allowed as such, and why they may stay.
const EXCEPTIONS: [(&str, &str, &str); 1] =
    [("option-ext", "MPL-2.0", "asks for the source of its own files only, which are used as they were published")];

fn is_allowed(licence: &LicenseReq) -> bool {
    // An exception of the `WITH` kind only ever permits more than the licence alone.
    licence.license.id().is_some_and(|id| ALLOWED.iter().any(|(allowed, _)| *allowed == id.name))
}

/// What is wrong with a package's licence, if something is.
fn verdict(name: &str, licence: Option<&str>) -> Option<String> {
    let Some(licence) = licence else { return Some(format!("{name} names no licence")) };
    if EXCEPTIONS.iter().any(|(package, excepted, _)| *package == name && *excepted == licence) {
        return None;
    }
    // Lax, since older packages separate licences by a slash.
    match Expression::parse_mode(licence, ParseMode::LAX) {
        Err(error) => Some(format!("{name}: `{licence}` is no SPDX expression: {}", error.reason)),
        Ok(expression) if expression.evaluate(is_allowed) => None,
        Ok(_) => Some(format!("{name}: `{licence}` is not allowed")),
    }
}

#[test]
fn every_dependency_may_be_handed_on() {
    let metadata = workspace::metadata();
    assert!(metadata.packages.len() > 100, "only {} packages were found", metadata.packages.len());
    let wrong: Vec<String> =
        metadata.packages.iter().filter_map(|package| verdict(&package.name, package.license.as_deref())).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn exceptions_that_nothing_needs_are_removed() {
    let metadata = workspace::metadata();
    for (name, licence, _) in EXCEPTIONS {
        let is_needed = metadata
            .packages
            .iter()
            .any(|package| *package.name == name && package.license.as_deref() == Some(licence));
        assert!(is_needed, "no package {name} has the licence `{licence}` any more");
    }
}

#[test]
fn other_licences_are_refused() {
    for (licence, expected) in [
        (None, Some("names no licence")),
        (Some("GPL-3.0-only"), Some("is not allowed")),
        (Some("MIT AND GPL-3.0-only"), Some("is not allowed")),
        (Some("MIT OR GPL-3.0-only"), None),
        (Some("MIT/Apache-2.0"), None),
        (Some("Apache-2.0 WITH LLVM-exception"), None),
        (Some("see the website"), Some("is no SPDX expression")),
    ] {
        let said = verdict("p", licence);
        match expected {
            None => assert_eq!(said, None),
            Some(text) => assert!(said.as_deref().is_some_and(|said| said.contains(text)), "{licence:?}: {said:?}"),
        }
    }
}
