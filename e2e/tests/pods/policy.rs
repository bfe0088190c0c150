//! NetworkPolicy, seen by probes from pods that may and may not. Left out on a cluster of `E2E_KUBECONFIG`: whether that one enforces policies is
//! not ours to say.

use anyhow::{Result, ensure};
use nostr_fleet_e2e::{
    cluster::Cluster,
    operator::home,
    scene::{Scene, scene},
};
use nostr_fleet_operator::names;
use serde_json::{Value, json};

/// Says why on a cluster that is not the local one.
async fn enforced() -> Result<bool> {
    let local = Cluster::connect().await?.local;
    if !local {
        nostr_fleet_e2e::left_out("only the local cluster is known to enforce NetworkPolicy");
    }
    Ok(local)
}

fn ingress_from(namespace: &str) -> String {
    format!(
        "  network:\n    ingressFrom:\n    - namespaceSelector: {{matchLabels: {{{}: {namespace}}}}}\n",
        names::LABEL_NAMESPACE
    )
}

fn anybody() -> Value {
    json!({"app": "probe"})
}

#[tokio::test]
async fn only_those_named_reach_the_public_port() -> Result<()> {
    if !enforced().await? {
        return Ok(());
    }
    scene("ingress", async |scene| {
        let friends = scene.beside("friends").await?;
        let outcome = public_port(scene, &friends).await;
        friends.close().await?;
        outcome
    })
    .await
}

async fn public_port(scene: &Scene, friends: &Scene) -> Result<()> {
    let relay = scene
        .relay("town", &ingress_from(&friends.namespace))
        .await?;
    let public = relay.public_address().await?;
    ensure!(
        friends.reaches(&anybody(), public).await?,
        "a named namespace must reach the public port"
    );
    ensure!(
        !scene.reaches(&anybody(), public).await?,
        "another namespace must not reach the public port"
    );
    Ok(())
}

#[tokio::test]
async fn nobody_but_the_operator_reaches_the_ops_port() -> Result<()> {
    if !enforced().await? {
        return Ok(());
    }
    scene("ops", async |scene| {
        let friends = scene.beside("friends").await?;
        let outcome = ops_port(scene, &friends).await;
        friends.close().await?;
        outcome
    })
    .await
}

async fn ops_port(scene: &Scene, friends: &Scene) -> Result<()> {
    // Ready proves that the operator reached it: the status says the pod's version
    let relay = scene
        .relay("town", &ingress_from(&friends.namespace))
        .await?;
    let version = relay.wait_until_ready().await?.data["status"]["version"].clone();
    ensure!(
        version.is_string(),
        "the operator must reach the ops port: version is {version}"
    );
    let ops = relay.ops_address().await?;
    let operators = json!({names::LABEL_NAME: names::MANAGER});
    ensure!(
        home(&scene.cluster).reaches(&operators, ops).await?,
        "a pod with the operator's label in its namespace must reach the ops port"
    );
    ensure!(
        !friends.reaches(&anybody(), ops).await?,
        "clients must not reach the ops port"
    );
    ensure!(
        !scene.reaches(&anybody(), ops).await?,
        "neighbours must not reach the ops port"
    );
    let disguised =
        json!({names::LABEL_NAME: "nostr-fleet-operator", names::LABEL_PART_OF: names::PART_OF});
    ensure!(
        !scene.reaches(&disguised, ops).await?,
        "the operator's labels in another namespace must not open the ops port"
    );
    Ok(())
}

#[tokio::test]
async fn a_relay_pod_reaches_nobody() -> Result<()> {
    if !enforced().await? {
        return Ok(());
    }
    scene("egress", async |scene| {
        let relay = scene.relay("town", "").await?;
        let listener = scene.listener(7000).await?;
        let api = scene.api_server_address().await?;
        ensure!(
            scene.reaches(&anybody(), listener).await?,
            "the listener must listen, or this test proves nothing"
        );
        ensure!(
            !scene.reaches_from_inside(&relay.pod(), listener).await?,
            "a neighbour"
        );
        ensure!(
            !scene.reaches_from_inside(&relay.pod(), api).await?,
            "the API server"
        );
        let itself =
            std::net::SocketAddr::from(([127, 0, 0, 1], relay.public_address().await?.port()));
        ensure!(
            scene.reaches_from_inside(&relay.pod(), itself).await?,
            "the probe itself must work inside"
        );
        Ok(())
    })
    .await
}
