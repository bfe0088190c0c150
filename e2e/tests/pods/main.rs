//! The whole path with real pods: apply, serve, change, kill, drain, policies. Needs a cluster with the operator: run by `make test` or `make e2e`.

mod allowlists_page;
mod change;
mod drain;
mod kill;
mod lists;
mod nostr_tools;
mod policy;
mod real_events;
mod revoked;
mod sampled;
mod samples;
mod serve;
mod tls;
