//! Opens or accepts TCP connections inside pods that have no shell, and publishes as two authors in the demo.
//!
//! `probe connect ADDRESS:PORT SECONDS` ends with 0 as soon as a connection is made, with 1 when none was within the time.
//! `probe listen PORT` accepts and closes connections until it is stopped.
//! `probe authors` prints the names and public keys of the two authors, `probe authors wss://HOST:PORT CA` lets them publish until it is stopped.

use nostr_fleet_e2e::authors;
use std::{
    env,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant},
};

const USAGE: &str =
    "usage: probe connect ADDRESS:PORT SECONDS | probe listen PORT | probe authors [URL CA]";

fn connect(target: SocketAddr, within: Duration) -> Result<String, String> {
    let end = Instant::now() + within;
    loop {
        let Err(last) = TcpStream::connect_timeout(&target, Duration::from_secs(1)) else {
            return Ok(format!("{target} answers"));
        };
        if Instant::now() >= end {
            return Err(format!("{target} does not answer: {last}"));
        }
        sleep(Duration::from_millis(200));
    }
}

fn listen(port: u16) -> Result<String, String> {
    let listener = TcpListener::bind(("0.0.0.0", port)).map_err(|error| error.to_string())?;
    loop {
        drop(listener.accept());
    }
}

fn publish(url: &str, ca: &Path) -> Result<String, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let outcome = runtime.block_on(authors::publish(url, ca));
    outcome.map_err(|error| format!("{error:#}"))?;
    Ok(String::new())
}

fn run(arguments: &[&str]) -> Result<String, String> {
    let number = |text: &str| {
        text.parse::<u16>()
            .map_err(|_| format!("{text:?} is not a number"))
    };
    match arguments {
        ["connect", target, seconds] => {
            let target = target
                .parse()
                .map_err(|_| format!("{target:?} is not ADDRESS:PORT"))?;
            connect(target, Duration::from_secs(number(seconds)?.into()))
        }
        ["listen", port] => listen(number(port)?),
        ["authors"] => Ok(authors::public_keys().trim_end().into()),
        ["authors", url, ca] => publish(url, Path::new(ca)),
        _ => Err(USAGE.into()),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
