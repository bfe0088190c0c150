//! `relay check`: would this configuration be taken?

use super::{MISUSED, fail};
use crate::{allowlist, http::tls::Certificate, reload};
use clap::Args;
use relay_config::Config;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What `relay check` is asked.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The configuration file; without it the defaults are checked.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Do not look at the certificate in cold.tls.directory: for where it is not mounted.
    #[arg(long, requires = "config")]
    pub without_certificate: bool,
}

/// Exits 0, or 2 with the key, the shard or the certificate's file, the line and how to mend it.
pub fn run(arguments: &Arguments) -> ExitCode {
    let Some(path) = &arguments.config else {
        println!("no file given: the defaults are in force, and they are good");
        return ExitCode::SUCCESS;
    };
    match judge(path, arguments.without_certificate) {
        Ok(good) => {
            println!("{} is good: {good}", path.display());
            ExitCode::SUCCESS
        }
        Err(problem) => fail(MISUSED, problem),
    }
}

/// What is good about it: the allowlist's generation and entries, and the certificate where there is one.
fn judge(path: &Path, without_certificate: bool) -> Result<String, String> {
    let config = reload::read(path).map_err(|problem| problem.to_string())?;
    let config = config.config;
    let named = |problem| format!("{}: {problem}", path.display());
    let lists = allowlist::read(Some(path), &config.hot).map_err(|why| named(why.to_string()))?;
    let (generation, entries) = (lists.generation(), lists.entries().len());
    let certificate = certificate(&config, without_certificate).map_err(named)?;
    Ok(format!(
        "allowlist {generation}, {entries} entries{certificate}"
    ))
}

fn certificate(config: &Config, without: bool) -> Result<String, String> {
    let Some(tls) = &config.cold.tls else {
        return Ok(String::new());
    };
    let directory = tls.directory.display();
    if without {
        return Ok(format!(
            "; the certificate in {directory} was not looked at"
        ));
    }
    let certificate = Certificate::load(&tls.directory).map_err(|problem| {
        format!("cold.tls.directory: {problem}; where it is not mounted, add --without-certificate")
    })?;
    Ok(format!(
        ", certificate {}",
        certificate.status().fingerprint
    ))
}
