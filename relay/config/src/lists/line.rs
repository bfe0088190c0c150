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
    /// A carriage return where no line ends: what stands behind it would be part of a comment.
    #[error("a carriage return without a line feed: end every line with a line feed")]
    Return,
}

/// What a line says before its comment, without blanks; empty when it says nothing. A byte order mark before it, as Windows
/// editors put it before a file's first line, says nothing either.
///
/// # Errors
/// [`LineError::Return`]. A file whose lines end with carriage returns alone would be one line, and one comment.
pub fn said(line: &str) -> Result<&str, LineError> {
    let line = line.trim();
    let line = line.strip_prefix('\u{feff}').map_or(line, str::trim_start);
    if line.contains('\r') {
        return Err(LineError::Return);
    }
    Ok(line.split('#').next().unwrap_or_default().trim_end())
}

/// One line as people write it: a key, `until` and a day where the entry ends by itself, and `#` before a comment.
/// `None`: nothing but a comment or blanks.
pub fn line(text: &str) -> Result<Option<Listed>, LineError> {
    let mut words = said(text)?.split_whitespace();
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
