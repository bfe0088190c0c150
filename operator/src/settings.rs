//! What the operator was started with and the pure steps need to know.

use ipnet::IpNet;
use std::{collections::BTreeSet, net::IpAddr, str::FromStr};

/// The operator's own settings, as the pure steps see them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The relay image where a spec names none.
    pub image: String,
    /// Who may reach public ports where a spec names nobody.
    pub ingress_from: Vec<Source>,
    /// The namespace whose pods may scrape the ops port.
    pub monitoring_namespace: Option<String>,
    /// The operator's own namespace: its pods ask the ops port.
    pub namespace: String,
    /// The only namespaces that are watched; all where none is named.
    pub watch_namespaces: BTreeSet<String>,
}

/// Who may connect: addresses or a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Addresses.
    Cidr(IpNet),
    /// All pods of a namespace, by its name.
    Namespace(String),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self::Cidr(net.trunc()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Cidr(address.into()));
        }
        let edge =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.len() <= 63
            && text.chars().all(inner)
            && edge(text.chars().next())
            && edge(text.chars().last())
        {
            return Ok(Self::Namespace(text.to_owned()));
        }
        Err(format!(
            "{text:?} is neither a CIDR such as 10.0.0.0/8 nor the name of a namespace"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_cidr_an_address_or_a_namespace() {
        let cidr = |text: &str| Source::Cidr(text.parse().unwrap());
        assert_eq!("10.1.2.3/8".parse(), Ok(cidr("10.0.0.0/8")));
        assert_eq!("10.250.0.254".parse(), Ok(cidr("10.250.0.254/32")));
        assert_eq!("fd00::/8".parse(), Ok(cidr("fd00::/8")));
        assert_eq!(
            "ingress-nginx".parse(),
            Ok(Source::Namespace("ingress-nginx".into()))
        );
        for wrong in ["", "10.0.0.0/99", "-x", "Ingress", "a b", "x-"] {
            assert!(
                wrong.parse::<Source>().is_err(),
                "{wrong:?} must be refused"
            );
        }
    }
}
