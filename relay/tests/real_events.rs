//! Events that people wrote. `EVENTS` names a file with one on each line; without it the test says so and does nothing.

use nostr_fleet_relay::wire::{Event, Verified};
use std::{env, fs, io::Write};

#[test]
fn every_real_event_is_read_verified_and_kept() {
    let Some(path) = env::var_os("EVENTS") else {
        // Past libtest, which keeps what passing tests print to itself.
        let _ = writeln!(
            std::io::stderr(),
            "left out: EVENTS names no file of real events"
        );
        return;
    };
    let lines = fs::read_to_string(path).expect("EVENTS can be read");
    let mut kept_as_sent = 0;
    for line in lines.lines() {
        let event = Verified::check(Event::read(line).expect(line)).expect(line);
        kept_as_sent += usize::from(event.text() == line.as_bytes());
        let text = std::str::from_utf8(event.text()).unwrap();
        let again = Verified::check(Event::read(text).expect(text)).expect(text);
        assert_eq!(
            again.text(),
            event.text(),
            "a text of ours is kept as it is"
        );
        assert_same(line, text);
    }
    println!(
        "{} events, {kept_as_sent} kept byte for byte",
        lines.lines().count()
    );
}

/// Both texts say the same, in the eyes of another JSON reader.
fn assert_same(sent: &str, kept: &str) {
    let parse = |text| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    assert_eq!(parse(sent), parse(kept));
}
