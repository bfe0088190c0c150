//! A client's message: its verb, and what it carries (NIP-01, NIP-42, NIP-45).
//!
//! The event of EVENT and AUTH is handed on unread: [`Event::read`](super::Event::read) reads it once. What precedes its end is read
//! there too, so a frame costs one pass.

use super::{filter::Filter, json::Cursor, subscription::SubscriptionId, verdict::Verdict};

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// Publish this event (its text, not yet read).
    Event(&'a str),
    /// Send what matches, then what arrives. There is at least one filter.
    Req {
        /// The subscription.
        id: SubscriptionId,
        /// What is asked for; any may match.
        filters: Vec<Filter>,
    },
    /// Say how many match all filters together (NIP-45).
    Count {
        /// The query.
        id: SubscriptionId,
        /// What is counted; any may match.
        filters: Vec<Filter>,
    },
    /// End a subscription.
    Close(SubscriptionId),
    /// Authenticate with this event (NIP-42).
    Auth(&'a str),
    /// The text `ping`, in no NIP: answered by the text `pong`.
    Ping,
    /// An empty message, or a CLOSE of a name that no subscription can have: no answer.
    Nothing,
}

/// What is wrong with a message, and who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No id is known: NOTICE.
    Notice {
        /// What is wrong.
        verdict: Verdict,
        /// Whether this was no message at all; many of them in a row end the connection.
        counts_as_malformed: bool,
    },
    /// The subscription's name is known: CLOSED.
    Closed {
        /// The subscription or query.
        id: SubscriptionId,
        /// What is wrong.
        verdict: Verdict,
    },
}

/// Limits of one message, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct FrameLimits {
    /// Filters of one REQ or COUNT.
    pub filters: usize,
    /// Values of all lists of one filter together.
    pub filter_values: usize,
    /// Characters of a subscription id.
    pub subscription_id_characters: usize,
}

/// Reads a text frame.
///
/// # Errors
/// [`Refusal`]: what to answer instead.
pub fn read<'a>(text: &'a str, limits: &FrameLimits) -> Result<ClientMessage<'a>, Refusal> {
    match text {
        "ping" => return Ok(ClientMessage::Ping),
        "" | "\n" => return Ok(ClientMessage::Nothing),
        _ => {}
    }
    let mut cursor = Cursor::new(text);
    let verb = verb(&mut cursor).map_err(malformed)?;
    match verb.as_str() {
        "EVENT" => carried(&mut cursor).map(ClientMessage::Event),
        "AUTH" => carried(&mut cursor).map(ClientMessage::Auth),
        "REQ" => query(&mut cursor, limits).map(|(id, filters)| ClientMessage::Req { id, filters }),
        "COUNT" => {
            query(&mut cursor, limits).map(|(id, filters)| ClientMessage::Count { id, filters })
        }
        "CLOSE" => close(&mut cursor, limits),
        _ => Err(unknown(&mut cursor, &verb)),
    }
}

fn verb(cursor: &mut Cursor<'_>) -> Result<String, Verdict> {
    cursor.skip_space();
    if !cursor.take(b'[') {
        return Err(Verdict::invalid("a message is a JSON array"));
    }
    cursor.skip_space();
    if cursor.peek() != Some(b'"') {
        return Err(Verdict::invalid("a message begins with its verb, a string"));
    }
    cursor.string().map(Into::into)
}

/// The rest of the frame up to its closing bracket: one event, which its reader checks to the end.
fn carried<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Refusal> {
    next(cursor).map_err(malformed)?;
    let rest = cursor.rest().trim_end_matches([' ', '\t', '\n', '\r']);
    rest.strip_suffix(']')
        .ok_or_else(|| malformed(Verdict::invalid("the message does not end with a bracket")))
}

/// Steps to the next element; there must be one.
fn next(cursor: &mut Cursor<'_>) -> Result<(), Verdict> {
    cursor.skip_space();
    if cursor.peek() == Some(b']') {
        return Err(Verdict::invalid("the message ends after its verb"));
    }
    cursor.comma()
}

fn query(
    cursor: &mut Cursor<'_>,
    limits: &FrameLimits,
) -> Result<(SubscriptionId, Vec<Filter>), Refusal> {
    let name = name(cursor).map_err(malformed)?;
    let id = subscription(&name, limits).map_err(|verdict| Refusal::Notice {
        verdict,
        counts_as_malformed: false,
    })?;
    match filters(cursor, limits) {
        Ok(filters) => Ok((id, filters)),
        Err(verdict) => Err(Refusal::Closed { id, verdict }),
    }
}

fn name(cursor: &mut Cursor<'_>) -> Result<String, Verdict> {
    next(cursor)?;
    if cursor.peek() != Some(b'"') {
        return Err(Verdict::invalid("a subscription id must be a string"));
    }
    cursor.string().map(Into::into)
}

fn subscription(name: &str, limits: &FrameLimits) -> Result<SubscriptionId, Verdict> {
    let most = limits.subscription_id_characters;
    if name.is_empty() {
        return Err(Verdict::invalid("a subscription id must not be empty"));
    }
    if name.chars().nth(most).is_some() {
        return Err(Verdict::invalid(format!(
            "a subscription id has at most {most} characters"
        )));
    }
    Ok(SubscriptionId::new(name))
}

fn filters(cursor: &mut Cursor<'_>, limits: &FrameLimits) -> Result<Vec<Filter>, Verdict> {
    let mut filters = Vec::new();
    loop {
        cursor.skip_space();
        if cursor.take(b']') {
            break;
        }
        cursor.comma()?;
        if filters.len() == limits.filters {
            let most = limits.filters;
            return Err(Verdict::invalid(format!(
                "a message has at most {most} filters"
            )));
        }
        let filter = Filter::read_at(cursor)?;
        if filter.value_count() > limits.filter_values {
            let most = limits.filter_values;
            return Err(Verdict::invalid(format!(
                "a filter has at most {most} values"
            )));
        }
        filters.push(filter);
    }
    cursor.end()?;
    if filters.is_empty() {
        return Err(Verdict::invalid(
            "at least one filter is needed; {} asks for everything",
        ));
    }
    Ok(filters)
}

fn close<'a>(cursor: &mut Cursor<'a>, limits: &FrameLimits) -> Result<ClientMessage<'a>, Refusal> {
    let name = name(cursor).map_err(malformed)?;
    remainder(cursor).map_err(malformed)?;
    Ok(subscription(&name, limits).map_or(ClientMessage::Nothing, ClientMessage::Close))
}

/// Checks the elements that nobody looks at.
fn remainder(cursor: &mut Cursor<'_>) -> Result<(), Verdict> {
    cursor.skip_space();
    while !cursor.take(b']') {
        cursor.comma()?;
        cursor.skip_value()?;
        cursor.skip_space();
    }
    cursor.end()
}

fn unknown(cursor: &mut Cursor<'_>, verb: &str) -> Refusal {
    if let Err(verdict) = remainder(cursor) {
        return malformed(verdict);
    }
    let shown: String = verb.chars().filter(|c| !c.is_control()).take(32).collect();
    Refusal::Notice {
        verdict: Verdict::unsupported(shown),
        counts_as_malformed: false,
    }
}

fn malformed(verdict: Verdict) -> Refusal {
    Refusal::Notice {
        verdict,
        counts_as_malformed: true,
    }
}
