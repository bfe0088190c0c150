//! `kill -9` at random points of a real process, fifty times and more: nothing that was answered OK is lost.
//!
//! The test starts itself again as the child: with `STORE_CRASH_CHILD` set, `the_child` writes until it is killed.

use crate::support::*;
use nostr_fleet_relay::{
    store::{OpenError, Options, Outcome, Store},
    wire::EventId,
};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const CHILD: &str = "STORE_CRASH_CHILD";
const ROUNDS: u64 = 60;

fn options(dir: &str) -> Options {
    let mut options = Options::new(format!("{dir}/data"), format!("{dir}/run"));
    options.size = Some(64 << 20);
    options
}

/// Not a test by itself: what the child process runs.
#[test]
fn the_child() {
    let Ok(dir) = std::env::var(CHILD) else {
        return;
    };
    let round: u64 = std::env::var("STORE_CRASH_ROUND").unwrap().parse().unwrap();
    let store = Store::open(options(&dir)).unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "\nopen {}", store.status().start).unwrap();
    let mut earlier: Option<EventId> = None;
    for n in 0u64.. {
        let unique = format!("{round}-{n}");
        let long = "x".repeat((n * 37 % 900) as usize);
        let mut batch = vec![
            event(1, NOW + n, 1, &[&["t", &unique]], &long),
            event(2, NOW + round * 100_000 + n, 0, &[], &unique),
        ];
        let target = earlier.map(|id| id.to_string()).unwrap_or_default();
        if earlier.is_some() && n % 3 == 0 {
            batch.push(event(1, NOW, 5, &[&["e", &target]], &unique));
        }
        let outcomes = submit_all(&store, &batch);
        assert!(
            outcomes.iter().all(|o| matches!(o, Outcome::Stored(_))),
            "{outcomes:?}"
        );
        writeln!(out, "stored {}", batch[0].id()).unwrap();
        writeln!(out, "profile {} {}", batch[1].id(), batch[1].created_at()).unwrap();
        if batch.len() == 3 {
            writeln!(out, "deleted {target}").unwrap();
        }
        if n % 7 == 3 {
            store.compact().unwrap();
        }
        earlier = Some(batch[0].id());
    }
}

fn start(dir: &Path, round: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["crash::the_child", "--exact", "--nocapture"])
        .env(CHILD, dir)
        .env("STORE_CRASH_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

#[test]
fn nothing_that_was_answered_ok_is_lost_by_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    let run = runtime_dir();
    std::os::unix::fs::symlink(run.path(), dir.path().join("run")).unwrap();
    let mut stored: BTreeMap<EventId, bool> = BTreeMap::new();
    let mut starts: BTreeMap<String, u32> = BTreeMap::new();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let began = Instant::now();
    for round in 0..ROUNDS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut child = start(dir.path(), round);
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("open") {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the child ended");
        }
        *starts.entry(line.trim().to_owned()).or_default() += 1;
        std::thread::sleep(Duration::from_micros(random % 250_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        let mut profile: Option<u64> = None;
        for line in rest.lines().filter(|line| line.len() > 64) {
            let (what, id) = line.split_once(' ').unwrap();
            match (what, EventId::from_hex(id)) {
                ("stored", Some(id)) => drop(stored.insert(id, true)),
                ("deleted", Some(id)) => drop(stored.insert(id, false)),
                _ => {}
            }
            if let ("profile", Some((_, at))) = (what, id.split_once(' ')) {
                profile = Some(at.parse().unwrap());
            }
        }
        if round % 6 == 5 {
            for file in std::fs::read_dir(dir.path().join("run")).unwrap() {
                std::fs::remove_file(file.unwrap().path()).unwrap();
            }
        }
        if round % 10 == 9 || round + 1 == ROUNDS {
            verify(&path, &stored, profile);
        }
    }
    println!(
        "{ROUNDS} kills in {:.0?}: {} events answered OK, starts {starts:?}",
        began.elapsed(),
        stored.len()
    );
    assert!(
        starts.contains_key("open Replayed") && starts.contains_key("open Rebuilt"),
        "kills with and without the run token were seen: {starts:?}"
    );
    assert!(
        stored.len() > 100,
        "the children came far enough: {}",
        stored.len()
    );
}

/// Everything that was promised holds, by the replayed view and by a view that is made anew.
fn verify(path: &str, stored: &BTreeMap<EventId, bool>, profile: Option<u64>) {
    let ids: Vec<EventId> = stored.keys().copied().collect();
    let expected: Vec<bool> = stored.values().copied().collect();
    let mut answers = Vec::new();
    for rebuild in [false, true] {
        if rebuild {
            let _ = std::fs::remove_file(format!("{path}/data/CLEAN"));
            let _ = std::fs::remove_file(format!("{path}/data/DIRTY"));
        }
        let store = Store::open(options(path)).unwrap();
        assert!(store.status().quarantined.is_empty());
        let found = store.contains(&ids).unwrap();
        // What was deleted in the instant of the kill, without an answer, may be gone: it was not promised to stay.
        let lost = ids
            .iter()
            .zip(&expected)
            .zip(&found)
            .filter(|((_, e), f)| e != f);
        let lost: Vec<_> = lost.collect();
        assert!(
            lost.len() <= usize::try_from(ROUNDS).unwrap()
                && lost.iter().all(|((_, expected), _)| **expected),
            "{lost:?}"
        );
        for ((id, _), _) in &lost {
            let deletion = format!(r##"{{"kinds":[5],"#e":["{id}"]}}"##);
            assert_eq!(
                count(&store, &[&deletion]),
                1,
                "{id} is lost without a deletion"
            );
        }
        if let Some(profile) = profile {
            let newest = answer(&store, &[r#"{"kinds":[0]}"#]);
            assert_eq!(newest.len(), 1, "one profile is current");
            let newest = verified(&newest[0]).created_at();
            assert!(
                newest >= profile,
                "a newer profile may have been written, an older one may not return"
            );
        }
        answers.push((answer(&store, &["{}"]), store.status().events));
        store.close();
    }
    assert!(
        answers[0] == answers[1],
        "the rebuilt view answers differently"
    );
}

#[test]
fn a_second_process_is_refused_and_told_who_has_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = start(dir.path(), 0);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("open") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the child ended");
    }
    let refused = Store::open(options(dir.path().to_str().unwrap())).unwrap_err();
    let pid = child.id().to_string();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(refused, OpenError::Locked { .. }));
    assert!(refused.to_string().contains(&pid), "{refused}");
    Store::open(options(dir.path().to_str().unwrap())).unwrap();
}
