//! The scripts of `e2e/`, which know the local cluster.

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// Runs `e2e/name` to its end; what it printed. One that fails is an error with its words.
pub async fn script(name: &str, arguments: &[&str]) -> Result<String> {
    let path = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    let ended = Command::new(&path).args(arguments).output().await;
    let ended = ended.context(path)?;
    let problem = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "e2e/{name}: {problem}");
    Ok(String::from_utf8(ended.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::script;

    #[tokio::test]
    async fn a_script_says_what_it_prints_and_one_that_fails_says_why() {
        let said = script("cluster/kubeconfig.sh", &[]).await.unwrap();
        assert!(said.ends_with('\n') && said.len() > 1, "{said:?}");
        let why = script("certificate.sh", &[]).await.unwrap_err().to_string();
        assert!(
            why.starts_with("e2e/certificate.sh: ") && why.contains("$1"),
            "{why}"
        );
    }
}
