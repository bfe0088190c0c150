//! The last good modes, lists and addresses, read back from what the cluster holds. Pure.

use relay_config::{
    Config, Lists, access,
    lists::{Modes, SHARDS},
};

/// What our own ConfigMaps in the cluster hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The configuration file.
    pub config: Option<String>,
    /// The shards.
    pub shards: [Option<String>; SHARDS],
}

/// What was in force before, as far as the cluster still says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// All of it, and its hash computes.
    Whole(Lists),
    /// Only its modes and its name: somebody meddled with the files. The pods keep it by themselves.
    Torn(Modes, String),
    /// There never was a good one.
    Nothing,
}

/// The last good modes and lists. `remembered` is the hash in the resource's status. What our ConfigMaps say is believed
/// if the hash computes; that nothing is guarded, only if the status says so too.
pub fn lists(written: &Written, asked: Modes, remembered: &str) -> Before {
    let known = written.config.as_deref().map(Config::read);
    let access = known.and_then(Result::ok).map(|config| config.hot.access);
    let whole = |access: &access::Access| Lists::whole(access, &written.shards).ok();
    match &access {
        Some(access) if access.generation.is_some() => {
            if let Some(lists) = whole(access) {
                return Before::Whole(lists);
            }
        }
        Some(access) => {
            let lists = Lists::new(Modes::of(access), Vec::new());
            if lists.generation() == remembered {
                return Before::Whole(lists);
            }
        }
        None => {}
    }
    if remembered.is_empty() {
        return Before::Nothing;
    }
    if let Some(lists) = whole(&asked.access(Some(remembered.to_owned()))) {
        return Before::Whole(lists);
    }
    let named = access.filter(|access| access.generation.as_deref() == Some(remembered));
    let modes = named.map_or(asked, |access| Modes::of(&access));
    Before::Torn(modes, remembered.to_owned())
}

/// The last good ranges of addresses.
pub fn addresses(written: &Written) -> Option<access::Addresses> {
    let config = Config::read(written.config.as_deref()?).ok()?;
    Some(config.hot.addresses)
}
