//! What a client asks of the API server, in the words of RBAC.

use http::{Method, StatusCode, Uri};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// API group, resource with its subresource, verb.
pub type Request = (String, String, String);

/// What was asked so far; clones share it.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<BTreeSet<Request>>>);

impl Log {
    /// Everything that was asked.
    pub fn requests(&self) -> BTreeSet<Request> {
        self.0.lock().unwrap().clone()
    }

    /// One request and its answer. Discovery is open to all and not noted.
    pub fn add(&self, method: &Method, uri: &Uri, answer: StatusCode) {
        let Some((group, resource, named)) = object(uri.path()) else {
            return;
        };
        let watch = uri.query().unwrap_or_default().contains("watch=true");
        let verb = match *method {
            Method::GET if watch => "watch",
            Method::GET if named => "get",
            Method::GET => "list",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ => panic!("{method} is not expected"),
        };
        let mut all = self.0.lock().unwrap();
        let mut add = |verb: &str| all.insert((group.clone(), resource.clone(), verb.to_owned()));
        add(verb);
        // An apply that makes the object needs the right to create it too.
        if answer == StatusCode::CREATED {
            add("create");
        }
    }
}

/// Group, resource, and whether the address names one object.
fn object(path: &str) -> Option<(String, String, bool)> {
    let mut words = path.trim_start_matches('/').split('/').peekable();
    let group = match words.next()? {
        "api" => String::new(),
        "apis" => words.next()?.to_owned(),
        _ => return None,
    };
    words.next()?; // version
    if words.peek() == Some(&"namespaces") {
        words.nth(1)?;
    }
    let resource = words.next()?.to_owned();
    let named = words.next().is_some();
    let resource = match words.next() {
        Some(part) => format!("{resource}/{part}"),
        None => resource,
    };
    Some((group, resource, named))
}

#[test]
fn an_address_is_read_as_the_api_server_reads_it() {
    let log = Log::default();
    for (method, uri, code) in [
        (Method::GET, "/api/v1/pods?watch=true", 200),
        (Method::GET, "/api/v1/namespaces/x/services/y", 404),
        (
            Method::PATCH,
            "/apis/apps/v1/namespaces/x/statefulsets/y?force=true",
            201,
        ),
        (
            Method::PATCH,
            "/apis/nostrfleet.io/v1alpha1/namespaces/x/nostrrelays/y/status",
            200,
        ),
        (Method::GET, "/apis/storage.k8s.io/v1/storageclasses", 200),
        (Method::GET, "/apis/nostrfleet.io/v1alpha1", 200),
    ] {
        log.add(
            &method,
            &uri.parse().unwrap(),
            StatusCode::from_u16(code).unwrap(),
        );
    }
    let seen: Vec<String> = log
        .requests()
        .into_iter()
        .map(|(a, b, c)| format!("{a} {b} {c}"))
        .collect();
    let wanted = [
        " pods watch",
        " services get",
        "apps statefulsets create",
        "apps statefulsets patch",
        "nostrfleet.io nostrrelays/status patch",
        "storage.k8s.io storageclasses list",
    ];
    assert_eq!(seen, wanted);
}
