//! The alerts of `manifests/alerts`: they ask for what a server prints, and docs/operations.md explains each.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use crate::harness::{TestServer, within};
use crate::http::METRICS;

const RULES: &str = include_str!("../../manifests/alerts/prometheus-rules.yaml");
const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// The alerts, each with its expression.
fn alerts() -> Vec<(String, String)> {
    let resource: Value = serde_saphyr::from_str(RULES).unwrap();
    let rules = resource["spec"]["groups"][0]["rules"].as_array().unwrap();
    let text = |rule: &Value, field: &str| rule[field].as_str().unwrap().to_owned();
    rules
        .iter()
        .map(|rule| {
            assert!(rule["labels"]["severity"].is_string(), "{rule}");
            assert!(rule["annotations"]["summary"].is_string(), "{rule}");
            (text(rule, "alert"), text(rule, "expr"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_ask_for_what_a_server_prints() {
    let server = TestServer::start();
    let scrape = within(server.probe("/metrics")).await.body;
    let metric = Regex::new(r"\b(?:runstamp|process)_[a-z_]+").unwrap();
    let reason = Regex::new(r#"reason=~?"([^"]+)""#).unwrap();
    for (alert, expression) in alerts() {
        let mut named = metric.find_iter(&expression).map(|found| found.as_str()).peekable();
        assert!(named.peek().is_some(), "{alert} asks for no metric: {expression}");
        for name in named {
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(METRICS.contains(&name), "{alert}: no server prints {name}");
            let declared = name.strip_suffix("_total").unwrap_or(name);
            assert!(scrape.contains(&format!("# TYPE {declared} ")), "{alert}: {name}");
        }
        for words in reason.captures_iter(&expression) {
            for word in words[1].split('|') {
                let sample = format!("runstamp_rejected_requests_total{{reason=\"{word}\"}} ");
                assert!(scrape.contains(&sample), "{alert}: no request is turned away as {word}");
            }
        }
    }
}

#[test]
fn every_alert_is_explained_and_no_other() {
    let (_, section) = OPERATIONS.split_once("\n## Alerts\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let row = Regex::new(r"(?m)^\| `(Runstamp\w+)` \|").unwrap();
    let explained: BTreeSet<String> = row.captures_iter(section).map(|found| found[1].to_owned()).collect();
    let all: BTreeSet<String> = alerts().into_iter().map(|(alert, _)| alert).collect();
    assert_eq!(explained, all);
}
