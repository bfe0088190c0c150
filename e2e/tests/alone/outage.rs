//! What fails around a rotation delays it, and never opens or shuts the door. The outage meets the rotation in its middle: one shard is held back.

use anyhow::{Result, ensure};
use nostr::prelude::Keys;
use nostr_fleet_e2e::{
    club::{Club, expected},
    cluster::Cluster,
    events::keys,
    figures::figure,
    objects::look_often,
    operator::{home, leader, without_operator},
    scene::{Scene, scene},
    script::script,
};
use nostr_fleet_operator::names;
use std::{
    cell::Cell,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// An outage may last, and what it held up be done after it.
const PATIENCE: Duration = Duration::from_secs(90);
/// The shard that is held back.
const HELD: usize = 5;

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

/// Rotates from the list of before to that of after, with `outage` in the middle: some shards are written and one is not. Until the outage is over everybody is
/// judged by the list of before. Returns when the list of after is in force; says how long that took from the moment at which the shard was writable again.
async fn rotate_with(
    (scene, club): (&Scene, &Club<'_>),
    people: &People,
    outage: impl AsyncFnOnce() -> Result<()>,
) -> Result<Duration> {
    let hash = scene
        .holding(&names::shard("town", HELD), async || {
            let hash = club.admit(&people.after()).await?;
            until_half_done(scene, &hash).await?;
            outage().await?;
            is_half_done(scene, &hash).await?;
            door(club, people, false).await?;
            Ok(hash)
        })
        .await?;
    let began = Instant::now();
    club.until_applied(&hash, PATIENCE).await?;
    door(club, people, true).await?;
    Ok(began.elapsed())
}

async fn until_half_done(scene: &Scene, hash: &str) -> Result<()> {
    look_often("all shards but one to be written", PATIENCE, async || {
        is_half_done(scene, hash).await.map(Some)
    })
    .await
}

async fn is_half_done(scene: &Scene, hash: &str) -> Result<()> {
    let written = scene.written("town").await?;
    ensure!(written.generation(HELD) != hash, "the held shard moved");
    ensure!(written.generation(0) == hash, "no shard moved");
    Ok(())
}

fn took(what: &str, time: Duration) {
    let seconds = time.as_secs_f32();
    figure(&format!(
        "rotation with {what} in its middle: applied 1/1 {seconds:.1} s after the last shard could be written (the operator's own waits between attempts included)"
    ));
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
        let time = rotate_with((scene, &club), &people, async || {
            let (first, began) = (leader(&home).await?, Instant::now());
            home.delete_pod(&first).await?;
            let another = async || {
                let now = leader(&home).await?;
                Ok((now != first).then_some(()))
            };
            look_often("another pod to lead", PATIENCE, another).await?;
            figure(&format!(
                "leading operator deleted to another that leads: {:.1} s",
                began.elapsed().as_secs_f32()
            ));
            Ok(())
        })
        .await?;
        took("the leading operator deleted", time);
        open.is_judged(false).await?;
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
        let killed = Cell::new(None);
        let time = rotate_with((scene, &club), &people, async || {
            let first = leader(&home).await?;
            let life = home.kill_pod(&first).await?;
            killed.set(Some((first, life)));
            Ok(())
        })
        .await?;
        took("the leading operator killed", time);
        if let (true, Some((pod, life))) = (scene.cluster.local, killed.take()) {
            home.wait_for_successor(&pod, &life).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_pod_killed_during_a_rotation_comes_back_with_the_last_good_list_and_never_lets_a_stranger_in()
-> Result<()> {
    scene("pod-dies", async |scene| {
        let people = People::new();
        let club = scene.club(&people.before()).await?;
        let refusals = Cell::new(0);
        let rotation = rotate_with((scene, &club), &people, async || {
            let (pod, before) = (club.relay.pod(), expected(&people.before()));
            scene.nudge(&pod).await?; // some shards reach it
            let killed = scene.kill_pod(&pod).await?;
            scene.wait_for_successor(&pod, &killed).await?;
            ensure!(club.relay.pod_status().await?.access.hash == before);
            Ok(())
        });
        let time = tokio::select! {
            outcome = rotation => outcome?,
            let_in = no_stranger_gets_in(&club, &people.stranger, &refusals) => {
                let_in?;
                return Ok(());
            }
        };
        let refusals = refusals.get();
        ensure!(refusals > 20, "the stranger got only {refusals} answers");
        took("the relay's pod killed", time);
        figure(&format!("a stranger meanwhile: refused {refusals} times"));
        Ok(())
    })
    .await
}

/// Tries again and again and counts the refusals; ends only when the stranger was let in.
async fn no_stranger_gets_in(
    club: &Club<'_>,
    stranger: &Keys,
    refusals: &Cell<usize>,
) -> Result<()> {
    loop {
        let trial = async { club.enter(stranger).await?.publish().await };
        // A pod that is dead does not answer.
        if let Ok(Ok(verdict)) = timeout(Duration::from_secs(1), trial).await {
            ensure!(!verdict.accepted, "a stranger was let in");
            refusals.set(refusals.get() + 1);
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
        let time = rotate_with((scene, &club), &people, async || {
            script("cluster/restart-apiserver.sh", &[]).await.map(drop)
        })
        .await?;
        took("the API server killed and started", time);
        stays.is_judged(true).await?;
        goes.is_judged(false).await
    })
    .await
}
