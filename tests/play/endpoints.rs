//! The server alone: who is let in, what is refused, and that the engine's answer is that of `runstamp review`.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::common::files_below;
use crate::served::{Served, command, request};

/// As large as a question may be.
const MOST_BYTES: usize = 2 * 1024 * 1024;

#[test]
fn only_the_page_itself_and_programs_of_this_machine_are_let_in() {
    let served = Served::start(&[]);
    let port = served.address.port();
    let question = json!({"run": ""}).to_string();
    let check = |method: &str, path: &str, headers: &[String], expected: u16| {
        let mut headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        headers.push("content-type: application/json");
        let body = if method == "POST" { question.as_str() } else { "" };
        let answer = served.send(&request(method, path, served.address, &headers, body));
        assert_eq!(answer.status, expected, "{method} {path} {headers:?}: {answer:?}");
        answer
    };
    let host = |name: &str| vec![format!("host: {name}")];
    for name in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
    ] {
        check("GET", "/", &host(&name), 200);
        check("POST", "/api/review", &host(&name), 200);
    }
    // A name of somebody else that was made to point here.
    for name in [
        format!("rebound.example.com:{port}"),
        "127.0.0.1".to_owned(),
        format!("localhost:{}", port ^ 1),
    ] {
        let answer = check("GET", "/api/start", &host(&name), 403);
        assert!(
            answer.body.starts_with("expected the Host to be 127.0.0.1:"),
            "{answer:?}"
        );
        check("POST", "/api/review", &host(&name), 403);
    }
    // HTTP asks for a Host; without one this is no request at all.
    check("GET", "/", &["host:".to_owned()], 403);
    // Other pages, other ports of this machine, files and sandboxed frames.
    for origin in ["https://evil.example.com", "http://127.0.0.1:1", "null"] {
        let origin = vec![format!("origin: {origin}")];
        let answer = check("POST", "/api/review", &origin, 403);
        assert!(answer.body.contains("other pages may not ask"), "{answer:?}");
    }
    check(
        "POST",
        "/api/review",
        &[format!("origin: http://127.0.0.1:{port}")],
        200,
    );
    check("GET", "/api/start", &["sec-fetch-site: cross-site".to_owned()], 403);
    check("GET", "/", &["sec-fetch-site: cross-site".to_owned()], 200);
}

#[test]
fn what_is_no_question_is_refused_in_one_sentence() {
    let served = Served::start(&[]);
    let check = |method: &str, path: &str, headers: &[&str], body: &str, expected: u16, sentence: &str| {
        let answer = served.send(&request(method, path, served.address, headers, body));
        assert_eq!(answer.status, expected, "{method} {path}: {answer:?}");
        assert!(
            answer.body.contains(sentence) || method == "HEAD",
            "{method} {path}: {answer:?}"
        );
        assert_eq!(answer.body.lines().count(), usize::from(method != "HEAD"), "{answer:?}");
        answer
    };
    let is_json = &["content-type: application/json"][..];
    check("GET", "/nothing", &[], "", 404, "the page is at /");
    check("GET", "/../Cargo.toml", &[], "", 404, "the page is at /");
    check("GET", "/%2e%2e/Cargo.toml", &[], "", 404, "the page is at /");
    let answer = check("GET", "/api/review", &[], "", 405, "another method");
    assert_eq!(answer.header("allow"), Some("POST"));
    let answer = check("POST", "/api/start", is_json, "{}", 405, "another method");
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    let answer = check("DELETE", "/", &[], "", 405, "another method");
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    check(
        "POST",
        "/api/review",
        &[],
        "{}",
        415,
        "expected the content type application/json",
    );
    // What a form can send without asking first.
    check(
        "POST",
        "/api/review",
        &["content-type: text/plain"],
        "{}",
        415,
        "application/json",
    );
    check("POST", "/api/review", is_json, "", 400, "expected a question as JSON");
    check("POST", "/api/review", is_json, "{", 400, "expected a question as JSON");
    check(
        "POST",
        "/api/review",
        is_json,
        "{\"rnu\": \"\"}",
        400,
        "unknown field `rnu`",
    );
    check("POST", "/api/review", is_json, "{\"run\": 1}", 400, "expected a string");
    check(
        "POST",
        "/api/review",
        is_json,
        &"[".repeat(100_000),
        400,
        "expected a question as JSON",
    );
    let large = json!({"run": "#".repeat(MOST_BYTES)}).to_string();
    check("POST", "/api/review", is_json, &large, 413, "larger than 2097152 bytes");
    // The same, with a length that nobody announces.
    let chunk = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let head = request(
        "POST",
        "/api/review",
        served.address,
        &["content-type: application/json", "transfer-encoding: chunked"],
        "",
    );
    let answer = served.send(&[head, chunk.into_bytes()].concat());
    assert_eq!(answer.status, 413, "{answer:?}");
    // It goes on all the same.
    let exact = json!({"run": "#".repeat(MOST_BYTES - 10)}).to_string();
    assert_eq!(
        (exact.len(), served.post("/api/review", &exact).status),
        (MOST_BYTES, 200)
    );
}

#[test]
fn every_answer_tells_the_browser_to_keep_others_out() {
    let served = Served::start(&[]);
    for answer in [
        served.get("/"),
        served.get("/page.js"),
        served.get("/api/start"),
        served.get("/nothing"),
        served.post("/api/review", "{}"),
        served.send(&request("GET", "/", served.address, &["host: evil.example.com"], "")),
    ] {
        let policy = answer
            .header("content-security-policy")
            .unwrap_or_else(|| panic!("{answer:?}"));
        assert!(policy.starts_with("default-src 'self'; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{answer:?}");
        }
        assert_eq!(answer.header("access-control-allow-origin"), None, "{answer:?}");
    }
    assert_eq!(served.get("/").header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(
        served.get("/page.js").header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
}

/// What `runstamp review` prints with these arguments.
fn printed(arguments: &[&str], form: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_runstamp"))
        .arg("review")
        .args(arguments)
        .args(["--explain", "-o", form])
        .output()
        .unwrap();
    assert_ne!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The decisions of `runstamp review` with these arguments.
fn reviewed(arguments: &[&str]) -> Vec<Value> {
    let printed = printed(arguments, "json");
    printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_decisions_are_those_of_runstamp_review() {
    let served = Served::start(&[]);
    let mut files: Vec<PathBuf> = files_below(Path::new("policies/tests/runs"), "yaml");
    files.extend(files_below(Path::new("tests/reviews/real"), "json"));
    for entry in fs::read_dir("examples").unwrap() {
        files.push(entry.unwrap().path());
    }
    files.retain(|file| {
        file.extension()
            .is_some_and(|ending| ending == "yaml" || ending == "json")
    });
    assert!(files.len() > 20, "only {} Runs were found", files.len());
    let starter = "policies/starter/github-status.yaml";
    let policy = fs::read_to_string(starter).unwrap();
    for file in &files {
        let path = file.to_str().unwrap();
        let arguments = ["-f", path, "--policies", starter];
        let decisions = reviewed(&arguments);
        let run = fs::read_to_string(file).unwrap();
        let answer = served.review(&json!({"run": run, "policies": [{"name": starter, "text": policy}]}));
        assert_eq!(
            (&answer["problems"], &answer["mistakes"]),
            (&json!([]), &json!([])),
            "{path}"
        );
        let runs = answer["runs"].as_array().unwrap();
        let found: Vec<&Value> = runs.iter().map(|run| &run["decision"]).collect();
        assert_eq!(found, decisions.iter().collect::<Vec<_>>(), "{path}");
        if file.starts_with("examples") {
            let text = printed(&arguments, "text");
            for run in runs {
                assert!(text.contains(run["diff"].as_str().unwrap()), "{path}: {}", run["diff"]);
            }
        }
        assert_eq!(answer["policySet"], decisions[0]["policySet"], "{path}");
    }
}

#[test]
fn who_sends_it_and_how_is_part_of_the_question() {
    let served = Served::start(&[]);
    let team = fs::read_to_string("examples/policies/team-web.yaml").unwrap();
    let policies = json!([{"name": "team-web.yaml", "text": team}]);
    let clean = fs::read_to_string("examples/clean-run.yaml").unwrap();
    let copied = fs::read_to_string("examples/copied-run.yaml").unwrap();
    let check = |run: &str, sender: Value, arguments: &[&str]| {
        let decisions = reviewed(&[&["--policies", "examples/policies/team-web.yaml"], arguments].concat());
        let answer = served.review(&json!({"run": run, "policies": policies, "sender": sender}));
        assert_eq!(answer["runs"][0]["decision"], decisions[0], "{arguments:?}");
        decisions.into_iter().next().unwrap()
    };
    let clean_file = ["-f", "examples/clean-run.yaml"];
    let refused = check(
        &clean,
        json!({"namespace": "web-shop"}),
        &[&clean_file[..], &["-n", "web-shop"]].concat(),
    );
    assert_eq!(
        (&refused["allowed"], &refused["run"]["namespace"]),
        (&json!(false), &json!("web-shop"))
    );
    let elsewhere = check(&clean, json!({}), &clean_file);
    assert_eq!(elsewhere["allowed"], true);
    let user = "system:serviceaccount:kueue-system:kueue-controller-manager";
    let arguments = [
        "-f",
        "examples/copied-run.yaml",
        "--user",
        user,
        "--group",
        "a",
        "--group",
        "b",
        "--dry-run",
    ];
    check(
        &copied,
        json!({"user": user, "groups": ["a", "b"], "dryRun": true}),
        &arguments,
    );
    let update = [
        "-f",
        "examples/copied-run.yaml",
        "--operation",
        "UPDATE",
        "--old",
        "examples/clean-run.yaml",
    ];
    let updated = check(&copied, json!({"update": true, "old": clean}), &update);
    assert_ne!(
        updated["warnings"],
        json!([]),
        "state keys are changed by nobody's writer: {updated}"
    );
    let arguments = [&clean_file[..], &["--namespace-label", "team=web"]].concat();
    check(&clean, json!({"namespaceLabels": ["team=web"]}), &arguments);
    let answer = served.review(&json!({"run": clean, "sender": {"namespaceLabels": ["team"], "update": true}}));
    assert_eq!(answer["runs"], json!([]));
    let places: Vec<&Value> = answer["mistakes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mistake| &mistake["place"])
        .collect();
    assert_eq!(places, ["old", "namespaceLabels"]);
}

#[test]
fn a_text_that_is_being_written_is_a_mistake_with_a_place() {
    let served = Served::start(&[]);
    let text = fs::read_to_string("examples/policies/team-web.yaml").unwrap();
    let run = fs::read_to_string("examples/copied-run.yaml").unwrap();
    let ask = |policies: &str, run: &str| {
        served.review(&json!({"policies": [{"name": "mine.yaml", "text": policies}], "run": run}))
    };
    // Every beginning of both files: each is read, or refused with a line that is there.
    for end in (0..text.len()).step_by(13).filter(|end| text.is_char_boundary(*end)) {
        let answer = ask(&text[..end], "");
        for problem in answer["problems"].as_array().unwrap() {
            let line = usize::try_from(problem["line"].as_u64().unwrap()).unwrap();
            assert!(line <= text[..end].lines().count() + 1, "{end}: {problem}");
        }
        let is_set = !answer["policySet"].is_null();
        let errors = answer["problems"].as_array().unwrap().iter();
        let errors = errors.filter(|problem| problem["severity"] == "error").count();
        assert_eq!(is_set, errors == 0, "{end}: {answer}");
    }
    for end in (0..run.len()).step_by(31) {
        let answer = ask("", &run[..end]);
        let said = answer["runs"].as_array().unwrap().len() + answer["mistakes"].as_array().unwrap().len();
        let is_begun = run[..end].lines().any(|line| !line.starts_with('#'));
        assert_eq!(said, usize::from(is_begun), "{end}: {answer}");
    }
    let answer = ask(&text.replace("kinds:", "kind:"), &run);
    let problem = &answer["problems"][0];
    assert_eq!(
        (
            &problem["file"],
            &problem["line"],
            &problem["column"],
            &problem["endColumn"]
        ),
        (&json!("mine.yaml"), &json!(7), &json!(5), &json!(9)),
    );
    assert_eq!(problem["help"], "did you mean kinds?");
    assert_eq!((&answer["runs"], &answer["policySet"]), (&json!([]), &Value::Null));
}

#[test]
fn several_documents_are_several_decisions() {
    let served = Served::start(&[]);
    let read = |name: &str| fs::read_to_string(format!("examples/{name}-run.yaml")).unwrap();
    let run = format!("{}---\n{}---\n{}", read("clean"), read("malformed"), read("copied"));
    let answer = served.review(&json!({"run": run}));
    let allowed: Vec<&Value> = answer["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["decision"]["allowed"])
        .collect();
    assert_eq!(allowed, [&json!(true), &json!(false), &json!(true)]);
    let second = fs::read_to_string("policies/starter/github-status.yaml").unwrap();
    let twice = json!([{"name": "a.yaml", "text": second}, {"name": "b.yaml", "text": second}]);
    let answer = served.review(&json!({"run": run, "policies": twice}));
    assert_eq!(answer["problems"][0]["file"], "b.yaml", "{answer}");
    assert_eq!(answer["problems"][0]["related"][0]["file"], "a.yaml", "{answer}");
}

#[test]
fn a_text_that_means_harm_costs_an_error_and_nothing_else() {
    let served = Served::start(&[]);
    let laughs = (0..9).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, level| {
        let alias = format!("*a{level},").repeat(9);
        format!("{text}a{}: &a{} [{alias}]\n", level + 1, level + 1)
    });
    let nested = "[".repeat(200_000);
    let blocks: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let patterns: String = (0..500)
        .map(|number| format!("    k{number}: {{pattern: '((a{{0,50}}){{0,50}}){{0,50}}'}}\n"))
        .collect();
    let patterns = format!(
        "apiVersion: runstamp.dev/v1alpha1\nkind: Integration\nmetadata: {{name: x}}\nspec:\n  prefix: x.example.com\n  config:\n{patterns}"
    );
    for text in [
        &laughs,
        &nested,
        &blocks,
        &patterns,
        &"\u{0}".repeat(1000),
        &"- ".repeat(50_000),
    ] {
        let begin: String = text.chars().take(40).collect();
        let answer = served.review(&json!({"policies": [{"name": "x", "text": text}]}));
        assert_ne!(answer["problems"], json!([]), "{begin:?}");
        let answer = served.review(&json!({"run": text}));
        assert_ne!(answer["mistakes"], json!([]), "{begin:?}");
    }
    // Markup is a text like any other.
    let markup = "<script>alert(1)</script>";
    let run = json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": markup}});
    let answer = served.review(&json!({"run": run.to_string()}));
    assert_eq!(answer["runs"][0]["decision"]["run"]["name"], markup);
    assert_eq!(served.get("/").status, 200);
}

#[test]
fn what_the_page_begins_with_is_what_the_flags_name() {
    let served = Served::start(&[]);
    let start = served.get("/api/start").json();
    assert_eq!(start["begin"]["policies"][0]["name"], "starter/github-status.yaml");
    assert_eq!(start["begin"]["builtin"], true);
    drop(served);

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("policies")).unwrap();
    fs::copy("examples/policies/team-web.yaml", at("policies/team-web.yaml")).unwrap();
    fs::write(
        at("policies/broken.yaml"),
        "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolcy\n",
    )
    .unwrap();
    // A Run for the Suites beside it is no policy.
    fs::copy("examples/clean-run.yaml", at("policies/run.yaml")).unwrap();
    let path = |name: &str| at(name).to_str().unwrap().to_owned();
    let served = Served::start(&[
        "--policies",
        &path("policies"),
        "-f",
        &path("policies/run.yaml"),
        "--no-builtin",
    ]);
    let start = served.get("/api/start").json();
    let names: Vec<&str> = start["begin"]["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, [path("policies/broken.yaml"), path("policies/team-web.yaml")]);
    assert_eq!(
        start["begin"]["run"],
        fs::read_to_string("examples/clean-run.yaml").unwrap()
    );
    assert_eq!(start["begin"]["builtin"], false);
}

#[test]
fn a_signal_ends_it_well() {
    for signal in ["INT", "TERM"] {
        let served = Served::start(&[]);
        // A browser keeps its connections.
        let _open = std::net::TcpStream::connect(served.address).unwrap();
        assert_eq!(served.get("/").status, 200);
        let (status, rest) = served.end(signal);
        assert_eq!((status.code(), rest.as_str()), (Some(0), "Stop it with Ctrl-C.\n"));
    }
}

#[test]
fn what_cannot_be_served_is_one_clear_error() {
    #[track_caller]
    fn check(arguments: &[&str], expected: &str) {
        let output = command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    check(
        &["--port", &port],
        &format!(
            "error: port {port} of 127.0.0.1 is in use: end what listens there, or choose another one with --port"
        ),
    );
    check(&["--port", "70000"], "70000 is not in 0..=65535");
    check(&["-f", "nowhere.yaml"], "failed to open nowhere.yaml");
    check(&["--policies", "nowhere"], "nowhere");
    check(
        &["--policies", "examples/clean-run.yaml"],
        "expected policies in what --policies names, found none",
    );
}
