//! A relay on a laptop, its list in the configuration itself (docs/relay.md, "Who may read and write").

use crate::{
    block_on,
    common::process::{Relay, eventually},
    publish,
};
use nostr_fleet_relay::sign::Signer;

fn only(friends: &[u64]) -> String {
    let keys: Vec<_> = friends
        .iter()
        .map(|seed| Signer::from_seed(*seed).public_key().to_string())
        .collect();
    let keys = keys.join(", ");
    format!(
        "version: 1\nhot:\n  access:\n    read: {{mode: Allow, pubkeys: [{keys}]}}\n    write: {{mode: Allow, pubkeys: [{keys}]}}\n"
    )
}

#[test]
fn only_my_friends_write_and_who_is_taken_off_the_list_stays_connected() {
    let relay = Relay::start(&only(&[1, 2]), &[]);
    block_on(async {
        let mut client = relay.connect().await;
        assert_eq!(publish(&mut client, 1, "hello").await, Ok(()));
        let refused = publish(&mut client, 3, "hello").await.unwrap_err();
        assert!(refused.starts_with("restricted: "), "{refused}");

        let before = relay.status().access;
        assert_eq!(before.entries, 4);
        relay.configure(&only(&[2]));
        eventually("the new list is in force", || {
            relay.status().access.entries == 2
        });
        let refused = publish(&mut client, 1, "again").await.unwrap_err();
        assert!(refused.starts_with("restricted: "), "{refused}");
        assert_eq!(publish(&mut client, 2, "again").await, Ok(()));
    });
}

#[test]
fn who_did_not_log_in_reads_nothing_here() {
    let relay = Relay::start(&only(&[1]), &[]);
    block_on(async {
        let mut client = relay.connect().await;
        client.send(r#"["REQ","a",{"kinds":[1]}]"#).await;
        let closed = loop {
            let answer = client.answer().await;
            if answer[0] != "AUTH" {
                break answer;
            }
        };
        assert_eq!((&closed[0], &closed[1]), (&"CLOSED".into(), &"a".into()));
        assert!(
            closed[2].as_str().unwrap().starts_with("auth-required: "),
            "{closed}"
        );
    });
}

#[test]
fn a_list_in_the_file_is_known_after_a_restart_and_a_broken_file_ends_the_start() {
    let mut relay = Relay::start(&only(&[1]), &[]);
    let hash = relay.status().access.hash;
    relay.signal(rustix::process::Signal::KILL);
    relay.ended();
    let mut relay = relay.again();
    assert_eq!(relay.status().access.hash, hash);
    relay.signal(rustix::process::Signal::KILL);
    relay.ended();
    relay.configure("");
    let path = |name: &str| relay.path().join(name).to_str().unwrap().to_owned();
    let (config, data) = (path("relay.yaml"), path("data"));
    let output = crate::common::process::run(&["serve", "--config", &config, "--data", &data]);
    assert_eq!(
        output.status.code(),
        Some(2),
        "an emptied file opens nothing"
    );
}
