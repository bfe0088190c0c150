//! docs/operator.md: its table of flags is generated from the command line. `UPDATE_DOCS=1` writes it anew.

#![allow(clippy::unwrap_used)] // helpers outside test functions; a panic is how a test fails

mod common;

use clap::{Arg, CommandFactory};
use common::repository;
use nostr_fleet_operator::args::Cli;
use std::{fmt::Write, fs};

const BEGIN: &str = "<!-- flags: generated, see operator/tests/flags.rs -->\n";
const END: &str = "<!-- end of flags -->\n";

fn default(flag: &Arg) -> String {
    let values = flag.get_default_values().first();
    match values.and_then(|value| value.to_str()) {
        Some(value) => format!("`{value}`"),
        None if flag.is_required_set() => "must be given".to_owned(),
        None => String::new(),
    }
}

fn table() -> String {
    let cli = Cli::command();
    let run = cli.find_subcommand("run").unwrap();
    let mut table = "| flag | environment | default | meaning |\n|---|---|---|---|\n".to_owned();
    for flag in run.get_arguments().filter(|flag| flag.get_id() != "help") {
        let _ = writeln!(
            table,
            "| `--{}` | `{}` | {} | {} |",
            flag.get_long().unwrap(),
            flag.get_env().unwrap().to_str().unwrap(),
            default(flag),
            flag.get_help().unwrap(),
        );
    }
    table
}

#[test]
fn the_table_of_flags_is_the_generated_one() {
    let path = repository("docs/operator.md");
    let page = fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(BEGIN).unwrap();
    let (committed, tail) = rest.split_once(END).unwrap();
    let generated = table();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{generated}{END}{tail}")).unwrap();
    } else {
        assert_eq!(
            committed, generated,
            "UPDATE_DOCS=1 cargo test --workspace --test flags"
        );
    }
}
