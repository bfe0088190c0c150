//! What is put into force of all that says who gets in: what is asked for, or, where any part of that cannot be used, the last
//! good whole. Pure. Lists, modes, logins, kinds and addresses go together: never one without the others.

use super::{
    allowlist::{self, Asked, Rejected, Sources},
    gather::Gathered,
    last_good::{self, Before, Resource},
};
use crate::{
    build::{Allowlist, Shards},
    kinds::Common,
};
use relay_config::{
    Hot, Lists,
    access::Mode,
    lists::{NOBODY, Terms},
};

/// What the relay's file says of who gets in, and what becomes of the shards.
#[derive(Clone, Debug)]
pub struct Standing {
    terms: Terms,
    generation: Option<String>,
    /// The lists.
    pub allowlist: Allowlist,
}

impl Standing {
    /// What is put into force of what this spec asks for.
    pub fn of(common: &Common, gathered: &Gathered, resource: Resource) -> Self {
        let (access, auth) = (common.access, common.auth);
        let nothing_read = || Asked::of(access, auth, common.addresses, &Sources::default());
        let asked = gathered.asked.clone().unwrap_or_else(nothing_read);
        match (asked.lists, asked.addresses) {
            (Ok(merged), Ok(_)) => fresh(merged.lists, Some(merged.sources)),
            (lists, addresses) => {
                let terms = allowlist::terms(access, auth, addresses.as_ref().ok());
                let before = last_good::door(&gathered.written, &terms, resource);
                let held_back = match (&lists, &before) {
                    (Ok(asked), Before::Whole(before)) => !is_same(&asked.lists, before),
                    _ => true,
                };
                let mut standing = kept(before, terms);
                standing.allowlist.held_back = held_back;
                standing.allowlist.rejected = reasons(addresses.err(), lists.err());
                standing
            }
        }
    }

    /// Writes it into the relay's configuration.
    pub fn put(self, hot: &mut Hot) -> Allowlist {
        self.terms.put(hot, self.generation);
        self.allowlist
    }
}

/// Are these the same lists, whatever else says who gets in?
fn is_same(one: &Lists, other: &Lists) -> bool {
    one.modes() == other.modes() && one.entries() == other.entries()
}

/// Each reason once.
fn reasons(addresses: Option<Rejected>, lists: Option<Rejected>) -> Vec<Rejected> {
    let mut reasons: Vec<Rejected> = addresses.into_iter().chain(lists).collect();
    reasons.dedup();
    reasons
}

/// Lists that are there in full. Where nothing is listed and the modes let everybody do everything, no shards are written.
fn fresh(lists: Lists, sources: Option<u64>) -> Standing {
    let (modes, hash) = (lists.modes(), lists.generation());
    let open = modes.read == Mode::Open && modes.write == Mode::Open;
    let (terms, entries) = (lists.terms().clone(), lists.entries().len() as u64);
    let (generation, shards) = if open && lists.entries().is_empty() {
        (None, Shards::None)
    } else {
        (Some(hash.clone()), Shards::Of(lists))
    };
    Standing {
        terms,
        generation,
        allowlist: Allowlist {
            hash,
            entries: Some(entries),
            sources,
            shards,
            ..Allowlist::default()
        },
    }
}

/// The last good whole. Where its lists are not whole any more the file names them all the same: pods that have them keep them,
/// and to others nobody is known. Nothing is ever opened here.
fn kept(before: Before, asked: Terms) -> Standing {
    let named = |terms: Terms, generation: &str, hash: String| Standing {
        terms,
        generation: Some(generation.to_owned()),
        allowlist: Allowlist {
            serves_nobody: hash.is_empty(),
            hash,
            shards: Shards::Untouched,
            ..Allowlist::default()
        },
    };
    match before {
        Before::Whole(lists) => fresh(lists, None),
        Before::Torn(terms, hash) => named(terms, &hash.clone(), hash),
        Before::Nothing => named(asked, NOBODY, String::new()),
    }
}

/// Why something else is in force than what is asked for, in one sentence.
pub fn words(rejected: &[Rejected]) -> String {
    let told: Vec<&str> = rejected.iter().map(|it| it.message.as_str()).collect();
    told.join("; ")
}
