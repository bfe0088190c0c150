//! Reads settings that may have been written with a newer definition: definitions are upgraded before the operator, and
//! the API server then fills in defaults that this operator does not know. The relay's own file stays strict.

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::{Map, Value};

/// Reads what is known and leaves out the rest.
pub fn known<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + JsonSchema,
{
    let mut given = Map::<String, Value>::deserialize(input)?;
    let schema = schemars::schema_for!(T);
    if let Some(known) = schema.get("properties").and_then(Value::as_object) {
        given.retain(|key, _| known.contains_key(key));
    }
    serde_json::from_value(Value::Object(given)).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use crate::api::NostrRelaySpec;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<NostrRelaySpec, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn fields_of_a_newer_definition_are_left_out() {
        let spec = read(json!({
            "limits": {"filters": 7, "lightYears": 3}, "info": {"name": "a", "colour": "b"}, "new": 1,
        }))
        .unwrap();
        assert_eq!(spec.limits.filters.get(), 7);
        assert_eq!(spec.info.name.as_deref(), Some("a"));
        assert_eq!(spec.limits.subscriptions.get(), 200);
    }

    #[test]
    fn values_that_make_no_sense_are_still_refused() {
        let why = read(json!({"limits": {"filters": 0}}))
            .unwrap_err()
            .to_string();
        assert!(why.contains("from 1 to 1000"), "{why}");
    }
}
