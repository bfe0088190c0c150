//! Ranges: of event kinds, and of addresses.

use crate::value::TextVisitor;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, marker::PhantomData, net::IpAddr, str::FromStr};

/// A kind or a range of kinds, both ends included: `1`, `30000-39999`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindRange {
    first: u16,
    last: u16,
}

impl KindRange {
    /// Is this kind in it?
    pub const fn contains(self, kind: u16) -> bool {
        self.first <= kind && kind <= self.last
    }
}

impl FromStr for KindRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a range of kinds: write it like 1 or 30000-39999");
        let kind = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>()
                .ok()
                .filter(|_| digits)
                .ok_or_else(wrong)
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = Self {
            first: kind(first)?,
            last: kind(last)?,
        };
        if range.first > range.last {
            return Err(wrong());
        }
        Ok(range)
    }
}

impl fmt::Display for KindRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// A range of addresses in CIDR notation (RFC 4632, RFC 4291), `203.0.113.0/24`; or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr(IpNet);

impl Cidr {
    /// Is this address in it? An IPv4 address that is written as an IPv6 one is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let alone = || text.parse::<IpAddr>().map(IpNet::from);
        let net = text.parse::<IpNet>().or_else(|_| alone());
        net.map(|net| Self(net.trunc())).map_err(|_| {
            format!("{text:?} is not a range of addresses: write it like 203.0.113.0/24 or 2001:db8::/32")
        })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for KindRange {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_str(TextVisitor(PhantomData))
    }
}

impl Serialize for KindRange {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_str(TextVisitor(PhantomData))
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::{Cidr, KindRange};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for KindRange {
        fn schema_name() -> Cow<'static, str> {
            "KindRange".into()
        }
        fn inline_schema() -> bool {
            true
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string", "maxLength": 11, "pattern": "^[0-9]{1,5}(-[0-9]{1,5})?$"})
        }
    }

    impl JsonSchema for Cidr {
        fn schema_name() -> Cow<'static, str> {
            "Cidr".into()
        }
        fn inline_schema() -> bool {
            true
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string", "maxLength": 64, "pattern": "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$"})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_kinds_holds_both_ends() {
        let range: KindRange = "30000-39999".parse().unwrap();
        let held = [29_999, 30_000, 39_999, 40_000].map(|kind| range.contains(kind));
        assert_eq!(held, [false, true, true, false]);
        assert_eq!(range.to_string(), "30000-39999");
        let one: KindRange = "4".parse().unwrap();
        assert!(one.contains(4) && !one.contains(5));
        for text in ["", "x", "1-", "-1", "2-1", "65536", "1-2-3", "+1", " 1"] {
            assert!(text.parse::<KindRange>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_range_of_addresses_holds_its_addresses_however_they_are_written() {
        let holds = |range: &str, address: &str| {
            let range: Cidr = range.parse().unwrap();
            range.contains(address.parse().unwrap())
        };
        assert!(holds("203.0.113.0/24", "203.0.113.7"));
        assert!(holds("203.0.113.0/24", "::ffff:203.0.113.7"));
        assert!(holds("203.0.113.7", "203.0.113.7"));
        assert!(holds("2001:db8::1/32", "2001:db8:1::1"));
        assert!(!holds("203.0.113.0/24", "203.0.114.7"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        for text in ["", "203.0.113.0/33", "203.0.113", "town", "2001:db8::/129"] {
            assert!(text.parse::<Cidr>().is_err(), "{text:?}");
        }
    }
}
