//! `runstamp serve` as a process: what it prints, how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::client::{Greeting, connect, connect_plain};
use crate::harness::{policy, within};

/// A process that does not outlive its test.
struct Served {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn start(arguments: &[&str]) -> Self {
        Self::spawn(&mut command(arguments))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end: exit code and everything on stderr.
    fn ended(&mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runstamp"));
    command
        .arg("serve")
        .args(["--listen", "127.0.0.1:0", "--listen-plain", "127.0.0.1:0"]);
    command.args(arguments).env_remove("RUST_LOG");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_addresses_are_the_first_two_lines_and_a_signal_drains() {
    for signal in ["TERM", "INT"] {
        let mut served = Served::start(&["--dev", "--log-format", "json"]);
        let address = served.line().strip_prefix("serving https://").unwrap().parse().unwrap();
        let plain = served.line().strip_prefix("probes http://").unwrap().parse().unwrap();
        assert_eq!(served.line(), "");

        let words = loop {
            let line = served.line();
            if line.trim_start().starts_with("curl ") {
                break line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            }
        };
        let after = |flag: &str| words[words.iter().position(|word| word == flag).unwrap() + 1].clone();
        let authority = after("--cacert");
        assert_eq!(words.last().unwrap(), &format!("https://{address}/mutate"));
        let review = fs::read_to_string(after("--data").trim_start_matches('@')).unwrap();
        let greeting = Greeting {
            trusts: vec![fs::read_to_string(&authority).unwrap()],
            ..Greeting::default()
        };
        let mut client = connect(address, greeting.config()).await.unwrap();
        let answer = within(client.post("/mutate", &review)).await;
        let response = answer.json()["response"].clone();
        assert_eq!((answer.status, &response["allowed"]), (200, &true.into()));
        assert_eq!(
            response["patchType"], "JSONPatch",
            "the Run to try is a copy: {response}"
        );
        assert_eq!(within(connect_plain(plain).await.get("/readyz")).await.status, 200);

        served.signal(signal);
        let (code, log) = served.ended();
        assert_eq!(code, Some(0), "{log}");
        assert!(
            !fs::exists(&authority).unwrap(),
            "the throwaway certificate is thrown away"
        );
        for line in log.lines() {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
            assert!(parsed.is_ok_and(|line| line["level"].is_string()), "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let count = || fs::read_dir(folder.path()).unwrap().count();
    let mut served = Served::spawn(command(&["--dev", "--shutdown-delay", "1h"]).env("TMPDIR", folder.path()));
    served.line();
    let plain = served.line().strip_prefix("probes http://").unwrap().parse().unwrap();
    assert_eq!(count(), 1, "the throwaway CA");
    served.signal("TERM");
    crate::harness::eventually("not ready", async || {
        connect_plain(plain).await.get("/readyz").await.status == 503
    })
    .await;
    served.signal("TERM");
    let (code, log) = served.ended();
    assert_eq!(code, Some(2));
    assert!(log.contains("a second signal"), "{log}");
    assert_eq!(count(), 0, "nothing is left behind");
}

/// A start that fails: exit code 2, nothing on stdout, and everything in the log that tells why.
#[track_caller]
fn check_refused(arguments: &[&str], expected: &[&str]) {
    let output = command(arguments).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{log}");
    assert_eq!(output.stdout, b"");
    for text in expected {
        assert!(log.contains(text), "{text:?} is not in {log}");
    }
}

#[test]
fn a_server_does_not_start_from_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(&file, policy("bad").replace("spec: {}", "spec: {mdoe: Shadow}")).unwrap();
    let path = folder.path().to_str().unwrap();
    check_refused(
        &["--dev", "--policies", path],
        &[
            "a.yaml:4:8",
            "mdoe",
            "mode",
            "serve starts only from policies without mistakes",
        ],
    );
    check_refused(
        &["--dev", "--policies", "/nonexistent"],
        &["failed to read /nonexistent"],
    );
    check_refused(&[], &["--tls-cert", "--dev", "runstamp certs generate"]);
    check_refused(&["--tls-cert", path, "--tls-key", path], &["failed to read "]);
    check_refused(
        &["--dev", "--client-ca", file.to_str().unwrap()],
        &["BEGIN CERTIFICATE", "a.yaml"],
    );
    check_refused(
        &["--dev", "--body-time-limit", "soon"],
        &["expected a duration such as 5s"],
    );
    check_refused(&["--dev", "--log-level", "a=b=c"], &["--log-level"]);
}

#[test]
fn an_address_that_is_taken_is_named_with_its_flag() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_runstamp"))
        .args(["serve", "--dev", "--listen-plain", "127.0.0.1:0", "--listen", &address])
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{log}");
    assert!(
        log.contains(&format!("failed to listen on {address} (--listen)")),
        "{log}"
    );
}

/// Requests go to others until the ConfigMaps are known, however long that takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_does_not_reach_the_api_server_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let pair = crate::harness::certificate();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (certificate, key) = (file("tls.crt", &pair.certificate), file("tls.key", &pair.key));
    let kubeconfig = file(
        "kubeconfig",
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nclusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: a, user: {}}]\n",
    );
    let arguments = ["--namespace", "runstamp", "--tls-cert", &certificate, "--tls-key", &key];
    let mut child = command(&arguments)
        .env("KUBECONFIG", &kubeconfig)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut served = Served { child, stdout };
    served.line();
    let plain = served.line().strip_prefix("probes http://").unwrap().parse().unwrap();
    let answer = within(connect_plain(plain)).await.get("/readyz").await;
    assert_eq!(answer.status, 503);
    let missing = answer.json()["missing"].clone();
    assert!(missing.as_array().unwrap().contains(&"policies".into()), "{answer:?}");
    served.signal("KILL");
}

#[test]
fn without_a_way_to_the_api_server_the_error_says_what_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let pair = crate::harness::certificate();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    fs::write(&certificate, &pair.certificate).unwrap();
    fs::write(&key, &pair.key).unwrap();
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let arguments = ["--namespace", "runstamp", "--tls-cert", &certificate, "--tls-key", &key];
    let output = command(&arguments)
        .env("KUBECONFIG", "")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{log}");
    assert!(
        log.contains("expected a service account's files or KUBECONFIG"),
        "{log}"
    );
}
