//! `relay serve`: puts the parts together and runs them until a signal.

mod error;
mod files;
mod ground;
mod ports;
mod start;
mod stop;

use super::{FAILED, MISUSED, fail};
use crate::reload::{Loaded, Source};
use clap::Args;
pub use error::ServeError;
use relay_config::{Config, Role, value};
use start::Started;
use std::{net::SocketAddr, path::PathBuf, process::ExitCode};
use stop::Stops;

/// What `relay serve` is asked. Flags beat the file.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The configuration file (docs/configuration.md); its hot keys follow every change.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The store's directory [default: ./data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Public address, WebSocket and HTTP [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// Address of /livez /readyz /metrics /status [default: 127.0.0.1:9090].
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub ops: Option<SocketAddr>,
    /// What clients type: ws:// or wss://, host, optional port.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// What this process is [default: relay].
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub role: Option<Role>,
    /// A tmpfs that lives as long as the pod or the boot [default: $XDG_RUNTIME_DIR, else /dev/shm].
    #[arg(long, value_name = "DIR")]
    pub runtime_dir: Option<PathBuf>,
    /// How long a stop may take to say goodbye to clients [default: 2s].
    #[arg(long, value_name = "DURATION")]
    pub grace: Option<value::Duration>,
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "relay" => Ok(Role::Relay),
        _ => Err("the only role is relay".into()),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write it like 127.0.0.1:8080 or [::]:8080".into())
}

impl Arguments {
    /// Lays the flags over what a file says.
    fn apply(&self, config: &mut Config) {
        fn set<T: Clone>(key: &mut T, flag: Option<&T>) {
            if let Some(flag) = flag {
                key.clone_from(flag);
            }
        }
        let cold = &mut config.cold;
        set(&mut cold.data, self.data.as_ref());
        set(&mut cold.listen, self.listen.as_ref());
        set(&mut cold.ops, self.ops.as_ref());
        set(&mut cold.role, self.role.as_ref());
        set(&mut cold.grace, self.grace.as_ref());
        cold.runtime_dir = self.runtime_dir.clone().or(cold.runtime_dir.take());
        config.hot.url = self.url.clone().or(config.hot.url.take());
    }

    fn source(&self) -> Source {
        let flags = self.clone();
        Source {
            path: self.config.clone(),
            flags: Box::new(move |config| flags.apply(config)),
        }
    }
}

#[cfg(test)]
mod tests;

/// Serves until SIGTERM or SIGINT. Exits 0 after a clean stop, 1 when something failed, 2 when the configuration or the
/// volume's holder must change first.
pub fn run(arguments: &Arguments) -> ExitCode {
    let source = arguments.source();
    let loaded = match source.load() {
        Ok(loaded) => loaded,
        Err(problem) => return fail(MISUSED, problem),
    };
    let runtime = match super::runtime() {
        Ok(runtime) => runtime,
        Err(problem) => return fail(FAILED, ServeError::Threads(problem)),
    };
    let served = runtime.block_on(serve(source, loaded));
    runtime.shutdown_background(); // what still hangs on a thread must not hold up the end
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(problem.exit_code(), problem),
    }
}

/// From the first bound port to the closed log.
async fn serve(source: Source, loaded: Loaded) -> Result<(), ServeError> {
    let mut stops = Stops::listen()?;
    let started = tokio::select! {
        started = Started::start(source, loaded) => started?,
        () = stops.next() => return Ok(()), // nothing is open yet: a kill would do
    };
    let failure = started.serve(&mut stops).await;
    started.stop(&mut stops).await;
    failure.map_or(Ok(()), |failure| Err(ServeError::Failed(failure)))
}
