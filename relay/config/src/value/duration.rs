//! A duration, as people write it.

use super::text::TextVisitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, marker::PhantomData, str::FromStr};

/// A duration written as a Go string: `900s`, `168h`, `1h30m`, `250ms`. Whole milliseconds, never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(std::time::Duration);

impl Duration {
    /// The longest one accepted: a hundred years.
    pub const MAX: std::time::Duration = std::time::Duration::from_secs(100 * 366 * 24 * 3600);

    /// A duration of whole seconds, for defaults.
    pub const fn seconds(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// A duration of whole milliseconds, for bounds.
    pub const fn millis(millis: u64) -> Self {
        Self(std::time::Duration::from_millis(millis))
    }

    /// The value as the standard library's type.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }
}

const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a duration: write it like 30s, 15m or 168h");
        let mut rest = text;
        let mut millis: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (_, unit) = UNITS
                .iter()
                .find(|(name, _)| *name == &rest[..letters])
                .ok_or_else(wrong)?;
            rest = &rest[letters..];
            millis = number
                .checked_mul(*unit)
                .and_then(|more| millis.checked_add(more))
                .ok_or_else(wrong)?;
        }
        let value = std::time::Duration::from_millis(millis);
        if text.is_empty() || value > Self::MAX {
            return Err(wrong());
        }
        Ok(Self(value))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match millis {
            0 => f.write_str("0s"),
            m if m % 3_600_000 == 0 => write!(f, "{}h", m / 3_600_000),
            m if m % 60_000 == 0 => write!(f, "{}m", m / 60_000),
            m if m % 1_000 == 0 => write!(f, "{}s", m / 1_000),
            m => write!(f, "{m}ms"),
        }
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_str(TextVisitor(PhantomData))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::Duration;
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for Duration {
        fn schema_name() -> Cow<'static, str> {
            "Duration".into()
        }
        fn inline_schema() -> bool {
            true
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string", "maxLength": 32, "pattern": "^([0-9]+(ms|s|m|h))+$"})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_go_strings() {
        for (text, millis, shown) in [
            ("900s", 900_000, "15m"),
            ("1h30m", 5_400_000, "90m"),
            ("250ms", 250, "250ms"),
            ("0s", 0, "0s"),
        ] {
            let value: Duration = text.parse().unwrap();
            assert_eq!(value.get().as_millis(), millis, "{text}");
            assert_eq!(value.to_string(), shown);
        }
        for text in [
            "",
            "5",
            "s",
            "-1s",
            "1d",
            "1.5h",
            "99999999999999999999s",
            "9000000000h",
            "1s ",
        ] {
            assert!(
                text.parse::<Duration>().is_err(),
                "{text:?} must be refused"
            );
        }
    }
}
