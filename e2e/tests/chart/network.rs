//! The operator's own NetworkPolicy: it opens what the values name, and who installs it reads what that is.

use crate::render::{documents, notes, rendered};
use anyhow::{Context, Result, ensure};
use serde_json::json;

const NAMED: &str =
    "networkPolicy: {enabled: true, apiServer: {cidrs: [10.96.0.1/32, 192.0.2.10/32]}}";
const EVERYTHING: &str = "networkPolicy: {enabled: true, apiServer: {cidrs: ['::/0']}}";

#[test]
fn the_policy_lets_the_operator_out_to_what_is_named_and_to_relays() -> Result<()> {
    let objects = documents(&rendered(NAMED)?)?;
    let mut policies = objects.iter().filter(|o| o["kind"] == "NetworkPolicy");
    let policy = policies.next().context("no NetworkPolicy")?;
    ensure!(policies.next().is_none(), "more than one");
    let egress = policy["spec"]["egress"].as_array().context("no egress")?;
    ensure!(egress.len() == 2, "{egress:?}");
    let cidr = |cidr: &str| json!({"ipBlock": {"cidr": cidr}});
    assert_eq!(
        egress[0]["to"],
        json!([cidr("10.96.0.1/32"), cidr("192.0.2.10/32")])
    );
    ensure!(egress[1]["to"][0]["ipBlock"].is_null(), "{egress:?}");
    Ok(())
}

#[test]
fn who_installs_it_reads_what_is_open_and_that_everything_is_too_much() -> Result<()> {
    let warning = "That is every address there is";
    let named = notes(NAMED)?;
    ensure!(
        named.contains("10.96.0.1/32, 192.0.2.10/32 on 443, 6443") && !named.contains(warning),
        "{named}"
    );
    let everything = notes(EVERYTHING)?;
    ensure!(everything.contains(warning), "{everything}");
    let without = notes("{}")?;
    ensure!(!without.contains("The operator may connect"), "{without}");
    Ok(())
}
