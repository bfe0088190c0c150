//! What becomes of lists that are broken, emptied or deleted: nothing opens, nothing closes, and the status names what to mend.

use anyhow::{Result, ensure};
use nostr::prelude::Keys;
use nostr_fleet_e2e::{
    club::{Club, Visitor, expected},
    events::keys,
    lists::lines,
    objects::{PATIENCE, eventually},
    relay::Relay,
    scene::{Scene, scene},
    socket::Verdict,
    status::condition,
};
use serde_json::{Value, json};
use std::time::Duration;

/// A list must not only be kept until somebody looks, but for as long as it is wrong.
const MOMENT: Duration = Duration::from_secs(2);

/// One club, and all that can go wrong with its list.
#[tokio::test]
async fn a_broken_emptied_or_deleted_list_of_members_keeps_the_last_good_one_and_is_named()
-> Result<()> {
    scene("lists", async |scene| {
        let (member, stranger) = (keys(80), keys(81));
        let club = scene.club(&[&member]).await?;
        let town = Town {
            scene,
            club: &club,
            member: &member,
            stranger: &stranger,
        };
        town.broken_line().await?;
        town.emptied().await?;
        town.deleted().await?;
        town.mended().await
    })
    .await
}

struct Town<'a> {
    scene: &'a Scene,
    club: &'a Club<'a>,
    member: &'a Keys,
    stranger: &'a Keys,
}

impl Town<'_> {
    async fn broken_line(&self) -> Result<()> {
        let text = format!(
            "# members\n{}\nnpub1nonsense\n",
            self.stranger.public_key().to_hex()
        );
        self.scene.list("members", &text).await?;
        let why = self
            .club
            .relay
            .until_reason("ConfigurationValid", "BadKey", PATIENCE)
            .await?;
        ensure!(why.contains("members") && why.contains("line 3"), "{why}");
        self.stays_as_it_was().await
    }

    async fn emptied(&self) -> Result<()> {
        self.scene.list("members", "# nobody yet\n").await?;
        let empty = |status: &Value| {
            let valid = condition(status, "ConfigurationValid");
            let why = valid["message"].as_str().unwrap_or_default();
            valid["status"] == "False" && !why.contains("line 3") && why.contains("members")
        };
        self.club
            .relay
            .until("the empty list to be named", PATIENCE, empty)
            .await?;
        self.stays_as_it_was().await
    }

    async fn deleted(&self) -> Result<()> {
        self.scene.delete_list("members").await?;
        let why = self
            .club
            .relay
            .until_reason("ConfigurationValid", "MissingReference", PATIENCE)
            .await?;
        ensure!(why.contains("members"), "{why}");
        self.stays_as_it_was().await
    }

    async fn mended(&self) -> Result<()> {
        let hash = self.club.admit(&[self.stranger]).await?;
        let status = self.club.until_applied(&hash, PATIENCE).await?;
        ensure!(
            condition(&status, "AllowlistApplied")["status"] == "True",
            "{status}"
        );
        self.club
            .relay
            .until_condition("ConfigurationValid", "True", PATIENCE)
            .await?;
        self.club.enter(self.member).await?.is_judged(false).await?;
        self.club.enter(self.stranger).await?.is_judged(true).await
    }

    /// Ready, degraded, the same hash, the same verdicts.
    async fn stays_as_it_was(&self) -> Result<()> {
        self.club
            .relay
            .until_condition("Degraded", "True", PATIENCE)
            .await?;
        tokio::time::sleep(MOMENT).await;
        let status = self.club.relay.status().await?;
        ensure!(condition(&status, "Ready")["status"] == "True", "{status}");
        ensure!(
            status["allowlist"]["hash"] == expected(&[self.member]),
            "{status}"
        );
        self.club.enter(self.member).await?.is_judged(true).await?;
        self.club.enter(self.stranger).await?.is_judged(false).await
    }
}

const DENYING: &str = "
  access:
    write: {mode: Deny, from: [{configMap: {name: unwanted}}]}
    banned: {from: [{configMap: {name: spammers}}]}
";

#[tokio::test]
async fn an_emptied_deny_list_lifts_what_it_listed_and_a_deleted_one_does_not() -> Result<()> {
    scene("deny", async |scene| {
        let (unwanted, spammer) = (keys(82), keys(83));
        scene.list("unwanted", &lines(&[&unwanted])).await?;
        scene.list("spammers", &lines(&[&spammer])).await?;
        let relay = scene.relay("town", DENYING).await?;
        for (name, keys) in [("unwanted", &unwanted), ("spammers", &spammer)] {
            until_it_may(&relay, keys, false).await?;
            scene.delete_list(name).await?;
            let why = relay
                .until_reason("ConfigurationValid", "MissingReference", PATIENCE)
                .await?;
            ensure!(why.contains(name), "{why}");
            tokio::time::sleep(MOMENT).await;
            ensure!(
                !may(&relay, keys).await?,
                "a deleted list must not let anybody in"
            );
            scene.list(name, "").await?;
            until_it_may(&relay, keys, true).await?;
            relay
                .until_condition("ConfigurationValid", "True", PATIENCE)
                .await?;
        }
        Ok(())
    })
    .await
}

async fn may(relay: &Relay<'_>, keys: &Keys) -> Result<bool> {
    let verdict = publishes(relay, keys).await?;
    ensure!(
        verdict.accepted || verdict.reason.starts_with("blocked: "),
        "{verdict:?}"
    );
    Ok(verdict.accepted)
}

async fn until_it_may(relay: &Relay<'_>, keys: &Keys, wanted: bool) -> Result<()> {
    eventually("the list to be in force", PATIENCE, async || {
        Ok((may(relay, keys).await? == wanted).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_new_relay_for_the_listed_whose_list_is_empty_serves_nobody_and_says_so() -> Result<()> {
    scene("nobody", async |scene| {
        scene.list("members", "# to be written\n").await?;
        let spec = "  access: {write: {mode: Allow, from: [{configMap: {name: members}}]}}\n";
        let relay = scene.declare("town", spec).await?;
        let why = relay.until_condition("Stalled", "True", PATIENCE).await?;
        ensure!(why.contains("members"), "{why}");
        let status = relay.status().await?;
        ensure!(condition(&status, "Ready")["status"] == "False", "{status}");
        let served = may(&relay, &keys(84)).await;
        ensure!(
            !matches!(served, Ok(true)),
            "an empty Allow must serve nobody"
        );
        scene.list("members", &lines(&[&keys(84)])).await?;
        relay.wait_until_ready().await?;
        until_it_may(&relay, &keys(84), true).await
    })
    .await
}

/// The claim stays when a relay is deleted, and the next one of the name takes it over, with all that the old pods kept in it.
#[tokio::test]
async fn a_relay_for_the_listed_on_the_volume_of_an_open_one_lets_no_stranger_in_while_its_list_is_missing()
-> Result<()> {
    scene("anew", async |scene| {
        let (member, stranger) = (keys(85), keys(86));
        let open = scene.relay("town", "").await?;
        ensure!(publishes(&open, &stranger).await?.accepted, "it was open");
        open.delete().await?;
        let spec = "  access: {write: {mode: Allow, from: [{configMap: {name: members}}]}}\n";
        let relay = scene.declare("town", spec).await?;
        let why = relay
            .until_reason("Stalled", "MissingReference", PATIENCE)
            .await?;
        ensure!(why.contains("members"), "{why}");
        let shut = eventually("the new pod to have the old volume", PATIENCE, async || {
            let status = relay.pod_status().await.ok();
            Ok(status.filter(|status| status.store.events > 0))
        })
        .await?;
        ensure!(!shut.ready && shut.access.hash.is_empty(), "{shut:?}");
        let verdict = publishes(&relay, &stranger).await?;
        ensure!(
            !verdict.accepted && verdict.reason.starts_with("restricted: "),
            "{verdict:?}"
        );
        scene.list("members", &lines(&[&member])).await?;
        relay.wait_until_ready().await?;
        ensure!(publishes(&relay, &member).await?.accepted, "who is listed");
        let verdict = publishes(&relay, &stranger).await?;
        ensure!(!verdict.accepted, "{verdict:?}");
        Ok(())
    })
    .await
}

async fn publishes(relay: &Relay<'_>, keys: &Keys) -> Result<Verdict> {
    let mut visitor = Visitor {
        keys: keys.clone(),
        socket: relay.dial_pod().await?,
    };
    visitor.publish().await
}

/// For everybody who logs in; then, in one apply, for members whoever they say they are.
const LOGGED_IN: &str = "  auth: {required: Always}\n";
const MEMBERS: &str = "  auth: {required: Never}\n  access: {read: {mode: Allow, from: [{configMap: {name: members}}]}}\n";

#[tokio::test]
async fn a_spec_that_asks_for_a_list_that_is_missing_opens_nothing_else_meanwhile() -> Result<()> {
    scene("guards", async |scene| {
        let (member, stranger) = (keys(87), keys(88));
        let relay = scene.relay("town", LOGGED_IN).await?;
        ensure!(reads(&relay, None).await?.starts_with("auth-required: "));
        ensure!(reads(&relay, Some(&stranger)).await? == "EOSE");
        scene.declare("town", MEMBERS).await?;
        let why = relay
            .until_reason("ConfigurationValid", "MissingReference", PATIENCE)
            .await?;
        ensure!(why.contains("members"), "{why}");
        tokio::time::sleep(MOMENT).await;
        let heard = reads(&relay, None).await?;
        ensure!(heard.starts_with("auth-required: "), "{heard}");
        ensure!(reads(&relay, Some(&stranger)).await? == "EOSE");

        scene.list("members", &lines(&[&member])).await?;
        eventually("the stranger to be shut out", PATIENCE, async || {
            let heard = reads(&relay, Some(&stranger)).await?;
            Ok(heard.starts_with("restricted: ").then_some(()))
        })
        .await?;
        ensure!(reads(&relay, Some(&member)).await? == "EOSE");
        let heard = reads(&relay, None).await?;
        ensure!(heard.starts_with("auth-required: "), "{heard}");
        Ok(())
    })
    .await
}

/// `EOSE`, or why the request was closed.
async fn reads(relay: &Relay<'_>, keys: Option<&Keys>) -> Result<String> {
    let mut socket = relay.dial_pod().await?;
    if let Some(keys) = keys {
        socket.authenticate(keys, &relay.url().await?).await?;
    }
    let filter = json!({"kinds": [7777], "limit": 1});
    socket.send(&json!(["REQ", "r", filter])).await?;
    let answer = socket.message().await?;
    let word = answer[0].as_str().unwrap_or_default();
    let reason = answer.get(2).and_then(Value::as_str);
    Ok(reason.unwrap_or(word).to_owned())
}
