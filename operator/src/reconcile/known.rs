//! What the watches have told: a visit reads its pods, claims and children here and not from the API server.
//!
//! One stream per kind fills a store and then asks for visits, in this order: a visit sees at least what called for it.
//! While a watch is read anew nothing is asked for until the store has changed as a whole; then everybody is visited whom
//! it concerned before or concerns now.

use crate::names;
use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{PersistentVolumeClaim, Pod},
};
use kube::{
    Resource, ResourceExt,
    api::{DynamicObject, PartialObjectMeta},
    core::ObjectMeta,
    runtime::{
        reflector::{Lookup, ObjectRef, Store, store::Writer},
        watcher::{self, Event},
    },
};
use std::{collections::BTreeMap, fmt::Debug, hash::Hash, sync::Arc};

/// What is known of one namespace, or of all.
pub struct Known {
    /// The pods.
    pub pods: Store<Pod>,
    /// The claims.
    pub claims: Store<PersistentVolumeClaim>,
    /// The StatefulSets.
    pub sets: Store<StatefulSet>,
    /// The metadata of all children, by kind.
    pub children: BTreeMap<String, Store<Meta>>,
}

/// What is kept of a child.
pub type Meta = PartialObjectMeta<DynamicObject>;

impl Known {
    /// Waits until every watch has told all there is: without that an object that is there would be taken for missing. Only
    /// one task may wait.
    pub async fn complete(&self) {
        // An error means that the watches have ended, and the visits with them.
        let _ = self.pods.wait_until_ready().await;
        let _ = self.claims.wait_until_ready().await;
        let _ = self.sets.wait_until_ready().await;
        for store in self.children.values() {
            let _ = store.wait_until_ready().await;
        }
    }

    /// The metadata of the children of one kind that bear our labels.
    pub fn metadata(&self, kind: &str, whose: &Whose) -> Vec<ObjectMeta> {
        let Some(store) = self.children.get(kind) else {
            return Vec::new();
        };
        let of = |object: Arc<Meta>| object.metadata.clone();
        whose.among(store).into_iter().map(of).collect()
    }
}

/// The resource that an object belongs to, by its labels.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// `app.kubernetes.io/name`.
    pub app: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The resource's name.
    pub name: &'a str,
}

impl Whose<'_> {
    /// What belongs to it.
    pub fn among<R>(&self, store: &Store<R>) -> Vec<Arc<R>>
    where
        R: Resource + Clone + 'static,
        R::DynamicType: Eq + Hash + Clone,
    {
        let theirs = |object: &R| {
            let has = |key: &str, value: &str| {
                object.labels().get(key).is_some_and(|label| label == value)
            };
            object.meta().namespace.as_deref() == Some(self.namespace)
                && has(names::LABEL_INSTANCE, self.name)
                && has(names::LABEL_NAME, self.app)
        };
        let mut state = store.state();
        state.retain(|object| theirs(object));
        state
    }
}

/// Fills a store from its watch, and says whom each change concerns.
pub fn follow<R, O>(
    mut writer: Writer<R>,
    events: impl Stream<Item = watcher::Result<Event<R>>> + Send + 'static,
    concerns: impl Fn(&R) -> Option<ObjectRef<O>> + Send + 'static,
) -> impl Stream<Item = watcher::Result<ObjectRef<O>>> + Send + 'static
where
    R: Lookup + Resource + Clone + Debug + Send + Sync + 'static,
    <R as Lookup>::DynamicType: Eq + Hash + Clone + Send + Sync,
    O: Lookup + 'static,
    O::DynamicType: Eq + Hash + Clone + Send,
{
    let store = writer.as_reader();
    let told = events.map(move |event| {
        let event = match event {
            Ok(event) => event,
            Err(why) => return vec![Err(why)],
        };
        let before = match &event {
            Event::InitDone => store.state(),
            _ => Vec::new(),
        };
        writer.apply_watcher_event(&event);
        match &event {
            Event::Apply(object) | Event::Delete(object) => {
                concerns(object).into_iter().map(Ok).collect()
            }
            Event::InitDone => {
                let all = before.into_iter().chain(store.state());
                all.filter_map(|object| concerns(&object)).map(Ok).collect()
            }
            Event::Init | Event::InitApply(_) => Vec::new(),
        }
    });
    told.flat_map(stream::iter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::runtime::reflector;

    fn pod(name: &str) -> Pod {
        let labels =
            serde_json::json!({names::LABEL_INSTANCE: name, names::LABEL_NAME: "nostr-relay"});
        let metadata = serde_json::json!({"name": name, "namespace": "here", "labels": labels});
        serde_json::from_value(serde_json::json!({"metadata": metadata})).unwrap()
    }

    #[tokio::test]
    async fn a_change_is_in_the_store_before_it_is_told_and_a_new_look_tells_all_it_concerned() {
        let (store, writer) = reflector::store();
        let events = vec![
            Event::Init,
            Event::InitApply(pod("a")),
            Event::InitDone,
            Event::Apply(pod("b")),
            Event::Init,
            Event::InitApply(pod("b")),
            Event::InitDone,
            Event::Delete(pod("b")),
        ];
        let concerns = |pod: &Pod| Some(ObjectRef::<Pod>::from_obj(pod));
        let told = follow(writer, stream::iter(events.into_iter().map(Ok)), concerns);
        let mut told = Box::pin(told);
        let mut seen = Vec::new();
        while let Some(call) = told.next().await {
            let mut there: Vec<String> = store.state().iter().map(|pod| pod.name_any()).collect();
            there.sort();
            seen.push(format!("{} while {}", call.unwrap().name, there.join(" ")));
        }
        // a was there before the second look, b before and after it.
        seen[2..5].sort();
        let wanted = [
            "a while a",
            "b while a b",
            "a while b",
            "b while b",
            "b while b",
            "b while ",
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn what_belongs_to_another_resource_or_namespace_is_not_among_ours() {
        let (store, mut writer) = reflector::store();
        for name in ["town", "city"] {
            writer.apply_watcher_event(&Event::Apply(pod(name)));
        }
        let names = |app, namespace, name| -> Vec<String> {
            let whose = Whose {
                app,
                namespace,
                name,
            };
            whose
                .among(&store)
                .iter()
                .map(|pod| pod.name_any())
                .collect()
        };
        assert_eq!(names("nostr-relay", "here", "town"), ["town"]);
        for (app, namespace) in [("other", "here"), ("nostr-relay", "there")] {
            assert!(names(app, namespace, "town").is_empty());
        }
    }
}
