//! What can go wrong while talking to the cluster, and what to do about each class of it.

use crate::api::status::Reason;
use std::time::Duration;

/// A request that failed, with what was asked of whom.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {object}: {}", words(.source))]
pub struct Error {
    /// The verb, as RBAC calls it.
    pub verb: &'static str,
    /// Kind and name.
    pub object: String,
    /// What the API server or the connection said.
    #[source]
    pub source: kube::Error,
    /// When to look again before the failure's own time: pods wait for what was written before it.
    pub again: Option<Duration>,
}

/// What the API server said, in its own sentence: kube adds a dump of the whole answer.
pub fn words(error: &kube::Error) -> String {
    let kube::Error::Api(status) = error else {
        return error.to_string();
    };
    match (status.message.as_str(), status.reason.as_str()) {
        ("", "") => format!("the API server answers {}", status.code),
        ("", reason) => format!("the API server answers {}: {reason}", status.code),
        (message, _) => message.to_owned(),
    }
}

/// What the API server says of a namespace on its way out.
const TERMINATING: &str = "is being terminated";

/// How a failure is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Our object is refused: only a change of the spec helps.
    Invalid,
    /// Somebody else wrote at the same time: again at once.
    Conflict,
    /// We may not: a human must give us the right.
    Forbidden,
    /// The installed definitions are not ours.
    SchemaSkew,
    /// Later it will work.
    Transient,
}

impl Class {
    /// Will nothing move without a human?
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Invalid | Self::Forbidden | Self::SchemaSkew)
    }

    /// The reason that conditions name.
    pub fn reason(self) -> Reason {
        match self {
            Self::Invalid => Reason::InvalidSpec,
            Self::Forbidden => Reason::Forbidden,
            Self::SchemaSkew => Reason::CrdOutdated,
            Self::Conflict | Self::Transient => Reason::Retrying,
        }
    }

    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::Forbidden => "forbidden",
            Self::SchemaSkew => "schema_skew",
            Self::Transient => "transient",
        }
    }
}

impl Error {
    /// For `map_err`.
    pub fn of(verb: &'static str, object: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let object = object.into();
        move |source| Self {
            verb,
            object,
            source,
            again: None,
        }
    }

    /// How it is treated.
    pub fn class(&self) -> Class {
        classify(&self.source)
    }

    /// Does it fail only because what it is about is on its way out, or gone?
    pub fn is_moot(&self) -> bool {
        let kube::Error::Api(status) = &self.source else {
            return false;
        };
        let itself = self.object.contains("/status ");
        let gone = status.code == 404 && (itself || status.message.starts_with("namespaces "));
        gone || (status.code == 403 && status.message.contains(TERMINATING))
    }

    /// What a server that is too busy asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        let kube::Error::Api(status) = &self.source else {
            return None;
        };
        let seconds = status.details.as_ref()?.retry_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }
}

/// The class of a failure. A 500 is not always transient: the one for a typed patch means a schema that does not fit.
pub fn classify(error: &kube::Error) -> Class {
    let kube::Error::Api(status) = error else {
        return Class::Transient;
    };
    match status.code {
        400 | 422 => Class::Invalid,
        403 if status.message.contains(TERMINATING) => Class::Transient,
        403 => Class::Forbidden,
        404 if status
            .message
            .contains("could not find the requested resource") =>
        {
            Class::SchemaSkew
        }
        409 => Class::Conflict,
        500 if status
            .message
            .contains("failed to create typed patch object") =>
        {
            Class::SchemaSkew
        }
        _ => Class::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn api(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status {
            code,
            message: message.to_owned(),
            ..Status::default()
        }))
    }

    #[test]
    fn every_answer_of_the_api_server_has_its_class() {
        for (code, message, class) in [
            (422, "spec.ports: invalid", Class::Invalid),
            (400, "bad quantity", Class::Invalid),
            (409, "the object has been modified", Class::Conflict),
            (403, "cannot patch resource \"services\"", Class::Forbidden),
            (
                403,
                "unable to create new content in namespace x because it is being terminated",
                Class::Transient,
            ),
            (
                404,
                "the server could not find the requested resource",
                Class::SchemaSkew,
            ),
            (404, "namespaces \"x\" not found", Class::Transient),
            (
                500,
                "failed to create typed patch object (x): field not declared",
                Class::SchemaSkew,
            ),
            (500, "etcdserver: request timed out", Class::Transient),
            (503, "", Class::Transient),
            (429, "too many requests", Class::Transient),
        ] {
            assert_eq!(classify(&api(code, message)), class, "{code} {message}");
        }
    }

    #[test]
    fn a_failure_is_told_in_the_sentence_of_the_api_server_and_never_as_a_dump() {
        let told = |code, message: &str, reason: &str| {
            let status = Status {
                code,
                message: message.to_owned(),
                reason: reason.to_owned(),
                ..Status::default()
            };
            let error = kube::Error::Api(Box::new(status));
            Error::of("patch", "statefulsets town")(error).to_string()
        };
        let start = "cannot patch statefulsets town: ";
        for (code, message, reason, words) in [
            (422, "spec.x: no", "Invalid", "spec.x: no"),
            (504, "", "Timeout", "the API server answers 504: Timeout"),
            (503, "", "", "the API server answers 503"),
        ] {
            assert_eq!(told(code, message, reason), format!("{start}{words}"));
        }
        let broken = kube::Error::Service("broken pipe".into());
        let broken = Error::of("patch", "statefulsets town")(broken).to_string();
        assert_eq!(broken, format!("{start}ServiceError: broken pipe"));
    }

    #[test]
    fn only_what_is_about_something_that_goes_is_moot() {
        let terminating =
            "unable to create new content in namespace x because it is being terminated";
        for (object, code, message, moot) in [
            ("services town", 403, terminating, true),
            ("services town", 404, "namespaces \"x\" not found", true),
            ("nostrrelays/status town", 404, "town not found", true),
            ("services town", 403, "no right", false),
            (
                "services town",
                404,
                "the server could not find the requested resource",
                false,
            ),
            ("nostrrelays/status town", 500, "is being terminated", false),
        ] {
            let error = Error::of("patch", object)(api(code, message));
            assert_eq!(error.is_moot(), moot, "{object} {code} {message}");
        }
    }

    #[test]
    fn only_what_needs_a_human_is_terminal() {
        for class in [Class::Invalid, Class::Forbidden, Class::SchemaSkew] {
            assert!(class.is_terminal(), "{class:?}");
        }
        for class in [Class::Conflict, Class::Transient] {
            assert!(!class.is_terminal(), "{class:?}");
        }
    }
}
