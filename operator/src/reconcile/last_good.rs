//! The last good door, all that says who gets in, read back from what the cluster holds. Pure.

use relay_config::{
    Config, Hot, Lists,
    lists::{SHARDS, Terms},
};

/// What our own ConfigMaps in the cluster hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The configuration file.
    pub config: Option<String>,
    /// The shards.
    pub shards: [Option<String>; SHARDS],
}

impl Written {
    /// How much of it is held.
    pub fn bytes(&self) -> usize {
        let texts = self.shards.iter().chain([&self.config]).flatten();
        texts.map(String::len).sum()
    }
}

/// What the resource itself says.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    /// Its uid: what is written for another one is not its own.
    pub uid: &'a str,
    /// The hash in its status, of what was in force; empty if there never was anything good.
    pub remembered: &'a str,
}

/// What was in force before, as far as the cluster still says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// All of it, and its hash computes.
    Whole(Lists),
    /// Only its terms and its name: somebody meddled with the files. The pods keep it by themselves.
    Torn(Terms, String),
    /// There never was a good one.
    Nothing,
}

/// The last good door. What our ConfigMaps say is believed if the hash computes; that nothing is listed, only if the
/// status says so too. What is asked for now can still be what was in force, if it has the name that the status remembers.
pub fn door(written: &Written, asked: &Terms, resource: Resource) -> Before {
    let Resource { uid, remembered } = resource;
    let known = written.config.as_deref().map(Config::read);
    let hot = known.and_then(Result::ok).map(|config| config.hot);
    let ours = hot.filter(|hot| hot.access.resource_uid.as_deref() == Some(uid));
    if let Some(lists) = ours
        .as_ref()
        .and_then(|hot| whole(hot, written, remembered))
    {
        return Before::Whole(lists);
    }
    if remembered.is_empty() {
        return Before::Nothing;
    }
    let mut again = Hot::default();
    asked.clone().put(&mut again, Some(remembered.to_owned()));
    if let Some(lists) = whole(&again, written, remembered) {
        return Before::Whole(lists);
    }
    let named = ours.filter(|hot| hot.access.generation.as_deref() == Some(remembered));
    let terms = named.map_or_else(|| asked.clone(), |hot| Terms::of(&hot));
    Before::Torn(terms, remembered.to_owned())
}

fn whole(hot: &Hot, written: &Written, remembered: &str) -> Option<Lists> {
    if hot.access.generation.is_some() {
        return Lists::whole(hot, &written.shards).ok();
    }
    let lists = Lists::new(Terms::of(hot), Vec::new());
    (lists.generation() == remembered).then_some(lists)
}
