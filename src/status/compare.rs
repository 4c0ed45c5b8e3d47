//! Comparing webhook configurations as data: what differs, under which path.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::webhooks::{Difference, DifferenceKind, entries, named, text};

/// How many differences are told; somebody who changed more has written configurations of their own.
const MOST_DIFFERENCES: usize = 50;

/// The fields of an entry; others are of later API servers, and not ours to judge.
const FIELDS: [&str; 11] = [
    "admissionReviewVersions",
    "clientConfig",
    "failurePolicy",
    "matchConditions",
    "matchPolicy",
    "namespaceSelector",
    "objectSelector",
    "reinvocationPolicy",
    "rules",
    "sideEffects",
    "timeoutSeconds",
];

/// The differences of one configuration, while they are being found.
#[derive(Default)]
pub(super) struct Comparison {
    configuration: String,
    entry: Option<String>,
    differences: Vec<Difference>,
}

impl Comparison {
    /// Turns to the configuration of this kind.
    pub(super) fn begin(&mut self, kind: &str) {
        kind.clone_into(&mut self.configuration);
        self.entry = None;
    }

    /// What was found.
    pub(super) fn into_differences(self) -> Vec<Difference> {
        self.differences
    }

    /// Enters a difference of the entry that is being looked at.
    pub(super) fn push(&mut self, field: Option<&str>, difference: DifferenceKind, expected: Value, found: Value) {
        if self.differences.len() < MOST_DIFFERENCES {
            self.differences.push(Difference {
                configuration: self.configuration.clone(),
                entry: self.entry.clone(),
                field: field.map(str::to_owned),
                difference,
                expected,
                found,
            });
        }
    }

    /// Compares all entries.
    pub(super) fn entries(&mut self, expected: &Value, found: &Value) {
        for entry in entries(expected) {
            self.entry = Some(text(entry, "name").to_owned());
            match named(found, entry) {
                Some(live) => self.fields(entry, live),
                None => self.push(None, DifferenceKind::Missing, Value::Null, Value::Null),
            }
        }
        for live in entries(found).iter().filter(|live| named(expected, live).is_none()) {
            self.entry = Some(text(live, "name").to_owned());
            self.push(None, DifferenceKind::Extra, Value::Null, Value::Null);
        }
    }

    fn fields(&mut self, expected: &Value, found: &Value) {
        let (expected, found) = (
            with_defaults(expected, &self.configuration),
            with_defaults(found, &self.configuration),
        );
        for field in FIELDS {
            self.compare(field, expected.get(field), found.get(field));
        }
    }

    fn compare(&mut self, path: &str, expected: Option<&Value>, found: Option<&Value>) {
        match (expected, found) {
            (None, None) => {}
            (Some(expected), None) => self.push(Some(path), DifferenceKind::Missing, expected.clone(), Value::Null),
            (None, Some(found)) => self.push(Some(path), DifferenceKind::Extra, Value::Null, found.clone()),
            (Some(Value::Object(expected)), Some(Value::Object(found))) => {
                let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
                for name in names {
                    self.compare(&format!("{path}.{name}"), expected.get(name), found.get(name));
                }
            }
            (Some(Value::Array(expected)), Some(Value::Array(found))) => self.compare_lists(path, expected, found),
            (Some(expected), Some(found)) if expected == found => {}
            (Some(expected), Some(found)) => {
                self.push(Some(path), DifferenceKind::Differs, expected.clone(), found.clone());
            }
        }
    }

    /// No list of an entry has an order that matters.
    fn compare_lists(&mut self, path: &str, expected: &[Value], found: &[Value]) {
        let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
        let all_named = expected.iter().chain(found).all(|value| name(value).is_some());
        if all_named {
            let names: BTreeSet<String> = expected.iter().chain(found).filter_map(name).collect();
            for wanted in names {
                let of = |list: &'_ [Value]| list.iter().find(|value| name(value).as_ref() == Some(&wanted)).cloned();
                self.compare(&format!("{path}[{wanted}]"), of(expected).as_ref(), of(found).as_ref());
            }
            return;
        }
        let sorted = |list: &[Value]| {
            let mut texts: Vec<String> = list.iter().map(Value::to_string).collect();
            texts.sort();
            texts
        };
        if sorted(expected) == sorted(found) {
            return;
        }
        if expected.iter().chain(found).any(Value::is_object) {
            for index in 0..expected.len().max(found.len()) {
                self.compare(&format!("{path}[{index}]"), expected.get(index), found.get(index));
            }
        } else {
            self.push(Some(path), DifferenceKind::Differs, json!(expected), json!(found));
        }
    }
}

/// An entry as the API server stores it, without the authorities.
fn with_defaults(entry: &Value, configuration: &str) -> Value {
    let mut fields = entry.as_object().cloned().unwrap_or_default();
    let mut default = |field: &str, value: Value| {
        fields.entry(field).or_insert(value);
    };
    default("failurePolicy", json!("Fail"));
    default("matchPolicy", json!("Equivalent"));
    default("namespaceSelector", json!({}));
    default("objectSelector", json!({}));
    default("timeoutSeconds", json!(10));
    if configuration.starts_with("Mutating") {
        default("reinvocationPolicy", json!("Never"));
    }
    for rule in fields
        .get_mut("rules")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let rule = rule.as_object_mut();
        rule.map(|rule| rule.entry("scope").or_insert(json!("*")));
    }
    if let Some(client) = fields.get_mut("clientConfig").and_then(Value::as_object_mut) {
        client.remove("caBundle");
        let service = client.get_mut("service").and_then(Value::as_object_mut);
        service.map(|service: &mut Map<String, Value>| service.entry("port").or_insert(json!(443)));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "MutatingWebhookConfiguration";

    fn entry() -> Value {
        json!({
            "name": "runs",
            "rules": [
                { "operations": ["CREATE", "UPDATE"], "resources": ["pipelineruns"], "scope": "Namespaced" },
                { "operations": ["CREATE"], "resources": ["customruns"] },
            ],
            "matchConditions": [
                { "name": "a", "expression": "true" },
                { "name": "b", "expression": "false" },
            ],
            "namespaceSelector": { "matchExpressions": [{ "key": "k", "operator": "DoesNotExist" }] },
            "failurePolicy": "Fail",
            "clientConfig": { "service": { "name": "runstamp", "namespace": "runstamp", "path": "/mutate" } },
        })
    }

    /// What is found when the live entry is the expected one with a change.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Value), expected: &[(&str, DifferenceKind, Value, Value)]) {
        let mut live = entry();
        change(&mut live);
        let mut comparison = Comparison::default();
        comparison.begin(KIND);
        comparison.entries(&json!({ "webhooks": [entry()] }), &json!({ "webhooks": [live] }));
        let found: Vec<_> = (comparison.into_differences().into_iter())
            .map(|found| {
                (
                    found.field.unwrap_or_default(),
                    found.difference,
                    found.expected,
                    found.found,
                )
            })
            .collect();
        let found: Vec<_> = (found.iter())
            .map(|(field, kind, expected, found)| (field.as_str(), *kind, expected.clone(), found.clone()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_means_the_same_is_no_difference() {
        check(|_| {}, &[]);
        // What the API server adds, and whom it trusts.
        check(
            |live| {
                live["matchPolicy"] = json!("Equivalent");
                live["objectSelector"] = json!({});
                live["timeoutSeconds"] = json!(10);
                live["reinvocationPolicy"] = json!("Never");
                live["rules"][1]["scope"] = json!("*");
                live["clientConfig"]["caBundle"] = json!("AAAA");
                live["clientConfig"]["service"]["port"] = json!(443);
                live["somethingOfALaterVersion"] = json!(true);
            },
            &[],
        );
        // No order matters.
        check(
            |live| {
                live["rules"].as_array_mut().unwrap().reverse();
                live["matchConditions"].as_array_mut().unwrap().reverse();
            },
            &[],
        );
    }

    #[test]
    fn every_field_that_differs_is_named() {
        use DifferenceKind::{Differs, Extra, Missing};
        check(
            |live| {
                live["failurePolicy"] = json!("Ignore");
                live["timeoutSeconds"] = json!(30);
            },
            &[
                ("failurePolicy", Differs, json!("Fail"), json!("Ignore")),
                ("timeoutSeconds", Differs, json!(10), json!(30)),
            ],
        );
        check(
            |live| live["objectSelector"] = json!({ "matchLabels": { "a": "b" } }),
            &[("objectSelector.matchLabels", Extra, Value::Null, json!({ "a": "b" }))],
        );
        let third = json!({ "name": "c", "expression": "1 == 1" });
        check(
            |live| {
                live["matchConditions"][0]["expression"] = json!("1 == 2");
                live["matchConditions"][1] = third.clone();
            },
            &[
                ("matchConditions[a].expression", Differs, json!("true"), json!("1 == 2")),
                (
                    "matchConditions[b]",
                    Missing,
                    json!({ "name": "b", "expression": "false" }),
                    Value::Null,
                ),
                ("matchConditions[c]", Extra, Value::Null, third.clone()),
            ],
        );
        check(
            |live| live["rules"][0]["operations"] = json!(["CREATE"]),
            &[(
                "rules[0].operations",
                Differs,
                json!(["CREATE", "UPDATE"]),
                json!(["CREATE"]),
            )],
        );
        check(
            |live| live["clientConfig"] = json!({ "url": "https://127.0.0.1:1" }),
            &[
                (
                    "clientConfig.service",
                    Missing,
                    json!({ "name": "runstamp", "namespace": "runstamp", "path": "/mutate", "port": 443 }),
                    Value::Null,
                ),
                ("clientConfig.url", Extra, Value::Null, json!("https://127.0.0.1:1")),
            ],
        );
        // Whatever stands there.
        check(
            |live| live["rules"] = json!("all"),
            &[(
                "rules",
                Differs,
                with_defaults(&entry(), KIND)["rules"].clone(),
                json!("all"),
            )],
        );
        check(
            |live| live["name"] = json!("other"),
            &[
                ("", Missing, Value::Null, Value::Null),
                ("", Extra, Value::Null, Value::Null),
            ],
        );
    }

    #[test]
    fn differences_are_bounded() {
        let many: Vec<Value> = (0..1000).map(|number| json!({ "name": number.to_string() })).collect();
        let mut comparison = Comparison::default();
        comparison.begin(KIND);
        comparison.entries(&json!({}), &json!({ "webhooks": many }));
        assert_eq!(comparison.into_differences().len(), MOST_DIFFERENCES);
    }
}
