//! What `relay serve` is asked, and which file says otherwise.

use super::*;
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    serve: Arguments,
}

fn arguments(words: &[&str]) -> Arguments {
    let words = [&["serve"], words].concat();
    Line::try_parse_from(words).unwrap().serve
}

const FILE: &str = "version: 1
cold: {data: /file, listen: '192.0.2.1:1', ops: '192.0.2.1:2', runtimeDir: /file/run, grace: 9s}
hot: {url: 'ws://file.example', limits: {limit: 7}}
";

#[test]
fn without_arguments_it_is_a_relay_for_this_machine() {
    let config = arguments(&[]).source().load().unwrap().config;
    assert_eq!(config, Config::default());
    let cold = config.cold;
    assert_eq!(cold.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(cold.ops.to_string(), "127.0.0.1:9090");
    assert_eq!(cold.data, PathBuf::from("./data"));
    assert_eq!((cold.role, cold.runtime_dir), (Role::Relay, None));
    assert_eq!(cold.grace.to_string(), "2s");
}

#[test]
fn each_flag_beats_the_file_and_nothing_else_of_it() {
    let flags = [
        ("--data", "/flag"),
        ("--listen", "[::1]:3"),
        ("--ops", "127.0.0.1:4"),
        ("--url", "wss://flag.example"),
        ("--role", "relay"),
        ("--runtime-dir", "/flag/run"),
        ("--grace", "3s"),
    ];
    for (flag, value) in flags {
        let mut expected = Config::read(FILE).unwrap();
        let cold = &mut expected.cold;
        match flag {
            "--data" => cold.data = value.into(),
            "--listen" => cold.listen = value.parse().unwrap(),
            "--ops" => cold.ops = value.parse().unwrap(),
            "--url" => expected.hot.url = Some(value.into()),
            "--runtime-dir" => cold.runtime_dir = Some(value.into()),
            "--grace" => cold.grace = value.parse().unwrap(),
            _ => assert_eq!(flag, "--role", "there is only one role"),
        }
        let mut config = Config::read(FILE).unwrap();
        arguments(&[flag, value]).apply(&mut config);
        assert_eq!(config, expected, "{flag}");
    }
    let words: Vec<_> = flags
        .iter()
        .flat_map(|(flag, value)| [*flag, *value])
        .collect();
    let mut config = Config::read(FILE).unwrap();
    arguments(&words).apply(&mut config);
    assert_eq!(config.cold.data, PathBuf::from("/flag"));
    assert_eq!(
        config.hot.limits.limit.get(),
        7,
        "the file's other keys stay"
    );
}

#[test]
fn without_flags_the_file_stands() {
    let mut config = Config::read(FILE).unwrap();
    arguments(&[]).apply(&mut config);
    assert_eq!(config, Config::read(FILE).unwrap());
}
