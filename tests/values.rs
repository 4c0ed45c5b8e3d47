//! What each config key takes and refuses, as tables in files; every refusal's words are golden (`UPDATE_GOLDENS=1` writes them again).
#![cfg(test)]

mod common;
#[path = "keys/packs.rs"]
mod packs;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use runstamp::domain::integration::{ConfigKey, Integration};
use runstamp::domain::schema::{UrlRules, ValueSchema};
use serde::Deserialize;

use common::golden::agrees_with_golden;
use common::{builtin_set, files_below};
use packs::set_with_packs;

/// How many values a table shows at least of either kind, where the schema has that many.
const LEAST: usize = 3;

/// Longer values are shown by their beginning and their length.
const MAX_SHOWN: usize = 90;

/// Values of keys that share a schema.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    keys: Vec<String>,
    accepted: Vec<Value>,
    refused: Vec<Value>,
}

/// A value as it stands, or one that is too long to write down.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Repeated {
        #[serde(default)]
        before: String,
        repeat: String,
        times: usize,
        #[serde(default)]
        after: String,
    },
}

impl Value {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Repeated {
                before,
                repeat,
                times,
                after,
            } => format!("{before}{}{after}", repeat.repeat(*times)),
        }
    }
}

/// Every integration of the built-in policies and of the packs, by name.
fn integrations() -> BTreeMap<String, Arc<Integration>> {
    let all = set_with_packs().integrations.into_iter();
    all.map(|integration| (integration.name.to_string(), integration))
        .collect()
}

#[test]
fn every_config_key_takes_and_refuses_what_its_table_says() {
    let urls = builtin_set().settings.urls;
    let mut integrations = integrations();
    let mut mistakes = Vec::new();
    for file in files_below(Path::new("tests/keys/values"), "yaml") {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let Some(integration) = integrations.remove(name) else {
            mistakes.push(format!("{}: no integration is called {name}", file.display()));
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        let tables: Vec<Table> =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let golden = check(&integration, &tables, &urls, &mut mistakes);
        let path = file.with_extension("txt");
        if !agrees_with_golden(&path, &golden) {
            mistakes.push(format!("{} differs", path.display()));
        }
    }
    for integration in integrations.values() {
        let keys = configured(integration).count();
        if keys > 0 {
            mistakes.push(format!("{}: {keys} keys have no table", integration.name));
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

/// The keys that a file declares; `version` comes with every prefix.
fn configured(integration: &Integration) -> impl Iterator<Item = &ConfigKey> {
    integration.config.iter().filter(|config| config.name != "version")
}

/// What every refused value is answered, for people to read.
fn check(integration: &Integration, tables: &[Table], urls: &UrlRules, mistakes: &mut Vec<String>) -> String {
    let mut untold: Vec<&str> = configured(integration).map(|config| config.name.as_str()).collect();
    let mut golden = String::new();
    for table in tables {
        let mut answers: Vec<String> = Vec::new();
        for key in &table.keys {
            let Some(config) = configured(integration).find(|config| config.name == *key) else {
                mistakes.push(format!("{}: no key is called {key}", integration.name));
                continue;
            };
            match untold.iter().position(|untold| untold == key) {
                Some(position) => drop(untold.remove(position)),
                None => mistakes.push(format!("{}: {key} has two tables", integration.name)),
            }
            answers.push(check_key(config, table, urls, mistakes));
        }
        let Some(first) = answers.first() else { continue };
        if answers.iter().any(|answer| answer != first) {
            mistakes.push(format!("{:?} do not refuse in the same words", table.keys));
        }
        let _ = writeln!(golden, "{}\n{first}", table.keys.join(", "));
    }
    if !untold.is_empty() {
        mistakes.push(format!("{}: no table for {untold:?}", integration.name));
    }
    golden
}

fn check_key(config: &ConfigKey, table: &Table, urls: &UrlRules, mistakes: &mut Vec<String>) -> String {
    let key = config.key();
    let least_accepted = match config.schema.enum_values.len() {
        0 => LEAST,
        values => values.min(LEAST),
    };
    if table.accepted.len() < least_accepted || table.refused.len() < LEAST {
        mistakes.push(format!("{key}: at least {LEAST} values of either kind are wanted"));
    }
    for value in table.accepted.iter().map(Value::text) {
        if let Err(violation) = config.schema.check(&value, urls) {
            mistakes.push(format!("{key} refuses {}: {}", shown(&value), violation.message));
        }
    }
    let mut golden = String::new();
    for value in table.refused.iter().map(Value::text) {
        match answer(&config.schema, &value, urls) {
            Some(answer) => {
                let _ = writeln!(golden, "  {}\n{answer}", shown(&value));
            }
            None => mistakes.push(format!("{key} takes {}", shown(&value))),
        }
    }
    golden
}

fn answer(schema: &ValueSchema, value: &str, urls: &UrlRules) -> Option<String> {
    let violation = schema.check(value, urls).err()?;
    let mut answer = format!("    {}", violation.message);
    if let Some(suggestion) = violation.suggestion {
        let _ = write!(answer, "\n    did you mean {}", shown(&suggestion));
    }
    Some(answer)
}

fn shown(value: &str) -> String {
    let count = value.chars().count();
    if count <= MAX_SHOWN {
        return format!("{value:?}");
    }
    let start: String = value.chars().take(30).collect();
    format!("{start:?}… ({count} characters)")
}
