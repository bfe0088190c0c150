//! Helpers for tests with a real Kubernetes and real pods. A test reads like what a user does: apply YAML, wait for a condition, dial, look.
//!
//! - [`cluster`]: the cluster that is tested on, local or that of `E2E_KUBECONFIG`
//! - [`scene`]: one test's namespace: made, used, deleted; tells what stood there when the test failed
//! - [`objects`]: apply YAML, read objects, wait for conditions
//! - [`pods`]: find, kill, delete, read logs
//! - [`relay`]: one `NostrRelay` and the way to its socket
//! - [`status`]: what a resource's status says, and what its pod says
//! - [`socket`]: a WebSocket client that speaks NIP-01 and NIP-42
//! - [`script`]: the scripts of `e2e/`
//! - [`tls`]: a private CA, and a client that trusts it
//! - [`lists`]: lists of keys in ConfigMaps, and the hash that they must get
//! - [`club`]: a relay for members only, and its visitors
//! - [`shards`]: what the operator wrote for it, written by hand, or held back
//! - [`authors`]: two authors on one connection, for the demo
//! - [`operator`]: the installed operator: who leads, other values, gone for a while
//! - [`audit`]: what it asked of the API server
//! - [`figures`]: what a suite measures and prints
//! - [`probe`]: can this pod reach that port? Asked from pods of ours and from inside a relay's own pod
//! - [`events`]: signed events, and the file that `EVENTS` names
//! - [`schema`]: JSON schemas of CRDs and of core kinds, for kubeconform
//!
//! The binary `probe` is what probing pods run: images here have no shell.

pub mod audit;
pub mod authors;
pub mod club;
pub mod cluster;
pub mod events;
pub mod figures;
pub mod lists;
pub mod objects;
pub mod operator;
pub mod pods;
pub mod probe;
pub mod relay;
pub mod scene;
pub mod schema;
pub mod script;
pub mod shards;
pub mod socket;
pub mod status;
pub mod tls;

/// Says that a test is left out and why. Past libtest, which keeps what passing tests print to itself.
pub fn left_out(why: &str) {
    use std::io::Write;
    // A terminal that is gone must not fail the suite.
    let _ = writeln!(std::io::stderr(), "left out: {why}");
}
