//! A configuration that changes while the relay runs.

use super::common::process::{Relay, block_on, eventually};
use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, Instant},
};

#[test]
fn a_changed_file_is_in_force_on_open_connections() {
    let relay = Relay::start("version: 1\nhot: {limits: {subscriptions: 2}}\n", &[]);
    block_on(async {
        let mut client = relay.connect().await;
        for id in ["a", "b"] {
            client
                .send(&format!(r#"["REQ","{id}",{{"kinds":[1]}}]"#))
                .await;
            assert_eq!(client.answer().await[0], "EOSE");
        }
        client.send(r#"["REQ","c",{"kinds":[1]}]"#).await;
        let closed = client.answer().await;
        assert_eq!(closed[0], "CLOSED");
        assert!(
            closed[2].as_str().unwrap().starts_with("rate-limited: "),
            "{closed}"
        );

        relay.configure("version: 1\nhot: {limits: {subscriptions: 3}}\n");
        eventually("the new limit is shown", || {
            relay.info()["limitation"]["max_subscriptions"] == 3
        });
        client.send(r#"["REQ","c",{"kinds":[1]}]"#).await;
        assert_eq!(client.answer().await[0], "EOSE", "on the same connection");
    });
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let relay = Relay::start("version: 1\nhot: {info: {name: Good}}\n", &[]);
    let hash = relay.status().configuration.hash;
    relay.configure("version: 1\nhot:\n  infos: {name: Bad}\n");
    eventually("the error is told", || {
        !relay.status().configuration.error.is_empty()
    });
    let status = relay.status();
    assert!(status.ready, "the last good configuration serves");
    assert_eq!(status.configuration.hash, hash);
    assert!(
        status.configuration.error.contains("`infos`")
            && status.configuration.error.contains("line 3")
    );
    assert_eq!(relay.info()["name"], "Good");
    assert!(
        relay
            .ops("/metrics")
            .contains("config_reloads_total{result=\"refused\"} 1")
    );

    relay.configure("version: 1\ncold: {grace: 9s}\nhot: {info: {name: Better}}\n");
    eventually("the good one is taken", || relay.info()["name"] == "Better");
    eventually("the cold key waits", || {
        relay.status().configuration.waiting_for_restart == ["cold.grace"]
    });
    assert_eq!(relay.status().configuration.error, "");
}

#[test]
fn a_swapped_mount_is_in_force() {
    let mount = |dir: &Path, name: &str, yaml: &str| {
        fs::create_dir(dir.join(name)).unwrap();
        fs::write(dir.join(name).join("relay.yaml"), yaml).unwrap();
        symlink(name, dir.join("..data_tmp")).unwrap();
        fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    };
    let dir = tempfile::tempdir().unwrap();
    mount(
        dir.path(),
        "..2026_1",
        "version: 1\nhot: {info: {name: One}}\n",
    );
    symlink("..data/relay.yaml", dir.path().join("relay.yaml")).unwrap();
    let relay = Relay::start_in(dir, &[]);
    assert_eq!(relay.info()["name"], "One");
    mount(
        relay.path(),
        "..2026_2",
        "version: 1\nhot: {info: {name: Two}}\n",
    );
    let begin = Instant::now();
    eventually("the mount is taken", || relay.info()["name"] == "Two");
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn the_log_level_changes_in_place() {
    let relay = Relay::start("version: 1\nhot: {logLevel: error}\n", &[]);
    relay.configure("version: 1\nhot: {logLevel: error, info: {name: Quiet}}\n");
    eventually("the first change is in force", || {
        relay.info()["name"] == "Quiet"
    });
    assert_eq!(relay.log(), "", "nothing that failed");
    relay.configure("version: 1\nhot: {logLevel: info, info: {name: Loud}}\n");
    eventually("the second change is told", || {
        relay.log().contains("configuration swapped")
    });
}
