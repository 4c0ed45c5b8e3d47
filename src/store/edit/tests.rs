//! Edits of ConfigMaps, each with what becomes of it.

use super::*;

const HEAD: &str = "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\n";

fn policy(name: &str) -> String {
    format!(
        "{HEAD}metadata: {{name: {name}}}\nspec: {{require: {{annotations: [ci.example.com/team]}}, match: {{namespaces: [a]}}}}\n"
    )
}

fn requiring(name: &str, integration: &str) -> String {
    format!(
        "{HEAD}metadata: {{name: {name}}}\nspec: {{require: {{integrations: [{integration}]}}, match: {{namespaces: [a]}}}}\n"
    )
}

fn integration(name: &str) -> String {
    format!(
        "apiVersion: runstamp.dev/v1alpha1\nkind: Integration\nmetadata: {{name: {name}}}\nspec: {{prefix: {name}.example.com, config: {{url: {{}}}}}}\n"
    )
}

fn files(content: &str) -> Arc<ConfigMapFiles> {
    Arc::new(ConfigMapFiles {
        data: [("p.yaml".to_owned(), content.to_owned())].into(),
        ..ConfigMapFiles::default()
    })
}

fn judged(before: &[(&str, &str)], name: &str, after: Option<&str>) -> Judgement {
    let mut maps = ConfigMaps::default();
    for (name, content) in before {
        maps.insert(*name, files(content));
    }
    let edit = Edit {
        own: Vec::new(),
        before: &maps,
        name,
        after: after.map(files),
    };
    edit.judge()
}

#[track_caller]
fn check(before: &[(&str, &str)], name: &str, after: Option<&str>, mistakes: &[&str], warnings: &[&str]) {
    let judgement = judged(before, name, after);
    let lines: Vec<&str> = (judgement.mistakes.iter())
        .map(|mistake| mistake.line.as_str())
        .collect();
    assert_eq!(lines, mistakes, "mistakes");
    assert_eq!(judgement.warnings, warnings, "warnings");
}

const STAYS: &str = "runstamp stays with the last good policies until this is mended:";
const MISSPELT: &str = "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {name: m}\nspec: {requier: {}}\n";

#[test]
fn a_good_edit_passes_in_silence() {
    check(&[], "a", Some(&policy("a")), &[], &[]);
    check(&[("a", &policy("a"))], "a", Some(&policy("b")), &[], &[]);
    check(&[("a", &policy("a"))], "a", None, &[], &[]);
}

#[test]
fn a_misspelt_field_is_refused_with_its_place_and_the_right_spelling() {
    let judgement = judged(&[], "m", Some(MISSPELT));
    let [mistake] = judgement.mistakes.as_slice() else {
        panic!("{judgement:?}")
    };
    assert_eq!(mistake.key.as_deref(), Some("p.yaml"));
    assert!(
        mistake
            .line
            .starts_with("configmap/m/p.yaml:4:8: error[unknown-field]: "),
        "{mistake:?}"
    );
    assert!(mistake.line.contains("did you mean require?"), "{mistake:?}");
}

#[test]
fn a_name_that_is_yet_to_come_is_a_warning() {
    let missing = "configmap/a/p.yaml:4:33: error[unknown-integration]: there is no Integration named \"jira\"";
    check(&[], "a", Some(&requiring("a", "jira")), &[], &[STAYS, missing]);
    // It comes, and nothing is left to say.
    check(
        &[("a", &requiring("a", "jira"))],
        "b",
        Some(&integration("jira")),
        &[],
        &[],
    );
    // It goes again.
    let before = [("a", &*requiring("a", "jira")), ("b", &*integration("jira"))];
    check(&before, "b", None, &[], &[STAYS, missing]);
    check(
        &before,
        "b",
        Some(&integration("jirb")),
        &[],
        &[STAYS, &format!("{missing}; did you mean \"jirb\"?")],
    );
}

#[test]
fn what_was_wrong_before_stands_in_nobodys_way() {
    let judgement = judged(&[("m", MISSPELT), ("mm", MISSPELT)], "mm", Some(&policy("mm")));
    assert_eq!(judgement.mistakes, []);
    assert_eq!(judgement.warnings.len(), 2, "{judgement:?}");
    assert!(judgement.warnings[1].starts_with("was wrong before: configmap/m/p.yaml:4:8: error[unknown-field]: "));
    // A mistake that stays in a file which the edit changes refuses it all the same.
    let worse = format!("# a comment\n{MISSPELT}");
    assert_eq!(judged(&[("m", MISSPELT)], "m", Some(&worse)).mistakes.len(), 1);
    // An edit of labels and annotations changes no file.
    assert_eq!(judged(&[("m", MISSPELT)], "m", Some(MISSPELT)).mistakes, []);
}

#[test]
fn a_mistake_that_the_edit_brings_to_another_config_map_refuses_it() {
    let twice = "configmap/b/p.yaml:3:18: error[duplicate-declaration]: there are two documents of kind RunPolicy named \"b\"; rename one of them, or merge the two by hand; the first one: configmap/a/p.yaml:3:18";
    let before = [("b", &*policy("b"))];
    check(&before, "a", Some(&policy("b")), &[twice], &[]);
    // It was there before: the edit neither brings nor mends it.
    let before = [("a", &*policy("b")), ("b", &*policy("b"))];
    let was = format!("was wrong before: {twice}");
    check(&before, "c", Some(&policy("c")), &[], &[STAYS, &was]);
}

#[test]
fn taking_a_config_map_away_is_never_refused() {
    // Without the first one, the second one is still no policy.
    let judgement = judged(&[("a", &policy("a")), ("m", MISSPELT)], "a", None);
    assert_eq!(judgement.mistakes, []);
    assert!(
        judgement.warnings.iter().any(|line| line.contains(":4:8: error")),
        "{judgement:?}"
    );
}

#[test]
fn a_config_map_without_policies_is_refused() {
    check(
        &[("a", &policy("a"))],
        "a",
        Some("# nothing\n"),
        &[
            "configmap/a/p.yaml:1:1: error[no-policies]: the ConfigMap a holds no policies; delete it, or remove its label, to take its policies away",
        ],
        &[],
    );
}

#[test]
fn warnings_about_the_edited_files_are_told() {
    let idle = format!("{HEAD}metadata: {{name: idle}}\nspec: {{}}\n");
    let warnings = judged(&[], "a", Some(&idle)).warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("configmap/a/p.yaml:3:18: warning[idle-document]: policy \"idle\" does nothing"));
    assert_eq!(judged(&[("a", &idle)], "b", Some(&policy("b"))).warnings, [""; 0]);
}
