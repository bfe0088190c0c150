//! The operator is killed between any two writes; the next one makes it good.

use crate::{
    server::{config, eventually, in_a_space},
    space::{CHILDREN, Space},
};
use http::{Method, Request};
use kube::{
    Client, ResourceExt,
    api::DeleteParams,
    client::{Body, ClientBuilder},
};
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tower::{BoxError, filter::FilterLayer};

/// A client that is cut off after so many writes: what an operator can do before it is killed.
async fn cut_off_after(writes: usize) -> (Client, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let layer = FilterLayer::new(move |request: Request<Body>| {
        let write = request.method() != Method::GET;
        if write && seen.fetch_add(1, Ordering::SeqCst) >= writes {
            return Err::<_, BoxError>("the operator is dead".into());
        }
        Ok(request)
    });
    let builder = ClientBuilder::try_from(config().await).unwrap();
    (builder.with_layer(&layer).build(), count)
}

#[tokio::test]
async fn an_operator_that_is_killed_between_any_two_writes_is_made_good_by_the_next() {
    in_a_space(|space| async move {
        let mut wanted: Option<Vec<Value>> = None;
        for writes in 0..=8 {
            let (client, count) = cut_off_after(writes).await;
            let dying = Space::operator_as(client, space.settings());
            space.town("network: {policy: Managed}").await;
            eventually("it got that far", || async {
                count.load(Ordering::SeqCst) > writes
            })
            .await;
            dying.kill();
            let next = space.operator();
            space.until_built().await;
            space.until_quiet().await;
            next.stop().await;
            let built = spec_of_all(&space).await;
            assert_eq!(
                &built,
                wanted.get_or_insert_with(|| built.clone()),
                "after {writes} writes"
            );
            space
                .of("NostrRelay")
                .delete("town", &DeleteParams::foreground())
                .await
                .unwrap();
            for (kind, name) in CHILDREN {
                eventually(&format!("{kind} {name} is gone"), || async {
                    space.get(kind, name).await.is_none()
                })
                .await;
            }
        }
    })
    .await;
}

/// What was asked for, without what the server adds to each object anew.
async fn spec_of_all(space: &Space) -> Vec<Value> {
    let mut all = Vec::new();
    for (kind, name) in CHILDREN {
        let object = space.get(kind, name).await.unwrap();
        let mut value = object.data.clone();
        for key in ["clusterIP", "clusterIPs"] {
            if let Some(spec) = value["spec"].as_object_mut() {
                spec.remove(key);
            }
        }
        if let Some(object) = value.as_object_mut() {
            object.remove("status");
        }
        all.push(json!({"kind": kind, "labels": object.labels(), "rest": value}));
    }
    all
}
