//! `relay check` judges the lists beside the file too.

use crate::{
    common::process::{complaint, run},
    mount::{Files, files, rewritten, without, write_plain, writers},
};
use relay_config::access::Mode;

/// The exit code, and what was said.
fn check(files: &Files) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    write_plain(dir.path(), files);
    let path = dir.path().join("relay.yaml");
    let output = run(&["check", "--config", path.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &complaint(&output);
    (output.status.code(), said)
}

#[test]
fn a_good_file_is_told_with_generation_and_entries() {
    let lists = writers(Mode::Allow, &[[0x11; 32], [0xee; 32]]);
    let (code, said) = check(&files(&lists));
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(&lists.generation()) && said.contains("2 entries"),
        "{said}"
    );
}

#[test]
fn a_wrong_shard_is_named_with_its_line() {
    let good = files(&writers(Mode::Allow, &[[0x11; 32], [0xee; 32]]));
    let garbled = |text: &str| text.replace("\nw 11", "\nw 1x");
    for (wrong, words) in [
        (
            rewritten(&good, "allowlist-00", garbled),
            "shard 0 of the allowlist, line 2",
        ),
        (
            without(&good, "allowlist-06"),
            "shard 6 of the allowlist is not there",
        ),
        (
            rewritten(&good, "relay.yaml", |text| text.replace("Allow", "Open")),
            "does not have the hash",
        ),
    ] {
        let (code, said) = check(&wrong);
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains("relay.yaml") && said.contains(words),
            "{said}"
        );
    }
}
