//! The documents keep their word: what README.md shows is what the binary prints, and what is named exists.
//!
//! `UPDATE_GOLDENS=1 cargo test --test readme` writes the output of the commands into README.md.
#![cfg(test)]

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use regex::Regex;
use runstamp::review::{Stance, Webhook, answer};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};

use common::golden::is_update;
use common::{builtin_set, files_below};
use console::{built_programs, masked, shell};
use readme::{Exchange, README, blocks, exchanges};

mod common;
#[path = "common/console.rs"]
mod console;
#[path = "common/readme.rs"]
mod readme;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const DOCUMENTS: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/operations.md",
    "docs/tutorial.md",
];

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_sessions_of_the_readme_are_what_the_programs_print() {
    let markdown = read("README.md");
    let mut stage = Stage::new(&markdown);
    let mut rewritten: Vec<String> = markdown.lines().map(str::to_owned).collect();
    let mut differences = Vec::new();
    // From the end, so that the lines of earlier blocks stay where they are.
    let console: Vec<_> = blocks(&markdown)
        .into_iter()
        .filter(|block| block.language == "console")
        .collect();
    let printed: Vec<Vec<(Exchange, String)>> = console
        .iter()
        .map(|block| {
            exchanges(block)
                .into_iter()
                .map(|exchange| stage.play(exchange))
                .collect()
        })
        .collect();
    for (block, played) in console.iter().zip(&printed).rev() {
        let mut lines = Vec::new();
        for (exchange, output) in played {
            if exchange.output != *output {
                differences.push(format!(
                    "$ {}\n--- README.md\n{}--- printed\n{output}",
                    exchange.command, exchange.output
                ));
            }
            lines.extend(exchange.written.lines().chain(output.lines()).map(str::to_owned));
        }
        rewritten.splice(block.lines.clone(), lines);
    }
    if is_update() {
        fs::write(README, format!("{}\n", rewritten.join("\n"))).unwrap();
        return;
    }
    assert!(
        differences.is_empty(),
        "UPDATE_GOLDENS=1 writes what is printed into README.md\n{}",
        differences.join("\n")
    );
}

/// A folder with the files that the README shows, and the server that it starts.
struct Stage {
    folder: tempfile::TempDir,
    server: Option<Served>,
}

impl Stage {
    fn new(markdown: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for shown in ["examples", "policies"] {
            std::os::unix::fs::symlink(Path::new(ROOT).join(shown), folder.path().join(shown)).unwrap();
        }
        for block in blocks(markdown) {
            if let Some(name) = &block.file {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, &block.text).unwrap();
            }
        }
        Self { folder, server: None }
    }

    /// Does what the command says; a command that nobody knows how to prove must not stand in the README.
    fn play(&mut self, exchange: Exchange) -> (Exchange, String) {
        let output = match exchange.command.split_whitespace().next().unwrap_or_default() {
            "runstamp" | "sed" => shell(&exchange.command, self.folder.path(), built_programs(), &[]),
            "cargo" if exchange.command == "cargo run --release -- serve --dev" => {
                let served = Served::start();
                let help = served.help.clone();
                self.server = Some(served);
                help
            }
            "curl" => {
                let served = self
                    .server
                    .as_ref()
                    .expect("the README starts a server before it calls it");
                let printed = canonical(&served.help);
                let sent = exchange.command.split(" | ").next().unwrap();
                assert!(
                    printed.contains(sent),
                    "{sent} is not what serve --dev prints: {printed}"
                );
                served.patch()
            }
            "kubectl" => refusal(exchange.command.strip_prefix("kubectl create -f ").unwrap()),
            _ => panic!("no test knows how to prove: {}", exchange.command),
        };
        (exchange, canonical(&output))
    }
}

/// A `runstamp serve --dev` on free ports, which ends with the test.
struct Served {
    child: Child,
    /// Everything that it says on stdout, addresses first.
    help: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        // Asked to end, so that it removes its folder; killed where that fails.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Served {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_runstamp"))
            .args([
                "serve",
                "--dev",
                "--listen",
                "127.0.0.1:0",
                "--listen-plain",
                "127.0.0.1:0",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let mut served = Self {
            child,
            help: String::new(),
        };
        for line in BufReader::new(stdout).lines() {
            let line = line.unwrap();
            served.help.push_str(&line);
            served.help.push('\n');
            if line.ends_with("Ctrl-C.") {
                return served;
            }
        }
        panic!("serve --dev ended early: {}", served.help);
    }

    /// The word of the printed curl command that follows a flag.
    fn argument(&self, flag: &str) -> &str {
        let mut words = self.help.split_whitespace().skip_while(|word| *word != flag);
        words.nth(1).unwrap_or_else(|| panic!("no {flag} in {}", self.help))
    }

    /// What the printed command gives, decoded: one operation a line.
    fn patch(&self) -> String {
        let review = fs::read_to_string(self.argument("--data").trim_start_matches('@')).unwrap();
        let answer = self.post("/mutate", &review);
        let patch = answer["response"]["patch"].as_str().expect("the Run is changed");
        let patch = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, patch).unwrap();
        let operations: Vec<Value> = serde_json::from_slice(&patch).unwrap();
        operations.iter().map(|operation| format!("{operation}\n")).collect()
    }

    /// One request over TLS, which trusts the throwaway authority alone.
    fn post(&self, path: &str, body: &str) -> Value {
        let address = self
            .help
            .split_whitespace()
            .find_map(|word| word.strip_prefix("https://"));
        let address: SocketAddr = address.unwrap().parse().unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.argument("--cacert")).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::IpAddress(address.ip().into());
        let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(address).unwrap());
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        serde_json::from_str(body).unwrap()
    }
}

/// What kubectl prints when this file is refused; the cluster tests hold the real one to the same lines.
fn refusal(file: &str) -> String {
    let run: Value = serde_saphyr::from_str(&read(file)).unwrap();
    let kind = run["kind"].as_str().unwrap();
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "5c7a4d0e-2b0f-4f1c-9f43-1f6d1f6a7e01",
            "kind": {"group": "tekton.dev", "version": "v1", "kind": kind},
            "resource": {"group": "tekton.dev", "version": "v1", "resource": format!("{}s", kind.to_lowercase())},
            "name": run["metadata"]["name"],
            "namespace": "ci",
            "operation": "CREATE",
            "userInfo": {"username": "alice"},
            "object": run,
        },
    });
    let body = serde_json::to_vec(&review).unwrap();
    let reply = answer(Webhook::Mutate, &body, &builtin_set(), Stance::default()).unwrap();
    let reply: Value = serde_json::from_slice(&reply.body).unwrap();
    let details = &reply["response"]["status"]["details"];
    let causes = details["causes"].as_array().expect("the Run is refused");
    assert!(
        causes.len() > 1,
        "kubectl puts a single cause on the first line: {causes:?}"
    );
    let bullets: String = causes
        .iter()
        .map(|cause| {
            format!(
                "* {}: {}\n",
                cause["field"].as_str().unwrap(),
                cause["message"].as_str().unwrap()
            )
        })
        .collect();
    format!("The {kind} {} is invalid: \n{bullets}", details["name"])
}

/// What differs from one run to the next, made the same: ports, folders, process ids and digests.
fn canonical(output: &str) -> String {
    let masks = [
        (r"serving https://127\.0\.0\.1:\d+", "serving https://127.0.0.1:8443"),
        (r"probes http://127\.0\.0\.1:\d+", "probes http://127.0.0.1:8080"),
        (r"https://127\.0\.0\.1:\d+/", "https://127.0.0.1:8443/"),
        (r"[^\s@]*/runstamp-dev-\d+-\d+/", "/tmp/runstamp-dev-4242-0/"),
        (r"sha256:[0-9a-f]{64}", "sha256:…"),
    ];
    masked(output, &masks)
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let architecture = read("ARCHITECTURE.md");
    let (_, invariants) = architecture
        .split_once("\n## Invariants\n")
        .expect("ARCHITECTURE.md has a section of invariants");
    let invariants = invariants.split("\n## ").next().unwrap();
    let functions = functions();
    let word = Regex::new("`([a-z0-9_]+)`").unwrap();
    let mut count = 0;
    for invariant in Regex::new(r"(?m)^\d+\. ").unwrap().split(invariants).skip(1) {
        count += 1;
        let (_, tests) = invariant
            .split_once("Held by ")
            .unwrap_or_else(|| panic!("no test is named: {invariant}"));
        let named: Vec<&str> = word
            .captures_iter(tests)
            .map(|found| found.get(1).unwrap().as_str())
            .collect();
        assert!(!named.is_empty(), "no test is named: {invariant}");
        for name in named {
            assert!(functions.contains(name), "no test is called {name}: {invariant}");
        }
    }
    assert!(count >= 10, "only {count} invariants were found");
}

/// The names of all test functions.
fn functions() -> std::collections::BTreeSet<String> {
    let test = Regex::new(r"#\[(?:tokio::)?test[^\]]*\](?:\s*#\[[^\]]*\])*\s*(?:async )?fn ([a-z0-9_]+)").unwrap();
    // The macro of property tests writes the attribute on the same function.
    ["src", "tests"]
        .iter()
        .flat_map(|folder| files_below(&Path::new(ROOT).join(folder), "rs"))
        .flat_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            test.captures_iter(&text)
                .map(|found| found[1].to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn the_code_map_names_every_module() {
    let architecture = read("ARCHITECTURE.md");
    let declared = Regex::new(r"(?m)^(?:pub )?mod ([a-z_]+);").unwrap();
    for (file, folder) in [("src/lib.rs", "src"), ("src/domain.rs", "src/domain")] {
        for module in declared.captures_iter(&read(file)) {
            let path = format!("`{folder}/{}`", &module[1]);
            assert!(architecture.contains(&path), "the code map lacks {path}");
        }
    }
    let named = Regex::new("`(src/[a-z_/]+)`").unwrap();
    for path in named.captures_iter(&architecture) {
        let file = PathBuf::from(ROOT).join(format!("{}.rs", &path[1]));
        assert!(file.is_file(), "{} does not exist", file.display());
    }
}

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut count = 0;
    for document in DOCUMENTS {
        let text = read(document);
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            count += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let document_path = Path::new(ROOT).join(document);
            let file = match path {
                "" => document_path,
                path => document_path.parent().unwrap().join(path),
            };
            assert!(file.exists(), "{document}: {target} does not exist");
            if !anchor.is_empty() {
                assert!(
                    anchors(&fs::read_to_string(file).unwrap()).contains(&anchor.to_owned()),
                    "{document}: {target}"
                );
            }
        }
    }
    assert!(count > 0);
}

/// The anchors of a Markdown text's headings, as GitHub makes them.
fn anchors(markdown: &str) -> Vec<String> {
    markdown
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}
