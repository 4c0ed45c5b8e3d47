//! The reference of the policy language keeps its word: its examples load and pass, and it explains every field and every word.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;
use runstamp::builtin;
use runstamp::diagnostics::one_line;
use runstamp::domain::compile::compile;
use runstamp::domain::schema::Format;
use runstamp::domain::template::RunField;
use runstamp::domain::words::{
    ConfigPlace, CopiedOwnerReferences, EVENTS, FactName, Mode, OnChild, OnConflict, OnMissing, Operator, Reaction,
    ResetRule, RunKind, StateKeyUpdates,
};
use runstamp::policy_file::{PolicyText, read_paths, read_texts};
use runstamp::policy_schema::policy_schema;
use runstamp::suite::prepare;
use serde_json::Value;

use readme::{Block, blocks};

#[path = "common/readme.rs"]
#[allow(dead_code, reason = "the sessions of the README are another test's")]
mod readme;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PAGE: &str = "docs/policy-language.md";

/// The readers of the five kinds, each with the section that explains what they read.
const READERS: [(&str, &str); 7] = [
    ("document.rs", "Files"),
    ("integration.rs", "Integration"),
    ("schema.rs", "Integration"),
    ("trigger_source.rs", "TriggerSource"),
    ("run_policy.rs", "RunPolicy"),
    ("settings.rs", "Settings"),
    ("suite.rs", "Suite"),
];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The blocks that hold policies, each with the mistake that it is said to hold on the line before: `<!-- mistake: TEXT -->`.
fn policies(markdown: &str) -> Vec<(Block, Option<String>)> {
    let lines: Vec<&str> = markdown.lines().collect();
    let holding = blocks(markdown)
        .into_iter()
        .filter(|block| block.text.contains("apiVersion: runstamp.dev/"));
    let with_mistakes = holding.map(|block| {
        let before = block.lines.start.checked_sub(2).map_or("", |line| lines[line]);
        let mistake = before
            .strip_prefix("<!-- mistake: ")
            .and_then(|rest| rest.strip_suffix(" -->"))
            .map(str::to_owned);
        (block, mistake)
    });
    with_mistakes.collect()
}

fn text(name: &str, content: &str) -> PolicyText {
    PolicyText {
        name: name.to_owned(),
        content: content.as_bytes().to_vec(),
        builtin: false,
    }
}

/// Everything, warnings included, that is said about these texts beside the built-in policies.
fn problems(texts: impl IntoIterator<Item = PolicyText>) -> Vec<String> {
    let (files, loaded) = read_texts(builtin::policies().into_iter().chain(texts));
    let compilation = compile(loaded.definitions);
    let all = loaded.problems.iter().chain(&compilation.problems);
    all.map(|problem| one_line(problem, &files)).collect()
}

#[test]
fn every_example_loads_alone_and_beside_the_others() {
    let markdown = read(PAGE);
    let policies = policies(&markdown);
    let mut examples = Vec::new();
    for (block, mistake) in &policies {
        let place = format!("{PAGE}:{}", block.lines.start + 1);
        assert_eq!(block.language, "yaml", "{place}");
        let found = problems([text(&place, &block.text)]);
        match mistake {
            None => {
                assert_eq!(found, Vec::<String>::new(), "{place}");
                examples.push(text(&place, &block.text));
            }
            Some(mistake) => {
                let told = found.iter().any(|problem| problem.contains(mistake.as_str()));
                assert!(
                    told && found.len() == 1,
                    "{place} should hold one mistake: {mistake}\n{found:#?}"
                );
            }
        }
    }
    assert_eq!(problems(examples), Vec::<String>::new(), "the examples together");
    for kind in ["Integration", "TriggerSource", "RunPolicy", "Settings", "Suite"] {
        let has_example = |(block, mistake): &(Block, Option<String>)| {
            mistake.is_none() && block.text.contains(&format!("\nkind: {kind}\n"))
        };
        assert!(policies.iter().any(has_example), "no example of kind {kind}");
    }
}

#[test]
fn the_suite_of_the_examples_passes() {
    let folder = tempfile::tempdir().unwrap();
    for (block, _) in policies(&read(PAGE)) {
        if let Some(name) = &block.file {
            fs::write(folder.path().join(name), &block.text).unwrap();
        }
    }
    let (files, loaded) = read_paths(&[folder.path().to_owned()]).unwrap();
    let cases = prepare(&loaded.suites, &files, &builtin::policies(), None).unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let result = case.run().unwrap();
        assert_eq!(result.failures, [], "{}", result.case);
    }
}

/// The text of a section, from its heading to the next one of the same level.
fn section<'m>(markdown: &'m str, name: &str) -> &'m str {
    let heading = format!("\n## {name}\n");
    let start = markdown.find(&heading).unwrap_or_else(|| panic!("no section {name}")) + heading.len();
    let rest = &markdown[start..];
    rest.find("\n## ").map_or(rest, |end| &rest[..end])
}

/// The words of a text that stand in backticks, outside of examples: those are explained, not only used.
fn explained(markdown: &str) -> BTreeSet<String> {
    let in_blocks: BTreeSet<usize> = blocks(markdown).into_iter().flat_map(|block| block.lines).collect();
    let prose: Vec<&str> = markdown
        .lines()
        .enumerate()
        .filter(|(line, text)| !in_blocks.contains(line) && !text.starts_with("```"))
        .map(|(_, text)| text)
        .collect();
    let code = Regex::new("`([^`]+)`").unwrap();
    let prose = prose.join("\n");
    let spans = code.captures_iter(&prose).map(|found| found[1].to_owned());
    let is_of_word = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    spans
        .flat_map(|span| {
            let words = span.split(|character| !is_of_word(character));
            words.map(str::to_owned).collect::<Vec<String>>()
        })
        .collect()
}

#[track_caller]
fn check_explained<'w>(what: &str, section: &str, words: impl IntoIterator<Item = &'w str>) {
    let explained = explained(section);
    let missing: Vec<&str> = words.into_iter().filter(|word| !explained.contains(*word)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "{PAGE} does not explain these {what}");
}

/// The fields that a reader asks for.
fn fields_read(file: &str) -> BTreeSet<String> {
    let field = Regex::new(r#"fields\s*\.\s*[a-z_]+\(\s*"([A-Za-z]+)""#).unwrap();
    let source = read(&format!("src/policy_file/{file}"));
    let fields: BTreeSet<String> = field.captures_iter(&source).map(|found| found[1].to_owned()).collect();
    // A reader in which nothing is found is read by another pattern, and would pass unread.
    assert!(fields.len() >= 5, "{file}: {fields:?}");
    fields
}

#[test]
fn every_field_that_is_read_is_explained_where_its_kind_is() {
    let markdown = read(PAGE);
    for (file, name) in READERS {
        let fields = fields_read(file);
        check_explained(
            &format!("fields of {file}"),
            section(&markdown, name),
            fields.iter().map(String::as_str),
        );
    }
}

/// The readers, each with the definitions of the schema that say what it reads.
const DEFINITIONS: [(&str, &[&str]); 7] = [
    (
        "document.rs",
        &["document", "metadata", "integration", "triggerSource", "settings"],
    ),
    (
        "integration.rs",
        &["integration", "rule", "stateKey", "finalizer", "creator"],
    ),
    ("schema.rs", &["configKey"]),
    ("trigger_source.rs", &["triggerSource", "when", "fact"]),
    (
        "run_policy.rs",
        &["runPolicy", "selector", "condition", "variable", "injection"],
    ),
    ("settings.rs", &["settings"]),
    ("suite.rs", &["suite", "case", "expect"]),
];

/// The names of all fields that stand anywhere in a schema.
fn fields_of(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(keywords) => {
            for (keyword, term) in keywords {
                match (keyword.as_str(), term) {
                    // Conditions name fields again that stand elsewhere.
                    ("allOf" | "if" | "then" | "oneOf", _) => {}
                    ("properties", Value::Object(fields)) => {
                        for (name, schema) in fields {
                            found.insert(name.clone());
                            fields_of(schema, found);
                        }
                    }
                    _ => fields_of(term, found),
                }
            }
        }
        Value::Array(terms) => terms.iter().for_each(|term| fields_of(term, found)),
        _ => {}
    }
}

#[test]
fn the_schema_has_every_field_that_is_read_and_no_other() {
    let schema = policy_schema();
    let mut all_read = BTreeSet::new();
    let mut all_known = BTreeSet::new();
    for (file, definitions) in DEFINITIONS {
        let read = fields_read(file);
        let mut known = BTreeSet::new();
        for name in definitions {
            fields_of(&schema["$defs"][name], &mut known);
        }
        let missing: Vec<&String> = read.difference(&known).collect();
        assert_eq!(missing, Vec::<&String>::new(), "fields of {file} that the schema lacks");
        all_read.extend(read);
        all_known.extend(known);
    }
    assert_eq!(all_known, all_read);
    let described: BTreeSet<&str> = DEFINITIONS
        .iter()
        .flat_map(|(_, names)| names.iter().copied())
        .collect();
    // The rest holds no field of its own: a constraint is a config key with fewer terms, a Run is anybody's.
    let rest = schema["$defs"].as_object().unwrap().keys().map(String::as_str);
    let rest: Vec<&str> = rest.filter(|name| !described.contains(name)).collect();
    assert_eq!(rest, ["constraint", "run"]);
}

fn words<T>(table: &'static [(&'static str, T)]) -> impl Iterator<Item = &'static str> {
    table.iter().map(|(word, _)| *word)
}

#[test]
fn every_word_of_the_language_is_explained() {
    let markdown = read(PAGE);
    let check = |what: &str, name: &str, words: &mut dyn Iterator<Item = &'static str>| {
        check_explained(what, section(&markdown, name), words);
    };
    check("kinds", "Integration", &mut words(RunKind::WORDS));
    check("reactions", "Integration", &mut words(Reaction::WORDS));
    check("rules of reset", "Integration", &mut words(ResetRule::WORDS));
    check("words of onChild", "Integration", &mut words(OnChild::WORDS));
    check("words of updates", "Integration", &mut words(StateKeyUpdates::WORDS));
    check("places", "Integration", &mut words(ConfigPlace::WORDS));
    check("formats", "Integration", &mut Format::ALL.into_iter().map(Format::name));
    check("facts", "TriggerSource", &mut words(FactName::WORDS));
    check("events", "TriggerSource", &mut EVENTS.into_iter());
    check("modes", "RunPolicy", &mut words(Mode::WORDS));
    check("words of onConflict", "RunPolicy", &mut words(OnConflict::WORDS));
    check("words of onMissing", "RunPolicy", &mut words(OnMissing::WORDS));
    check("operators", "RunPolicy", &mut words(Operator::WORDS));
    check(
        "fields of a Run",
        "RunPolicy",
        &mut RunField::ALL.into_iter().map(RunField::name),
    );
    check(
        "words of stateKeyUpdates",
        "Settings",
        &mut words(StateKeyUpdates::WORDS),
    );
    check(
        "words of copiedOwnerReferences",
        "Settings",
        &mut words(CopiedOwnerReferences::WORDS),
    );
}

/// The anchor that a heading has: small letters, without marks, with hyphens for spaces.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-'));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn links_of_the_page_lead_somewhere() {
    let markdown = read(PAGE);
    let anchors: BTreeSet<String> = markdown
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(anchor)
        .collect();
    let link = Regex::new(r"\]\(([^)]+)\)").unwrap();
    let targets: Vec<String> = link.captures_iter(&markdown).map(|found| found[1].to_owned()).collect();
    assert!(targets.len() > 5);
    for target in targets.iter().filter(|target| !target.starts_with("https://")) {
        let leads_somewhere = match target.strip_prefix('#') {
            Some(name) => anchors.contains(name),
            None => Path::new(ROOT).join("docs").join(target).exists(),
        };
        assert!(leads_somewhere, "{target}");
    }
}
