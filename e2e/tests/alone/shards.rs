//! Shards of two generations in one mount: the last good list stays.

use anyhow::{Result, ensure};
use nostr::prelude::Keys;
use nostr_fleet_e2e::{
    club::{Club, expected},
    events::keys,
    objects::look_often,
    operator::without_operator,
    scene::{Scene, scene},
    shards::Written,
};
use relay_config::Status;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
/// A kubelet that nobody nudges looks at its mounts about once a minute.
const KUBELET: Duration = Duration::from_secs(100);
/// The shard that stays behind.
const LATE: usize = 3;

struct People {
    stays: Keys,
    goes: Keys,
    comes: Keys,
}

impl People {
    fn before(&self) -> [&Keys; 2] {
        [&self.stays, &self.goes]
    }

    fn after(&self) -> [&Keys; 2] {
        [&self.stays, &self.comes]
    }
}

#[tokio::test]
async fn one_old_shard_among_new_ones_keeps_the_last_good_list_even_through_a_restart() -> Result<()>
{
    scene("shards", async |scene| {
        let people = People {
            stays: keys(60),
            goes: keys(61),
            comes: keys(62),
        };
        let club = scene.club(&people.before()).await?;
        let new = as_the_operator_writes(scene, &club, &people.after()).await?;
        let old = as_the_operator_writes(scene, &club, &people.before()).await?;
        without_operator(&scene.cluster, async || {
            scene.write_by_hand("town", &new, &[LATE]).await?;
            scene.nudge(&club.relay.pod()).await?;
            keeps_the_old_list(scene, &club, &people).await?;
            scene.write_shard("town", &new, LATE).await?;
            scene.nudge(&club.relay.pod()).await?;
            until_in_force(&club, &people.after()).await?;
            judged_by(&club, &people, true).await
        })
        .await?;
        // The operator is back, and the list in the user's ConfigMap is the old one.
        until_in_force(&club, &people.before()).await?;
        judged_by(&club, &people, false).await?;
        ensure!(scene.written("town").await? == old);
        Ok(())
    })
    .await
}

/// What the operator writes for these members, once the pod has it.
async fn as_the_operator_writes(
    scene: &Scene,
    club: &Club<'_>,
    members: &[&Keys],
) -> Result<Written> {
    let hash = club.admit(members).await?;
    club.until_applied(&hash, PATIENCE).await?;
    let written = scene.written("town").await?;
    ensure!(written.generation(LATE) == hash, "{written:?}");
    Ok(written)
}

/// With seven shards and the configuration of the new list, and one shard of the old.
async fn keeps_the_old_list(scene: &Scene, club: &Club<'_>, people: &People) -> Result<()> {
    let (old, new) = (expected(&people.before()), expected(&people.after()));
    let status = until_it_complains(club).await?;
    ensure!(status.access.hash == old, "{status:?}");
    for word in [&format!("shard {LATE}"), &old, &new] {
        ensure!(status.access.error.contains(word), "{status:?}");
    }
    judged_by(club, people, false).await?;
    let killed = scene.kill_pod(&club.relay.pod()).await?;
    scene.wait_for_successor(&club.relay.pod(), &killed).await?;
    ensure!(club.relay.pod_status().await?.access.hash == old);
    judged_by(club, people, false).await
}

async fn until_it_complains(club: &Club<'_>) -> Result<Status> {
    look_often(
        "the pod to say that the shards differ",
        KUBELET,
        async || {
            let status = club.relay.pod_status().await?;
            Ok((!status.access.error.is_empty()).then_some(status))
        },
    )
    .await
}

async fn until_in_force(club: &Club<'_>, members: &[&Keys]) -> Result<()> {
    let hash = expected(members);
    look_often("the pod to have the whole list", KUBELET, async || {
        let access = club.relay.pod_status().await?.access;
        ensure!(access.hash == hash && access.error.is_empty(), "{access:?}");
        Ok(Some(()))
    })
    .await
}

async fn judged_by(club: &Club<'_>, people: &People, new: bool) -> Result<()> {
    let rights = [
        (&people.stays, true),
        (&people.goes, !new),
        (&people.comes, new),
    ];
    for (keys, accepted) in rights {
        club.enter(keys).await?.is_judged(accepted).await?;
    }
    Ok(())
}
