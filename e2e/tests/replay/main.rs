//! What all other tests made the installed operator ask is held against its roles. Runs last, by `make test` or `make e2e`. That no right is left
//! unused is the matter of the operator's own suite, where everything that can happen to a relay does.

use anyhow::{Result, ensure};
use nostr_fleet_e2e::{
    audit::{Request, Rules, requests},
    cluster::Cluster,
    figures::figure,
    operator,
};
use std::collections::BTreeSet;

#[tokio::test]
async fn every_request_of_the_operator_is_allowed_by_its_roles_and_none_was_refused_for_good()
-> Result<()> {
    let cluster = Cluster::connect().await?;
    if !cluster.local {
        nostr_fleet_e2e::left_out("only the local cluster's audit log is known");
        return Ok(());
    }
    let home = operator::home(&cluster);
    let (rules, requests) = (Rules::installed(&home).await?, requests(&home).await?);
    ensure!(requests.len() > 20, "only {} requests", requests.len());
    for request in &requests {
        ensure!(rules.allow(request), "no rule allows: {request}");
        ensure!(request.was_granted(&requests), "was refused: {request}");
    }
    let rights: BTreeSet<String> = requests.iter().map(Request::right).collect();
    figure(&format!(
        "requests of the installed operator held against its roles: {} different ones, {} verbs on resources, none refused for good",
        requests.len(),
        rights.len()
    ));
    Ok(())
}
