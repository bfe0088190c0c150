//! The cluster that is tested on.

use crate::script::script;
use anyhow::{Context, Result, bail};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use std::{env, path::PathBuf};

/// A reachable cluster.
#[derive(Clone)]
pub struct Cluster {
    /// Speaks to its API server.
    pub client: Client,
    /// Is it the local one? Then the host has routes to pods and Services, and NetworkPolicy is known to be enforced.
    pub local: bool,
}

impl Cluster {
    /// The cluster of `E2E_KUBECONFIG`, else the local one.
    pub async fn connect() -> Result<Self> {
        let local = variable("E2E_KUBECONFIG").is_none() || variable("E2E_LOCAL").is_some();
        let path = kubeconfig().await?;
        let kubeconfig = Kubeconfig::read_from(&path)
            .with_context(|| format!("no cluster at {}: run `make cluster-up`", path.display()))?;
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        if local {
            config.proxy_url = None; // reached directly, whatever proxy the host uses
        }
        let client = Client::try_from(config)?;
        if let Err(error) = client.apiserver_version().await {
            bail!(
                "the cluster of {} does not answer ({error}): run `make cluster-up`",
                path.display()
            );
        }
        Ok(Self { client, local })
    }

    /// The image that `variable` names.
    pub fn image(variable_name: &str) -> Result<String> {
        variable(variable_name).with_context(|| {
            format!("{variable_name} is not set: run the suite by `make test` or `make e2e`")
        })
    }
}

/// An environment variable that is set and not empty.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where the kubeconfig is: the scripts know, by `NOSTR_FLEET_CACHE`, `CLUSTER_DIR` and the like.
pub async fn kubeconfig() -> Result<PathBuf> {
    Ok(script("cluster/kubeconfig.sh", &[]).await?.trim().into())
}
