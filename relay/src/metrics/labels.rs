//! The labels that counters have: enums and fixed sets, so that no client can make a new time series.

/// Which bound a client ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Connections of the whole process.
    Connections,
    /// Connections of one address.
    ConnectionsPerAddress,
    /// Connections that have not finished their HTTP phase.
    HalfOpen,
    /// From where clients may come.
    Addresses,
    /// How connections come where proxies bring them.
    Proxy,
    /// Subscriptions of one connection, and what their filters hold.
    Subscriptions,
    /// What the filters of one address, or of all, hold.
    Filters,
}

impl Limited {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::HalfOpen => "half_open",
            Self::Addresses => "addresses",
            Self::Proxy => "proxy",
            Self::Subscriptions => "subscriptions",
            Self::Filters => "filters",
        }
    }
}

/// Why an AUTH proved nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthFailure {
    /// No event.
    Malformed,
    /// Not of kind 22242.
    Kind,
    /// Too long ago, or in the future.
    Time,
    /// Not the challenge of this connection.
    Challenge,
    /// Meant for another relay.
    Relay,
    /// Wrong id or signature.
    Signature,
    /// One key too many for one connection.
    Keys,
}

impl AuthFailure {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Kind => "kind",
            Self::Time => "time",
            Self::Challenge => "challenge",
            Self::Relay => "relay",
            Self::Signature => "signature",
            Self::Keys => "keys",
        }
    }
}

/// What became of a changed configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// In force.
    Applied,
    /// Wrong: the last good one stays.
    Refused,
}

impl Reloaded {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
        }
    }
}

/// The label of an event kind: the kinds that people watch, `other` for all the rest, so that the number of series is fixed.
pub const fn kind_label(kind: u16) -> &'static str {
    match kind {
        0 => "0",
        1 => "1",
        3 => "3",
        4 => "4",
        5 => "5",
        6 => "6",
        7 => "7",
        16 => "16",
        62 => "62",
        443 => "443",
        444 => "444",
        445 => "445",
        1059 => "1059",
        1111 => "1111",
        1984 => "1984",
        9734 => "9734",
        9735 => "9735",
        10_000 => "10000",
        10_002 => "10002",
        10_050 => "10050",
        22_242 => "22242",
        24_133 => "24133",
        30_023 => "30023",
        30_078 => "30078",
        _ => "other",
    }
}
