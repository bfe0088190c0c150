//! docs/architecture.md names every file of the relay, in the row of its directory, and no file that is not there.
#![allow(clippy::unwrap_used)] // helpers of tests fail like tests

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Modules that are maps of others, and tests.
const UNNAMED: [&str; 4] = ["mod", "lib", "main", "tests"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The page's part about the relay.
fn part(page: &str) -> &str {
    let (_, part) = page.split_once("\n## The relay's parts\n").unwrap();
    part.split_once("\n## ").unwrap().0
}

/// Names of the files in and below `dir` that the page must have, each with the directory that it is in.
fn names(dir: &Path, below: &str, to: &mut Vec<(String, String)>) {
    for file in fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if UNNAMED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            names(&path, &format!("{below}{name}/"), to);
        } else {
            to.push((below.to_owned(), name));
        }
    }
}

/// The text that must name the files of `dir`: the rows that begin with it, or with the next directory above that has rows.
fn rows(part: &str, dir: &str) -> String {
    let begins = |row: &&str| {
        let first = row.split(" | ").next().unwrap_or_default();
        match dir {
            "" => first == "| beside them",
            dir => first.contains(&format!("`{dir}`")),
        }
    };
    let rows: Vec<_> = part.lines().filter(begins).collect();
    if rows.is_empty() && !dir.is_empty() {
        return self::rows(part, above(dir));
    }
    rows.join("\n")
}

fn above(dir: &str) -> &str {
    let dir = dir.trim_end_matches('/');
    dir.rfind('/').map_or("", |at| &dir[..=at])
}

fn missing(part: &str, names: &[(String, String)]) -> Vec<String> {
    let lacks = |(dir, name): &&(String, String)| !rows(part, dir).contains(&format!("`{name}`"));
    let missing = names.iter().filter(lacks);
    missing
        .map(|(dir, name)| format!("{dir}{name}.rs"))
        .collect()
}

#[test]
fn every_file_of_the_relay_is_named_in_the_row_of_its_directory() {
    let page = fs::read_to_string(repository().join("docs/architecture.md")).unwrap();
    let mut files = Vec::new();
    names(&repository().join("relay/src"), "", &mut files);
    assert!(files.len() > 100, "{files:?}");
    assert_eq!(missing(part(&page), &files), Vec::<String>::new());
}

#[test]
fn every_file_of_the_configuration_is_named() {
    let page = fs::read_to_string(repository().join("docs/architecture.md")).unwrap();
    let mut files = Vec::new();
    names(&repository().join("relay/config/src"), "", &mut files);
    let (_, crate_of_its_own) = part(&page).split_once("`relay/config/src`").unwrap();
    let named = |name: &str| crate_of_its_own.contains(&format!("`{name}`"));
    files.retain(|(_, name)| !named(name));
    assert!(files.is_empty(), "{files:?}");
}

#[test]
fn every_name_of_a_file_on_the_page_is_a_file() {
    let page = fs::read_to_string(repository().join("docs/architecture.md")).unwrap();
    let mut files = Vec::new();
    for dir in ["relay/src", "relay/config/src", "operator/src"] {
        paths(&repository().join(dir), &mut files);
    }
    let is_file = |name: &&str| Path::new(name).extension().is_some_and(|end| end == "rs");
    let quoted = page.split('`').skip(1).step_by(2);
    let mut named: Vec<_> = quoted.filter(is_file).collect();
    assert!(named.contains(&"lib.rs"), "{named:?}");
    named.retain(|name| !files.iter().any(|file| file.ends_with(name)));
    assert_eq!(named, Vec::<&str>::new());
}

fn paths(dir: &Path, to: &mut Vec<PathBuf>) {
    for file in fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            paths(&path, to);
        } else {
            to.push(path);
        }
    }
}

#[test]
fn a_file_that_is_named_in_another_directory_only_is_missed() {
    let part = "| `hub/` | `index`, `fanout` |\n| `store/` reads | `plan` |\n| `store/` writes | `writer` |\n| beside them | `clock` |";
    let file = |dir: &str, name: &str| (dir.to_owned(), name.to_owned());
    let good = [
        file("hub/", "index"),
        file("hub/index/", "fanout"),
        file("store/", "writer"),
        file("", "clock"),
    ];
    assert!(missing(part, &good).is_empty());
    let bad = [file("store/", "index"), file("", "plan")];
    assert_eq!(missing(part, &bad), ["store/index.rs", "plan.rs"]);
}
