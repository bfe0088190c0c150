//! What becomes of a batch of EVENTs and AUTHs: looked at together on a verify thread, in the order in which they came.
//! Cheap first; who fails a step is answered there, and costs nothing more:
//!
//! 1. read strictly (NIP-01): `invalid:`
//! 2. must somebody who proved no key be silent here (`auth.required`)? `auth-required:`
//! 3. the policies, in the order of [`policy::check`]: kinds, limits, time, work, reposts, requests to vanish
//! 4. a protected event comes from its author (NIP-70): `auth-required:`, `restricted:`
//! 5. an id that is stored already, and that this client may read, stops here: `duplicate:`. Of what it may not read it learns
//!    nothing by an id: the event goes on, and only its author's signature makes the writer say so
//! 6. the lists, with the keys that were proved before the event: `auth-required:`, `restricted:`, `blocked:`
//! 7. hash and signature: `invalid:`. Only now it costs cryptography
//! 8. the kinds of step 3 and step 6 once more, if lists or configuration were swapped meanwhile
//! 9. the role, which stores it, passes it on or refuses it; what is stored has its answer from the writer (`store/decide.rs`)
//!
//! An AUTH is read in step 1 and checked at once ([`auth`]): it counts for what comes after it, in this batch too.

use super::{
    auth,
    mailbox::{Letter, Mailbox},
    publish::{Incoming, Verb},
    refusals::Asked,
    rights::WriteRights,
    shared::Shared,
    turns::Place,
};
use crate::{
    hub::{Held, Hub, Keys, cost},
    metrics::AuthFailure,
    policy,
    role::Answer,
    store::{Answers, Outcome, Ticket},
    wire::{Event, EventId, PublicKey, Unreadable, Verdict, Verified, kind, reply},
};
use std::{borrow::Borrow, sync::Arc};
use tokio::sync::OwnedSemaphorePermit;

/// What became of a batch on the verify thread: the answers that are certain already.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) answers: Vec<(Place, String)>,
    /// The client proved a key: what it may read must be judged again.
    pub(super) proved: bool,
}

/// What the writer decided about one event.
pub(super) struct Decided {
    pub(super) place: Place,
    pub(super) id: EventId,
    pub(super) outcome: Outcome,
}

impl Decided {
    /// The OK frame, counted.
    pub(super) fn answer(&self, shared: &Shared, mailbox: &Mailbox) -> String {
        let (accepted, verdict) = self.outcome.words();
        if self.outcome == Outcome::Duplicate {
            shared.metrics.duplicates.inc();
        } else if !accepted {
            shared.metrics.rejected(&verdict);
            mailbox.refused(shared, Asked::Event, &verdict);
        }
        reply::ok(&self.id, accepted, &verdict)
    }
}

/// An event that nobody has objected to yet.
struct Candidate<E> {
    place: Place,
    event: E,
    /// How many keys were proved when it came.
    proved: usize,
}

/// A batch under way.
struct Batch<'a> {
    shared: &'a Shared,
    mailbox: &'a Arc<Mailbox>,
    /// Proved so far, in this batch too.
    keys: Keys,
    judged: Judged,
}

/// Looks at a batch: answers what is certain, hands the rest to the writer or the hub.
pub(super) fn judge(
    incoming: &[Incoming],
    shared: &Shared,
    mailbox: &Arc<Mailbox>,
    permit: OwnedSemaphorePermit,
) {
    let promise = mailbox.promise();
    let mut batch = Batch {
        shared,
        mailbox,
        keys: mailbox.recipient.keys(),
        judged: Judged::default(),
    };
    let rights = WriteRights::now(shared);
    let read = batch.read(incoming, &rights);
    let new = batch.leave_out_known(read);
    let admitted = batch.admit(new, &rights);
    let mut verified = batch.verify(admitted);
    if rights.are_old(shared) {
        verified = batch.admit(verified, &WriteRights::now(shared));
    }
    batch.hand_over(verified, permit);
    promise.keep(Letter::Judged(batch.judged));
}

impl Batch<'_> {
    /// Steps 1 to 4; AUTHs are answered.
    fn read(&mut self, incoming: &[Incoming], rights: &WriteRights) -> Vec<Candidate<Event>> {
        let mut candidates = Vec::with_capacity(incoming.len());
        for incoming in incoming {
            let place = incoming.place;
            match (Event::read(incoming.text()), incoming.verb) {
                (Ok(event), Verb::Event) => {
                    self.shared.metrics.received(event.kind());
                    match rights.check(&event, &self.keys) {
                        Ok(()) => candidates.push(Candidate {
                            place,
                            event,
                            proved: self.keys.len(),
                        }),
                        Err(verdict) => self.refuse(place, &event.id(), &verdict),
                    }
                }
                (Ok(event), Verb::Auth) => self.authenticate(place, event, rights),
                (Err(unreadable), verb) => self.unreadable(place, &unreadable, verb),
            }
        }
        candidates
    }

    fn authenticate(&mut self, place: Place, event: Event, rights: &WriteRights) {
        let id = event.id();
        let asked = auth::Asked {
            challenge: self.mailbox.challenge,
            url: rights.hot.url.as_deref(),
            now: rights.now,
        };
        let proved = asked.check(event).and_then(|key| self.prove(key));
        let answer = match proved {
            Ok(()) => reply::ok(&id, true, &Verdict::NONE),
            Err((failure, verdict)) => {
                self.shared.metrics.auth_failed(failure);
                self.mailbox.refused(self.shared, Asked::Auth, &verdict);
                reply::ok(&id, false, &verdict)
            }
        };
        self.judged.answers.push((place, answer));
    }

    fn prove(&mut self, key: PublicKey) -> Result<(), (AuthFailure, Verdict)> {
        if self.keys.contains(&key) {
            return Ok(());
        }
        if self.keys.len() >= auth::MOST {
            let most = auth::MOST;
            let verdict = Verdict::rate_limited(format!("at most {most} keys per connection"));
            return Err((AuthFailure::Keys, verdict));
        }
        self.mailbox.recipient.prove(key);
        self.keys = self.mailbox.recipient.keys();
        self.judged.proved = true;
        Ok(())
    }

    fn unreadable(&mut self, place: Place, unreadable: &Unreadable, verb: Verb) {
        let verdict = &unreadable.verdict;
        let asked = match verb {
            Verb::Event => {
                self.shared.metrics.rejected(verdict);
                Asked::Event
            }
            Verb::Auth => {
                self.shared.metrics.auth_failed(AuthFailure::Malformed);
                Asked::Auth
            }
        };
        self.mailbox.refused(self.shared, asked, verdict);
        let answer = unreadable.id.as_ref().map_or_else(
            || reply::notice(verdict),
            |id| reply::ok(id, false, verdict),
        );
        self.judged.answers.push((place, answer));
    }

    /// Which of these are stored and may be read by this client: whatever else it claims about them is as good as a REQ for
    /// their ids. When the look-up fails nothing is known: the writer looks again, and says what is wrong.
    fn known(&self, ids: &[EventId]) -> Vec<bool> {
        if self.shared.may_read(&self.keys).is_err() {
            return Vec::new();
        }
        let known = self.shared.store.shows(ids, &*self.mailbox.recipient);
        known.unwrap_or_default()
    }

    /// Step 5, before any signature work: a look-up costs a fiftieth of it.
    fn leave_out_known(&mut self, events: Vec<Candidate<Event>>) -> Vec<Candidate<Event>> {
        if events.is_empty() {
            return events;
        }
        let ids: Vec<_> = events.iter().map(|it| it.event.id()).collect();
        let known = self.known(&ids);
        let mut new = Vec::with_capacity(events.len());
        for (number, candidate) in events.into_iter().enumerate() {
            if known.get(number) == Some(&true) {
                let known = Decided {
                    place: candidate.place,
                    id: candidate.event.id(),
                    outcome: Outcome::Duplicate,
                };
                let answer = known.answer(self.shared, self.mailbox);
                self.judged.answers.push((known.place, answer));
            } else {
                new.push(candidate);
            }
        }
        new
    }

    /// Steps 6 and 8.
    fn admit<E: Borrow<Event>>(
        &mut self,
        events: Vec<Candidate<E>>,
        rights: &WriteRights,
    ) -> Vec<Candidate<E>> {
        let mut admitted = Vec::with_capacity(events.len());
        for candidate in events {
            let event = candidate.event.borrow();
            let keys = self.keys.get(..candidate.proved).unwrap_or_default();
            match rights.judge(event, keys) {
                Ok(()) => admitted.push(candidate),
                Err(verdict) => self.refuse(candidate.place, &event.id(), &verdict),
            }
        }
        admitted
    }

    /// Step 7.
    fn verify(&mut self, events: Vec<Candidate<Event>>) -> Vec<Candidate<Verified>> {
        let mut verified = Vec::with_capacity(events.len());
        for candidate in events {
            let (place, proved) = (candidate.place, candidate.proved);
            match Verified::check(candidate.event) {
                Ok(event) => verified.push(Candidate {
                    place,
                    event,
                    proved,
                }),
                Err(invalid) => self.refuse(place, &invalid.id, &invalid.verdict),
            }
        }
        verified
    }

    /// Step 9: stored events to the writer with a return ticket, ephemeral ones to the hub.
    fn hand_over(&mut self, events: Vec<Candidate<Verified>>, mut permit: OwnedSemaphorePermit) {
        let (mut passed_on, mut stored) = (Vec::new(), Vec::new());
        for Candidate { place, event, .. } in events {
            match self.shared.role.answer(&event) {
                Answer::Store => stored.push((place, apart(&event, &mut permit), event)),
                Answer::FanOut => {
                    let ok = reply::ok(&event.id(), true, &Verdict::NONE);
                    self.judged.answers.push((place, ok));
                    passed_on.push(event);
                }
                Answer::Refuse(verdict) => self.refuse(place, &event.id(), &verdict),
            }
        }
        let held = Arc::new(permit);
        if !passed_on.is_empty() {
            self.shared.hub.pass_on(passed_on, Arc::clone(&held));
        }
        if !stored.is_empty() {
            self.submit(stored, held);
        }
    }

    fn submit(&self, events: Vec<(Place, Option<Held>, Verified)>, held: Held) {
        let together = events.iter().filter(|(_, apart, _)| apart.is_none());
        let together = together.map(|(place, _, event)| (*place, event.id()));
        let all = self.answers(together.collect(), held);
        let hot = self.shared.hot.load();
        let (url, mut tokens) = (hot.url.as_deref(), 0..);
        let tickets = events.into_iter().map(|(place, apart, event)| {
            let (token, to) = match apart {
                Some(held) => (0, self.answers(vec![(place, event.id())], held)),
                None => (tokens.next().unwrap_or(u64::MAX), Arc::clone(&all)),
            };
            Ticket {
                vanish: policy::vanish::names_us(&event, url),
                event,
                token,
                to,
            }
        });
        self.shared.store.submit(tickets.collect());
    }

    fn answers(&self, tickets: Vec<(Place, EventId)>, held: Held) -> Arc<dyn Answers> {
        Arc::new(Return {
            mailbox: Arc::clone(self.mailbox),
            hub: self.shared.hub.clone(),
            tickets,
            held,
        })
    }

    fn refuse(&mut self, place: Place, id: &EventId, verdict: &Verdict) {
        self.shared.metrics.rejected(verdict);
        self.mailbox.refused(self.shared, Asked::Event, verdict);
        let answer = reply::ok(id, false, verdict);
        self.judged.answers.push((place, answer));
    }
}

/// What a request that may take the writer long holds of the flow by itself: the rest of its batch is free without it.
fn apart(event: &Verified, permit: &mut OwnedSemaphorePermit) -> Option<Held> {
    let is_long = [kind::DELETION, kind::VANISH].contains(&event.kind());
    let own = is_long.then(|| permit.split(cost(event.text().len()) as usize));
    own.flatten().map(Arc::new)
}

/// The return ticket of a batch, or of one event: which event each token means. What was held of the flow is free again when its last
/// ticket is gone and what was stored was passed on.
struct Return {
    mailbox: Arc<Mailbox>,
    hub: Hub,
    tickets: Vec<(Place, EventId)>,
    held: Held,
}

impl Answers for Return {
    fn answer(&self, outcomes: &[(u64, Outcome)]) {
        let decided = outcomes.iter().filter_map(|(token, outcome)| {
            let (place, id) = *self.tickets.get(usize::try_from(*token).ok()?)?;
            Some(Decided {
                place,
                id,
                outcome: *outcome,
            })
        });
        self.mailbox.leave(Letter::Decided(decided.collect()));
        let is_stored = |(_, outcome): &(u64, Outcome)| matches!(outcome, Outcome::Stored(_));
        if outcomes.iter().any(is_stored) {
            self.hub.hold(Arc::clone(&self.held));
        }
    }
}
