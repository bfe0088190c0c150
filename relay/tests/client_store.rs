//! `relay import`, `export`, `delete`, `compact` and `acknowledge` on the store of a relay that is not running.
#![allow(clippy::unwrap_used)] // a test may end with a panic

mod fake_relay;

use fake_relay::{id_of, notes, told, write_lines};
use nostr_fleet_relay::sign::Signer;
use std::{fs, path::PathBuf};
use tempfile::TempDir;

/// A directory with a store that is filled by `import`.
struct Stopped {
    dir: TempDir,
}

impl Stopped {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a subcommand on the store.
    fn relay(&self, arguments: &[&str]) -> (i32, String, String) {
        let (data, run) = (self.path("data"), self.dir.path());
        let store = [
            "--data",
            data.to_str().unwrap(),
            "--runtime-dir",
            run.to_str().unwrap(),
        ];
        told(&[arguments, &store].concat())
    }

    fn import(&self, lines: &[String]) -> (i32, String, String) {
        let file = self.path("in.jsonl");
        write_lines(&file, lines);
        self.relay(&["import", file.to_str().unwrap()])
    }

    fn export(&self, arguments: &[&str]) -> Vec<String> {
        let (code, out, err) = self.relay(&[&["export"], arguments].concat());
        assert_eq!(code, 0, "{err}");
        out.lines().map(str::to_owned).collect()
    }
}

#[test]
fn what_goes_into_a_stopped_store_comes_out_byte_for_byte_in_order() {
    let store = Stopped::new();
    let events = notes(2_500, 3);
    let (code, out, err) = store.import(&events);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("2500 accepted, 0 duplicate"), "{out}");
    assert!(store.export(&[]) == events);
    let (code, out, _) = store.import(&events);
    assert!(
        code == 0 && out.contains("0 accepted, 2500 duplicate"),
        "{out}"
    );
}

#[test]
fn a_filter_that_no_store_knows_is_named_as_such() {
    let store = Stopped::new();
    store.import(&notes(3, 1));
    let (code, out, err) = store.relay(&["export", "--filter", r#"{"foo":1}"#]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(
        err.contains("--filter: ") && err.contains("foo") && !err.contains("the relay refused"),
        "{err}"
    );
    assert_eq!(store.export(&["--filter", r#"{"limit":2}"#]).len(), 2);
}

#[test]
fn a_file_with_a_byte_order_mark_loses_no_event() {
    let store = Stopped::new();
    let events = notes(2, 1);
    let marked = [format!("\u{feff}{}", events[0]), events[1].clone()];
    let (code, out, err) = store.import(&marked);
    assert!(code == 0 && out.contains("2 accepted"), "{out}{err}");
    assert_eq!(store.export(&[]), events, "the mark is not stored");
}

#[test]
fn an_export_goes_on_after_the_number_that_the_last_one_told() {
    let store = Stopped::new();
    let events = notes(30, 1);
    store.import(&events[..20]);
    let (_, _, err) = store.relay(&["export", "--filter", r#"{"limit":8}"#]);
    let after = err
        .split("--after ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(store.export(&["--after", &after]), events[8..20]);
    let (_, _, err) = store.relay(&["export"]);
    let after = err
        .split("--after ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(store.export(&["--after", &after]).len(), 0);
    store.import(&events);
    assert_eq!(store.export(&["--after", &after]), events[20..]);
}

#[test]
fn an_interrupted_export_of_a_stopped_store_goes_on_where_its_file_ends() {
    let store = Stopped::new();
    let events = notes(30, 3);
    store.import(&events);
    let out = store.path("out.jsonl");
    let file = out.to_str().unwrap();
    let torn = events[..12].join("\n") + "\n" + &events[12][..40];
    fs::write(&out, &torn).unwrap();
    let (code, _, err) = store.relay(&["export", file]);
    assert!(
        code == 1 && err.contains("go on with it by --resume"),
        "{err}"
    );
    // What stands last in the file is gone from the store: the file tells all the same.
    let gone = [id_of(&events[11]), id_of(&events[10])];
    store.relay(&["delete", "--id", &gone[0], "--id", &gone[1], "--yes"]);
    for _ in 0..2 {
        let (code, _, err) = store.relay(&["export", file, "--resume"]);
        assert_eq!(code, 0, "{err}");
        assert_eq!(fs::read_to_string(&out).unwrap(), events.join("\n") + "\n");
    }
    store.import(&notes(33, 3));
    let (_, _, err) = store.relay(&["export", file, "--resume"]);
    assert!(err.starts_with("3 events in "), "{err}");
}

#[test]
fn a_file_of_another_store_is_not_gone_on_with() {
    let store = Stopped::new();
    store.import(&notes(5, 1));
    let out = store.path("out.jsonl");
    let file = out.to_str().unwrap();
    let foreign = Signer::from_seed(9).event(1_700_000_000, 1, &[], "elsewhere") + "\n";
    for (text, words) in [
        (foreign.as_str(), "is in this store"),
        ("my notes\n", "no events"),
    ] {
        fs::write(&out, text).unwrap();
        let (code, _, err) = store.relay(&["export", file, "--resume"]);
        assert!(code == 1 && err.contains(words), "{err}");
        assert_eq!(fs::read_to_string(&out).unwrap(), text);
    }
    let (code, _, err) = store.relay(&["export", file, "--resume", "--after", "2"]);
    assert!(code == 2 && err.contains("cannot be used with"), "{err}");
    fs::remove_file(&out).unwrap();
    let (code, _, err) = store.relay(&["export", file, "--resume"]);
    assert!(
        code == 0 && err.starts_with("5 events"),
        "a new file: {err}"
    );
}

#[test]
fn an_export_heeds_its_filter() {
    let store = Stopped::new();
    let events = notes(10, 1);
    store.import(&events);
    let filter = r#"{"since":1700000003,"until":1700000005}"#;
    assert_eq!(store.export(&["--filter", filter]), events[3..6]);
}

#[test]
fn the_rules_of_a_relay_hold_for_a_stopped_store_too() {
    let store = Stopped::new();
    let signer = Signer::from_seed(3);
    let good = signer.event(1_700_000_000, 0, &[], "newer");
    let lines = [
        good.clone(),
        signer.event(1_600_000_000, 0, &[], "older"),
        good.replace("newer", "forged"),
        signer.event(1_700_000_000, 22_242, &[], ""),
        signer.event(1_700_000_000, 20_001, &[], ""),
        "{}".to_owned(),
    ];
    let (code, out, _) = store.import(&lines);
    assert_eq!(code, 3, "{out}");
    assert!(
        out.contains("1 accepted, 0 duplicate, 1 superseded, 4 refused"),
        "{out}"
    );
    assert!(out.contains("line 3: invalid: id is not the hash"), "{out}");
    assert!(out.contains("line 4: invalid: AUTH events"), "{out}");
    assert!(out.contains("line 5: invalid: "), "{out}");
    assert_eq!(store.export(&[]), [good]);
}

#[test]
fn deleted_events_are_gone_from_view_and_files_and_do_not_come_back() {
    let store = Stopped::new();
    let mut events = notes(50, 1);
    let secret = Signer::from_seed(4).event(1_700_000_000, 1, &[], "a secret to forget");
    events.insert(20, secret.clone());
    store.import(&events);
    let id = id_of(&secret);
    let (code, _, err) = store.relay(&["delete", "--id", &id]);
    assert!(
        code == 2 && err.contains("1 events match; nothing was removed: say --yes"),
        "{err}"
    );
    assert_eq!(store.export(&[]).len(), 51);
    let (code, out, err) = store.relay(&["delete", "--id", &id, "--yes"]);
    assert!(
        code == 0 && out.starts_with("1 events removed"),
        "{out}{err}"
    );
    assert_eq!(store.export(&[]).len(), 50);
    let (_, out, _) = store.import(std::slice::from_ref(&secret));
    assert!(out.contains("line 1: blocked: "), "{out}");
    let (code, out, err) = store.relay(&["compact"]);
    assert!(
        code == 0 && out.contains(" segments rewritten"),
        "{out}{err}"
    );
    for file in fs::read_dir(store.path("data")).unwrap() {
        let path = file.unwrap().path();
        let bytes = if path.is_file() {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        let found = bytes
            .windows(18)
            .any(|window| window == b"a secret to forget");
        assert!(!found, "{}", path.display());
    }
    let left: Vec<_> = events
        .iter()
        .filter(|text| **text != secret)
        .cloned()
        .collect();
    assert_eq!(store.export(&[]), left);
}

#[test]
fn a_filter_names_what_is_deleted_and_a_mistyped_one_deletes_nothing() {
    let store = Stopped::new();
    store.import(&notes(10, 1));
    let (code, out, _) = store.relay(&["delete", "--filter", r#"{"until":1700000003}"#, "--yes"]);
    assert!(code == 0 && out.starts_with("4 events removed"), "{out}");
    let (code, _, err) = store.relay(&["delete", "--filter", r#"{"kindz":[1]}"#, "--yes"]);
    assert!(code == 2 && err.contains("unsupported"), "{err}");
    let (code, out, _) = store.relay(&["delete", "--filter", r#"{"kinds":[9]}"#, "--yes"]);
    assert!(code == 0 && out.contains("no event matches"), "{out}");
    assert_eq!(store.export(&[]).len(), 6);
}

#[test]
fn a_store_of_a_newer_version_is_left_alone_and_asks_for_that_version() {
    let store = Stopped::new();
    assert_eq!(store.import(&notes(3, 1)).0, 0);
    let path = store.path("data").join("FORMAT");
    let newer = fs::read_to_string(&path).unwrap();
    fs::write(&path, newer.replace("\"format\":1", "\"format\":2")).unwrap();
    for command in [
        &["import", "/dev/null"][..],
        &["export"],
        &["compact"],
        &["delete", "--filter", "{}", "--yes"],
    ] {
        let (code, _, err) = store.relay(command);
        assert!(
            code == 2 && err.contains("run the newer version"),
            "{command:?}: {code} {err}"
        );
    }
}

#[test]
fn a_directory_without_a_store_is_named_and_left_alone() {
    let store = Stopped::new();
    for command in [
        &["export"][..],
        &["compact"],
        &["delete", "--filter", "{}", "--yes"],
    ] {
        let (code, _, err) = store.relay(command);
        assert!(
            code == 1 && err.contains("holds no store"),
            "{command:?}: {err}"
        );
    }
    assert!(!store.path("data").exists());
}

#[test]
fn what_damage_left_behind_is_acknowledged_by_a_command() {
    let store = Stopped::new();
    store.import(&notes(10, 3));
    let data = store.path("data");
    let acknowledge = || told(&["acknowledge", "--data", data.to_str().unwrap()]);
    assert_eq!(
        acknowledge(),
        (0, "nothing is set aside\n".to_owned(), String::new())
    );
    let ward = data.join("quarantine");
    fs::create_dir_all(&ward).unwrap();
    fs::write(ward.join("00000000000000000001-00000001.seg"), "damaged").unwrap();
    let note = r#"{"file": "quarantine/00000000000000000001-00000001.seg", "lost": [[8, 8], [12, 40]], "setAsideAt": 1}"#;
    fs::write(ward.join("00000000000000000001-00000001.json"), note).unwrap();
    fs::write(ward.join("somebody-else-s.seg"), "mine").unwrap();
    let (code, out, err) = acknowledge();
    assert_eq!(code, 0, "{err}");
    assert!(
        out.ends_with("00000001.seg: removed; lost with it: 8-8, 12-40\n"),
        "{out}"
    );
    let left: Vec<_> = fs::read_dir(&ward)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(left, ["somebody-else-s.seg"], "only what has a note");
}

#[test]
fn only_a_store_is_acknowledged() {
    let store = Stopped::new();
    let (code, _, err) = told(&["acknowledge", "--data", store.dir.path().to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(err.contains("holds no store"), "{err}");
}
