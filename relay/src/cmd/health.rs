//! `relay health`: does a relay answer as a relay does? NIP-11, then REQ until EOSE.

use super::{FAILED, fail, runtime};
use crate::{
    client::{
        Answer, Client, ClientError, Dialer, RelayUrl, Trust,
        answer::prefix,
        get::{self, Request},
    },
    wire::Prefix,
};
use clap::Args;
use serde_json::Value;
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

/// What `relay health` is asked.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The relay: wss://HOST:PORT or ws://HOST:PORT.
    #[arg(value_name = "URL")]
    pub url: RelayUrl,
    /// How long each of its answers may take.
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub timeout: relay_config::Duration,
    #[command(flatten)]
    #[allow(missing_docs)] // a flattened struct has no help of its own, its fields have
    pub trust: Trust,
}

/// Why a relay is not healthy.
#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    /// It could not be reached, was too slow, or is none.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It answers HTTP, but not with an information document (NIP-11).
    #[error("NIP-11: {0}")]
    Information(String),
    /// It took a REQ, but ended it with a refusal (NIP-01).
    #[error("REQ was refused: {0}")]
    Refused(String),
}

/// What a healthy relay said.
#[derive(Debug)]
pub struct Healthy {
    /// Its name, its software and version, as far as it tells.
    pub about: String,
    /// How long it took to answer NIP-11.
    pub information: Duration,
    /// How long it took from REQ to EOSE.
    pub subscription: Duration,
}

/// Exits 0, or 1 with the reason in one line.
pub fn run(arguments: &Arguments) -> ExitCode {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(problem) => return fail(FAILED, problem),
    };
    match runtime.block_on(check(arguments)) {
        Ok(healthy) => {
            println!(
                "healthy: {} answered NIP-11 in {:.1} ms and REQ in {:.1} ms",
                healthy.about,
                healthy.information.as_secs_f64() * 1e3,
                healthy.subscription.as_secs_f64() * 1e3,
            );
            ExitCode::SUCCESS
        }
        Err(reason) => fail(FAILED, one_line(&reason.to_string())),
    }
}

/// Asks both questions.
pub async fn check(arguments: &Arguments) -> Result<Healthy, Unhealthy> {
    let dialer = Dialer::new(&arguments.url, &arguments.trust)?;
    let patience = arguments.timeout.get();
    let start = Instant::now();
    let about = information(&dialer, patience).await?;
    let information = start.elapsed();
    let start = Instant::now();
    subscribe(&dialer, patience).await?;
    Ok(Healthy {
        about,
        information,
        subscription: start.elapsed(),
    })
}

async fn information(dialer: &Dialer, patience: Duration) -> Result<String, Unhealthy> {
    let request = Request {
        method: "GET",
        path: dialer.url().path(),
        accept: "application/nostr+json",
    };
    let response = get::request(dialer, request, patience).await?;
    if response.status != 200 {
        let problem = format!("status {} instead of 200", response.status);
        return Err(Unhealthy::Information(problem));
    }
    match serde_json::from_str::<Value>(&response.body) {
        Ok(Value::Object(document)) => {
            let text = |key| {
                document
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let name = Some(text("name")).filter(|name| !name.is_empty());
            let about = format!(
                "{} ({} {})",
                name.unwrap_or("a relay without a name"),
                text("software"),
                text("version")
            );
            Ok(about)
        }
        _ => Err(Unhealthy::Information(
            "the answer is not a JSON object".into(),
        )),
    }
}

async fn subscribe(dialer: &Dialer, patience: Duration) -> Result<(), Unhealthy> {
    let mut client = Client::connect(dialer, patience).await?;
    let answered = tokio::time::timeout(patience, until_eose(&mut client)).await;
    let verdict = answered.map_err(|_| ClientError::TooSlow {
        url: dialer.url().to_string(),
        what: "answer a REQ",
        after: patience,
    })?;
    client.close().await;
    verdict
}

async fn until_eose(client: &mut Client) -> Result<(), Unhealthy> {
    client.send(r#"["REQ","health",{"limit":1}]"#).await?;
    loop {
        let text = client.next().await?;
        match Answer::read(&text) {
            Some(Answer::Eose { .. }) => return Ok(()),
            // A relay that asks for AUTH first (NIP-42) is well.
            Some(Answer::Closed { verdict, .. })
                if prefix(&verdict) == Some(Prefix::AuthRequired) =>
            {
                return Ok(());
            }
            Some(Answer::Closed { verdict, .. }) => {
                return Err(Unhealthy::Refused(verdict.into_owned()));
            }
            _ => {}
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
