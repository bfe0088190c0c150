//! What the operator may do: the same rights in one namespace as in all, none that reads a Secret, and docs/security.md says why, rule by rule.

use crate::{
    generated,
    render::{documents, is_hook, read, rendered},
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fmt::Write;

const OPERATOR: &str = "nostr-fleet-operator";

/// Rules of the operator's roles of one kind, in a render.
fn rules(values: &str, kind: &str) -> Result<Vec<Value>> {
    let roles = documents(&rendered(values)?)?;
    let roles = roles
        .iter()
        .filter(|object| object["kind"] == kind && object["metadata"]["name"] == OPERATOR);
    let rules = roles.flat_map(|role| role["rules"].as_array().cloned().unwrap_or_default());
    Ok(rules.collect())
}

#[test]
fn in_some_namespaces_it_may_do_what_it_may_do_in_all() -> Result<()> {
    let everywhere = rules("{}", "ClusterRole")?;
    let some = "watchNamespaces: [town, village]";
    let of_cluster = rules(some, "ClusterRole")?;
    ensure!(
        of_cluster.len() == 1 && of_cluster[0]["resources"] == json!(["storageclasses"]),
        "{of_cluster:?}"
    );
    let in_namespaces = rules(some, "Role")?;
    let (town, village) = in_namespaces.split_at(in_namespaces.len() / 2);
    ensure!(town == village);
    ensure!([town, &of_cluster].concat() == everywhere);
    Ok(())
}

#[test]
fn no_role_reads_secrets_or_has_a_wildcard() -> Result<()> {
    let objects = documents(&rendered("watchNamespaces: [town]")?)?;
    let rules = objects
        .iter()
        .filter(|object| !is_hook(object))
        .filter_map(|object| object["rules"].as_array())
        .flatten();
    let mut seen = 0;
    for rule in rules {
        for words in ["apiGroups", "resources", "verbs"] {
            for word in rule[words].as_array().context("a rule without words")? {
                ensure!(word != "*" && word != "secrets", "{rule}");
            }
        }
        seen += 1;
    }
    ensure!(seen > 10, "only {seen} rules");
    Ok(())
}

/// Each rule of a role in a file, with the comment above it.
fn explained(path: &str) -> Result<Vec<(Value, String)>> {
    let text = read(path)?;
    let mut reasons = Vec::new();
    for role in documents(&text)? {
        reasons.extend(role["rules"].as_array().cloned().unwrap_or_default());
    }
    let mut comments = Vec::new();
    let mut comment = Vec::new();
    let lines = text.lines().skip_while(|line| *line != "rules:");
    for line in lines.take_while(|line| *line != "---") {
        if let Some(words) = line.strip_prefix("# ") {
            comment.push(words);
        } else if line.starts_with("- ") {
            comments.push(comment.join(" "));
            comment.clear();
        }
    }
    ensure!(
        comments.len() == reasons.len() && comments.iter().all(|comment| !comment.is_empty()),
        "{path}: a rule without a reason"
    );
    Ok(reasons.into_iter().zip(comments).collect())
}

fn words(rule: &Value, key: &str) -> String {
    let words = rule[key].as_array().into_iter().flatten();
    let words = words
        .filter_map(Value::as_str)
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(", ")
}

fn table() -> Result<String> {
    let mut table = "| where | what | verbs | why |\n|---|---|---|---|\n".to_owned();
    let files = [
        ("config/rbac/role.yaml", "where relays are"),
        ("config/rbac/leases.yaml", "its own namespace"),
    ];
    for (path, place) in files {
        for (rule, reason) in explained(path)? {
            let group = words(&rule, "apiGroups");
            let group = if group.is_empty() {
                "core".to_owned()
            } else {
                group
            };
            let only = words(&rule, "resourceNames");
            let only = if only.is_empty() {
                only
            } else {
                format!(" `{only}`")
            };
            writeln!(
                table,
                "| {place} | {group}: {}{only} | {} | {reason} |",
                words(&rule, "resources"),
                words(&rule, "verbs"),
            )?;
        }
    }
    Ok(table)
}

#[test]
fn the_table_of_rules_is_the_generated_one() -> Result<()> {
    generated::compare("docs/security.md", "rules", &table()?)
}
