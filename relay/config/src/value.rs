//! Checked values: what has rules is read once, here, and is right from then on.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Unexpected, Visitor},
};
use std::{fmt, marker::PhantomData, net::SocketAddr, str::FromStr};

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

/// A size in bytes, written as a Kubernetes quantity: `10Gi`, `500M`, `4096`. Whole bytes, more than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// The value in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

const SUFFIXES: [(&str, u64); 11] = [
    ("", 1),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a size: write it like 10Gi or 500M");
        let split = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (_, unit) = SUFFIXES
            .iter()
            .find(|(name, _)| *name == &text[split..])
            .ok_or_else(wrong)?;
        let bytes = match text[..split].split_once('.') {
            None => text[..split]
                .parse::<u64>()
                .ok()
                .and_then(|n| n.checked_mul(*unit)),
            Some((whole, part)) if part.len() <= 9 && !part.is_empty() => {
                let scale = 10_u128.pow(part.len() as u32);
                let number = format!("{whole}{part}")
                    .parse::<u128>()
                    .map_err(|_| wrong())?;
                u64::try_from(number.saturating_mul(u128::from(*unit)) / scale).ok()
            }
            Some(_) => None,
        };
        bytes.filter(|bytes| *bytes > 0).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let best = SUFFIXES
            .iter()
            .filter(|(_, unit)| self.0.is_multiple_of(*unit))
            .max_by_key(|(_, unit)| *unit);
        let (name, unit) = best.expect("every number is a multiple of 1");
        write!(f, "{}{name}", self.0 / unit)
    }
}

/// A whole number between `MIN` and `MAX`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bounded<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    /// For defaults: a value outside the bounds does not compile when used in a constant.
    pub const fn new(value: u64) -> Self {
        assert!(value >= MIN && value <= MAX, "outside its bounds");
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as a length.
    pub const fn len(self) -> usize {
        self.0 as usize
    }

    /// Is it zero?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_u64(BoundedVisitor)
    }
}

/// Judges inside the visitor: only there serde_yaml adds the key and the line to the error.
struct BoundedVisitor<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Visitor<'_> for BoundedVisitor<MIN, MAX> {
    type Value = Bounded<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        if (MIN..=MAX).contains(&value) {
            Ok(Bounded(value))
        } else {
            Err(E::invalid_value(Unexpected::Unsigned(value), &self))
        }
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        match u64::try_from(value) {
            Ok(value) => self.visit_u64(value),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(value), &self)),
        }
    }
}

impl<const MIN: u64, const MAX: u64> Serialize for Bounded<MIN, MAX> {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_u64(self.0)
    }
}

/// Reads text with `FromStr`, inside a visitor for the same reason.
pub(crate) struct TextVisitor<T>(pub(crate) PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Reads an address with its port, such as `127.0.0.1:8080` or `[::]:8080`.
pub(crate) fn socket_address<'de, D: Deserializer<'de>>(input: D) -> Result<SocketAddr, D::Error> {
    struct Address(SocketAddr);
    impl FromStr for Address {
        type Err = String;
        fn from_str(text: &str) -> Result<Self, String> {
            let wrong = || format!("{text:?} is not an address: write it like 127.0.0.1:8080");
            text.parse().map(Self).map_err(|_| wrong())
        }
    }
    let Address(address) = input.deserialize_str(TextVisitor(PhantomData))?;
    Ok(address)
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

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_str(TextVisitor(PhantomData))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::{Bounded, Duration, Size};
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

    impl JsonSchema for Size {
        fn schema_name() -> Cow<'static, str> {
            "Size".into()
        }
        fn inline_schema() -> bool {
            true
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string", "maxLength": 32, "pattern": r"^[0-9]+(\.[0-9]{1,9})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"})
        }
    }

    impl<const MIN: u64, const MAX: u64> JsonSchema for Bounded<MIN, MAX> {
        fn schema_name() -> Cow<'static, str> {
            format!("Bounded{MIN}To{MAX}").into()
        }
        fn inline_schema() -> bool {
            true
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "integer", "format": "int64", "minimum": MIN, "maximum": MAX})
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

    #[test]
    fn sizes_are_quantities() {
        for (text, bytes, shown) in [
            ("10Gi", 10 << 30, "10Gi"),
            ("1.5Gi", 3 << 29, "1536Mi"),
            ("500M", 500_000_000, "500M"),
            ("1", 1, "1"),
        ] {
            let value: Size = text.parse().unwrap();
            assert_eq!(value.bytes(), bytes, "{text}");
            assert_eq!(value.to_string(), shown);
        }
        for text in [
            "",
            "0",
            "-1",
            "lots",
            "1Zi",
            "1.",
            ".",
            "99999999Pi",
            "1 Gi",
        ] {
            assert!(text.parse::<Size>().is_err(), "{text:?} must be refused");
        }
    }
}
