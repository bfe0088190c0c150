//! The relay: one program, its parts, and the one direction in which they know each other.
//!
//! # The map
//!
//! - [`wire`]: text ↔ meaning. Reads frames, events, filters and addresses strictly, holds the words of every verdict,
//!   writes replies. No I/O, no async. Only here an event becomes [`wire::Verified`].
//! - [`store`]: a log that is the truth, and LMDB as its view. Blocking; knows events and filters, nobody's connection.
//!   Only here a number becomes [`store::Committed`].
//! - [`policy`]: pure judgements of an event: limits, times, work, what is private.
//! - [`role`]: what a role may decide, at the points of one trait; nothing else asks which role it is.
//! - [`hub`]: who hears a committed event: the live index and the fan-out.
//! - [`session`]: one connection, one task, no locks held: EVENT, REQ, COUNT, CLOSE, and what goes out.
//! - [`http`]: the accept loop, the information document, the upgrade; the ops port.
//! - [`cmd`]: the subcommands. `serve` puts everything together; the others are clients ([`client`]) or read a file.
//! - [`allowlist`]: who gets in, from the mounted files: terms and lists of keys, whole or not at all.
//! - Beside them, for all: [`clock`], [`metrics`], [`telemetry`] (log lines), [`drain`] (goodbyes), [`reload`] (the
//!   configuration file), [`mark`] (has a file changed?), [`stream`] (TCP, TLS), [`vitals`] (probes), [`obituary`] (a thread that
//!   died), [`pool`] (threads for work that would
//!   hold up a session), [`sign`] (events of tests and benchmarks).
//!
//! Imports point down only: `cmd → http → session → {policy, role, hub, store} → wire`. There are no globals: each message takes
//! one snapshot of the configuration.
//!
//! # An event's path
//!
//! [`http::accept`] accepts a connection, [`http::upgrade`] makes it a WebSocket, and [`session`] reads it in batches. A text
//! frame is read by [`wire::frame`], an event by [`wire::event`]. What the session can judge alone comes first, then a known id
//! stops here (`duplicate:`), before any signature work. The rest of the batch is verified together on the verify threads;
//! [`policy`] and the [`role`] say whether it is let in. Ephemeral events go straight to the [`hub`]. The others go with a return
//! ticket to the store's writer, where the events of all sessions are decided and written as one group, synced once and
//! committed; the ticket becomes an OK. The hub hears of the commit, finds the live filters that match, and puts one shared text
//! into the outboxes of those who may see it.
//!
//! A REQ registers in the hub, then reads the store in short slices as of one commit number N, newest first; after EOSE it
//! follows live from N + 1: nothing lost, nothing twice. A slice runs only when the outbox has room.
//!
//! # Its life
//!
//! `serve` takes both ports, serves the ops port at once, opens the store (`rebuilding 41 %`), then accepts clients. A
//! changed configuration file swaps in place, and with it the lists of keys. SIGTERM: not ready, no new connections, each client gets its goodbye in its turn,
//! the log is closed.

pub mod allowlist;
pub mod client;
pub mod clock;
pub mod cmd;
pub mod drain;
pub mod http;
pub mod hub;
pub mod mark;
pub mod metrics;
pub mod obituary;
pub mod policy;
pub mod pool;
pub mod reload;
pub mod role;
pub mod session;
pub mod sign;
pub mod store;
pub mod stream;
pub mod telemetry;
pub mod vitals;
pub mod wire;

/// Where the program comes from, as NIP-11 names it.
pub const SOFTWARE: &str = env!("CARGO_PKG_REPOSITORY");
