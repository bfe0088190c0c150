//! Each thing that can be wrong with a mount, and what stays in force.

use crate::{
    door::Door,
    mount::{
        Files, all_names, alone, files, nobody, of_resource, rewritten, under, with, without,
        write_plain, writers,
    },
};
use relay_config::{
    Lists,
    access::{Mode, Required},
    lists::SHARDS,
    names,
};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

const ALICE: [u8; 32] = [0x11; 32];
const BOB: [u8; 32] = [0xee; 32];

/// Two generations in which every shard differs, and not by its first line alone.
fn two() -> (Lists, Lists) {
    let keys = |step: u8| {
        (0..=255_u8)
            .step_by(usize::from(step))
            .map(|first| [first; 32])
    };
    let (old, new): (Vec<_>, Vec<_>) = (keys(3).collect(), keys(5).collect());
    (writers(Mode::Allow, &old), writers(Mode::Allow, &new))
}

#[test]
fn a_swapped_mount_is_in_force_at_the_next_look() {
    let (old, new) = two();
    let (mount, mut door) = Door::mounted(&files(&old));
    assert_eq!(door.generation(), old.generation());
    assert_eq!(door.status().hash, old.generation());
    assert_eq!(door.rejudged.load(Ordering::Relaxed), 0);
    mount.swap(&files(&new));
    door.look();
    assert_eq!(door.generation(), new.generation());
    let status = door.status();
    assert_eq!(
        (status.hash, status.entries, status.error),
        (new.generation(), new.entries().len() as u64, String::new())
    );
    assert_eq!(
        door.rejudged.load(Ordering::Relaxed),
        1,
        "open sessions are judged anew"
    );
    let entries = format!("allowlist_entries {}", new.entries().len());
    assert!(door.metrics().contains(&entries));
    assert!(
        door.metrics()
            .contains("allowlist_reloads_total{result=\"applied\"} 2")
    );
}

#[test]
fn whichever_shard_is_wrong_the_last_good_lists_stay() {
    let (old, new) = two();
    let (old_files, new_files) = (files(&old), files(&new));
    let (mount, mut door) = Door::mounted(&old_files);
    for number in 0..SHARDS {
        let name = names::shard(number);
        let cut = |text: &str| text[..text.len() - 20].to_owned();
        let shortened = |text: &str| text.lines().next().unwrap().to_owned() + "\n";
        let garbled = |text: &str| text.replacen("\nw ", "\nw x", 1);
        let stranger = format!("w {}\n", "00".repeat(32));
        let moved = |text: &str| text.to_owned() + &stranger;
        for (wrong, words) in [
            (with(&new_files, &name, &old_files), "is of generation"),
            (without(&new_files, &name), "is not there"),
            (rewritten(&new_files, &name, cut), "line"),
            (
                rewritten(&new_files, &name, shortened),
                "does not have the hash",
            ),
            (
                rewritten(&new_files, &name, garbled),
                "line 2: not an entry",
            ),
            (rewritten(&new_files, &name, moved), "not at its place"),
            (
                rewritten(&new_files, &name, |_| String::new()),
                "is of generation",
            ),
            (
                rewritten(&new_files, &name, |_| "x".repeat(2_000_000)),
                "larger than",
            ),
        ] {
            mount.swap(&wrong);
            door.look();
            assert_eq!(door.generation(), old.generation(), "{name}");
            let status = door.status();
            assert_eq!(status.hash, old.generation());
            assert!(status.error.contains(words), "{words}: {}", status.error);
            let named = words.contains("hash") || status.error.contains(&format!("shard {number}"));
            assert!(named, "{}", status.error);
        }
    }
    assert!(
        door.metrics()
            .contains("allowlist_reloads_total{result=\"refused\"} 1"),
        "one generation, told once"
    );
    mount.swap(&new_files);
    door.look();
    assert_eq!(door.generation(), new.generation());
    assert_eq!(door.error(), "");
}

#[test]
fn two_shards_that_changed_places_are_refused() {
    let (old, new) = two();
    let (mount, mut door) = Door::mounted(&files(&old));
    let mut moved = files(&new);
    let third = moved[&names::shard(3)].clone();
    let fourth = moved.insert(names::shard(4), third).unwrap();
    moved.insert(names::shard(3), fourth);
    mount.swap(&moved);
    door.look();
    assert_eq!(door.generation(), old.generation());
    assert!(
        door.error().contains("shard 3 of the allowlist, line 2"),
        "{}",
        door.error()
    );
}

#[test]
fn in_whatever_order_the_files_arrive_only_the_last_one_swaps() {
    let (old, new) = two();
    let names = all_names();
    for first in 0..names.len() {
        for backwards in [false, true] {
            let (mount, mut door) = Door::mounted(&files(&old));
            let mut mixed: Files = files(&old);
            for step in 0..names.len() {
                assert_eq!(door.generation(), old.generation(), "before the last file");
                let step = if backwards { names.len() - step } else { step };
                let name = &names[(first + step) % names.len()];
                mixed = with(&mixed, name, &files(&new));
                mount.swap(&mixed);
                door.look();
            }
            assert_eq!(door.generation(), new.generation());
            assert_eq!(door.error(), "");
        }
    }
}

#[test]
fn plain_files_beside_a_plain_configuration_are_watched_too() {
    let (old, new) = two();
    let dir = tempfile::tempdir().unwrap();
    for name in ["config", "data"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    write_plain(&dir.path().join("config"), &files(&old));
    let mut door = Door::start(dir).map_err(|(_, error)| error).unwrap();
    assert_eq!(door.generation(), old.generation());
    let mixed = with(&files(&new), "allowlist-05", &files(&old));
    write_plain(&door.config(), &mixed);
    door.look();
    assert_eq!(door.generation(), old.generation());
    assert!(door.error().contains("shard 5"), "{}", door.error());
    write_plain(&door.config(), &files(&new));
    door.look();
    assert_eq!(door.generation(), new.generation());
}

#[test]
fn a_restart_in_the_middle_of_a_rotation_neither_opens_nor_shuts() {
    let (old, new) = two();
    let (mount, door) = Door::mounted(&files(&old));
    mount.swap(&without(&files(&new), "allowlist-02"));
    let mut door = door.restart();
    assert_eq!(door.generation(), old.generation());
    assert_eq!(door.status().hash, old.generation());
    assert!(door.error().contains("shard 2"), "{}", door.error());
    mount.swap(&files(&new));
    door.look();
    assert_eq!(door.generation(), new.generation());

    // And the one after the next knows the new one.
    mount.swap(&without(&files(&old), "allowlist-02"));
    assert_eq!(door.restart().generation(), new.generation());
}

#[test]
fn before_any_list_is_whole_nobody_is_served() {
    let (_, new) = two();
    let (mount, mut door) = Door::mounted(&without(&files(&new), "allowlist-07"));
    assert!(door.live.access.rules.load().is_shut());
    assert_eq!(door.status().hash, "");
    assert!(door.error().contains("shard 7"), "{}", door.error());
    mount.swap(&files(&new));
    door.look();
    assert!(!door.live.access.rules.load().is_shut());
    assert_eq!(door.status().hash, new.generation());
}

#[test]
fn a_damaged_copy_in_the_volume_is_not_used() {
    let (old, new) = two();
    let (mount, door) = Door::mounted(&files(&old));
    mount.swap(&without(&files(&new), "allowlist-02"));
    let path = door.dir.path().join("data/allowlist");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("Allow", "Open", 1)).unwrap();
    let mut door = door.restart();
    assert!(door.live.access.rules.load().is_shut());
    mount.swap(&files(&new));
    door.look();
    mount.swap(&without(&files(&old), "allowlist-02"));
    assert_eq!(
        door.restart().generation(),
        new.generation(),
        "it was written anew"
    );
}

#[test]
fn a_volume_that_keeps_nothing_is_told_and_the_lists_are_in_force() {
    let (old, new) = two();
    let (mount, mut door) = Door::mounted(&files(&old));
    let in_the_way = door.dir.path().join("data/allowlist.new");
    fs::create_dir(&in_the_way).unwrap();
    mount.swap(&files(&new));
    door.look();
    assert_eq!(door.generation(), new.generation());
    let status = door.status();
    assert_eq!(status.hash, new.generation());
    assert!(
        status.error.contains("the volume does not keep it"),
        "{}",
        status.error
    );
    // The next change finds room again.
    fs::remove_dir(in_the_way).unwrap();
    mount.swap(&files(&old));
    door.look();
    assert_eq!(door.error(), "");
    mount.swap(&without(&files(&new), "allowlist-02"));
    assert_eq!(door.restart().generation(), old.generation());
}

#[test]
fn open_to_allow_to_open_is_what_the_operator_wrote() {
    let allow = writers(Mode::Allow, &[ALICE]);
    let open = alone("version: 1\n");
    let (mount, mut door) = Door::mounted(&open);
    let opened = door.generation();
    assert_eq!(opened, Lists::default().generation());
    // The configuration comes first: open stays, also over a restart, until the list is whole.
    mount.swap(&with(&open, names::CONFIG_FILE, &files(&allow)));
    door.look();
    assert_eq!(door.generation(), opened);
    let mut door = door.restart();
    assert_eq!(door.generation(), opened);
    mount.swap(&files(&allow));
    door.look();
    assert_eq!(door.generation(), allow.generation());
    // Back: the configuration decides, whatever shards still stand there.
    mount.swap(&with(&files(&allow), names::CONFIG_FILE, &open));
    door.look();
    assert_eq!(door.generation(), opened);
    mount.swap(&open);
    door.look();
    assert_eq!(door.generation(), opened);
    assert_eq!(door.error(), "");
}

#[test]
fn a_configuration_that_is_gone_empty_or_wrong_opens_nothing() {
    let allow = writers(Mode::Allow, &[ALICE]);
    let good = files(&allow);
    let (mount, mut door) = Door::mounted(&good);
    for wrong in [
        without(&good, names::CONFIG_FILE),
        Files::new(),
        alone(""),
        alone("\n"),
        alone("# nothing\n"),
        alone("---\n"),
        alone("version: 2\n"),
        alone("version: 1\nhot: {access: {write: {mode: Open}, reed: {}}}\n"),
        alone("version: 1\nhot: {access: {write: {mode: Allow}}}\n"),
        rewritten(&good, names::CONFIG_FILE, |text| {
            text.replace("Allow", "Open")
        }),
        rewritten(&good, names::CONFIG_FILE, |text| {
            text.replace("Allow", "Deny")
        }),
    ] {
        mount.swap(&wrong);
        door.look();
        assert_eq!(door.generation(), allow.generation(), "{wrong:?}");
        let told = door.error() + &door.live.status.load().error;
        assert!(!told.is_empty(), "{wrong:?}");
    }
    mount.swap(&good);
    door.look();
    assert_eq!(door.error() + &door.live.status.load().error, "");
}

#[test]
fn other_hot_keys_swap_whatever_the_lists_do() {
    let (old, new) = two();
    let (mount, mut door) = Door::mounted(&files(&old));
    let name = names::CONFIG_FILE;
    let mut hot = rewritten(&files(&new), name, |text| format!("{text}  # changed\n"));
    hot = rewritten(&hot, name, |text| {
        text.replace("hot:\n", "hot:\n  url: wss://new.example\n")
    });
    mount.swap(&without(&hot, "allowlist-00"));
    door.look();
    assert_eq!(
        door.live.hot.load().url.as_deref(),
        Some("wss://new.example")
    );
    assert_eq!(door.live.status.load().error, "");
    assert_eq!(door.generation(), old.generation());
}

/// Two doors that differ in everything: who logs in, which kinds, from where, and the lists.
fn two_doors() -> (Lists, Lists) {
    let (one, other) = two();
    let strict = under(&one, |terms| {
        terms.auth.required = Required::Always;
        terms.kinds.deny = vec!["4".parse().unwrap()];
        terms.addresses.allow = vec!["10.0.0.0/8".parse().unwrap()];
    });
    (strict, other)
}

#[test]
fn logins_kinds_and_addresses_swap_with_whole_lists_or_not_at_all() {
    let (strict, loose) = two_doors();
    let (mount, mut door) = Door::mounted(&files(&strict));
    let terms = |door: &Door| door.live.access.rules.load().terms().clone();
    assert_eq!(terms(&door), *strict.terms());
    for number in 0..SHARDS {
        mount.swap(&without(&files(&loose), &names::shard(number)));
        door.look();
        assert_eq!(terms(&door), *strict.terms(), "shard {number} is missing");
        assert_eq!(door.status().hash, strict.generation());
        assert_eq!(door.live.status.load().error, "", "the rest is in force");
    }
    // Nor do they in the next process, which has them from the volume.
    let mut door = door.restart();
    assert_eq!(terms(&door), *strict.terms());
    // Loosened by themselves, under the name of the lists in force, they are not what that name says.
    let by_hand = rewritten(&files(&strict), names::CONFIG_FILE, |text| {
        text.replace("required: Always", "required: Never")
    });
    mount.swap(&by_hand);
    door.look();
    assert_eq!(terms(&door), *strict.terms());
    assert!(door.error().contains("does not have the hash"));
    mount.swap(&files(&loose));
    door.look();
    assert_eq!(terms(&door), *loose.terms());
    assert_eq!(door.error(), "");
}

#[test]
fn nobody_ever_sees_the_terms_of_one_door_and_the_lists_of_another() {
    let (strict, loose) = two_doors();
    let (mount, mut door) = Door::mounted(&files(&strict));
    let (rules, over) = (
        Arc::clone(&door.live.access.rules),
        Arc::new(AtomicBool::new(false)),
    );
    let doors = [&strict, &loose].map(|door| (door.generation(), door.terms().clone()));
    let looking = Arc::clone(&over);
    let seen = thread::spawn(move || {
        let mut seen = 0_u32;
        while !looking.load(Ordering::Relaxed) {
            let rules = rules.load();
            let one = (rules.generation().to_owned(), rules.terms().clone());
            assert!(doors.contains(&one), "{one:?}");
            seen += 1;
        }
        seen
    });
    for _ in 0..20 {
        for next in [&loose, &strict] {
            mount.swap(&files(next));
            door.look();
            assert_eq!(door.generation(), next.generation());
        }
    }
    over.store(true, Ordering::Relaxed);
    assert!(seen.join().unwrap() > 0);
}

#[test]
fn told_that_there_never_was_a_good_list_it_serves_nobody_whatever_the_volume_keeps() {
    let (old, new) = two();
    for before in [alone("version: 1\n"), files(&old)] {
        let (mount, mut door) = Door::mounted(&before);
        assert!(!door.live.access.rules.load().is_shut());
        // A new resource of the name took over the volume: at its first start, and in a pod that runs.
        mount.swap(&nobody());
        door.look();
        assert!(door.live.access.rules.load().is_shut());
        assert_eq!(door.rejudged.load(Ordering::Relaxed), 1);
        let mut door = door.restart();
        assert!(door.live.access.rules.load().is_shut());
        assert_eq!(door.status().hash, "");
        let error = door.error();
        assert!(
            error.contains("there never was a good allowlist"),
            "{error}"
        );
        mount.swap(&files(&new));
        door.look();
        assert_eq!(door.generation(), new.generation());
    }
}

#[test]
fn what_the_volume_keeps_of_another_resource_lets_nobody_in() {
    let (old, new) = two();
    for (before, after, kept) in [
        (
            of_resource(&files(&old), "a"),
            of_resource(&files(&new), "a"),
            true,
        ),
        (
            of_resource(&files(&old), "a"),
            of_resource(&files(&new), "b"),
            false,
        ),
        (files(&old), of_resource(&files(&new), "b"), false),
        (
            of_resource(&alone("version: 1\n"), "a"),
            of_resource(&files(&new), "b"),
            false,
        ),
    ] {
        let (mount, door) = Door::mounted(&before);
        let in_force = door.generation();
        mount.swap(&without(&after, "allowlist-02"));
        let mut door = door.restart();
        assert_eq!(door.live.access.rules.load().is_shut(), !kept);
        assert_eq!(door.generation() == in_force, kept);
        mount.swap(&after);
        door.look();
        assert_eq!(door.generation(), new.generation());
        // From now on the volume is the new one's.
        mount.swap(&without(&after, "allowlist-02"));
        assert_eq!(door.restart().generation(), new.generation());
    }
}

#[test]
fn lists_in_the_configuration_itself_are_whole() {
    let yaml = |key: [u8; 32]| {
        let key = relay_config::lists::Key(key);
        alone(&format!(
            "version: 1\nhot:\n  access:\n    write: {{mode: Allow, pubkeys: [\"{key} until 2027-01-01\"]}}\n"
        ))
    };
    let (mount, mut door) = Door::mounted(&yaml(ALICE));
    let first = door.generation();
    assert_eq!(door.status().entries, 1);
    mount.swap(&yaml(BOB));
    door.look();
    assert_ne!(door.generation(), first);
    assert_eq!(door.error(), "");
}

#[test]
fn a_change_of_auth_judges_open_sessions_anew() {
    let (mount, mut door) = Door::mounted(&alone("version: 1\n"));
    mount.swap(&alone("version: 1\nhot: {auth: {required: Read}}\n"));
    door.look();
    assert_eq!(door.rejudged.load(Ordering::Relaxed), 1);
    mount.swap(&alone(
        "version: 1\nhot: {auth: {required: Read}, logLevel: warn}\n",
    ));
    door.look();
    assert_eq!(door.rejudged.load(Ordering::Relaxed), 1);
}
