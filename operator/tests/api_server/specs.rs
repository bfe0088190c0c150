//! Specs that the API server takes and refuses.

use crate::{
    common::{
        repository,
        rules::{self, CASES, NAMES, SCHEMA_REFUSES},
    },
    server::in_a_space,
    space::Space,
};
use kube::{
    ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;

async fn dry_run(space: &Space, object: &Value) -> Result<DynamicObject, String> {
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let object = serde_json::from_value(object.clone()).unwrap();
    space
        .of("NostrRelay")
        .create(&params, &object)
        .await
        .map_err(|why| why.to_string())
}

#[tokio::test]
async fn the_api_server_refuses_what_the_rules_refuse() {
    in_a_space(|space| async move {
        let relays = space.of("NostrRelay");
        for case in CASES {
            if let Some(before) = case.before {
                let object = serde_json::from_value(rules::object(case.name, before)).unwrap();
                relays
                    .create(&PostParams::default(), &object)
                    .await
                    .unwrap();
                for (spec, accepted) in [(case.accepted, true), (case.refused, false)] {
                    // As a replacement, for fields that are taken away.
                    let mut whole = rules::object(case.name, spec);
                    whole["metadata"]["resourceVersion"] =
                        json!(relays.get(case.name).await.unwrap().resource_version());
                    let post = PostParams {
                        dry_run: true,
                        ..PostParams::default()
                    };
                    let replaced = relays
                        .replace(case.name, &post, &serde_json::from_value(whole).unwrap())
                        .await;
                    assert_eq!(replaced.is_ok(), accepted, "{spec}: {replaced:?}");
                    if let Err(why) = replaced {
                        assert!(why.to_string().contains(case.message), "{spec}: {why}");
                    }
                }
                relays
                    .delete(case.name, &DeleteParams::default())
                    .await
                    .unwrap();
                continue;
            }
            let accepted = dry_run(&space, &rules::object(case.name, case.accepted)).await;
            assert!(accepted.is_ok(), "{}: {accepted:?}", case.accepted);
            let refused = dry_run(&space, &rules::object(case.name, case.refused)).await;
            assert!(
                refused
                    .as_ref()
                    .is_err_and(|why| why.contains(case.message)),
                "{}: {refused:?}",
                case.refused
            );
        }
        for (message, accepted, refused) in NAMES {
            let accepted = dry_run(&space, &rules::object(accepted, "{}")).await;
            assert!(accepted.is_ok(), "{accepted:?}");
            let refused = dry_run(&space, &rules::object(refused, "{}")).await;
            assert!(
                refused.as_ref().is_err_and(|why| why.contains(message)),
                "{refused:?}"
            );
        }
        for (field, spec) in SCHEMA_REFUSES {
            let refused = dry_run(&space, &rules::object("town", spec)).await;
            assert!(
                refused.as_ref().is_err_and(|why| why.contains(field)),
                "{spec}: {refused:?}"
            );
        }
    })
    .await;
}

/// The relays among the samples; a file may hold several documents.
fn samples() -> Vec<(String, Value)> {
    let mut samples = Vec::new();
    for entry in fs::read_dir(repository("config/samples")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let documents = serde_yaml::Deserializer::from_str(&text);
        let values = documents.map(|document| Value::deserialize(document).unwrap());
        let relays = values.filter(|value| value["kind"] == "NostrRelay");
        samples.extend(relays.map(|relay| (path.display().to_string(), relay)));
    }
    samples
}

#[tokio::test]
async fn samples_are_accepted_and_scaling_past_one_is_not() {
    in_a_space(|space| async move {
        let samples = samples();
        assert!(samples.len() >= 6, "only {} were looked at", samples.len());
        for (path, sample) in samples {
            let accepted = dry_run(&space, &sample).await;
            assert!(accepted.is_ok(), "{path}: {accepted:?}");
        }
        space.town("{}").await;
        let scale = json!({"spec": {"replicas": 2}});
        let scaled = space
            .of("NostrRelay")
            .patch_scale("town", &PatchParams::default(), &Patch::Merge(&scale))
            .await;
        let why = scaled.unwrap_err().to_string();
        assert!(why.contains("replicas must be 1"), "{why}");
    })
    .await;
}
