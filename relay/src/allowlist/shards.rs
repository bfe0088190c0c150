//! The eight shards of the allowlist beside the configuration file.

use relay_config::{
    Hot, Lists,
    lists::{NotWhole, SHARD_BYTES, SHARDS},
    names,
};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Why terms and lists are not taken. The text names the shard, and the line where there is one.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// A shard is there and cannot be read.
    #[error("shard {number} of the allowlist cannot be read: {source}")]
    Io {
        /// Which.
        number: usize,
        /// The reason.
        source: io::Error,
    },
    /// A shard that is none.
    #[error("shard {0} of the allowlist is larger than {SHARD_BYTES} bytes")]
    TooLarge(usize),
    /// Configuration and shards do not agree.
    #[error(transparent)]
    NotWhole(#[from] NotWhole),
}

/// The terms and lists of a configuration: from the shards beside its file when it names a generation, else its own.
pub fn read(config: Option<&Path>, hot: &Hot) -> Result<Lists, ShardError> {
    if hot.access.generation.is_none() {
        return Ok(Lists::inline(hot)?);
    }
    let mut shards = [const { None }; SHARDS];
    for (shard, (number, path)) in shards.iter_mut().zip(paths(config).enumerate()) {
        *shard = text(number, &path)?;
    }
    Ok(Lists::whole(hot, &shards)?)
}

/// Where the shards stand, or would.
pub fn paths(config: Option<&Path>) -> impl Iterator<Item = PathBuf> {
    let beside = config.and_then(Path::parent).unwrap_or(Path::new(""));
    (0..SHARDS).map(move |number| beside.join(names::shard(number)))
}

fn text(number: usize, path: &Path) -> Result<Option<String>, ShardError> {
    let io = |source| ShardError::Io { number, source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let mut text = String::new();
    let bound = SHARD_BYTES as u64 + 1;
    file.take(bound).read_to_string(&mut text).map_err(io)?;
    if text.len() > SHARD_BYTES {
        return Err(ShardError::TooLarge(number));
    }
    Ok(Some(text))
}
