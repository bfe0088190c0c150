//! What can go wrong while talking to the cluster, and what to do about each class of it.

use crate::api::status::Reason;
use std::time::Duration;

/// A request that failed, with what was asked of whom.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {object}: {source}")]
pub struct Error {
    /// The verb, as RBAC calls it.
    pub verb: &'static str,
    /// Kind and name.
    pub object: String,
    /// What the API server or the connection said.
    #[source]
    pub source: kube::Error,
}

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
        }
    }

    /// How it is treated.
    pub fn class(&self) -> Class {
        classify(&self.source)
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
        403 if status.message.contains("is being terminated") => Class::Transient,
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
    fn only_what_needs_a_human_is_terminal() {
        for class in [Class::Invalid, Class::Forbidden, Class::SchemaSkew] {
            assert!(class.is_terminal(), "{class:?}");
        }
        for class in [Class::Conflict, Class::Transient] {
            assert!(!class.is_terminal(), "{class:?}");
        }
    }
}
