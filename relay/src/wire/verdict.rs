//! The words of every OK, CLOSED and NOTICE: a standard prefix in lower case and a sentence (NIP-01, "Standardised messages").

use std::{borrow::Cow, fmt};

/// The machine-readable first word of a verdict (NIP-01, NIP-13, NIP-42, NIP-45).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// The same id is stored (OK true), or a newer version is (OK false).
    Duplicate,
    /// Malformed, wrong id or signature, outside the time bounds, expired, too large, or a bad filter.
    Invalid,
    /// Too little proof of work, or less than committed to (NIP-13).
    Pow,
    /// A banned key, kind, address or word; deleted or vanished; a query that is too broad.
    Blocked,
    /// Authenticated, but not allowed; private kinds that are served to nobody here.
    Restricted,
    /// Not authenticated (NIP-42).
    AuthRequired,
    /// A bucket is empty, or there are too many subscriptions.
    RateLimited,
    /// A filter field, search or verb that is off or unknown.
    Unsupported,
    /// Our fault: disk full, shutting down.
    Error,
}

impl Prefix {
    /// Every prefix, for metrics that list them.
    pub const ALL: [Self; 9] = [
        Self::Duplicate,
        Self::Invalid,
        Self::Pow,
        Self::Blocked,
        Self::Restricted,
        Self::AuthRequired,
        Self::RateLimited,
        Self::Unsupported,
        Self::Error,
    ];

    /// The word as it stands before the colon; also the metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Invalid => "invalid",
            Self::Pow => "pow",
            Self::Blocked => "blocked",
            Self::Restricted => "restricted",
            Self::AuthRequired => "auth-required",
            Self::RateLimited => "rate-limited",
            Self::Unsupported => "unsupported",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why everything ends when the process does: the sentence after [`Prefix::Error`], and the reason of the close frame.
pub const SHUTTING_DOWN: &str = "shutting down";

/// What the relay says about a message: `prefix: text`, or only the text (which is empty when all is well).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The standard prefix; none when there is nothing to complain about.
    pub prefix: Option<Prefix>,
    /// A sentence for people. It names the field and the fix, never an internal error.
    pub text: Cow<'static, str>,
}

impl Verdict {
    /// Nothing to say: the empty fourth element of `OK true`.
    pub const NONE: Self = Self {
        prefix: None,
        text: Cow::Borrowed(""),
    };

    /// A verdict with this prefix.
    pub fn new(prefix: Prefix, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            prefix: Some(prefix),
            text: text.into(),
        }
    }

    /// See [`Prefix::Duplicate`].
    pub fn duplicate(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Prefix::Duplicate, text)
    }

    /// See [`Prefix::Invalid`].
    pub fn invalid(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Prefix::Invalid, text)
    }

    /// See [`Prefix::Pow`].
    pub fn pow(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Prefix::Pow, text)
    }

    /// See [`Prefix::Blocked`].
    pub fn blocked(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Prefix::Blocked, text)
    }

    /// See [`Prefix::Restricted`].
    pub fn restricted(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Prefix::Restricted, text)
    }

    /// See [`Prefix::AuthRequired`].
    pub fn auth_required(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Prefix::AuthRequired, text)
    }

    /// See [`Prefix::RateLimited`].
    pub fn rate_limited(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Prefix::RateLimited, text)
    }

    /// See [`Prefix::Unsupported`].
    pub fn unsupported(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Prefix::Unsupported, text)
    }

    /// See [`Prefix::Error`].
    pub fn error(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Prefix::Error, text)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix {
            Some(prefix) => write!(f, "{prefix}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}
