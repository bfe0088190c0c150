//! What one event of about 700 bytes costs on its way in: read, hashed, verified; and what filters cost.

#![allow(missing_docs)] // criterion's macros make undocumented items

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nostr_fleet_relay::{
    sign::Signer,
    wire::{ClientMessage, Event, Filter, FrameLimits, SubscriptionId, Verified, frame, reply},
};
use std::hint::black_box;

const LIMITS: FrameLimits = FrameLimits {
    filters: 50,
    filter_values: 3_000,
    subscription_id_characters: 64,
};

fn text() -> String {
    let author = Signer::from_seed(1);
    let hex = author.public_key().to_string();
    let content =
        "A note of the usual length, with a line\nbreak and a \"quotation\" in it. ".repeat(2);
    author.event(
        1_700_000_000,
        1,
        &[&["e", &hex, "", "root"], &["p", &hex], &["t", "nostr"]],
        &content,
    )
}

fn read(c: &mut Criterion) {
    let text = text();
    let spaced = text.replace(",\"", ", \"");
    let framed = format!("[\"EVENT\",{text}]");
    let mut group = c.benchmark_group("read");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("event", |b| b.iter(|| Event::read(black_box(&text))));
    group.bench_function("event, serialised anew", |b| {
        b.iter(|| Event::read(black_box(&spaced)));
    });
    group.bench_function("frame and event", |b| {
        b.iter(|| match frame::read(black_box(&framed), &LIMITS) {
            Ok(ClientMessage::Event(event)) => Event::read(event),
            _ => unreachable!("the frame is an EVENT"),
        });
    });
    group.finish();
}

fn check(c: &mut Criterion) {
    let text = text();
    let event = Event::read(&text).expect("ours");
    let digit = if text.as_bytes()[7] == b'0' { "1" } else { "0" };
    let mut renamed = text.clone();
    renamed.replace_range(7..8, digit);
    let renamed = Event::read(&renamed).expect("ours");
    let mut group = c.benchmark_group("check");
    for (name, event) in [
        ("hash only (wrong id)", renamed),
        ("hash and verify", event),
    ] {
        group.bench_function(name, |b| {
            b.iter_batched(|| event.clone(), Verified::check, BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn filter(c: &mut Criterion) {
    let event = Event::read(&text()).expect("ours");
    let authors: Vec<String> = (0..200)
        .map(|seed| format!("\"{}\"", Signer::from_seed(seed).public_key()))
        .collect();
    let follows = format!("{{\"kinds\":[1,6],\"authors\":[{}]}}", authors.join(","));
    let filter = Filter::read(&follows).expect("ours");
    let id = SubscriptionId::new("notes");
    c.bench_function("filter of 200 authors/read", |b| {
        b.iter(|| Filter::read(black_box(&follows)));
    });
    c.bench_function("filter of 200 authors/match", |b| {
        b.iter(|| filter.matches(black_box(&event)));
    });
    c.bench_function("reply/event", |b| {
        b.iter(|| reply::event(&id, black_box(event.text())));
    });
}

criterion_group!(benches, read, check, filter);
criterion_main!(benches);
