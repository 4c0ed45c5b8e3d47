//! What each format takes, and in which words it refuses.

use super::*;

#[test]
fn addresses_lead_where_they_may() {
    let url = of_format(Format::Uri);
    check(&url, "https://example.com/x", "");
    check(
        &url,
        "example.com/x",
        "expected an address that begins with https://, found \"example.com/x\" -> https://example.com/x",
    );
    check(
        &url,
        "http://example.com",
        "expected an address of scheme https, found scheme \"http\" -> https://example.com",
    );
    check(
        &url,
        "https:/example.com",
        "expected two slashes before the host of the address, found \"https:/example.com\" -> https://example.com",
    );
    let internal = "which Settings urls.allowedHosts does not allow";
    check(
        &url,
        "https://127.1/x",
        &format!("expected a public host, found \"127.1\", a loopback address, {internal}"),
    );
    check(
        &url,
        "https://broker.ns.svc/x",
        &format!("expected a public host, found \"broker.ns.svc\", a name inside the cluster, {internal}"),
    );
    check(
        &url,
        "https://b\u{fc}cher.example/x",
        "expected the host in its plain spelling \"xn--bcher-kva.example\", found \"b\u{fc}cher.example\" -> https://xn--bcher-kva.example/x",
    );
    check(
        &url,
        "https://example.com/a b",
        "expected an address without white space, backslashes, quotes and brackets, found a space in \
         \"https://example.com/a b\" -> https://example.com/a%20b",
    );
    check(
        &url,
        "https://example.com/$(params.id)",
        "expected an address such as https://example.com/path, found a placeholder that nothing has replaced: \"$(params.id)\"",
    );
    check_kind(&url, "https://localhost", CauseKind::Forbidden);
    check_kind(&url, "ftp://example.com", CauseKind::NotSupported);
    let plain = ValueSchema {
        schemes: vec!["http".to_owned(), "https".to_owned()],
        hosts: HostRule::Any,
        ..url
    };
    check(
        &plain,
        "http://broker.ns.svc",
        "expected an https address, found http, which Settings urls.allowHttp does not allow -> https://broker.ns.svc",
    );
    assert!(plain.accepts("http://broker.ns.svc", &UrlRules::default().for_definitions()));
}

#[test]
fn templates_leave_the_rest_to_be_judged() {
    let url = ValueSchema {
        template: true,
        ..of_format(Format::Uri)
    };
    check(&url, "https://example.com/{{ .Name }}", "");
    check(
        &url,
        "https://{{ .Host }}/x",
        "expected placeholders only behind the host of an address, found one before it in \"https://{{ .Host }}/x\"",
    );
    let number = ValueSchema {
        template: true,
        minimum: Some(5),
        ..of_format(Format::Int64)
    };
    check(&number, "$(context.id)", "");
    check(&number, "four", "expected a whole number, found \"four\"");
    let name = ValueSchema {
        template: true,
        max_length: Some(20),
        ..of_pattern("tekton/.*", None)
    };
    check(&name, "tekton/{{ .Name }}", "");
    check(
        &name,
        "{{ .Name }}",
        "expected a value that matches tekton/.*, found \"{{ .Name }}\"",
    );
}

#[test]
fn other_formats_say_what_they_want() {
    check(
        &of_format(Format::Boolean),
        "Yes",
        "expected true or false, found \"Yes\" -> true",
    );
    check(
        &of_format(Format::Boolean),
        "maybe",
        "expected true or false, found \"maybe\"",
    );
    check(
        &of_format(Format::GitUrl),
        "github.com/o/r",
        "expected the URL of a Git repository such as https://github.com/tektoncd/pipeline, found \"github.com/o/r\", \
         which has neither a scheme such as https:// nor the form git@host:owner/repo -> https://github.com/o/r",
    );
    check(
        &of_format(Format::GitUrl),
        "tektoncd/pipeline",
        "expected the URL of a Git repository such as https://github.com/tektoncd/pipeline, found \"tektoncd/pipeline\", \
         which has neither a scheme such as https:// nor the form git@host:owner/repo",
    );
    check(
        &of_format(Format::GitUrl),
        "file:///srv/git",
        "expected the URL of a Git repository such as https://github.com/tektoncd/pipeline, found \"file:///srv/git\", \
         whose scheme is none of https, http, ssh and git",
    );
    check(
        &of_format(Format::DateTime),
        "2026-01-31 12:00:00",
        "expected a time such as 2026-01-31T12:00:00Z, found \"2026-01-31 12:00:00\" -> 2026-01-31T12:00:00Z",
    );
    check(
        &of_format(Format::Email),
        "Jo <jo@example.com>",
        "expected an e-mail address, found \"Jo <jo@example.com>\" -> jo@example.com",
    );
    check(
        &of_format(Format::EmailList),
        "a@b.de; c@d.de",
        "expected e-mail addresses separated by commas, found \"a@b.de; c@d.de\" -> a@b.de,c@d.de",
    );
    check(
        &of_format(Format::Hostname),
        "https://git.example.com/o/r",
        "expected a host name, found \"https://git.example.com/o/r\" -> git.example.com",
    );
    check(
        &of_format(Format::DnsLabel),
        "Web_1",
        "expected at most 63 lower-case letters, digits and inner hyphens, found \"Web_1\" -> web-1",
    );
    check(
        &of_format(Format::SecretRef),
        "Slack/Token",
        "expected the name of a Secret, or name/key, found \"Slack/Token\" -> slack/Token",
    );
    check(&of_format(Format::JsonObject), "{\n  \"a\": 1\n}", "");
    check(
        &of_format(Format::JsonObject),
        "[1]",
        "expected a JSON object, found \"[1]\"",
    );
    check(
        &of_format(Format::JsonObject),
        "{\"a\":",
        "expected a JSON object, found one that ends too early: \"{\\\"a\\\":\"",
    );
    check(
        &of_format(Format::JsonObject),
        "{a: 1}",
        "expected a JSON object, found no JSON at line 1, column 2 of \"{a: 1}\"",
    );
    check(
        &of_format(Format::JsonObject),
        "{\u{1}}",
        "expected one line without control characters, found U+0001 at character 2 of \"{\\u{1}}\"",
    );
    let git = ValueSchema {
        schemes: vec!["https".to_owned()],
        ..of_format(Format::GitUrl)
    };
    check(
        &git,
        "git@github.com:o/r",
        "expected an address of scheme https, found scheme \"ssh\"",
    );
}

#[test]
fn a_credential_is_refused_by_every_schema_and_never_repeated() {
    let advice =
        "store it in a Secret and name the Secret, since annotations are copied to Pods, results and provenance";
    let values = [
        ("https://user:hunter2@example.com/x", "hunter2", "a password in a URL"),
        (
            "https://hooks.slack.com/services/T00/B00/hunter2",
            "hunter2",
            "a Slack webhook URL",
        ),
        ("use ghp_hunter2hunter2hunter2 here", "hunter2", "a GitHub token"),
    ];
    let mut schemas: Vec<ValueSchema> = Format::ALL.map(of_format).to_vec();
    schemas.push(ValueSchema::default());
    schemas.push(of_pattern("x", None));
    for (value, secret, what) in values {
        for schema in &schemas {
            check(
                schema,
                value,
                &format!("expected no credential, found {what}; {advice}"),
            );
            check_kind(schema, value, CauseKind::Forbidden);
            // Broken spellings are no credentials any more, but whoever mends them has one.
            for broken in [
                format!("{value}\n"),
                value.replace("://", ":/\u{a0}/"),
                value.replace("hunter2", "hunt\ner2"),
                value.replace(':', "%3A"),
            ] {
                if let Err(violation) = schema.check(&broken, &UrlRules::default()) {
                    let text = format!("{violation:?}");
                    assert!(!text.contains(secret) && !text.contains("er2"), "{text}");
                }
            }
        }
    }
}
