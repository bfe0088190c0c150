//! Log output.

use crate::args::LogFormat;
use tracing_subscriber::EnvFilter;

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Levels, alone or of a module: `info,kube=debug`. `EnvFilter` would take a mistyped level for a module that has no lines.
///
/// # Errors
/// What is no level, and how to write one.
pub fn levels(text: &str) -> Result<String, String> {
    let module = |name: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let first = name.chars().next();
        first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_') && name.chars().all(inner)
    };
    for part in text.split(',') {
        let (name, level) = match part.split_once('=') {
            Some((name, level)) => (Some(name), level),
            None => (None, part),
        };
        if !LEVELS.contains(&level) || !name.is_none_or(module) {
            return Err(format!(
                "{part:?} is no level: write error, warn, info, debug or trace, or for one module kube=debug"
            ));
        }
    }
    Ok(text.to_owned())
}

/// Starts logging to standard error.
pub fn start(
    level: &str,
    format: LogFormat,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::try_new(level)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_alone_and_by_module_are_filters_and_other_words_are_not() {
        for text in [
            "info",
            "off",
            "info,kube=debug",
            "warn,kube::client=off,h2=error",
        ] {
            assert_eq!(levels(text).as_deref(), Ok(text));
            assert!(EnvFilter::try_new(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "loud",
            "INFO",
            "info,",
            "kube",
            "kube=",
            "=info",
            "kube=loud",
            "a b=info",
            "5",
        ] {
            assert!(levels(text).is_err(), "{text:?} must be refused");
        }
    }
}
