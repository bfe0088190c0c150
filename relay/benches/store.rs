//! What single pieces of the store cost: taking an event in groups of 32, a row of a scan, a look-up by id.
//!
//! `cargo bench --workspace --bench store`. The files lie in `/dev/shm`, so that the figures are CPU and not the disk.
//! Of the writer its thread's CPU time is measured, which a busy machine does not change. `STORE_BENCH_DIR` puts them elsewhere, `STORE_BENCH_EVENTS` changes how many are stored (100,000).
#![allow(
    clippy::unwrap_used,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "a benchmark"
)]

use criterion::{Criterion, Throughput};
use nostr_fleet_relay::{
    sign::Signer,
    store::{Answers, Options, Outcome, SeesAll, Step, Store, Ticket},
    wire::{Event, Filter, Verified},
};
use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{Arc, mpsc},
    time::Duration,
};

const BATCH: u64 = 32;
const NOW: u64 = 1_700_000_000;

struct Counter(mpsc::Sender<usize>);

impl Answers for Counter {
    fn answer(&self, outcomes: &[(u64, Outcome)]) {
        assert!(
            outcomes
                .iter()
                .all(|(_, o)| matches!(o, Outcome::Stored(_)))
        );
        self.0.send(outcomes.len()).unwrap();
    }
}

/// An id as hashes are: no two begin alike.
fn target(n: u64) -> String {
    let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{mixed:016x}").repeat(4)
}

/// Nanoseconds on a CPU of the store's writer thread, from its birth.
fn writer_time() -> Duration {
    let task = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|task| task.unwrap().path())
        .find(|task| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|c| c.trim() == "store-writer")
        })
        .unwrap();
    let stat = std::fs::read_to_string(task.join("schedstat")).unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

struct Author {
    signers: Vec<Signer>,
    made: u64,
}

impl Author {
    fn new() -> Self {
        Self {
            signers: (0..1000).map(Signer::from_seed).collect(),
            made: 0,
        }
    }

    /// Kinds, tags and text lengths about as in public relays; the authors' shares follow Zipf's law.
    fn event(&mut self) -> Verified {
        self.made += 1;
        let n = self.made;
        let random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
        let share = (random % 10_000) as f64 / 10_000.0;
        let author = (1000f64.powf(share) - 1.0).max(0.0) as usize;
        let target = target(random % 5000);
        let friend = self.signers[(random / 7 % 1000) as usize]
            .public_key()
            .to_string();
        let (kind, text): (u16, usize) = match random % 100 {
            0..60 => (1, 300),
            60..96 => (7, 1),
            _ => (1111, 600),
        };
        let tags: [&[&str]; 3] = [&["e", &target], &["p", &friend], &["t", "bench"]];
        let text = "x".repeat(text + (n % 50) as usize);
        let signer = &self.signers[author.min(999)];
        let json = signer.event(NOW + n / 4, kind, &tags, &text);
        Verified::check(Event::read(&json).unwrap()).unwrap()
    }
}

struct Bench {
    store: Store,
    author: Author,
    to: Arc<dyn Answers>,
    answered: mpsc::Receiver<usize>,
}

impl Bench {
    fn batch(&mut self, size: u64) -> Vec<Ticket> {
        (0..size)
            .map(|token| Ticket {
                event: self.author.event(),
                vanish: false,
                token,
                to: self.to.clone(),
            })
            .collect()
    }

    fn put(&self, tickets: Vec<Ticket>) -> Duration {
        let mut left = tickets.len();
        let before = writer_time();
        self.store.submit(tickets);
        while left > 0 {
            left -= self.answered.recv().unwrap();
        }
        writer_time().saturating_sub(before)
    }

    fn rows(&self, filters: &Arc<[Filter]>) -> u64 {
        let mut query = self.store.query(filters.clone(), Arc::new(SeesAll));
        let mut rows = 0;
        let mut bytes = 0;
        loop {
            let step = query.slice(Duration::from_millis(2), &mut |row| {
                rows += 1;
                bytes += row.text().len();
                ControlFlow::Continue(())
            });
            if step.unwrap() != Step::More {
                assert!(bytes > 0 || rows == 0);
                return rows;
            }
        }
    }
}

fn apply(criterion: &mut Criterion, bench: &mut Bench, stored: u64) {
    let mut group = criterion.benchmark_group("apply");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function(format!("batch of 32 at {stored} events"), |bencher| {
        bencher.iter_custom(|times| {
            (0..times)
                .map(|_| {
                    let tickets = bench.batch(BATCH);
                    bench.put(tickets)
                })
                .sum()
        });
    });
    group.finish();
}

fn read(criterion: &mut Criterion, bench: &Bench) {
    let author = bench.author.signers[0].public_key();
    let some = bench.store.query(
        [Filter::read(r#"{"limit":1}"#).unwrap()].into(),
        Arc::new(SeesAll),
    );
    let mut id = None;
    let mut some = some;
    let mut keep = |row: &nostr_fleet_relay::store::Row<'_>| {
        id = Some(row.id());
        ControlFlow::Continue(())
    };
    some.slice(Duration::from_secs(1), &mut keep).unwrap();
    let id = id.unwrap();
    let feed: Vec<String> = (0..50)
        .map(|n| format!("\"{}\"", bench.author.signers[n * 20].public_key()))
        .collect();
    let questions = [
        ("by id", format!(r#"{{"ids":["{id}"]}}"#)),
        (
            "author and kind, 20",
            format!(r#"{{"authors":["{author}"],"kinds":[1],"limit":20}}"#),
        ),
        ("#e", format!(r##"{{"#e":["{}"]}}"##, target(77))),
        (
            "feed of 50 authors, 100",
            format!(
                r#"{{"authors":[{}],"kinds":[1,7],"limit":100}}"#,
                feed.join(",")
            ),
        ),
        ("scan, 500", r#"{"kinds":[1],"limit":500}"#.into()),
    ];
    let mut group = criterion.benchmark_group("query");
    for (name, text) in questions {
        let filters: Arc<[Filter]> = [Filter::read(&text).unwrap()].into();
        group.throughput(Throughput::Elements(bench.rows(&filters)));
        group.bench_function(name, |bencher| bencher.iter(|| bench.rows(&filters)));
    }
    group.bench_function("contains", |bencher| {
        bencher.iter(|| bench.store.contains(&[id]).unwrap());
    });
    group.finish();
}

/// Opens the store once and says how long that took.
fn start(options: &Options, what: &str) {
    let began = std::time::Instant::now();
    let store = Store::open(options.clone()).unwrap();
    let took = began.elapsed();
    println!("{what} with {} events: {took:.2?}", store.status().events);
    store.close();
}

fn main() {
    let dir = std::env::var_os("STORE_BENCH_DIR").map_or_else(|| "/dev/shm".into(), PathBuf::from);
    let stored: u64 = std::env::var("STORE_BENCH_EVENTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000);
    let place = tempfile::tempdir_in(dir).unwrap();
    let options = Options::new(place.path().join("data"), place.path().join("run"));
    let (send, answered) = mpsc::channel();
    let mut bench = Bench {
        store: Store::open(options.clone()).unwrap(),
        author: Author::new(),
        to: Arc::new(Counter(send)),
        answered,
    };
    let mut criterion = Criterion::default()
        .sample_size(10)
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    apply(&mut criterion, &mut bench, 0);
    while bench.author.made < stored {
        let tickets = bench.batch(1024);
        bench.put(tickets);
    }
    apply(&mut criterion, &mut bench, stored);
    read(&mut criterion, &bench);
    criterion.final_summary();
    bench.store.close();
    start(&options, "a clean start");
    std::fs::remove_file(options.dir.join("CLEAN")).unwrap();
    start(&options, "a rebuild");
}
