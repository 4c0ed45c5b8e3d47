//! `runstamp check` as a script sees it: exit codes, stdout and stderr.

#![cfg(test)]

use std::io::Read;
use std::process::{Command, Output, Stdio};

use runstamp::domain::source::Code;
use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runstamp"));
    command.arg("check").args(arguments);
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn good_policies_end_in_a_summary_with_the_digest() {
    let (code, stdout, stderr) = run(&["--no-builtin", "tests/policy_files/ok/settings.yaml"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let summary = "ok: 0 integrations, 0 trigger sources, 0 policies; policy set sha256:";
    assert!(stdout.starts_with(summary), "{stdout}");
    assert_eq!(stdout.lines().count(), 1);
}

#[test]
fn the_built_in_policies_alone_are_good() {
    let (code, stdout, stderr) = run(&[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
}

#[test]
fn mistakes_go_to_stdout_and_are_counted() {
    let (code, stdout, stderr) = run(&["--no-builtin", "tests/policy_files/ten_mistakes"]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    // What cannot be read, and what makes no sense in the rest.
    assert_eq!(stdout.lines().last(), Some("12 errors, 1 warning in 4 files"));
    let snippets = std::fs::read_to_string("tests/policy_files/ten_mistakes.txt").unwrap();
    for snippet in snippets.split("\n\n") {
        assert!(
            stdout.contains(snippet.trim_end()),
            "{snippet}\n\nis not in\n\n{stdout}"
        );
    }
}

#[test]
fn json_is_one_object_a_line_and_the_last_is_the_summary() {
    let (code, stdout, _) = run(&["--no-builtin", "-o", "json", "tests/policy_files/ten_mistakes"]);
    assert_eq!(code, Some(1));
    let lines: Vec<serde_json::Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, diagnostics) = lines.split_last().unwrap();
    assert_eq!(summary["kind"], "CheckSummary");
    let counted = summary["errors"].as_u64().unwrap() + summary["warnings"].as_u64().unwrap();
    assert_eq!(counted, diagnostics.len() as u64);
    assert_eq!(summary["policySet"], serde_json::Value::Null);
    assert!(diagnostics.iter().all(|diagnostic| diagnostic["kind"] == "Diagnostic"));
    assert_eq!(diagnostics[0]["file"], "tests/policy_files/ten_mistakes/github.yaml");
    assert_eq!(
        (&diagnostics[0]["line"], &diagnostics[0]["column"]),
        (&7.into(), &3.into())
    );
}

#[test]
fn a_path_that_does_not_exist_leaves_the_question_unanswered() {
    let (code, stdout, stderr) = run(&["tests/policy_files/ok", "--policies", "nowhere"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.starts_with("error: failed to read nowhere: "), "{stderr}");
}

#[test]
fn wrong_flags_leave_the_question_unanswered() {
    let (code, stdout, stderr) = run(&["--bogus"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("--bogus"));
}

#[test]
fn a_reader_that_has_seen_enough_does_not_change_the_verdict() {
    let mut child = command(&["--no-builtin", "tests/policy_files/ten_mistakes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before anything is read: every write fails.
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(1), ""));
}

const WARNS: &str = "tests/compile/warn/evasion.yaml";

#[test]
fn warnings_change_the_exit_code_only_where_they_are_denied() {
    let (code, stdout, _) = run(&[WARNS]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("warning[evadable-rule]: "), "{stdout}");
    assert_eq!(run(&["--deny-warnings", WARNS]).0, Some(1));
    assert_eq!(run(&["--deny-warnings", "tests/compile/ok/policy.yaml"]).0, Some(0));
}

#[test]
fn a_code_is_explained_with_an_example() {
    let (code, stdout, stderr) = run(&["--explain", "overlapping-policies"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for part in [
        "overlapping-policies: Policies of equal priority write one key for the same Runs.\n\n",
        "\nExample:\n\n  apiVersion: runstamp.dev/v1alpha1\n",
        "\nwarning[overlapping-policies]: ",
    ] {
        assert!(stdout.contains(part), "{part} is not in\n{stdout}");
    }
    let (code, list, _) = run(&["--explain"]);
    assert_eq!(code, Some(0));
    assert_eq!(list.lines().count(), Code::ALL.len());
    assert!(list.contains("evadable-rule            warning  Whoever"), "{list}");
}

#[test]
fn a_code_that_does_not_exist_has_no_explanation() {
    let (code, stdout, stderr) = run(&["--explain", "overlapping-policy"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("did you mean overlapping-policies?"), "{stderr}");
    assert_eq!(run(&["--explain", "syntax", "policies"]).0, Some(2));
}

#[test]
fn json_says_all_places_and_what_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    let policy = "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {name: x}\nspec:\n  mode: shadow\n  \
        inject:\n    integrations: {slack: {chanel: '#a'}}\n";
    std::fs::write(&path, policy).unwrap();
    let (_, stdout, _) = run(&["-o", "json", path.to_str().unwrap()]);
    let found: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |code: &str| {
        let mut found = found.iter();
        found
            .find(|record| record["code"] == code)
            .unwrap_or_else(|| panic!("{code}"))
    };
    let word = &of("unknown-word")["fixes"][0];
    assert_eq!(
        (&word["certain"], &word["replacement"]),
        (&true.into(), &"Shadow".into())
    );
    assert_eq!(
        (&word["line"], &word["column"], &word["endColumn"]),
        (&5.into(), &9.into(), &15.into())
    );
    let key = of("unknown-config-key");
    assert_eq!(
        (&key["fixes"][0]["certain"], &key["fixes"][0]["replacement"]),
        (&false.into(), &"channel".into())
    );
    assert_eq!(key["related"][0]["file"], "builtin/slack.yaml");
    assert_eq!(
        key["related"][0]["message"],
        "a key of nearly this name is declared here (built in)"
    );
}

/// What SARIF 2.1.0 demands of the objects that are written, and what code hosts demand besides.
fn check_location(location: &Value, files: &mut Vec<String>) {
    let place = &location["physicalLocation"];
    let uri = place["artifactLocation"]["uri"].as_str().unwrap();
    assert!(!uri.is_empty() && !uri.contains('\\') && !uri.contains(' '), "{uri}");
    files.push(uri.to_owned());
    let region = &place["region"];
    let number = |name: &str| region[name].as_u64().unwrap_or_else(|| panic!("{name} of {region}"));
    assert!(number("startLine") >= 1 && number("startColumn") >= 1, "{region}");
    let (start, end) = (
        (number("startLine"), number("startColumn")),
        (number("endLine"), number("endColumn")),
    );
    assert!(start <= end, "{region}");
}

#[test]
fn sarif_is_what_code_hosts_take_in() {
    let paths = [
        "tests/policy_files/ten_mistakes",
        WARNS,
        "./tests/compile/warn/idle.yaml",
    ];
    let (code, stdout, stderr) = run(&[&["-o", "sarif"], &paths[..]].concat());
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["version"], "2.1.0");
    assert_eq!(report["$schema"], "https://json.schemastore.org/sarif-2.1.0.json");
    let [run] = report["runs"].as_array().unwrap().as_slice() else {
        panic!("{report}")
    };
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let driver = &run["tool"]["driver"];
    assert_eq!(
        (&driver["name"], &driver["version"]),
        (&"runstamp".into(), &env!("CARGO_PKG_VERSION").into())
    );
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(Code::from_word(rule["id"].as_str().unwrap()).is_some(), "{rule}");
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(!rule[text]["text"].as_str().unwrap().is_empty(), "{rule}");
        }
        let level = rule["defaultConfiguration"]["level"].as_str().unwrap();
        assert!(["error", "warning"].contains(&level), "{rule}");
    }
    let results = run["results"].as_array().unwrap();
    assert!(results.len() > 20);
    let (mut own, mut others, mut fixes) = (Vec::new(), Vec::new(), 0);
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let [location] = result["locations"].as_array().unwrap().as_slice() else {
            panic!("{result}")
        };
        check_location(location, &mut own);
        for (number, location) in result["relatedLocations"].as_array().into_iter().flatten().enumerate() {
            assert_eq!(location["id"], number + 1);
            assert!(!location["message"]["text"].as_str().unwrap().is_empty());
            check_location(location, &mut others);
        }
        for fix in result["fixes"].as_array().into_iter().flatten() {
            let change = &fix["artifactChanges"][0];
            assert_eq!(
                change["artifactLocation"],
                location["physicalLocation"]["artifactLocation"]
            );
            let replacement = &change["replacements"][0];
            assert_eq!(replacement["deletedRegion"], location["physicalLocation"]["region"]);
            assert!(replacement["insertedContent"]["text"].is_string(), "{fix}");
            fixes += 1;
        }
    }
    assert!(
        fixes > 0 && others.iter().any(|uri| uri.starts_with("runstamp:/builtin/")),
        "{others:?}"
    );
    assert!(own.iter().all(|uri| uri.starts_with("tests/")), "{own:?}");
}

#[test]
fn sarif_without_a_finding_is_a_report_all_the_same() {
    let (code, stdout, _) = run(&["-o", "sarif", "tests/compile/ok/policy.yaml"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &report["runs"][0]["results"]), (Some(0), &serde_json::json!([])));
}
