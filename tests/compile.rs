//! Walks `tests/compile`: `ok` compiles without a word, every file of `warn` and `err` has what is said about it beside it.
//!
//! Each file is a user's, on top of the built-in documents in `builtin.yaml`.
//! A new case is a new file; `UPDATE_GOLDENS=1 cargo test --test compile` writes its golden, for a person to read.

#![cfg(test)]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use runstamp::domain::compile::{Compilation, compile};
use runstamp::domain::policy_set::PolicySet;
use runstamp::domain::source::{Problem, Severity, Span};
use runstamp::domain::words::{Place, RunKind};
use runstamp::policy_file::{PolicyText, SourceFiles, collect_texts, read_texts};

use common::golden::{agrees_with_golden, cases};

fn text(name: &str, content: &str, builtin: bool) -> PolicyText {
    PolicyText {
        name: name.to_owned(),
        content: content.as_bytes().to_vec(),
        builtin,
    }
}

fn builtin() -> PolicyText {
    let content = fs::read_to_string("tests/compile/builtin.yaml").unwrap();
    text("builtin.yaml", &content, true)
}

fn compile_texts(texts: Vec<PolicyText>) -> (SourceFiles, Compilation) {
    let (files, loaded) = read_texts(texts);
    assert_eq!(
        shown(&loaded.problems, &files),
        "",
        "the reader found mistakes: these cases are for the compiler"
    );
    (files, compile(loaded.definitions))
}

/// The set that a user's text makes on top of the built-in documents.
fn set_of(content: &str) -> PolicySet {
    let (files, compilation) = compile_texts(vec![builtin(), text("user.yaml", content, false)]);
    let said = shown(&compilation.problems, &files);
    compilation.set.unwrap_or_else(|| panic!("{said}"))
}

fn digest_of(content: &str) -> String {
    set_of(content).digest().as_str().to_owned()
}

fn compile_case(path: &Path) -> (SourceFiles, Compilation) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let content = fs::read_to_string(path).unwrap();
    compile_texts(vec![builtin(), text(name, &content, false)])
}

fn place(span: Span, files: &SourceFiles) -> String {
    let file = files.get(span).unwrap();
    let position = file.position(span.start);
    let marked = file.text.get(span.start as usize..span.end as usize).unwrap();
    let marked: String = marked.lines().next().unwrap_or_default().chars().take(60).collect();
    format!("{}:{}:{} at {marked}", file.name, position.line, position.column)
}

fn shown(problems: &[Problem], files: &SourceFiles) -> String {
    let mut text = String::new();
    for problem in problems {
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(
            text,
            "{}\n  {severity}[{}]: {}",
            place(problem.span, files),
            problem.code.word(),
            problem.message
        )
        .unwrap();
        if !problem.label.is_empty() {
            writeln!(text, "  here: {}", problem.label).unwrap();
        }
        for (span, label) in &problem.related {
            writeln!(text, "  {}: {label}", place(*span, files)).unwrap();
        }
        if let Some(help) = &problem.help {
            writeln!(text, "  help: {help}").unwrap();
        }
    }
    text
}

fn check_goldens(folder: &str, least: usize, loads: bool) {
    let cases = cases(Path::new("tests/compile").join(folder));
    assert!(cases.len() >= least, "only {} cases in {folder}", cases.len());
    let mut differing = Vec::new();
    for case in cases {
        let (files, compilation) = compile_case(&case);
        assert_eq!(compilation.set.is_some(), loads, "{}", case.display());
        for problem in &compilation.problems {
            check_wording(problem);
        }
        if !agrees_with_golden(&case.with_extension("txt"), &shown(&compilation.problems, &files)) {
            differing.push(case);
        }
    }
    assert!(differing.is_empty(), "differing: {differing:?}");
}

/// What holds of every message: one line, no full stop, nothing that Markdown or a terminal would read.
fn check_wording(problem: &Problem) {
    assert!(problem.help.is_some(), "what to do about it? {}", problem.message);
    let texts = [&problem.message, &problem.label].into_iter().chain(&problem.help);
    for text in texts.chain(problem.related.iter().map(|(_, label)| label)) {
        assert!(!text.contains('`') && !text.chars().any(char::is_control), "{text}");
        // A path without .. may be what was expected.
        assert!(
            (!text.ends_with('.') || text.ends_with(" ..")) && text.trim() == text,
            "{text}"
        );
    }
    assert!(!problem.message.is_empty());
}

#[test]
fn files_of_ok_compile_without_a_word() {
    let cases = cases("tests/compile/ok");
    assert!(cases.len() >= 3, "only {} cases", cases.len());
    for case in cases {
        let (files, compilation) = compile_case(&case);
        assert_eq!(shown(&compilation.problems, &files), "", "{}", case.display());
        assert!(compilation.set.is_some(), "{}", case.display());
    }
}

#[test]
fn files_of_warn_load_with_the_warnings_beside_them() {
    check_goldens("warn", 3, true);
}

#[test]
fn files_of_err_do_not_load_and_have_their_problems_beside_them() {
    check_goldens("err", 10, false);
}

#[test]
fn everything_is_sorted_in_the_order_in_which_it_applies() {
    let policy = |name: &str, priority: i32| {
        format!(
            "---\napiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {{name: {name}}}\n\
             spec: {{priority: {priority}, inject: {{annotations: {{ci.example.com/{name}: x}}}}}}\n"
        )
    };
    let source = "---\napiVersion: runstamp.dev/v1alpha1\nkind: TriggerSource\nmetadata: {name: aaa}\n\
                  spec: {precedence: 10, facts: {sha: {params: [commit]}}}\n";
    let set = set_of(&(policy("b", 0) + &policy("z", 5) + &policy("a", 0) + &policy("m", -1) + source));
    let policies: Vec<&str> = set.policies.iter().map(|policy| &*policy.name).collect();
    assert_eq!(policies, ["z", "a", "b", "m"]);
    assert!(
        set.policies
            .iter()
            .enumerate()
            .all(|(position, policy)| policy.index == position)
    );
    let sources: Vec<&str> = set.trigger_sources.iter().map(|source| &*source.name).collect();
    assert_eq!(sources, ["pipelines-as-code", "aaa", "params"]);
    let integrations: Vec<&str> = set.integrations.iter().map(|integration| &*integration.name).collect();
    assert_eq!(integrations, ["chains", "github", "slack"]);
    assert!(
        set.integrations
            .iter()
            .enumerate()
            .all(|(position, integration)| integration.index == position)
    );
}

#[test]
fn a_user_document_lies_on_the_built_in_one() {
    let set = set_of(&fs::read_to_string("tests/compile/ok/merge.yaml").unwrap());
    let github = &set.integrations[1];
    let names: Vec<&str> = github.config.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "owner",
            "repo",
            "sha",
            "installation",
            "name",
            "context",
            "url",
            "environment",
            "version"
        ]
    );
    let owner = &github.config[0];
    assert_eq!(owner.schema.max_length, Some(39), "kept");
    assert_eq!(owner.schema.enum_values, ["octo-org", "octo-labs"], "added");
    let prefixed = |name: &str| format!("github.integrations.tekton.dev/{name}");
    assert_eq!(github.config[2].spellings, ["sha", "commit", "revision"].map(prefixed));
    assert_eq!(github.rules.len(), 4);
    let checkrun = set.registry.state(Place::Annotation, &prefixed("checkrun")).unwrap();
    assert_eq!(checkrun.writer_names, ["notifier", "our-notifier"]);
    for user in [
        "system:serviceaccount:notifiers:github",
        "system:serviceaccount:ci:notifier-2",
        "oidc:robot@example.com",
    ] {
        assert!(checkrun.writers.contains(user), "{user}");
    }
    assert!(!checkrun.writers.contains("system:serviceaccount:ci:other"));
    let pac = &set.trigger_sources[0];
    let event = pac.facts.iter().find(|fact| fact.fact.word() == "event").unwrap();
    assert_eq!(event.map.len(), 1, "a fact is replaced whole");
    assert_eq!(pac.facts.len(), 5);
    assert_eq!(set.settings.controllers.globs().len(), 1);
}

#[test]
fn replaced_lists_hold_nothing_built_in() {
    let set = set_of(&fs::read_to_string("tests/compile/ok/replace.yaml").unwrap());
    assert!(
        set.settings
            .controllers
            .contains("system:serviceaccount:openshift-pipelines:controller")
    );
    assert!(
        !set.settings
            .controllers
            .contains("system:serviceaccount:tekton-pipelines:tekton-pipelines-controller")
    );
    let slack = set
        .integrations
        .iter()
        .find(|integration| &*integration.name == "slack")
        .unwrap();
    let names: Vec<&str> = slack.config.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["room", "version"]);
}

#[test]
fn an_annotation_that_an_integration_declares_is_injected_with_its_block() {
    let set = set_of(&fs::read_to_string("tests/compile/ok/policy.yaml").unwrap());
    let policy = set.policy("github-status").unwrap();
    let blocks: Vec<(&str, Vec<&str>)> = policy
        .integrations
        .iter()
        .map(|block| {
            let keys = block.keys.iter().map(|(_, injection)| injection.key.as_str());
            (&*block.integration.name, keys.collect())
        })
        .collect();
    let prefixed = ["owner", "repo", "commit", "context"].map(|name| format!("github.integrations.tekton.dev/{name}"));
    let slack = [
        "slack.integrations.tekton.dev/channel",
        "slack.integrations.tekton.dev/version",
    ];
    assert_eq!(
        blocks,
        [
            ("github", prefixed.iter().map(String::as_str).collect()),
            ("slack", slack.to_vec())
        ]
    );
    let keys: Vec<&str> = policy.keys.iter().map(|injection| injection.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "ci.example.com/team",
            "kueue.x-k8s.io/note",
            "unprefixed",
            "app.kubernetes.io/part-of"
        ]
    );
    assert!(policy.reads_trigger);
    assert!(!set.policy("web-channels").unwrap().reads_trigger);
    let url = &set.policy("web-channels").unwrap().constraints[1];
    assert!(
        url.schema.template,
        "what a schema lets pass its constraint must not refuse"
    );
}

#[test]
fn the_digest_depends_on_the_meaning_alone() {
    let first = "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {name: a}\n\
                 spec: {inject: {annotations: {ci.example.com/x: '1', ci.example.com/y: '2'}}}\n";
    let second = "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {name: b}\n\
                  spec: {inject: {labels: {x: '1'}}}\n";
    let expected = digest_of(&format!("{first}---\n{second}"));
    assert!(expected.starts_with("sha256:") && expected.len() == 71, "{expected}");
    // Order of documents, comments, order of keys, long forms and defaults written out.
    let same = "# A comment.\napiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {name: a}\nspec:\n  \
                priority: 0\n  mode: Enforce\n  validationAction: Deny\n  match: {kinds: [CustomRun, TaskRun, PipelineRun]}\n  \
                inject:\n    annotations:\n      ci.example.com/y: {value: '2', onConflict: Keep, onMissing: Skip}\n      \
                ci.example.com/x: \"1\"\n";
    assert_eq!(digest_of(&format!("{second}---\n{same}")), expected);
    // The same in two files, in another order.
    let texts = vec![text("2.yaml", second, false), builtin(), text("1.yaml", first, false)];
    let (_, compilation) = compile_texts(texts);
    assert_eq!(compilation.set.unwrap().digest().as_str(), expected);
    // What a user writes as it is built in anyway changes nothing.
    let settings = "apiVersion: runstamp.dev/v1alpha1\nkind: Settings\nmetadata: {name: settings}\n\
                    spec: {controllers: [pipelines-controller], stateKeyUpdates: Warn, urls: {allowHttp: false}}\n";
    assert_eq!(digest_of(&format!("{first}---\n{second}---\n{settings}")), expected);
}

#[test]
fn the_digest_changes_with_every_field() {
    let full = fs::read_to_string("tests/compile/digest.yaml").unwrap();
    let original = digest_of(&full);
    let changes = fs::read_to_string("tests/compile/digest_changes.txt").unwrap();
    let mut digests = vec![original];
    for line in changes.lines().filter(|line| !line.is_empty()) {
        let mut changed = full.clone();
        for change in line.split(" ; ") {
            let (from, to) = change.split_once(" => ").expect(line);
            assert_eq!(full.matches(from).count(), 1, "{from}");
            changed = changed.replace(from, to);
        }
        digests.push(digest_of(&changed));
    }
    let count = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert!(count > 70, "only {count} changes");
    assert_eq!(digests.len(), count, "two different sets have one digest");
}

#[test]
fn ten_thousand_policies_of_one_key_compile_and_are_not_ten_thousand_warnings() {
    let mut content = String::new();
    for number in 0..10_000 {
        let namespace = if number % 2 == 0 {
            format!("team-{number}")
        } else {
            "'team-*'".to_owned()
        };
        write!(
            content,
            "---\napiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {{name: policy-{number}}}\nspec:\n  \
             match: {{namespaces: [{namespace}]}}\n  \
             inject: {{integrations: {{slack: {{channel: '#team'}}}}}}\n"
        )
        .unwrap();
    }
    let texts: Vec<PolicyText> = content
        .as_bytes()
        .chunk_by(|one, other| !(*one == b'\n' && *other == b'-'))
        .collect::<Vec<_>>()
        .chunks(2_500)
        .enumerate()
        .map(|(number, documents)| {
            text(
                &format!("{number}.yaml"),
                &String::from_utf8(documents.concat()).unwrap(),
                false,
            )
        })
        .chain([builtin()])
        .collect();
    let (_, compilation) = compile_texts(texts);
    assert!(
        (1..=40).contains(&compilation.problems.len()),
        "{} problems",
        compilation.problems.len()
    );
    let set = compilation.set.unwrap();
    assert_eq!(set.candidates(RunKind::TaskRun, "team-4").count(), 5_001);
}

#[test]
fn the_shipped_policies_compile_without_a_word() {
    let shipped = |folder: &str, builtin: bool| {
        let texts = collect_texts(&[Path::new("policies").join(folder)]).unwrap();
        texts.into_iter().map(move |text| PolicyText { builtin, ..text })
    };
    for added in ["starter", "optional"] {
        let texts = shipped("builtin", true).chain(shipped(added, false)).collect();
        let (files, compilation) = compile_texts(texts);
        assert_eq!(shown(&compilation.problems, &files), "", "with {added}");
        assert!(compilation.set.is_some());
    }
}
