//! The figures, as a table for people and as JSON for machines: the same names and the same numbers in both.

use super::{Target, publisher::quantile_ms, verification};
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use std::{fmt::Write, thread};

/// One measurement: rows of named figures.
#[derive(Clone, Debug)]
pub struct Report {
    url: String,
    seed: u32,
    verification_us: f64,
    rows: Vec<(&'static str, Row)>,
}

/// One row, in the order in which it is shown.
#[derive(Clone, Debug, Default)]
pub struct Row(Vec<(&'static str, Value)>);

impl Row {
    /// A word or a count.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// A figure with so many decimals.
    #[must_use]
    pub fn figure(self, name: &'static str, value: f64, decimals: i32) -> Self {
        if decimals == 0 {
            return self.with(name, value.round() as i64);
        }
        let scale = 10_f64.powi(decimals);
        self.with(name, (value * scale).round() / scale)
    }

    /// A figure that is known only where the server's process is.
    #[must_use]
    pub fn known(self, name: &'static str, value: Option<f64>, decimals: i32) -> Self {
        match value {
            Some(value) => self.figure(name, value, decimals),
            None => self.with(name, Value::Null),
        }
    }

    /// Half of the latencies, and all but one in a hundred, are at most so many ms.
    #[must_use]
    pub fn quantiles(self, [half, most]: [&'static str; 2], latency: &Histogram<u64>) -> Self {
        self.figure(half, quantile_ms(latency, 0.5), 2)
            .figure(most, quantile_ms(latency, 0.99), 2)
    }

    /// This row's figures, then another's.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    fn object(&self) -> Value {
        let pair = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
        Value::Object(self.0.iter().map(pair).collect::<Map<_, _>>())
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }
}

impl Report {
    /// An empty one. Measures one Schnorr verification, before the relay has anything to do.
    pub fn new(target: &Target) -> Self {
        Self {
            url: target.url.to_string(),
            seed: target.seed,
            verification_us: verification::micros(),
            rows: Vec::new(),
        }
    }

    /// CPU µs of one Schnorr verification on this machine, by one thread, in this build.
    pub fn verification_us(&self) -> f64 {
        self.verification_us
    }

    /// Adds a row to the measurement called `bench`, and tells standard error that it is done.
    pub fn add(&mut self, bench: &'static str, row: Row) {
        eprintln!("{bench}: {}", row.object());
        self.rows.push((bench, row));
    }

    /// The JSON document.
    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|(bench, row)| {
            let mut object = row.object();
            object["bench"] = Value::from(*bench);
            object
        });
        json!({
            "url": self.url,
            "seed": self.seed,
            "cpus": thread::available_parallelism().map_or(0, usize::from),
            "verification_us": (self.verification_us * 10.0).round() / 10.0,
            "rows": rows.collect::<Vec<_>>(),
        })
    }

    /// The table.
    pub fn table(&self) -> String {
        let unit = self.verification_us;
        let mut text = format!("{} · one Schnorr verification: {unit:.1} µs\n", self.url);
        let mut rest = &self.rows[..];
        while let Some((bench, first)) = rest.first() {
            let alike = |other: &&(_, Row)| first.names().eq(other.1.names());
            let group = rest.iter().take_while(alike).count();
            let head = first.names().map(str::to_owned).collect();
            let cells = |(_, row): &(_, Row)| row.0.iter().map(|(_, value)| show(value)).collect();
            let _ = writeln!(text, "\n{bench}");
            let rows: Vec<_> = std::iter::once(head)
                .chain(rest[..group].iter().map(cells))
                .collect();
            columns(&mut text, &rows);
            rest = &rest[group..];
        }
        text
    }

    /// Table to standard output; with `json` the document there, and the table to standard error.
    pub fn print(&self, json: bool) {
        if json {
            eprintln!("\n{}", self.table());
            println!("{:#}", self.json());
        } else {
            println!("\n{}", self.table());
        }
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn columns(text: &mut String, rows: &[Vec<String>]) {
    let count = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..count)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:>width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_and_json_hold_the_same_figures() {
        let mut report = Report {
            url: "ws://x/".into(),
            seed: 1,
            verification_us: 40.04,
            rows: Vec::new(),
        };
        let row = |n: u64| {
            Row::default()
                .with("connections", n)
                .figure("ok_p50_ms", 1.2345, 2)
                .known("cpu_s", None, 1)
        };
        report.add("ingest", row(1));
        report.add("ingest", row(64));
        report.add("paced", Row::default().with("events", 7));
        let table = report.table();
        assert!(
            table.contains(
                "connections  ok_p50_ms  cpu_s\n          1       1.23      –\n         64"
            ),
            "{table}"
        );
        assert!(table.contains("\npaced\nevents\n     7\n"), "{table}");
        let json = report.json();
        assert_eq!(json["rows"][1]["connections"], 64);
        assert_eq!(json["rows"][0]["ok_p50_ms"], 1.23);
        assert!(json["rows"][0]["cpu_s"].is_null());
        assert_eq!(json["rows"][2]["bench"], "paced");
    }
}
