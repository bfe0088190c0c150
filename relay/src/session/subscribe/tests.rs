use super::*;
use crate::{
    clock::SystemClock,
    hub::{Delivery, Recipient},
    metrics::Metrics,
    obituary::Obituaries,
    policy::lists::Rules,
    role::Relay,
    session::{Parts, room::Full},
    sign::Signer,
    store::{Answers, Options, Outcome, Store, Ticket},
    wire::{Event, Verified},
};
use arc_swap::ArcSwap;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn filters(texts: &[&str]) -> Vec<Filter> {
    texts
        .iter()
        .map(|text| Filter::read(text).unwrap())
        .collect()
}

#[test]
fn a_limit_is_clamped_silently_and_an_absent_one_is_the_most() {
    let mut filters = filters(&["{}", r#"{"limit":7}"#, r#"{"limit":501}"#, r#"{"limit":0}"#]);
    clamp(&mut filters, 500);
    let limits: Vec<_> = filters.iter().map(|filter| filter.limit.unwrap()).collect();
    assert_eq!(limits, [500, 7, 500, 0]);
}

#[test]
fn a_few_ids_are_looked_up_in_place_and_everything_else_is_a_scan() {
    let ids = |many: usize| {
        let ids: Vec<_> = (0..many).map(|n| format!("\"{n:064x}\"")).collect();
        format!(r#"{{"ids":[{}]}}"#, ids.join(","))
    };
    assert!(is_look_up(&filters(&[&ids(3), &ids(5)])));
    assert!(!is_look_up(&filters(&[&ids(4), &ids(5)])));
    assert!(!is_look_up(&filters(&[&ids(1), r#"{"kinds":[1]}"#])));
}

#[test]
fn filters_that_ask_for_nothing_stored_are_not_read() {
    let filters = filters(&[
        r#"{"limit":0}"#,
        r#"{"ids":[]}"#,
        r#"{"kinds":[1],"limit":1}"#,
    ]);
    assert_eq!(with_stored_events(&filters).len(), 1);
}

/// The subscriptions of a session whose store holds `events` events.
fn subscriptions(dir: &std::path::Path, events: u64) -> (Subscriptions, Arc<Mailbox>) {
    let store = Store::open(Options::new(dir.join("data"), dir)).unwrap();
    let shared = Shared::start(Parts {
        store: store.clone(),
        hot: Arc::default(),
        rules: Arc::new(ArcSwap::from_pointee(Rules::open())),
        role: Arc::new(Relay),
        clock: Arc::new(SystemClock),
        metrics: Arc::new(Metrics::new()),
        obituaries: Obituaries::default(),
    });
    let mailbox = Mailbox::new(Arc::new(Recipient::new(Arc::new(Relay))), CLIENT);
    let mut open = Subscriptions::new(shared.unwrap(), Arc::clone(&mailbox), CLIENT);
    let live = filters(&[r#"{"limit":0}"#]);
    open.begin(SubscriptionId::new("s"), live, &mut Outbox::default());
    let ticket = |token: u64| Ticket {
        event: note(&token.to_string()),
        vanish: false,
        token,
        to: Arc::new(Nobody),
    };
    store.submit((0..events).map(ticket).collect());
    while store.committed().get() < events {
        std::thread::yield_now();
    }
    (open, mailbox)
}

struct Nobody;

impl Answers for Nobody {
    fn answer(&self, _outcomes: &[(u64, Outcome)]) {}
}

fn note(content: &str) -> Verified {
    let text = Signer::from_seed(1).event(1, 1, &[], content);
    Verified::check(Event::read(&text).unwrap()).unwrap()
}

fn lost(subscriptions: &Subscriptions, first: Option<u64>) -> Taken {
    Taken {
        deliveries: Vec::new(),
        lost: vec![Lost {
            subscription: subscriptions.open[0].key,
            first: first.map(Committed::resume),
            ephemeral: 2,
        }],
    }
}

/// What the client gets once the log was read.
fn refilled(subscriptions: &mut Subscriptions, mailbox: &Mailbox) -> Vec<String> {
    let mut outbox = Outbox::default();
    subscriptions.start_slices(&mut outbox);
    let letter = loop {
        if let Some(letter) = mailbox.take().pop() {
            break letter;
        }
    };
    let Letter::Scanned(scan) = letter else {
        panic!("not a slice");
    };
    subscriptions.scanned(scan, &mut outbox);
    let mut contents = Vec::new();
    while let Some((frame, _)) = outbox.next(subscriptions) {
        let text = frame.into_text().unwrap();
        contents.push(text.split(r#""content":""#).nth(1).unwrap()[..1].to_owned());
    }
    contents
}

#[test]
fn a_reader_that_was_flooded_gets_what_was_lost_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (mut subscriptions, mailbox) = subscriptions(dir.path(), 3);
    let mut outbox = Outbox::default();
    let taken = lost(&subscriptions, Some(1));
    assert_eq!(subscriptions.deliver(taken, &mut outbox), Ok(()));
    assert_eq!(refilled(&mut subscriptions, &mailbox), ["0", "1", "2"]);
    assert!(subscriptions.open[0].catching_up.is_none());
}

#[test]
fn a_quiet_subscription_that_was_flooded_does_not_read_the_log_from_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let (mut subscriptions, mailbox) = subscriptions(dir.path(), 3);
    let taken = lost(&subscriptions, Some(3));
    assert_eq!(subscriptions.deliver(taken, &mut Outbox::default()), Ok(()));
    assert_eq!(refilled(&mut subscriptions, &mailbox), ["2"]);
}

#[test]
fn what_was_put_down_before_a_loss_comes_from_the_log_too_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut subscriptions, mailbox) = subscriptions(dir.path(), 3);
    let mut taken = lost(&subscriptions, Some(3));
    taken.deliveries.push(Delivery {
        subscription: subscriptions.open[0].key,
        number: Some(Committed::resume(2)),
        event: note("1"),
    });
    assert_eq!(subscriptions.deliver(taken, &mut Outbox::default()), Ok(()));
    assert_eq!(refilled(&mut subscriptions, &mailbox), ["1", "2"]);
}

#[test]
fn lost_ephemeral_events_are_counted_and_the_log_is_not_read_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let (mut subscriptions, mailbox) = subscriptions(dir.path(), 1);
    let taken = lost(&subscriptions, None);
    assert_eq!(subscriptions.deliver(taken, &mut Outbox::default()), Ok(()));
    assert!(subscriptions.open[0].catching_up.is_none());
    let taken = lost(&subscriptions, Some(1));
    assert_eq!(subscriptions.deliver(taken, &mut Outbox::default()), Ok(()));
    let key = subscriptions.open[0].key;
    let catching_up = subscriptions.open[0].catching_up.as_mut().unwrap();
    catching_up.missed = true;
    catching_up.keep(Delivery {
        subscription: key,
        number: None,
        event: note("ephemeral"),
    });
    assert_eq!(refilled(&mut subscriptions, &mailbox), ["0"]);
    assert_eq!(subscriptions.shared.metrics.ephemeral_lost.get(), 2 + 2 + 1);
}

#[test]
fn a_reader_that_was_flooded_and_does_not_read_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let (mut subscriptions, _mailbox) = subscriptions(dir.path(), 0);
    let mut outbox = Outbox::default();
    outbox.live(Delivery {
        subscription: subscriptions.open[0].key,
        number: None,
        event: note(&"x".repeat(OUTBOX_BYTES)),
    });
    let taken = lost(&subscriptions, Some(1));
    assert_eq!(subscriptions.deliver(taken, &mut outbox), Err(SlowReader));
}

/// What a client hears who begins a subscription.
fn begin(open: &mut Subscriptions, id: &str, filter: &str) -> String {
    let mut outbox = Outbox::default();
    let live = filters(&[filter]);
    open.begin(SubscriptionId::new(id), live, &mut outbox);
    let (heard, _) = outbox.next(open).expect("an answer");
    heard.into_text().unwrap().to_string()
}

#[test]
fn whose_address_has_its_share_of_filters_opens_no_more_until_some_are_closed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut open, _) = subscriptions(dir.path(), 0);
    let rooms = Arc::clone(&open.shared.rooms);
    let Err(Full::Address(most)) = rooms.take(CLIENT, 1 << 40, (1, 100)) else {
        panic!("nobody has so much");
    };
    let elsewhere = rooms.take(CLIENT, most - rooms.in_use(), (1, 100)).unwrap();
    let kinds: Vec<String> = (0..FREE).map(|kind| kind.to_string()).collect();
    let many = format!(r#"{{"kinds":[{}],"limit":0}}"#, kinds.join(","));
    let heard = begin(&mut open, "more", &many);
    assert!(
        heard.starts_with(
            r#"["CLOSED","more","rate-limited: the filters of all subscriptions and counts from your address"#
        ),
        "{heard}"
    );
    let few = begin(&mut open, "few", r#"{"limit":0}"#);
    assert!(
        few.starts_with(r#"["EOSE","few""#),
        "the first few are everybody's: {few}"
    );
    drop(elsewhere);
    assert!(begin(&mut open, "more", &many).starts_with(r#"["EOSE","more""#));
    drop(open);
    assert_eq!(rooms.in_use(), 0, "what is closed takes no room");
}
