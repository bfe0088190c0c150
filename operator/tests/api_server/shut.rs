//! Told Allow, nothing opens a door: what a pod could read at any moment is one of the lists that were asked for, whole, or it
//! is not whole and the pod keeps what it has. Looks on while requests fail (`faults`), operators die (`death`), clocks jump.

use crate::{
    fleet::{PAUSE, relay},
    server::eventually_every,
    space::Space,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{ResourceExt, api::ListParams};
use nostr_fleet_operator::names;
use relay_config::{
    Config, Lists,
    access::Mode,
    lists::{Key, SHARDS},
    names as pod,
};
use std::{collections::BTreeMap, future::Future, pin::pin};
use tokio::time::sleep;

pub const ANNA: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
pub const BEN: &str = "7bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";

type Maps = BTreeMap<String, BTreeMap<String, String>>;

/// A relay for one key.
pub fn only(key: &str) -> String {
    let list = format!("{{mode: Allow, pubkeys: ['{key}']}}");
    format!("{{access: {{read: {list}, write: {list}}}}}")
}

/// All ConfigMaps of the namespace at one moment.
async fn maps(space: &Space) -> Maps {
    let maps = space.of("ConfigMap").list(&ListParams::default()).await;
    let maps = maps.unwrap().items.into_iter();
    maps.map(|map| {
        let name = map.name_any();
        let data = serde_json::from_value::<ConfigMap>(map.data.clone())
            .ok()
            .and_then(|map| map.data);
        (name, data.unwrap_or_default())
    })
    .collect()
}

/// Whose key a pod of this relay would let in: `None` as long as what it could read is not whole. It is never told Open.
fn let_in(maps: &Maps, relay: &str) -> Option<Key> {
    let text = maps.get(&names::config(relay))?.get(pod::CONFIG_FILE)?;
    let hot = Config::read(text).unwrap().hot;
    assert_eq!(
        (hot.access.read.mode, hot.access.write.mode),
        (Mode::Allow, Mode::Allow),
        "{relay} was opened"
    );
    let shards: [Option<String>; SHARDS] = std::array::from_fn(|number| {
        let map = maps.get(&names::shard(relay, number))?;
        map.get(&pod::shard(number)).cloned()
    });
    let lists = Lists::whole(&hot, &shards).ok()?;
    let keys: Vec<Key> = lists.entries().iter().map(|entry| entry.key).collect();
    assert_eq!(keys.len(), 2, "{relay}: one key, in both lists");
    assert_eq!(keys[0], keys[1], "{relay}: two lists were mixed");
    Some(keys[0])
}

/// Waits until the first `relays` let in this key.
pub async fn until_let_in(space: &Space, relays: usize, key: &str) {
    eventually_every(PAUSE, "all relays have the new list", || async {
        let maps = maps(space).await;
        let wanted = Key::parse(key);
        (0..relays).all(|number| let_in(&maps, &relay(number)) == wanted)
    })
    .await;
}

async fn later(space: &Space) -> Maps {
    sleep(PAUSE).await;
    maps(space).await
}

/// Looks at the first `relays` again and again while the work goes on. Says how often.
pub async fn beside(space: &Space, relays: usize, work: impl Future<Output = ()>) -> usize {
    let asked = [ANNA, BEN].map(|key| Key::parse(key).unwrap());
    let (mut work, mut looks) = (pin!(work), 0);
    loop {
        tokio::select! {
            () = &mut work => return looks,
            maps = later(space) => {
                for number in 0..relays {
                    let key = let_in(&maps, &relay(number));
                    assert!(key.is_none_or(|key| asked.contains(&key)), "{number} lets in a stranger");
                }
                looks += 1;
            }
        }
    }
}
