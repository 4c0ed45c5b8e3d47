//! The alerts of `manifests/alerts`: they ask for what a server prints, and docs/operations.md explains each.

use std::collections::BTreeSet;

use regex::Regex;
use runstamp::review::Stance;
use serde_json::{Value, json};

use crate::engine::{ask, review, start};
use crate::harness::within;
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
    let server = start(Stance::default());
    for annotations in [json!({}), json!({"github.integrations.tekton.dev/sha": "main"})] {
        ask(&server, "/mutate", &review(&annotations, None)).await;
    }
    let scrape = within(server.probe("/metrics")).await.body;
    let metric = Regex::new(r"\b((?:runstamp|process)_[a-z_]+)(?:\{([^}]*)\})?").unwrap();
    let matcher = Regex::new(r#"([a-z]+)=~?"([^"]*)""#).unwrap();
    for (alert, expression) in alerts() {
        let mut asked = metric.captures_iter(&expression).peekable();
        assert!(asked.peek().is_some(), "{alert} asks for no metric: {expression}");
        for part in asked {
            let name = part[1].strip_suffix("_bucket").unwrap_or(&part[1]);
            assert!(METRICS.contains(&name), "{alert}: no server prints {name}");
            let declared = name.strip_suffix("_total").unwrap_or(name);
            assert!(scrape.contains(&format!("# TYPE {declared} ")), "{alert}: {name}");
            let labels = part.get(2).map_or("", |labels| labels.as_str());
            for condition in matcher.captures_iter(labels) {
                for value in condition[2].split('|') {
                    let label = format!("{}=\"{value}\"", &condition[1]);
                    let mut samples = scrape.lines().filter(|line| line.starts_with(&format!("{name}{{")));
                    // The job is what Prometheus calls whom it asks.
                    let is_there = &condition[1] == "job" || samples.any(|sample| sample.contains(&label));
                    assert!(is_there, "{alert}: no sample of {name} has {label}\n{scrape}");
                }
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
