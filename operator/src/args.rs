//! Flags and environment.

use crate::{
    leader::{Seat, election::Terms},
    settings::{Settings, Source},
    telemetry,
};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

/// Kubernetes operator for Nostr relays.
#[derive(Debug, Parser)]
#[command(name = "operator", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch custom resources and keep what belongs to them
    Run(Box<Run>),
    /// Print the CustomResourceDefinitions
    Crds {
        /// Write one file each into this directory instead; may be repeated
        #[arg(long, value_name = "DIR")]
        write: Vec<PathBuf>,
    },
}

/// `operator run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Relay image for resources that name none
    #[arg(long, env = "RELAY_IMAGE", value_name = "IMAGE")]
    pub image: String,
    /// Who may reach public ports of resources that name nobody: CIDRs and names of namespaces
    #[arg(
        long,
        env = "INGRESS_FROM",
        value_name = "CIDR|NAMESPACE",
        value_delimiter = ','
    )]
    pub ingress_from: Vec<Source>,
    /// Namespace whose pods may scrape the ops port
    #[arg(long, env = "MONITORING_NAMESPACE", value_name = "NAMESPACE")]
    pub monitoring_namespace: Option<String>,
    /// Watch only these namespaces
    #[arg(
        long,
        env = "WATCH_NAMESPACE",
        value_name = "NAMESPACE",
        value_delimiter = ','
    )]
    pub watch_namespace: Vec<String>,
    /// The operator's own namespace; its pods may ask the ops port
    #[arg(
        long,
        env = "POD_NAMESPACE",
        value_name = "NAMESPACE",
        default_value = "nostr-fleet-system"
    )]
    pub namespace: String,
    /// Work only while holding a Lease in the own namespace, so that several may run
    #[arg(
        long,
        env = "LEADER_ELECTION",
        value_name = "BOOL",
        default_value_t = true,
        action = ArgAction::Set
    )]
    pub leader_election: bool,
    /// Name of that Lease; operators that watch different namespaces need different ones
    #[arg(
        long,
        env = "LEASE_NAME",
        value_name = "NAME",
        default_value = "nostr-fleet-operator"
    )]
    pub lease_name: String,
    /// Name to hold the Lease under, which no other process has; without it one is made up
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub pod_name: Option<String>,
    /// Address of /livez, /readyz and /metrics
    #[arg(
        long,
        env = "OPS",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:9090"
    )]
    pub ops: SocketAddr,
    /// Least important log lines: error, warn, info, debug, trace, or a filter by module such as info,kube=debug
    #[arg(long, env = "LOG_LEVEL", value_name = "LEVELS", default_value = "info", value_parser = telemetry::levels)]
    pub log_level: String,
    /// How log lines are written
    #[arg(long, env = "LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// An empty variable is none.
fn given(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

impl Run {
    /// Where leaders are elected, if they are.
    pub fn seat(&self) -> Option<Seat> {
        let made_up = || format!("operator-{:016x}", rand::random::<u64>());
        self.leader_election.then(|| Seat {
            namespace: self.namespace.clone(),
            lease: self.lease_name.clone(),
            identity: given(self.pod_name.as_ref()).unwrap_or_else(made_up),
            terms: Terms::default(),
        })
    }

    /// What the pure steps need to know.
    pub fn settings(&self) -> Settings {
        let names = |texts: &[String]| {
            let named = texts.iter().filter(|text| !text.is_empty());
            named.cloned().collect::<BTreeSet<_>>()
        };
        Settings {
            image: self.image.clone(),
            ingress_from: self.ingress_from.clone(),
            monitoring_namespace: given(self.monitoring_namespace.as_ref()),
            namespace: self.namespace.clone(),
            watch_namespaces: names(&self.watch_namespace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(arguments: &[&str]) -> Vec<String> {
        let always = ["operator", "run", "--image=x"];
        let Command::Run(run) = Cli::parse_from(always.iter().chain(arguments)).command else {
            panic!("run was asked for");
        };
        run.settings().watch_namespaces.into_iter().collect()
    }

    #[test]
    fn a_level_that_is_none_is_refused_by_its_name() {
        let run = |level: &str| {
            let flag = format!("--log-level={level}");
            Cli::try_parse_from(["operator", "run", "--image=x", &flag]).map(|_| ())
        };
        run("info,kube=debug").unwrap();
        let said = run("loud").unwrap_err().to_string();
        assert!(
            said.contains("--log-level") && said.contains("\"loud\""),
            "{said}"
        );
    }

    #[test]
    fn namespaces_to_watch_are_a_list_and_an_empty_word_is_none() {
        assert_eq!(watched(&[]), Vec::<String>::new());
        assert_eq!(watched(&["--watch-namespace="]), Vec::<String>::new());
        assert_eq!(watched(&["--watch-namespace=b,a,b"]), ["a", "b"]);
    }
}
