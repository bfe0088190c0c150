//! What schemars does not give us: core types without their long descriptions, and whole numbers.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// CEL rules with their messages, for `x-kubernetes-validations`.
pub fn rules(rules: &[(&str, &str)]) -> Value {
    rules
        .iter()
        .map(|(rule, message)| json!({"rule": rule, "message": message}))
        .collect()
}

/// The schema of a core Kubernetes type without descriptions: they would be nine tenths of the definition.
pub fn embedded<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<T>();
    if let Some(object) = schema.as_object_mut() {
        strip(object);
    }
    schema
}

/// A list of a core type, bounded.
pub fn list_of<T: JsonSchema, const MAX: usize>(generator: &mut SchemaGenerator) -> Schema {
    let items = embedded::<T>(generator);
    json_schema!({"type": "array", "maxItems": MAX, "items": items})
}

/// An optional core type.
pub fn option_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = embedded::<T>(generator);
    schema.insert("nullable".into(), true.into());
    schema
}

/// A map of short texts, such as labels. Our own keys are refused by a rule of the field that uses it.
pub fn texts<const VALUE: usize>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 64,
        "additionalProperties": {"type": "string", "maxLength": VALUE},
    })
}

/// A map of resource names to quantities, as in core/v1.
pub fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 16,
        "additionalProperties": {
            "x-kubernetes-int-or-string": true,
            "maxLength": 32,
            "pattern": r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
        },
    })
}

/// A list of CIDRs; a rule of the field checks each.
pub fn cidrs<const MAX: usize>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": MAX, "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "string", "maxLength": 64,
            "x-kubernetes-validations": [{
                "rule": "isCIDR(self)",
                "message": "must be a CIDR such as 192.0.2.0/24 or 2001:db8::/32",
            }],
        },
    })
}

/// Ranges of addresses, or single addresses, as the relay reads them.
pub fn ranges<const MAX: usize>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": MAX, "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "string", "maxLength": 49,
            "x-kubernetes-validations": [{
                "rule": "isCIDR(self) || isIP(self)",
                "message": "must be an address or a range of addresses such as 192.0.2.0/24 or 2001:db8::/32",
            }],
        },
    })
}

/// Entries of a list of keys. A set: several owners may each apply theirs, and each sees only its own as its own.
pub fn keys(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 2000, "x-kubernetes-list-type": "set",
        "items": {
            "type": "string", "maxLength": 80,
            "pattern": r"^(npub1[02-9ac-hj-np-z]{58}|[0-9a-f]{64})( until [0-9]{4}-[0-9]{2}-[0-9]{2})?$",
        },
    })
}

/// Sources of a list: each is one ConfigMap or a selector.
pub fn sources(generator: &mut SchemaGenerator) -> Schema {
    // Four lists have it: its words stand in docs/nostrrelay.md once.
    let mut items = embedded::<super::access::Source>(generator);
    items.insert(
        "description".into(),
        "One ConfigMap by name, or all with certain labels; in the same namespace.".into(),
    );
    items.insert(
        "x-kubernetes-validations".into(),
        rules(&[(
            "has(self.configMap) != has(self.selector)",
            "a source must have either configMap or selector",
        )]),
    );
    json_schema!({
        "type": "array", "maxItems": 16, "x-kubernetes-list-type": "atomic", "items": items,
    })
}

/// Labels that select: at least one, or everything would be selected.
pub fn match_labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "minProperties": 1, "maxProperties": 16,
        "additionalProperties": {
            "type": "string", "maxLength": 63,
            "pattern": "^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$",
        },
    })
}

/// Peers of a NetworkPolicy: each must say something, and its CIDR must be one.
pub fn peers(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = list_of::<k8s_openapi::api::networking::v1::NetworkPolicyPeer, 32>(generator);
    let items = schema.get_mut("items").expect("a list has items");
    items["x-kubernetes-validations"] = json!([{
        "rule": "has(self.ipBlock) || has(self.namespaceSelector) || has(self.podSelector)",
        "message": "a peer must have ipBlock, namespaceSelector or podSelector",
    }]);
    let block = &mut items["properties"]["ipBlock"]["properties"];
    block["cidr"] = json!({
        "type": "string", "maxLength": 64,
        "x-kubernetes-validations": [{
            "rule": "isCIDR(self)",
            "message": "must be a CIDR such as 192.0.2.0/24 or 2001:db8::/32",
        }],
    });
    block["except"] = cidrs::<32>(generator).to_value();
    schema
}

/// Conditions, merged by type so that others may add theirs.
pub fn conditions(generator: &mut SchemaGenerator) -> Schema {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
    let mut schema = list_of::<Condition, 32>(generator);
    schema.insert("x-kubernetes-list-type".into(), "map".into());
    schema.insert("x-kubernetes-list-map-keys".into(), json!(["type"]));
    schema
}

/// A definition as a value, numbers made whole: `1.0` is stored as `1`, and tools that compare would see a difference.
pub fn finish(crd: &impl serde::Serialize) -> Value {
    let mut value = serde_json::to_value(crd).expect("a definition is plain data");
    whole_numbers(&mut value);
    value["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["x-kubernetes-validations"] =
        rules(&NAME_RULES);
    value
}

/// Rules about the object's name: they stand at the root, which is the derive's and not ours.
const NAME_RULES: [(&str, &str); 2] = [
    ("size(self.metadata.name) <= 40", SHORT),
    ("self.metadata.name.matches('^[a-z][a-z0-9-]*$')", PLAIN),
];
const SHORT: &str =
    "metadata.name must have at most 40 characters: names of pods and Services are made from it";
const PLAIN: &str =
    "metadata.name must start with a letter and have no dots: the Service gets this name";

/// The same rules for objects that were stored without them: the one that a name breaks.
pub fn name_breaks(name: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase());
    match name.len() {
        41.. => Some(SHORT),
        _ if starts && name.bytes().all(plain) => None,
        _ => Some(PLAIN),
    }
}

fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(whole) = number
                .as_f64()
                .filter(|n| n.fract() == 0.0 && n.abs() < 9e15)
            {
                *value = Value::from(whole as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(keys) => keys.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

/// A property may be called `description`; then it holds a schema and not a text.
fn strip(object: &mut Map<String, Value>) {
    object.retain(|key, value| !(key == "description" && value.is_string()));
    for value in object.values_mut() {
        strip_value(value);
    }
}

fn strip_value(value: &mut Value) {
    match value {
        Value::Object(object) => strip(object),
        Value::Array(items) => items.iter_mut().for_each(strip_value),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_stored_without_the_rules_is_judged_by_the_same() {
        for name in ["a", "town-7", &"a".repeat(40)] {
            assert_eq!(name_breaks(name), None, "{name}");
        }
        assert_eq!(name_breaks(&"a".repeat(41)), Some(SHORT));
        for name in ["", "7town", "-town", "a.b", "Town", "ä"] {
            assert_eq!(name_breaks(name), Some(PLAIN), "{name}");
        }
    }
}
