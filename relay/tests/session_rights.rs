//! Whatever is swapped, proved and published in whatever order: nobody ever gets an event that the rules forbid, and who
//! may see it gets it once. Random sequences against a model of a dozen lines.

#![allow(clippy::unwrap_used)] // a test may end with a panic

mod support;

use proptest::{collection::vec, prelude::*, sample::subsequence};
use std::collections::{BTreeMap, BTreeSet};
use support::*;
use tokio::runtime::Builder;

/// Clients, and authors whose keys they may prove: any of them, in any number.
const CLIENTS: usize = 4;
const AUTHORS: [u64; 4] = [1, 2, 3, 4];
/// Sees everything, and so tells when an event has been passed on to all.
const WITNESS: u64 = 100;

#[derive(Clone, Debug)]
enum Step {
    Swap(State),
    Prove(usize, u64),
    Subscribe(usize),
    /// Author, kind, and whom it names.
    Publish(u64, u16, u64),
}

/// What is configured.
#[derive(Clone, Debug)]
struct State {
    mode: &'static str,
    listed: Vec<u64>,
    banned: Vec<u64>,
    required: &'static str,
}

impl State {
    fn yaml(&self) -> String {
        let keys = |authors: &[u64]| {
            let keys = authors.iter().map(|it| format!("'{}'", pubkey(*it)));
            keys.collect::<Vec<_>>().join(", ")
        };
        let mut listed = self.listed.clone();
        match self.mode {
            "Allow" => listed.push(WITNESS),
            _ => listed.push(WITNESS + 1),
        }
        format!(
            "{{auth: {{required: {}}}, access: {{read: {{mode: {}, pubkeys: [{}]}}, banned: {{pubkeys: [{}]}}}}}}",
            self.required,
            self.mode,
            keys(&listed),
            keys(&self.banned)
        )
    }

    fn may_read(&self, keys: &BTreeSet<u64>) -> bool {
        let listed = keys.iter().any(|key| self.listed.contains(key));
        let banned = keys.iter().any(|key| self.banned.contains(key));
        let known = !keys.is_empty();
        let by_list = match self.mode {
            "Open" => true,
            "Allow" => listed,
            _ => known && !listed,
        };
        let required = matches!(self.required, "Read" | "Always");
        by_list && !banned && (known || !required)
    }
}

/// What a client should know, and what it heard.
#[derive(Default)]
struct Model {
    keys: BTreeSet<u64>,
    open: bool,
    /// Events that it may hear: `true`, that it must.
    may_hear: BTreeMap<String, bool>,
    closed: usize,
    heard: Vec<String>,
    heard_closed: usize,
}

impl Model {
    fn take(&mut self, message: &serde_json::Value) {
        match message[0].as_str().unwrap() {
            "EVENT" => self
                .heard
                .push(message[2]["id"].as_str().unwrap().to_owned()),
            "CLOSED" => self.heard_closed += 1,
            other => panic!("unexpected {other}: {message}"),
        }
    }

    /// The rights changed, or the keys did.
    fn judge(&mut self, state: &State) {
        if self.open && !state.may_read(&self.keys) {
            self.open = false;
            self.closed += 1;
            // What was on its way may have arrived, or not.
            self.may_hear.values_mut().for_each(|must| *must = false);
        }
    }

    fn is_complete(&self) -> bool {
        let misses = |(id, must): (&String, &bool)| *must && !self.heard.contains(id);
        !self.may_hear.iter().any(misses) && self.heard_closed == self.closed
    }
}

fn state() -> impl Strategy<Value = State> {
    let authors = || subsequence(AUTHORS.to_vec(), 0..=3);
    let mode = prop_oneof![Just("Open"), Just("Allow"), Just("Deny")];
    let required = prop_oneof![4 => Just("Never"), 1 => Just("Read"), 1 => Just("Always")];
    let banned = prop_oneof![2 => Just(Vec::new()), 1 => subsequence(AUTHORS.to_vec(), 1)];
    (mode, authors(), banned, required).prop_map(|(mode, listed, banned, required)| State {
        mode,
        listed,
        banned,
        required,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let author = || proptest::sample::select(AUTHORS.to_vec());
    let kind = proptest::sample::select(vec![1, 1, 1059, 20_001, 21_059]);
    prop_oneof![
        2 => state().prop_map(Step::Swap),
        2 => (0..CLIENTS, author()).prop_map(|(client, author)| Step::Prove(client, author)),
        3 => (0..CLIENTS).prop_map(Step::Subscribe),
        5 => (author(), kind, author()).prop_map(|(by, kind, to)| Step::Publish(by, kind, to)),
    ]
}

struct World {
    relay: TestRelay,
    state: State,
    witness: Client,
    clients: Vec<(Client, Model)>,
    number: usize,
}

impl World {
    async fn new() -> Self {
        let state = State {
            mode: "Open",
            listed: Vec::new(),
            banned: Vec::new(),
            required: "Never",
        };
        let relay = TestRelay::configured(&state.yaml());
        let mut witness = relay.connect_as(&[WITNESS]).await;
        witness.stored("w", r#"{"limit":0}"#).await;
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push((relay.connect().await, Model::default()));
        }
        Self {
            relay,
            state,
            witness,
            clients,
            number: 0,
        }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Swap(state) => {
                self.state = state.clone();
                self.relay.swap(&state.yaml());
                for (_, model) in &mut self.clients {
                    model.judge(&self.state);
                }
            }
            Step::Prove(client, author) => {
                let (client, model) = &mut self.clients[*client];
                let auth = client.auth_event(*author);
                client.say(format!(r#"["AUTH",{auth}]"#)).await;
                let ok = answer(client, model, "OK", &id(&auth)).await;
                assert_eq!(ok[2], true, "{ok}");
                model.keys.insert(*author);
                model.judge(&self.state);
            }
            Step::Subscribe(client) => {
                let (client, model) = &mut self.clients[*client];
                // Asked under a name of its own, so that its CLOSED is told from a withdrawal.
                client.say(r#"["CLOSE","s"]"#).await;
                client.say(r#"["REQ","s",{"limit":0}]"#).await;
                model.open = false;
                model.may_hear.values_mut().for_each(|must| *must = false);
                if self.state.may_read(&model.keys) {
                    answer(client, model, "EOSE", "s").await;
                    model.open = true;
                } else {
                    model.closed += 1;
                }
            }
            Step::Publish(author, kind, to) => self.publish(*author, *kind, *to).await,
        }
        self.settle().await;
    }

    /// Waits until everybody heard of what ended: rights that come back before that were never lost.
    async fn settle(&mut self) {
        for (client, model) in &mut self.clients {
            while model.heard_closed < model.closed {
                let message = client.hear().await;
                model.take(&message);
            }
        }
    }

    async fn publish(&mut self, author: u64, kind: u16, to: u64) {
        self.number += 1;
        let (to_key, witness) = (pubkey(to), pubkey(WITNESS));
        let tags: &[&[&str]] = &[&["p", &to_key], &["p", &witness]];
        let event = event(author, kind, tags, &self.number.to_string());
        let id = id(&event);
        self.witness.say(format!(r#"["EVENT",{event}]"#)).await;
        let banned = self.state.banned.contains(&author);
        let mut wanted = if banned {
            vec!["OK"]
        } else {
            vec!["OK", "EVENT"]
        };
        while !wanted.is_empty() {
            let heard = self.witness.hear().await;
            wanted.retain(|verb| heard[0] != *verb);
            if heard[0] == "OK" {
                assert_eq!(
                    (heard[1].as_str(), &heard[2]),
                    (Some(&*id), &(!banned).into())
                );
            }
        }
        let private = matches!(kind, 1059 | 21_059);
        for (_, model) in &mut self.clients {
            let sees = !private || model.keys.contains(&to);
            if model.open && sees && !banned {
                model.may_hear.insert(id.clone(), true);
            }
        }
    }

    async fn end(mut self) {
        for (client, model) in &mut self.clients {
            while !model.is_complete() {
                let message = client.hear().await;
                model.take(&message);
            }
            client.say("ping").await;
            loop {
                let text = client.hear_text().await;
                if text == "pong" {
                    break;
                }
                model.take(&serde_json::from_str(&text).unwrap());
            }
            assert_eq!(model.heard_closed, model.closed);
            let once: BTreeSet<_> = model.heard.iter().collect();
            assert_eq!(once.len(), model.heard.len(), "heard twice");
            for id in &model.heard {
                assert!(model.may_hear.contains_key(id), "forbidden: {id}");
            }
        }
    }
}

/// The answer, whatever else arrives before it.
async fn answer(
    client: &mut Client,
    model: &mut Model,
    verb: &str,
    about: &str,
) -> serde_json::Value {
    loop {
        let message = client.hear().await;
        if message[0] == verb && message[1] == about {
            return message;
        }
        model.take(&message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_gets_what_is_forbidden_and_who_may_see_an_event_gets_it_once(
        steps in vec(step(), 1..40)
    ) {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in &steps {
                world.take(step).await;
            }
            world.end().await;
        });
    }
}
