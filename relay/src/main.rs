//! The `relay` program: reads the command line and hands over to one module per subcommand.

use clap::{Parser, Subcommand};
use nostr_fleet_relay::cmd::{
    acknowledge, bench, check, compact, delete, export, health, import, serve,
};
use std::process::ExitCode;

/// A Nostr relay. `relay serve` without arguments serves ws://127.0.0.1:8080 from ./data.
#[derive(Debug, Parser)]
#[command(name = "relay", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients until SIGTERM or Ctrl-C.
    Serve(serve::Arguments),
    /// Read a configuration file and say what is wrong with it: key, line and fix. Exits 0 or 2.
    Check(check::Arguments),
    /// Ask a relay for its information document and one event. Exits 0, or 1 with the reason.
    Health(health::Arguments),
    /// Send events, one JSON object a line, to a relay. Exits 0, or 3 when some were refused.
    Import(import::Arguments),
    /// Write events, one JSON object a line. Exits 0, or 3 when the relay keeps some back.
    Export(export::Arguments),
    /// Give back the room of what was deleted and replaced, and take deleted text from the disk now.
    Compact(compact::Arguments),
    /// Take away what damage left behind in quarantine/, once it is known what was lost.
    Acknowledge(acknowledge::Arguments),
    /// Remove events from the store of a stopped relay, for good.
    Delete(delete::Arguments),
    /// Measure a relay, or make events for one.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Compact(arguments) => compact::run(&arguments),
        Command::Acknowledge(arguments) => acknowledge::run(&arguments),
        Command::Delete(arguments) => delete::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    }
}
