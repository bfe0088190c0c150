//! A list changes under 200 open connections.

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use nostr::prelude::Keys;
use nostr_fleet_e2e::{
    club::{Club, Visitor},
    cluster::Cluster,
    events::keys,
    figures::percentiles,
    scene::{Scene, scene},
    status::condition,
};
use std::time::{Duration, Instant};

/// What one rotation may take at the very worst; the figures say what it takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many rotations are measured.
const ROTATIONS: usize = 30;
/// How many connections each of the keys has.
const EACH: usize = 20;

/// Members that stay, and two groups that take turns.
struct People {
    stay: Vec<Keys>,
    even: Vec<Keys>,
    odd: Vec<Keys>,
}

impl People {
    fn new() -> Self {
        let five = |first| (first..first + 5).map(keys).collect();
        Self {
            stay: five(10),
            even: five(20),
            odd: five(30),
        }
    }

    /// The members after rotation `number`; before the first it is number 0.
    fn members(&self, number: usize) -> Vec<&Keys> {
        let turn = if number.is_multiple_of(2) {
            &self.even
        } else {
            &self.odd
        };
        self.stay.iter().chain(turn).collect()
    }
}

async fn enter(club: &Club<'_>, people: &[Keys]) -> Result<Vec<Visitor>> {
    let mut visitors = Vec::new();
    for _ in 0..EACH {
        visitors.extend(try_join_all(people.iter().map(|keys| club.enter(keys))).await?);
    }
    try_join_all(visitors.iter_mut().map(Visitor::subscribe)).await?;
    Ok(visitors)
}

async fn all_are_judged(visitors: &mut [Visitor], accepted: bool) -> Result<()> {
    let verdicts = visitors.iter_mut().map(|it| it.is_judged(accepted));
    try_join_all(verdicts).await.map(drop)
}

/// One rotation, seen by one of those who go: from apply to the first refusal, and to `applied`. Who comes is in at the moment at which who goes is out.
async fn rotate(club: &Club<'_>, people: &People, number: usize) -> Result<(Duration, Duration)> {
    let (goes, comes) = match number % 2 {
        1 => (&people.even[0], &people.odd[0]),
        _ => (&people.odd[0], &people.even[0]),
    };
    let (mut goes, mut comes) = (club.enter(goes).await?, club.enter(comes).await?);
    goes.is_judged(true).await?;
    comes.is_judged(false).await?;
    let began = Instant::now();
    let hash = club.admit(&people.members(number)).await?;
    let refusal = async {
        goes.publish_until(false, PATIENCE).await?;
        let took = began.elapsed();
        comes.is_judged(true).await?;
        anyhow::Ok(took)
    };
    let applied = async {
        club.until_applied(&hash, PATIENCE).await?;
        anyhow::Ok(began.elapsed())
    };
    tokio::try_join!(refusal, applied)
}

#[tokio::test]
async fn thirty_rotations_under_200_open_connections_drop_nobody_and_judge_both_sides_rightly()
-> Result<()> {
    if !Cluster::connect().await?.local {
        nostr_fleet_e2e::left_out("200 connections are too many to be forwarded by the API server");
        return Ok(());
    }
    scene("rotation", thirty_rotations).await
}

async fn thirty_rotations(scene: &Scene) -> Result<()> {
    let people = People::new();
    let club = scene.club(&people.members(0)).await?;
    let life = scene.life(&club.relay.pod()).await?;
    let mut stay = enter(&club, &people.stay).await?;
    let mut even = enter(&club, &people.even).await?;

    let (mut refused, mut applied) = (Vec::new(), Vec::new());
    for number in 1..=ROTATIONS {
        let (refusal, known) = rotate(&club, &people, number).await?;
        refused.push(refusal);
        applied.push(known);
        if number == 1 {
            try_join_all(even.iter_mut().map(Visitor::hears_that_it_is_closed)).await?;
            says_what_is_applied(&club, &people).await?;
        }
        // On the connections that they had from the start.
        all_are_judged(&mut stay, true).await?;
        all_are_judged(&mut even, number.is_multiple_of(2)).await?;
    }
    ensure!(
        scene.life(&club.relay.pod()).await? == life,
        "a rotation must not restart the pod"
    );

    let refusal = "rotation, kubectl apply to the first refusal (target: p99 of 2 s)";
    percentiles(refusal, &refused);
    percentiles("rotation, kubectl apply to status applied 1/1", &applied);
    Ok(())
}

async fn says_what_is_applied(club: &Club<'_>, people: &People) -> Result<()> {
    let status = club.relay.status().await?;
    let members = people.members(1).len();
    let list = &status["allowlist"];
    ensure!(list["entries"] == 2 * members, "{list}"); // each may read, and write
    ensure!(list["sources"] == 1, "{list}");
    ensure!(list["rotatedAt"].is_string(), "{list}");
    ensure!(
        condition(&status, "AllowlistApplied")["status"] == "True",
        "{status}"
    );
    Ok(())
}
