//! Documents say what is there: links lead somewhere, commands exist, crates are named.

use std::path::{Path, PathBuf};

use shoal_tests::workspace;

fn documents() -> Vec<(PathBuf, String)> {
    workspace::files_with_extension("md").into_iter().map(|file| (file.clone(), workspace::read(&file))).collect()
}

/// Text of a document outside of its fenced code, and the code itself; lines of both keep their breaks.
fn prose_and_code(text: &str) -> (String, String) {
    let (mut prose, mut code) = (String::new(), String::new());
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        let part = if in_code || line.starts_with("    ") { &mut code } else { &mut prose };
        part.push_str(line);
        part.push('\n');
    }
    (prose, code)
}

/// Targets of `[text](target)` that are paths.
fn local_links(prose: &str) -> Vec<&str> {
    prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split(['#', ' ']).next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

/// Targets of make that the text names, in code and between backticks.
fn make_targets<'a>(prose: &'a str, code: &'a str) -> Vec<&'a str> {
    let spans = prose.split('`').skip(1).step_by(2);
    spans
        .chain(code.lines())
        .filter_map(|command| command.trim().trim_start_matches("$ ").strip_prefix("make "))
        .flat_map(|targets| {
            // Up to a comment; variables are no targets.
            targets.split_whitespace().take_while(|word| !word.starts_with('#')).filter(|word| is_target(word))
        })
        .collect()
}

fn is_target(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') && !word.starts_with('-')
}

fn targets_of(makefile: &str) -> Vec<&str> {
    makefile.lines().filter_map(|line| line.split_once(':')).map(|(target, _)| target).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for (file, text) in documents() {
        let folder = workspace::root().join(file.parent().unwrap_or(Path::new("")));
        for target in local_links(&prose_and_code(&text).0) {
            if !folder.join(target).exists() {
                broken.push(format!("{} links to {target}, which is not there", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn commands_exist() {
    let makefile = workspace::read(Path::new("Makefile"));
    let known = targets_of(&makefile);
    let mut unknown = Vec::new();
    for (file, text) in documents() {
        let (prose, code) = prose_and_code(&text);
        for target in make_targets(&prose, &code) {
            if !known.contains(&target) {
                unknown.push(format!("{} says `make {target}`, which the Makefile does not have", file.display()));
            }
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn the_architecture_names_every_crate() {
    let text = workspace::read(Path::new("ARCHITECTURE.md"));
    for package in workspace::metadata().workspace_packages() {
        let folder = package.manifest_path.parent().and_then(|folder| folder.file_name()).unwrap();
        let names = [package.name.as_str(), folder];
        // As a word at the start of a line or cell, or between backticks: `core` is also a common word.
        let is_named = text.lines().any(|line| {
            let first = line.trim_start_matches([' ', '|', '-', '*', '`']).split([' ', '`', '/', '|']).next();
            first.is_some_and(|word| names.contains(&word))
                || names.iter().any(|name| line.contains(&format!("`{name}`")))
        });
        assert!(is_named, "ARCHITECTURE.md does not name `{folder}`");
    }
}

#[test]
fn links_and_commands_are_found_where_they_stand() {
    let text = "See [a](docs/a.md#part) and [b](https://b) and [c](#here).\nRun `make demo`, make sure.\n\n\
                ```sh\n$ make test V=1 # make it\n[x](y)\n```\n\n    make bench-grouped\n";
    let (prose, code) = prose_and_code(text);
    assert_eq!(local_links(&prose), ["docs/a.md"]);
    assert_eq!(make_targets(&prose, &code), ["demo", "test", "bench-grouped"]);
    assert_eq!(targets_of(".PHONY: x\ndemo: setup ## Runs.\n\trm a\n"), [".PHONY", "demo"]);
}
