//! What one client may ask of a relay. All of it is hot: in force on running pods without a restart.

use crate::value::{Bounded, Duration};
use serde::{Deserialize, Serialize};

/// Limits on connections, messages, filters and events (NIP-11 `limitation` is derived from these).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    default,
    expecting = "a mapping of keys"
)]
pub struct Limits {
    /// Open connections of one pod; further ones are refused.
    pub connections: Bounded<1, 1_000_000>,
    /// Open connections of one client address.
    pub connections_per_address: Bounded<1, 1_000_000>,
    /// Largest WebSocket message in bytes. Lowered, it holds for everybody at once; raised, for connections opened afterwards.
    pub message_bytes: Bounded<1024, 16_777_216>,
    /// Open subscriptions of one connection.
    pub subscriptions: Bounded<1, 10_000>,
    /// Filters of one REQ or COUNT.
    pub filters: Bounded<1, 1_000>,
    /// Values of all lists of one filter together.
    pub filter_values: Bounded<1, 100_000>,
    /// Most stored events per filter, and the number when a filter names none.
    pub limit: Bounded<1, 100_000>,
    /// Longest time that the stored part of one REQ or COUNT may take, at least 100ms; what is cut ends with EOSE `more`.
    #[cfg_attr(
        feature = "schema",
        schemars(extend("x-kubernetes-validations" = [{
            "rule": "!self.matches('^([0-9]{1,6}(ms|s|m|h))+$') || duration(self) >= duration('100ms')",
            "message": "limits.queryTime must be at least 100ms",
        }]))
    )]
    pub query_time: Duration,
    /// Tags of one event.
    pub event_tags: Bounded<0, 100_000>,
    /// Characters in an event's content.
    pub content_characters: Bounded<0, 16_777_216>,
    /// Bytes of one tag value.
    pub tag_value_bytes: Bounded<64, 16_777_216>,
    /// Characters of a subscription id.
    pub subscription_id_characters: Bounded<1, 1_024>,
    /// How far in the future an event's created_at may lie.
    pub created_at_ahead: Duration,
    /// Leading zero bits that an event's id must have (NIP-13).
    pub min_pow: Bounded<0, 256>,
}

impl Limits {
    /// Shorter ones would cut queries before anything was read.
    pub const QUERY_TIME_LEAST: Duration = Duration::millis(100);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: Bounded::new(10_000),
            connections_per_address: Bounded::new(100),
            message_bytes: Bounded::new(262_144),
            subscriptions: Bounded::new(200),
            filters: Bounded::new(50),
            filter_values: Bounded::new(3_000),
            limit: Bounded::new(500),
            query_time: Duration::seconds(5),
            event_tags: Bounded::new(5_000),
            content_characters: Bounded::new(131_072),
            tag_value_bytes: Bounded::new(16_384),
            subscription_id_characters: Bounded::new(64),
            created_at_ahead: Duration::seconds(900),
            min_pow: Bounded::new(0),
        }
    }
}
