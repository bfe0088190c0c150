//! What needs a cluster to itself: figures of rotations, and outages. One test at a time, by `make test` or `make e2e`.

mod outage;
mod rotation;
mod scope;
mod shards;
mod size;
