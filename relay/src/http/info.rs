//! The relay information document (NIP-11), true to the configuration in force: every number comes from where the session
//! takes it, and only what is on is listed.

use super::reply;
use crate::{SOFTWARE, policy::lists::Rules};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use nostr::key::PublicKey;
use relay_config::{
    Hot, Info,
    access::{Kinds, Mode, Required},
};
use serde::Serialize;
use warp::reply::Response;

/// The media type that asks for the document.
pub const CONTENT_TYPE: &str = "application/nostr+json";

/// What is on, in ascending order.
pub const SUPPORTED_NIPS: [u16; 11] = [1, 9, 11, 13, 40, 42, 45, 59, 62, 67, 70];

/// The document. Fields that are not set are left out.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    banner: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pubkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<&'a str>,
    supported_nips: &'static [u16],
    software: &'static str,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    terms_of_service: Option<&'a str>,
    limitation: Limitation,
}

/// What a client must keep to (NIP-11, "Server Limitations").
#[derive(Debug, Serialize)]
struct Limitation {
    max_message_length: u64,
    max_subscriptions: u64,
    max_subid_length: u64,
    max_limit: u64,
    default_limit: u64,
    max_event_tags: u64,
    max_content_length: u64,
    min_pow_difficulty: u64,
    auth_required: bool,
    payment_required: bool,
    restricted_writes: bool,
    created_at_upper_limit: u64,
}

/// The document of this configuration, and of what says who gets in.
pub fn document<'a>(hot: &'a Hot, rules: &Rules) -> Document<'a> {
    let info = &hot.info;
    Document {
        name: info.name.as_deref(),
        description: info.description.as_deref(),
        banner: info.banner.as_deref(),
        icon: info.icon.as_deref(),
        pubkey: pubkey(info),
        contact: info.contact.as_deref(),
        supported_nips: &SUPPORTED_NIPS,
        software: SOFTWARE,
        version: env!("CARGO_PKG_VERSION"),
        terms_of_service: info.terms_of_service.as_deref(),
        limitation: limitation(hot, rules),
    }
}

fn limitation(hot: &Hot, rules: &Rules) -> Limitation {
    let limits = &hot.limits;
    Limitation {
        max_message_length: limits.message_bytes.get(),
        max_subscriptions: limits.subscriptions.get(),
        max_subid_length: limits.subscription_id_characters.get(),
        max_limit: limits.limit.get(),
        default_limit: limits.limit.get(),
        max_event_tags: limits.event_tags.get(),
        max_content_length: limits.content_characters.get(),
        min_pow_difficulty: limits.min_pow.get(),
        // Only where nothing at all can be done before AUTH.
        auth_required: rules.terms().auth.required == Required::Always,
        payment_required: false,
        restricted_writes: restricts_writes(hot, rules),
        created_at_upper_limit: limits.created_at_ahead.get().as_secs(),
    }
}

/// Must an event have more than form and signature to be taken? Bans are left out: they are for a few, and not announced.
fn restricts_writes(hot: &Hot, rules: &Rules) -> bool {
    let terms = rules.terms();
    rules.is_shut()
        || hot.limits.min_pow.get() > 0
        || matches!(terms.auth.required, Required::Write | Required::Always)
        || terms.modes.write != Mode::Open
        || terms.kinds != Kinds::default()
}

/// The administrator's key as NIP-11 wants it: 64 hex characters, whichever way it was written.
fn pubkey(info: &Info) -> Option<String> {
    let key = PublicKey::parse(info.pubkey.as_deref()?).ok()?;
    Some(key.to_hex())
}

/// The answer to a request for the document.
pub fn answer(hot: &Hot, rules: &Rules) -> Response {
    with_cors(reply::json(CONTENT_TYPE, &document(hot, rules)))
}

/// The answer to a browser that asks whether it may.
pub fn preflight() -> Response {
    with_cors(reply::empty(StatusCode::NO_CONTENT))
}

fn with_cors(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::VARY, "Accept"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Does one of the `Accept` headers list the document's media type, at any place, with any parameters?
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|media_type| media_type.trim().eq_ignore_ascii_case(CONTENT_TYPE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_config::Lists;
    use serde_json::{Value, json};

    fn rules(hot: &Hot) -> Rules {
        Rules::new(&Lists::inline(hot).unwrap())
    }

    fn told(hot: &Hot, rules: &Rules) -> Value {
        serde_json::to_value(document(hot, rules)).unwrap()
    }

    fn shown(yaml: &str) -> Value {
        let config = relay_config::Config::read(yaml).unwrap();
        told(&config.hot, &rules(&config.hot))
    }

    #[test]
    fn the_default_document_holds_the_default_limits_and_no_empty_fields() {
        assert_eq!(
            shown(""),
            json!({
                "supported_nips": [1, 9, 11, 13, 40, 42, 45, 59, 62, 67, 70],
                "software": SOFTWARE,
                "version": env!("CARGO_PKG_VERSION"),
                "limitation": {
                    "max_message_length": 262_144, "max_subscriptions": 200, "max_subid_length": 64,
                    "max_limit": 500, "default_limit": 500, "max_event_tags": 5000,
                    "max_content_length": 131_072, "min_pow_difficulty": 0, "auth_required": false,
                    "payment_required": false, "restricted_writes": false, "created_at_upper_limit": 900,
                },
            })
        );
        assert!(SUPPORTED_NIPS.is_sorted());
    }

    #[test]
    fn what_is_configured_is_what_is_shown() {
        let shown = shown(
            "version: 1\nhot:\n  info: {name: Town, description: For all, contact: 'mailto:a@b', icon: 'https://i', banner: 'https://b', termsOfService: 'https://t',\n    pubkey: npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6}\n  limits: {messageBytes: 2048, subscriptions: 7, limit: 9, minPow: 12, createdAtAhead: 1m, eventTags: 3, contentCharacters: 5, subscriptionIdCharacters: 8}\n",
        );
        for (field, value) in [
            ("name", json!("Town")),
            ("description", json!("For all")),
            ("contact", json!("mailto:a@b")),
            ("icon", json!("https://i")),
            ("banner", json!("https://b")),
            ("terms_of_service", json!("https://t")),
            (
                "pubkey",
                json!("3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"),
            ),
        ] {
            assert_eq!(shown[field], value, "{field}");
        }
        let limitation = &shown["limitation"];
        for (field, value) in [
            ("max_message_length", json!(2048)),
            ("max_subscriptions", json!(7)),
            ("max_limit", json!(9)),
            ("default_limit", json!(9)),
            ("min_pow_difficulty", json!(12)),
            ("restricted_writes", json!(true)),
            ("created_at_upper_limit", json!(60)),
            ("max_event_tags", json!(3)),
            ("max_content_length", json!(5)),
            ("max_subid_length", json!(8)),
        ] {
            assert_eq!(limitation[field], value, "{field}");
        }
    }

    const READ: &str = "{access: {read: {mode: Allow, pubkeys: [npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6]}}}";
    const WRITE: &str = "{access: {write: {mode: Allow, pubkeys: [npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6]}}}";

    #[test]
    fn what_is_asked_of_writers_is_told() {
        let told = |hot: &str| {
            let limitation = shown(&format!("version: 1\nhot: {hot}\n"))["limitation"].clone();
            let is = |field: &str| limitation[field].as_bool().unwrap();
            (is("auth_required"), is("restricted_writes"))
        };
        for (hot, expected) in [
            ("{auth: {required: Never}}", (false, false)),
            ("{auth: {required: Read}}", (false, false)),
            ("{auth: {required: Write}}", (false, true)),
            ("{auth: {required: Always}}", (true, true)),
            (READ, (false, false)),
            (WRITE, (false, true)),
            ("{access: {write: {mode: Deny}}}", (false, true)),
            ("{access: {kinds: {deny: ['4']}}}", (false, true)),
        ] {
            assert_eq!(told(hot), expected, "{hot}");
        }
    }

    #[test]
    fn what_is_told_is_what_is_in_force_and_not_what_waits_for_its_lists() {
        let mut asked = Hot::default();
        asked.auth.required = Required::Always;
        let open = told(&asked, &Rules::open())["limitation"].clone();
        assert_eq!(
            (&open["auth_required"], &open["restricted_writes"]),
            (&json!(false), &json!(false))
        );
        let always = told(&Hot::default(), &rules(&asked))["limitation"].clone();
        assert_eq!(always["auth_required"], json!(true));
        let shut = told(&Hot::default(), &Rules::shut())["limitation"].clone();
        assert_eq!(shut["restricted_writes"], json!(true));
    }

    #[test]
    fn the_document_is_asked_for_by_accept_at_any_place_with_any_parameters() {
        for (accept, wanted) in [
            ("application/nostr+json", true),
            ("Application/Nostr+JSON", true),
            ("text/html, application/nostr+json;q=0.9, */*", true),
            ("text/html,application/nostr+json ; charset=utf-8", true),
            ("application/nostr+json+rpc", false),
            ("application/json", false),
            ("*/*", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(is_wanted(&headers), wanted, "{accept:?}");
        }
        let mut two = HeaderMap::new();
        two.append(header::ACCEPT, HeaderValue::from_static("text/html"));
        two.append(
            header::ACCEPT,
            HeaderValue::from_static("application/nostr+json"),
        );
        assert!(is_wanted(&two), "a second Accept header counts");
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
