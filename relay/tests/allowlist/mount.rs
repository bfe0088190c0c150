//! A directory that changes as a mounted volume does, and what stands in it.

use relay_config::{
    Config, Lists,
    access::Mode,
    lists::{Entry, Key, List, Modes, NOBODY, SHARDS, Terms},
    names,
};
use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// Names and texts of all files of a mount.
pub type Files = BTreeMap<String, String>;

/// A directory whose files a kubelet writes: all of them in a directory of their own, then one rename of `..data`.
pub struct Mount {
    dir: PathBuf,
    number: Cell<u32>,
}

impl Mount {
    /// In this directory, which stays when the mount is dropped.
    pub fn new(dir: &Path, files: &Files) -> Self {
        let mount = Self {
            dir: dir.to_owned(),
            number: Cell::new(0),
        };
        mount.swap(files);
        mount
    }

    /// As the kubelet's atomic writer does it.
    pub fn swap(&self, files: &Files) {
        self.number.set(self.number.get() + 1);
        let stamped = format!("..2026_11_21_12_00_{:08}", self.number.get());
        let before = fs::read_link(self.dir.join("..data"));
        fs::create_dir(self.dir.join(&stamped)).unwrap();
        for (name, text) in files {
            fs::write(self.dir.join(&stamped).join(name), text).unwrap();
        }
        symlink(&stamped, self.dir.join("..data_tmp")).unwrap();
        fs::rename(self.dir.join("..data_tmp"), self.dir.join("..data")).unwrap();
        for name in all_names() {
            let visible = self.dir.join(&name);
            match (files.contains_key(&name), visible.is_symlink()) {
                (true, false) => symlink(Path::new("..data").join(&name), visible).unwrap(),
                (false, true) => fs::remove_file(visible).unwrap(),
                _ => {}
            }
        }
        if let Ok(before) = before {
            fs::remove_dir_all(self.dir.join(before)).unwrap();
        }
    }
}

/// The configuration and the shards.
pub fn all_names() -> Vec<String> {
    let shards = (0..SHARDS).map(names::shard);
    std::iter::once(names::CONFIG_FILE.to_owned())
        .chain(shards)
        .collect()
}

/// Writes files in place, as an editor does: not twice within one tick of the file system's clock.
pub fn write_plain(dir: &Path, files: &Files) {
    std::thread::sleep(std::time::Duration::from_millis(10));
    for name in all_names() {
        let path = dir.join(&name);
        match files.get(&name) {
            Some(text) if fs::read_to_string(&path).ok().as_ref() == Some(text) => {}
            Some(text) => fs::write(path, text).unwrap(),
            None => drop(fs::remove_file(path)),
        }
    }
}

/// `access.write` with this mode and these keys.
pub fn writers(write: Mode, keys: &[[u8; 32]]) -> Lists {
    let modes = Modes {
        write,
        ..Modes::default()
    };
    let entry = |key: &[u8; 32]| Entry {
        key: Key(*key),
        list: List::Write,
        until: None,
    };
    Lists::new(modes, keys.iter().map(entry).collect())
}

/// These lists under other terms.
pub fn under(lists: &Lists, change: impl FnOnce(&mut Terms)) -> Lists {
    let mut terms = lists.terms().clone();
    change(&mut terms);
    Lists::new(terms, lists.entries().to_vec())
}

/// What the operator writes while there never was a good list.
pub fn nobody() -> Files {
    alone(&format!(
        "version: 1\nhot: {{access: {{write: {{mode: Allow}}, generation: '{NOBODY}'}}}}\n"
    ))
}

/// These files, written for a resource.
pub fn of_resource(files: &Files, uid: &str) -> Files {
    rewritten(files, names::CONFIG_FILE, |text| {
        let mut config = Config::read(text).unwrap();
        config.hot.access.resource_uid = Some(uid.to_owned());
        config.write()
    })
}

/// What the operator writes for terms and lists.
pub fn files(lists: &Lists) -> Files {
    let mut config = Config::default();
    let terms = lists.terms().clone();
    terms.put(&mut config.hot, Some(lists.generation()));
    config.hot.limits.connections_per_address = serde_json::from_str("1000").unwrap();
    let shards = lists.shards().into_iter().enumerate();
    shards
        .map(|(number, text)| (names::shard(number), text))
        .chain([(names::CONFIG_FILE.to_owned(), config.write())])
        .collect()
}

/// A file that is nothing but a configuration.
pub fn alone(yaml: &str) -> Files {
    Files::from([(names::CONFIG_FILE.to_owned(), yaml.to_owned())])
}

/// These files with one of them taken from `other`, or missing when it is missing there.
pub fn with(files: &Files, name: &str, other: &Files) -> Files {
    let mut files = files.clone();
    files.remove(name);
    files.extend(other.get(name).map(|text| (name.to_owned(), text.clone())));
    files
}

pub fn without(files: &Files, name: &str) -> Files {
    with(files, name, &Files::new())
}

pub fn rewritten(files: &Files, name: &str, change: impl Fn(&str) -> String) -> Files {
    let mut files = files.clone();
    let text = change(&files[name]);
    files.insert(name.to_owned(), text);
    files
}
