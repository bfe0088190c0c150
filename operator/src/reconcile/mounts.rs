//! What a kubelet cannot mount. The operator reads no Secret, so that one is missing is learnt from the pod's events.

use super::{Context, error::Error};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{Api, ResourceExt, api::ListParams};

/// Something that a pod should mount and the kubelet does not find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmounted {
    /// The pod that waits for it.
    pub pod: String,
    /// `Secret town-tls`.
    pub object: String,
    /// The key that the object lacks; without it the object itself is not there.
    pub key: Option<String>,
}

/// Events of one pod that are looked at.
const EVENTS: u32 = 20;

/// What the pods that have a node, and no running container, wait for.
pub async fn look(context: &Context, pods: &[Pod]) -> Result<Vec<Unmounted>, Error> {
    let looks = pods.iter().filter(|pod| waits(pod)).map(|pod| async move {
        let namespace = pod.namespace().unwrap_or_default();
        let events = Api::<Event>::namespaced(context.client.clone(), &namespace);
        let fields = format!(
            "involvedObject.kind=Pod,involvedObject.uid={},reason=FailedMount",
            pod.uid().unwrap_or_default()
        );
        let asked = ListParams::default().fields(&fields).limit(EVENTS);
        let list = events.list(&asked).await;
        let list = list.map_err(Error::of("list", "events"))?;
        let mut found = list
            .items
            .into_iter()
            .filter_map(|event| understand(&pod.name_any(), &event.message?));
        Ok::<_, Error>(found.next_back())
    });
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// Has a pod a node but nothing that runs?
pub fn waits(pod: &Pod) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    let placed = pod
        .spec
        .as_ref()
        .is_some_and(|spec| spec.node_name.is_some());
    placed && status.phase.as_deref() == Some("Pending")
}

/// `… secret "town-tls" not found`, `… references non-existent secret key: tls.crt`.
fn understand(pod: &str, message: &str) -> Option<Unmounted> {
    let found = |object: String, key| Unmounted {
        pod: pod.to_owned(),
        object,
        key,
    };
    for (word, kind) in [("secret", "Secret"), ("configmap", "ConfigMap")] {
        let missing = format!("references non-existent {word} key: ");
        if let Some((_, key)) = message.split_once(&missing) {
            let key = key.split_whitespace().next()?.to_owned();
            return Some(found(kind.to_owned(), Some(key)));
        }
        let Some((_, rest)) = message.split_once(&format!("{word} \"")) else {
            continue;
        };
        let (name, rest) = rest.split_once('"')?;
        if rest.trim_start().starts_with("not found") {
            return Some(found(format!("{kind} {name}"), None));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelet_s_words_name_what_is_missing() {
        let said = |message: &str| {
            let it = understand("town-0", message)?;
            Some((it.object, it.key))
        };
        assert_eq!(
            said("MountVolume.SetUp failed for volume \"tls\" : secret \"town-tls\" not found"),
            Some(("Secret town-tls".to_owned(), None))
        );
        assert_eq!(
            said(
                "MountVolume.SetUp failed for volume \"config\" : configmap \"town-config\" not found"
            ),
            Some(("ConfigMap town-config".to_owned(), None))
        );
        assert_eq!(
            said(
                "MountVolume.SetUp failed for volume \"tls\" : references non-existent secret key: tls.crt"
            ),
            Some(("Secret".to_owned(), Some("tls.crt".to_owned())))
        );
        for other in [
            "Unable to attach or mount volumes: unmounted volumes=[tls]: timed out waiting for the condition",
            "MountVolume.SetUp failed for volume \"tls\" : failed to sync secret cache: timed out waiting for the condition",
            "",
        ] {
            assert_eq!(said(other), None, "{other}");
        }
    }
}
