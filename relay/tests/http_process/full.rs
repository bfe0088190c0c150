//! A volume that is full, as a client and an operator see it.

use super::common::process::{Relay, block_on};
use nostr_fleet_relay::sign::Signer;
use serde_json::json;
use std::{
    fs::{self, File},
    time::{SystemTime, UNIX_EPOCH},
};

/// A relay with the least volume, most of which is taken by a damaged segment that was set aside: a hole, which costs this disk
/// nothing.
fn nearly_full(now: u64) -> Relay {
    let dir = tempfile::tempdir().unwrap();
    let ward = dir.path().join("data/quarantine");
    fs::create_dir_all(&ward).unwrap();
    let damaged = File::create(ward.join("damaged.seg")).unwrap();
    damaged.set_len(180 << 20).unwrap();
    let note = json!({"file": "quarantine/damaged.seg", "lost": [], "setAsideAt": now});
    fs::write(ward.join("damaged.json"), note.to_string()).unwrap();
    let yaml = "version: 1\nhot: {storage: {size: 256Mi}}\n";
    fs::write(dir.path().join("relay.yaml"), yaml).unwrap();
    Relay::start_in(dir, &[])
}

#[test]
fn on_a_full_volume_a_client_hears_error_and_the_operator_sees_it() {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let relay = nearly_full(now);
    assert!(!relay.status().store.full);
    let signer = Signer::from_seed(1);
    let text = "x".repeat(100_000);
    block_on(async {
        let mut client = relay.connect().await;
        let mut kept = Vec::new();
        let refused = loop {
            let content = format!("{} {text}", kept.len());
            let note = signer.event(now, 1, &[], &content);
            client.send(&format!(r#"["EVENT",{note}]"#)).await;
            let ok = client.answer().await;
            assert_eq!(ok[0], "OK");
            if ok[2] == json!(false) {
                break ok;
            }
            kept.push(ok[1].as_str().unwrap().to_owned());
            assert!(kept.len() < 1000, "76Mi hold 1000 events of 100 KB");
        };
        assert_eq!(refused[3], "error: the disk is full, try again later");
        assert!(kept.len() > 10, "{} events", kept.len());
        assert!(relay.status().store.full);
        let count = "nostr_relay_events_rejected_total{reason=\"error\"} 1\n";
        let metrics = relay.ops("/metrics");
        assert!(metrics.contains(count), "{metrics}");
        assert!(
            relay.ops("/readyz").starts_with("HTTP/1.1 200"),
            "it is still read from"
        );

        let look_up = format!(r#"["REQ","a",{{"ids":["{}"]}}]"#, kept[0]);
        client.send(&look_up).await;
        assert_eq!(client.answer().await[2]["id"], json!(kept[0]));
        assert_eq!(client.answer().await[0], "EOSE");
        let deletion = signer.event(now, 5, &[&["e", &kept[0]]], "");
        client.send(&format!(r#"["EVENT",{deletion}]"#)).await;
        assert_eq!(client.answer().await[2], true, "deletions still work");
    });
}
