//! docs/operator.md: its table of metrics is generated from the registry. `UPDATE_DOCS=1` writes it anew.

#![allow(clippy::unwrap_used)] // helpers outside test functions; a panic is how a test fails

mod common;

use common::repository;
use nostr_fleet_operator::{metrics::Metrics, reconcile::error::Class};
use std::{collections::BTreeSet, fmt::Write, fs, time::Duration};

const BEGIN: &str = "<!-- metrics: generated, see operator/tests/metrics.rs -->\n";
const END: &str = "<!-- end of metrics -->\n";

/// Metrics that have all happened once: what never happened has no labels to show.
fn used() -> Metrics {
    let metrics = Metrics::default();
    metrics.visited("nostr-relay", None, Duration::from_millis(20));
    metrics.visited("nostr-relay", Some(Class::Conflict), Duration::from_secs(1));
    metrics.waited(Duration::from_millis(3));
    metrics.nudged(None);
    metrics.rotated(Duration::from_secs(1));
    metrics.leader(true);
    metrics
}

/// The labels of a metric, as its lines show them.
fn labels(text: &str, name: &str) -> String {
    let lines = text.lines().filter(|line| line.starts_with(name));
    let inside = lines.filter_map(|line| Some(line.split_once('{')?.1.split_once('}')?.0));
    let names: BTreeSet<&str> = inside
        .flat_map(|labels| labels.split(','))
        .filter_map(|label| label.split('=').next())
        .filter(|label| *label != "le")
        .collect();
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn table(text: &str) -> String {
    let mut table = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    let of = |line: &str, what: &str| -> Option<(String, String)> {
        let (name, rest) = line.strip_prefix(what)?.split_once(' ')?;
        Some((name.to_owned(), rest.to_owned()))
    };
    for line in text.lines() {
        let Some((name, help)) = of(line, "# HELP ") else {
            continue;
        };
        let mut types = text.lines().filter_map(|line| of(line, "# TYPE "));
        let (_, type_) = types.find(|(other, _)| *other == name).unwrap();
        let shown = match type_.as_str() {
            "counter" => format!("{name}_total"),
            _ => name.clone(),
        };
        let labels = labels(text, &name);
        let _ = writeln!(table, "| `{shown}` | {type_} | {labels} | {help} |");
    }
    table
}

#[test]
fn the_table_of_metrics_is_the_generated_one() {
    let path = repository("docs/operator.md");
    let page = fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(BEGIN).unwrap();
    let (committed, tail) = rest.split_once(END).unwrap();
    let generated = table(&used().text());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{generated}{END}{tail}")).unwrap();
    } else {
        assert_eq!(
            committed, generated,
            "UPDATE_DOCS=1 cargo test --workspace --test metrics"
        );
    }
}

#[test]
fn what_happened_is_counted_and_what_ended_no_longer_runs() {
    let metrics = used();
    let running = metrics.visiting();
    metrics.retrying(3);
    metrics.waiting(1);
    metrics.nudged(Some(Class::Forbidden));
    for line in [
        "nostr_fleet_operator_reconciles_total{kind=\"nostr-relay\",result=\"conflict\"} 1",
        "nostr_fleet_operator_reconciles_total{kind=\"nostr-relay\",result=\"ok\"} 1",
        "nostr_fleet_operator_reconcile_seconds_count 2",
        "nostr_fleet_operator_rotation_seconds_count 1",
        "nostr_fleet_operator_visits_running 1",
        "nostr_fleet_operator_visits_waiting 1",
        "nostr_fleet_operator_visit_wait_seconds_count 1",
        "nostr_fleet_operator_nudges_total{result=\"forbidden\"} 1",
        "nostr_fleet_operator_resources_retrying 3",
        "nostr_fleet_operator_leader 1",
    ] {
        assert!(metrics.text().lines().any(|have| have == line), "{line}");
    }
    drop(running);
    metrics.leader(false);
    assert!(metrics.text().contains("visits_running 0"));
    assert!(metrics.text().contains("operator_leader 0"));
}
