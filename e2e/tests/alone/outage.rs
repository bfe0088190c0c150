//! What fails around a rotation delays it, and never opens or shuts the door.

use anyhow::{Result, ensure};
use nostr::prelude::Keys;
use nostr_fleet_e2e::{
    club::Club,
    cluster::Cluster,
    events::keys,
    figures::figure,
    objects::eventually,
    operator::{home, leader, without_operator},
    scene::{Scene, scene},
};
use std::time::{Duration, Instant};
use tokio::{process::Command, time::sleep};

/// An outage may last, and what it held up be done after it.
const PATIENCE: Duration = Duration::from_secs(90);

struct People {
    stays: Keys,
    goes: Keys,
    comes: Keys,
    stranger: Keys,
}

impl People {
    fn new() -> Self {
        Self {
            stays: keys(50),
            goes: keys(51),
            comes: keys(52),
            stranger: keys(53),
        }
    }

    fn before(&self) -> [&Keys; 2] {
        [&self.stays, &self.goes]
    }

    fn after(&self) -> [&Keys; 2] {
        [&self.stays, &self.comes]
    }
}

/// Everybody is judged by the list of before, or by that of after.
async fn door(club: &Club<'_>, people: &People, rotated: bool) -> Result<()> {
    let rights = [
        (&people.stays, true),
        (&people.goes, !rotated),
        (&people.comes, rotated),
        (&people.stranger, false),
    ];
    for (keys, accepted) in rights {
        club.enter(keys).await?.is_judged(accepted).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_list_that_changes_while_no_operator_runs_is_applied_when_it_is_back() -> Result<()> {
    scene("no-operator", async |scene| {
        let people = People::new();
        let club = scene.club(&people.before()).await?;
        let mut open = club.enter(&people.goes).await?;
        let hash = without_operator(&scene.cluster, async || {
            let hash = club.admit(&people.after()).await?;
            sleep(Duration::from_secs(2)).await;
            door(&club, &people, false).await?;
            Ok(hash)
        })
        .await?;
        let began = Instant::now();
        club.until_applied(&hash, PATIENCE).await?;
        figure(&format!(
            "operator back to applied 1/1: {:.1} s",
            began.elapsed().as_secs_f32()
        ));
        open.is_judged(false).await?;
        door(&club, &people, true).await
    })
    .await
}

#[tokio::test]
async fn the_leading_operator_deleted_during_a_rotation_leaves_it_to_the_one_that_stood_by()
-> Result<()> {
    scene("leader-goes", async |scene| {
        let people = People::new();
        let club = scene.club(&people.before()).await?;
        let mut open = club.enter(&people.goes).await?;
        let home = home(&scene.cluster);
        let first = leader(&home).await?;
        let hash = club.admit(&people.after()).await?;
        let began = Instant::now();
        home.delete_pod(&first).await?;
        club.until_applied(&hash, PATIENCE).await?;
        figure(&format!(
            "rotation with the leading operator deleted meanwhile: {:.1} s",
            began.elapsed().as_secs_f32()
        ));
        let another = async || {
            let now = leader(&home).await?;
            Ok((now != first).then_some(()))
        };
        eventually("another pod to lead", PATIENCE, another).await?;
        open.is_judged(false).await?;
        door(&club, &people, true).await?;
        // Whoever leads now does the next rotation.
        let hash = club.admit(&people.before()).await?;
        club.until_applied(&hash, PATIENCE).await?;
        door(&club, &people, false).await
    })
    .await
}

#[tokio::test]
async fn an_operator_killed_during_a_rotation_does_it_when_it_is_back() -> Result<()> {
    scene("leader-dies", async |scene| {
        let people = People::new();
        let club = scene.club(&people.before()).await?;
        let home = home(&scene.cluster);
        let first = leader(&home).await?;
        let hash = club.admit(&people.after()).await?;
        let began = Instant::now();
        let killed = home.kill_pod(&first).await?;
        club.until_applied(&hash, PATIENCE).await?;
        figure(&format!(
            "rotation with the leading operator killed meanwhile: {:.1} s",
            began.elapsed().as_secs_f32()
        ));
        door(&club, &people, true).await?;
        if scene.cluster.local {
            home.wait_for_successor(&first, &killed).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_pod_killed_during_a_rotation_comes_back_with_the_new_list_and_never_lets_a_stranger_in()
-> Result<()> {
    scene("pod-dies", async |scene| {
        let people = People::new();
        let club = scene.club(&people.before()).await?;
        let hash = club.admit(&people.after()).await?;
        let killed = scene.kill_pod(&club.relay.pod()).await?;
        tokio::select! {
            outcome = club.until_applied(&hash, PATIENCE) => drop(outcome?),
            let_in = no_stranger_gets_in(&club, &people.stranger) => let_in?,
        }
        scene.wait_for_successor(&club.relay.pod(), &killed).await?;
        club.until_applied(&hash, PATIENCE).await?;
        door(&club, &people, true).await
    })
    .await
}

/// Tries again and again; ends only when the stranger was let in.
async fn no_stranger_gets_in(club: &Club<'_>, stranger: &Keys) -> Result<()> {
    loop {
        let trial = async { club.enter(stranger).await?.publish().await };
        let verdict = tokio::time::timeout(Duration::from_secs(1), trial).await;
        if let Ok(Ok(verdict)) = verdict {
            ensure!(!verdict.accepted, "a stranger was let in");
        }
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_api_server_killed_during_a_rotation_delays_it_and_drops_nobody() -> Result<()> {
    if !Cluster::connect().await?.local {
        nostr_fleet_e2e::left_out("only the local cluster's API server is ours to kill");
        return Ok(());
    }
    scene("no-api", async |scene| {
        let people = People::new();
        let club = scene.club(&people.before()).await?;
        let (mut stays, mut goes) = (
            club.enter(&people.stays).await?,
            club.enter(&people.goes).await?,
        );
        let hash = club.admit(&people.after()).await?;
        let began = Instant::now();
        restart_api_server(scene).await?;
        club.until_applied(&hash, PATIENCE).await?;
        figure(&format!(
            "rotation with the API server killed and started meanwhile: {:.1} s",
            began.elapsed().as_secs_f32()
        ));
        stays.is_judged(true).await?;
        goes.is_judged(false).await?;
        door(&club, &people, true).await
    })
    .await
}

/// SIGKILL, and a new one.
async fn restart_api_server(scene: &Scene) -> Result<()> {
    ensure!(scene.cluster.local, "not ours");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/cluster/restart-apiserver.sh");
    let restarted = Command::new(script).output().await?;
    let said = String::from_utf8_lossy(&restarted.stderr);
    ensure!(restarted.status.success(), "{script}: {said}");
    Ok(())
}
