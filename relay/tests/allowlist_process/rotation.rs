//! A running relay whose lists rotate in a mount: verdicts, open connections, kills, and how long it takes.

use crate::{
    block_on,
    common::process::{Relay, eventually},
    mount::{Mount, files, without, writers},
    publish,
};
use nostr_fleet_relay::sign::Signer;
use relay_config::{Lists, access::Mode};
use rustix::process::Signal;
use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// How many clients stay connected while the lists rotate.
const CLIENTS: u64 = 200;

/// A relay on which these people may write.
fn mounted(lists: &Lists) -> (Mount, Relay) {
    let dir = tempfile::tempdir().unwrap();
    let mount = Mount::new(dir.path(), &files(lists));
    (mount, Relay::start_in(dir, &["--grace", "0s"]))
}

fn people(seeds: Range<u64>) -> Lists {
    let keys: Vec<_> = seeds
        .map(|seed| *Signer::from_seed(seed).public_key().as_bytes())
        .collect();
    writers(Mode::Allow, &keys)
}

fn in_force(relay: &Relay, lists: &Lists) {
    let generation = lists.generation();
    eventually("the lists are in force", || {
        relay.status().access.hash == generation
    });
}

#[test]
fn before_the_lists_are_whole_the_relay_is_not_ready_and_serves_nobody() {
    let lists = people(0..10);
    let dir = tempfile::tempdir().unwrap();
    let mount = Mount::new(dir.path(), &without(&files(&lists), "allowlist-03"));
    let relay = Relay::start_in(dir, &[]);
    let answer = relay.ops("/readyz");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("the allowlist has not arrived"), "{answer}");
    let status = relay.status();
    assert!(!status.ready && status.access.hash.is_empty());
    assert!(
        status.access.error.contains("shard 3"),
        "{}",
        status.access.error
    );
    block_on(async {
        let mut client = relay.connect().await;
        let refused = publish(&mut client, 1, "early").await.unwrap_err();
        assert_eq!(refused, "restricted: the allowlist has not arrived yet");
        mount.swap(&files(&lists));
        in_force(&relay, &lists);
        assert_eq!(publish(&mut client, 1, "now").await, Ok(()));
    });
    assert!(relay.ops("/readyz").starts_with("HTTP/1.1 200"));
    let status = relay.status();
    assert_eq!(
        (status.access.entries, status.access.error.as_str()),
        (10, "")
    );
}

#[test]
fn a_rotation_changes_the_verdicts_of_two_hundred_open_connections_and_drops_none() {
    let (old, new) = (people(0..100), people(50..150));
    let (mount, relay) = mounted(&old);
    block_on(async {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(relay.connect().await);
        }
        for (lists, listed, name) in [(&old, 0..100, "old"), (&new, 50..150, "new")] {
            mount.swap(&files(lists));
            in_force(&relay, lists);
            for (seed, client) in (0..).zip(&mut clients) {
                let heard = publish(client, seed, name).await;
                if listed.contains(&seed) {
                    assert_eq!(heard, Ok(()), "{seed} is listed in the {name} list");
                } else {
                    let refused = heard.expect_err("not listed");
                    assert!(
                        refused.starts_with("restricted: "),
                        "{seed}, {name}: {refused}"
                    );
                }
            }
        }
        assert_eq!(relay.status().connections, CLIENTS, "nobody was dropped");
    });
    let swaps = relay.log().matches("allowlist swapped").count();
    assert_eq!(swaps, 2, "one line for each generation:\n{}", relay.log());
}

#[test]
fn a_generation_that_is_refused_is_told_once() {
    let (old, new) = (people(0..3), people(1..4));
    let (mount, relay) = mounted(&old);
    for _ in 0..3 {
        mount.swap(&without(&files(&new), "allowlist-01"));
        eventually("the refusal is told", || {
            !relay.status().access.error.is_empty()
        });
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(relay.status().access.hash, old.generation());
    assert_eq!(
        relay.log().matches("allowlist refused").count(),
        1,
        "{}",
        relay.log()
    );
}

#[test]
fn a_kill_at_any_moment_leaves_one_whole_generation_for_the_next_start() {
    let generations = [people(0..40), people(20..60)];
    let (mount, mut relay) = mounted(&generations[0]);
    for round in 0..8_u64 {
        let (new, old) = match round % 2 {
            0 => (&generations[1], &generations[0]),
            _ => (&generations[0], &generations[1]),
        };
        in_force(&relay, old);
        mount.swap(&files(new));
        std::thread::sleep(Duration::from_millis(round * 45));
        let confirmed = relay.status().access.hash;
        relay.signal(Signal::KILL);
        relay.ended();
        // The next process finds a mount in which nothing is whole.
        mount.swap(&without(&files(new), "allowlist-04"));
        relay = relay.again();
        let status = relay.status();
        assert!(status.ready, "the door is not shut");
        assert!(
            status.access.error.contains("shard 4"),
            "{}",
            status.access.error
        );
        let hash = status.access.hash;
        assert!([old.generation(), new.generation()].contains(&hash));
        let outlived = hash == confirmed || confirmed == old.generation();
        assert!(
            confirmed.is_empty() || outlived,
            "what was confirmed is kept"
        );
        mount.swap(&files(new));
    }
}

/// From the swap of the mount to the first refusal that a client hears; the kubelet's and the operator's part come on top.
#[test]
fn thirty_rotations_are_measured() {
    let (with, without) = (people(0..100), people(1..100));
    let (mount, relay) = mounted(&with);
    let mut took = Vec::new();
    block_on(async {
        let mut client = relay.connect().await;
        for round in 0..30 {
            assert_eq!(publish(&mut client, 0, &format!("{round}")).await, Ok(()));
            let begun = Instant::now();
            mount.swap(&files(&without));
            let mut number = 0;
            while publish(&mut client, 0, &format!("{round} {number}"))
                .await
                .is_ok()
            {
                number += 1;
                tokio::time::sleep(Duration::from_millis(2)).await;
                assert!(begun.elapsed() < Duration::from_secs(10), "never refused");
            }
            took.push(begun.elapsed());
            mount.swap(&files(&with));
            in_force(&relay, &with);
        }
    });
    took.sort();
    println!(
        "swap of the mount to the first refusal: p50 {:?}, p99 {:?}",
        took[15], took[29]
    );
    assert!(took[29] < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_hundred_thousand_keys_are_in_force_soon() {
    let key = |number: u32| {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
        key
    };
    let keys: Vec<_> = (0..100_000).map(key).collect();
    let big = writers(Mode::Allow, &keys);
    let (mount, relay) = mounted(&people(0..3));
    let files = files(&big);
    let largest = files.values().map(String::len).max().unwrap();
    assert!(
        largest <= relay_config::lists::SHARD_BYTES,
        "{largest} bytes"
    );
    let begun = Instant::now();
    mount.swap(&files);
    in_force(&relay, &big);
    let log = relay.log();
    let line = log
        .lines()
        .find(|line| line.contains("entries=100000"))
        .unwrap();
    println!(
        "100,000 keys in force and kept after {:?}: {line}",
        begun.elapsed()
    );
    assert_eq!(relay.status().access.entries, 100_000);
}
