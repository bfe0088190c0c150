//! The chart, rendered by helm itself: equal to `config/default`, valid with every option, strict about its values, and described as it is.
//! Needs helm, kubectl and kubeconform, which `e2e/cluster/bins.sh` builds, and no cluster.

mod equal;
mod flux;
mod generated;
mod gitops;
mod matrix;
mod network;
mod options;
mod readme;
mod render;
mod rules;
mod values;
