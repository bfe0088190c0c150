//! The operator: watches custom resources and keeps the objects that make them true.
//!
//! [`api`] holds the custom resources, [`kinds`] what differs between them. [`reconcile`] is the pipeline that runs for
//! one resource whenever something about it changes: *gather* reads what the resource points at and what is there,
//! *validate* makes a plan of it or says why not, [`build`] makes the objects, *apply* writes them and removes what is no
//! longer wanted, *report* says how they fare. gather and apply talk to the cluster, the rest is pure.
//!
//! [`run`] starts the visits that [`watches`] call for and the admin port ([`admin`]); of several operators one works, as [`leader`] says. [`pods`] asks pods how they are, [`events`] turns
//! changed conditions into events, [`settings`] is what the operator was started with, [`names`] holds every name, label
//! and annotation key.
//!
//! Lists of keys come from ConfigMaps of users: `reconcile::{sources, allowlist, standing}` merge them or keep the last
//! good ones, `reconcile::nudge` sees to it that pods have them in a second.
//!
//! Rules: a refusal applies nothing; everything is applied every time, with server-side apply; nothing waits inside a
//! visit; no Secret is ever read.

pub mod admin;
pub mod api;
pub mod args;
pub mod build;
pub mod events;
pub mod kinds;
pub mod leader;
pub mod metrics;
pub mod names;
pub mod pods;
pub mod reconcile;
pub mod run;
pub mod settings;
pub mod telemetry;
pub mod watches;
