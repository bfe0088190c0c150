//! Which modes, lists and addresses are put into force: those that are asked for, or, where those cannot be used, the last good
//! ones. Pure. Modes and lists go together: never one without the other.

use super::{
    allowlist::{self, Asked, Rejected, Sources},
    gather::Gathered,
    last_good::{self, Before},
};
use crate::{
    build::{Allowlist, Shards},
    kinds::Common,
};
use relay_config::{Lists, access, lists::Modes};

/// The sections of the relay's file, and what becomes of the shards.
pub fn stand(
    common: &Common,
    gathered: &Gathered,
    remembered: &str,
) -> (access::Access, access::Addresses, Allowlist) {
    let nothing_read = || Asked::of(common.access, common.addresses, &Sources::default());
    let asked = gathered.asked.clone().unwrap_or_else(nothing_read);
    let mut rejected = Vec::new();
    let addresses = asked.addresses.unwrap_or_else(|why| {
        rejected.push(why);
        last_good::addresses(&gathered.written).unwrap_or_else(allowlist::nowhere)
    });
    let shut = !rejected.is_empty() && addresses == allowlist::nowhere();
    let (modes, generation, mut allowlist) = match asked.lists {
        Ok(merged) => fresh(merged.lists, Some(merged.sources)),
        Err(why) => {
            let modes = allowlist::modes(common.access);
            let before = last_good::lists(&gathered.written, modes, remembered);
            rejected.retain(|known| *known != why);
            rejected.push(why);
            kept(before, modes)
        }
    };
    allowlist.rejected = rejected;
    allowlist.serves_nobody = shut || allowlist.hash.is_empty();
    let access = access::Access {
        kinds: common.access.kinds.clone(),
        ..modes.access(generation)
    };
    (access, addresses, allowlist)
}

type Standing = (Modes, Option<String>, Allowlist);

/// Lists that are there in full. Where nothing is listed and everybody may do everything, nothing is written.
fn fresh(lists: Lists, sources: Option<u64>) -> Standing {
    let (modes, hash) = (lists.modes(), lists.generation());
    let open = modes.read == access::Mode::Open && modes.write == access::Mode::Open;
    let entries = Some(lists.entries().len() as u64);
    let (generation, shards) = if open && lists.entries().is_empty() {
        (None, Shards::None)
    } else {
        (Some(hash.clone()), Shards::Of(lists))
    };
    let allowlist = Allowlist {
        hash,
        entries,
        sources,
        shards,
        rejected: Vec::new(),
        serves_nobody: false,
    };
    (modes, generation, allowlist)
}

/// The last good lists. Where they are not whole any more the file names them all the same: pods that have them keep them, and
/// to others nobody is known. Nothing is ever opened here.
fn kept(before: Before, asked: Modes) -> Standing {
    let named = |modes: Modes, generation: String, hash: String| {
        let allowlist = Allowlist {
            hash,
            entries: None,
            sources: None,
            shards: Shards::Untouched,
            rejected: Vec::new(),
            serves_nobody: false,
        };
        (modes, Some(generation), allowlist)
    };
    match before {
        Before::Whole(lists) => fresh(lists, None),
        Before::Torn(modes, hash) => named(modes, hash.clone(), hash),
        // The name of lists that stand nowhere: there is nothing that a pod could find whole.
        Before::Nothing => named(asked, NOWHERE.to_owned(), String::new()),
    }
}

/// The hash of no lists at all: no text is known that has it.
const NOWHERE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Why something else is in force than what is asked for, in one sentence.
pub fn words(rejected: &[Rejected]) -> String {
    let told: Vec<&str> = rejected.iter().map(|it| it.message.as_str()).collect();
    told.join("; ")
}
