//! The line that people write.

use super::{Day, Key};

/// A key, and the day at whose beginning it is no longer listed.
pub type Listed = (Key, Option<Day>);

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not a key.
    #[error("not a public key: write npub1… or 64 lower-case hex characters")]
    Key,
    /// Something behind the key that is no date.
    #[error("not a date: write until 2027-01-01 behind the key, or nothing")]
    Date,
}

/// One line as people write it: a key, `until` and a day where the entry ends by itself, and `#` before a comment.
/// `None`: nothing but a comment or blanks.
pub fn line(text: &str) -> Result<Option<Listed>, LineError> {
    let text = text.split('#').next().unwrap_or_default();
    let mut words = text.split_whitespace();
    let Some(key) = words.next() else {
        return Ok(None);
    };
    let key = Key::parse(key).ok_or(LineError::Key)?;
    let until = match (words.next(), words.next(), words.next()) {
        (None, ..) => None,
        (Some("until"), Some(day), None) => Some(day.parse().map_err(|()| LineError::Date)?),
        _ => return Err(LineError::Date),
    };
    Ok(Some((key, until)))
}
