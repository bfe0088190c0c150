//! A place in the input, and the file that keeps it between two runs.

use super::ImportError;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Everything before this place has been answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Lines before it.
    pub line: u64,
    /// Bytes before it.
    pub byte: u64,
}

/// The file that `--resume-file` names.
#[derive(Clone, Debug)]
pub struct PositionFile(PathBuf);

impl PositionFile {
    /// The file at `path`; it need not exist.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The place it names; the beginning when there is no such file.
    pub fn read(&self) -> Result<Position, ImportError> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => {
                return Ok(Position::default());
            }
            Err(problem) => return Err(self.wrong(&problem.to_string())),
        };
        serde_json::from_str(&text).map_err(|_| {
            self.wrong("it is not one of ours: remove it to start from the first line")
        })
    }

    /// Keeps `position`: the file is whole at every moment.
    pub fn write(&self, position: Position) -> Result<(), ImportError> {
        let text = serde_json::to_string(&position).expect("two numbers are JSON");
        let mut next = self.0.clone().into_os_string();
        next.push(".new");
        fs::write(&next, text + "\n")
            .and_then(|()| fs::rename(&next, &self.0))
            .map_err(|problem| self.wrong(&problem.to_string()))
    }

    fn wrong(&self, problem: &str) -> ImportError {
        ImportError::Position {
            file: self.0.display().to_string(),
            problem: problem.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_and_a_missing_file_is_the_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let file = PositionFile::new(&dir.path().join("at"));
        assert_eq!(file.read().unwrap(), Position::default());
        let place = Position { line: 3, byte: 99 };
        file.write(place).unwrap();
        assert_eq!(file.read().unwrap(), place);
    }

    #[test]
    fn a_foreign_file_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("at");
        fs::write(&path, "{\"id\":1}").unwrap();
        let problem = PositionFile::new(&path).read().unwrap_err().to_string();
        assert!(problem.contains("remove it"), "{problem}");
    }
}
