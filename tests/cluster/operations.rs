//! docs/operations.md, command by command: each is run as it stands there, against a real API server.
//!
//! What is missing here is played: the replicas are processes with the arguments of the Deployment, one of them at the
//! address of the Service; the namespace that goes is emptied; cert-manager issues what its Certificate asks for.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::Method;
use regex::Regex;
use serde_json::{Value, json};

use crate::cluster::casts::pipeline_run;
use crate::cluster::stage::{ALICE, Cluster, expect, wait_until};
use crate::console;
use crate::support::control_plane::User;
use crate::support::control_plane::access::{Access, Answer};
use crate::support::control_plane::programs::say;
use crate::support::helm::{self, Helm};
use crate::support::manifests;
use crate::support::runstamp::{Options, RunstampServer, binary};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// The commands that nothing here can run. The document says at each, in a comment, why.
const NOT_RUN: [&str; 2] = [
    "docker buildx build --platform linux/amd64,linux/arm64 -t registry.example.com/runstamp:0.1.0 --push .",
    "kubectl -n runstamp logs deployment/runstamp --all-pods | grep '\"observe\":true'",
];

/// A section whose sessions are made and compared by tests of its own, and where these are.
const SHOWN_ELSEWHERE: (&str, &str) = ("Status", "tests/cluster/installation_status.rs");

/// Sections that begin and end without an installation: another way to have one. They come after the rest.
const ON_THEIR_OWN: [&str; 2] = ["Helm", "cert-manager"];

/// Commands that stand in a sentence, and the tests that run them.
const IN_SENTENCES: [(&str, &str); 8] = [
    ("cargo test --test cluster operations", "this one"),
    ("cargo test --test installation", "itself"),
    (
        "kubectl apply -k manifests/",
        "applying_again_changes_nothing_and_keeps_the_authority",
    ),
    ("runstamp manifests --engine map", "a block runs it too"),
    ("runstamp manifests --namespace", "the_chart_installs_the_same"),
    ("runstamp manifests --policies", "the_forms_hold_the_same"),
    ("runstamp manifests --replicas 3", "the_chart_installs_the_same"),
    ("runstamp review -f", "a block runs it too"),
];

/// The kinds of other projects, whose schemas are not ours.
const FOREIGN: [(&str, &str, &str); 5] = [
    ("cert-manager.io/v1", "Issuer", "issuers"),
    ("cert-manager.io/v1", "Certificate", "certificates"),
    ("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules"),
    ("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors"),
    ("triggers.tekton.dev/v1beta1", "EventListener", "eventlisteners"),
];

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/runstamp/deployments/runstamp";
const SECRET: &str = "/api/v1/namespaces/runstamp/secrets/runstamp-certificates";
const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

/// A command of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    section: String,
    command: String,
    /// What it prints, where the document shows that.
    shown: Vec<String>,
    is_run: bool,
}

/// The commands of the document's `sh` and `console` blocks, and the files that it shows.
fn read_document() -> (Vec<Step>, Vec<(String, String)>) {
    let (mut steps, mut files): (Vec<Step>, Vec<(String, String)>) = (Vec::new(), Vec::new());
    let (mut section, mut comment, mut block) = ("", "", None);
    for line in OPERATIONS.lines() {
        let text = line.trim();
        match block {
            None if text.starts_with("```") => {
                block = Some(text.trim_start_matches('`'));
                if let Some(name) = comment.strip_prefix("<!-- file: ") {
                    files.push((name.trim_end_matches(" -->").to_owned(), String::new()));
                }
            }
            None => {
                if let Some((_, title)) = text.split_once("# ").filter(|_| text.starts_with('#')) {
                    section = title;
                }
                comment = text;
            }
            Some(_) if text == "```" => (block, comment) = (None, ""),
            Some(language) => {
                let command = match language {
                    "sh" => Some(text),
                    "console" => text.strip_prefix("$ "),
                    _ => None,
                };
                if let Some(command) = command {
                    steps.push(Step {
                        section: section.to_owned(),
                        command: command.to_owned(),
                        shown: Vec::new(),
                        is_run: !comment.starts_with("<!-- not run: "),
                    });
                } else if language == "console" {
                    steps.last_mut().unwrap().shown.push(text.to_owned());
                } else if comment.starts_with("<!-- file: ") {
                    let (_, content) = files.last_mut().unwrap();
                    content.push_str(&format!("{line}\n"));
                }
            }
        }
    }
    (steps, files)
}

#[test]
fn operations_no_command_is_skipped_silently() {
    let (steps, _) = read_document();
    let marked: Vec<&str> = steps
        .iter()
        .filter(|step| !step.is_run)
        .map(|step| step.command.as_str())
        .collect();
    assert_eq!(marked, NOT_RUN);
    assert!(steps.len() > 40, "{}", steps.len());
    // What stands in a sentence and is no command of a block is named above, with its test.
    let span = Regex::new("`((?:kubectl|runstamp|helm|cargo|docker) [^`]* -[^`]*)`").unwrap();
    let prose = Regex::new("(?ms)^ *```.*?^ *```$").unwrap().replace_all(OPERATIONS, "");
    let found: BTreeSet<&str> = span
        .captures_iter(&prose)
        .map(|found| found.get(1).unwrap().as_str())
        .collect();
    let known: BTreeSet<&str> = IN_SENTENCES.iter().map(|(command, _)| *command).collect();
    assert_eq!(found, known);
}

#[test]
fn operations_the_rules_for_argo_cd_name_what_is_there() {
    let (_, rest) = OPERATIONS.split_once("<!-- argo cd -->\n```yaml\n").unwrap();
    let application: Value = serde_saphyr::from_str(rest.split("\n```").next().unwrap()).unwrap();
    let ignored = application["spec"]["ignoreDifferences"].as_array().unwrap();
    let name = |group: &str, kind: &Value, name: &Value| format!("{group} {kind} {name}");
    let ignored: Vec<String> = ignored
        .iter()
        .map(|rule| name(rule["group"].as_str().unwrap(), &rule["kind"], &rule["name"]))
        .collect();
    let shipped: Vec<String> = manifests::webhooks()
        .unwrap()
        .iter()
        .map(|shipped| {
            let (group, _) = shipped["apiVersion"].as_str().unwrap().split_once('/').unwrap();
            name(group, &shipped["kind"], &shipped["metadata"]["name"])
        })
        .collect();
    assert_eq!(ignored, shipped);
}

/// Tells the loop that plays controllers to end, however the test does.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn operations_every_command_does_what_it_should() {
    let forbidden =
        TcpListener::bind(("127.1.0.1", 443)).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    if forbidden {
        say("SKIPPED the commands of docs/operations.md: this user may not listen on port 443");
        return;
    }
    let Some(cluster) = Cluster::start(&manifests::crds().unwrap()).unwrap() else {
        return;
    };
    let (steps, files) = read_document();
    let (apart, along): (Vec<Step>, Vec<Step>) = steps
        .into_iter()
        .filter(|step| step.is_run && step.section != SHOWN_ELSEWHERE.0)
        .partition(|step| ON_THEIR_OWN.contains(&step.section.as_str()));
    let mut site = Site::new(&cluster, &files);
    let is_over = AtomicBool::new(false);
    let access = cluster.plane().access();
    std::thread::scope(|scope| {
        scope.spawn(|| empty_namespaces_that_go(&access, &is_over));
        let _ending = Ending(&is_over);
        for step in along.iter().chain(&apart) {
            site.play(step);
        }
    });
}

/// What the namespace controller does.
fn empty_namespaces_that_go(access: &Access, is_over: &AtomicBool) {
    let path = "/api/v1/namespaces/runstamp";
    let ask = |method, path: &str, body: Option<&Value>| access.request(&User::Admin, method, path, JSON, body);
    while !is_over.load(Ordering::Acquire) {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let Ok(mut namespace) = ask(Method::GET, path, None) else {
            continue;
        };
        if !namespace.body["metadata"]["deletionTimestamp"].is_string() {
            continue;
        }
        for kind in [
            "/api/v1/namespaces/runstamp/secrets",
            "/api/v1/namespaces/runstamp/configmaps",
            "/apis/coordination.k8s.io/v1/namespaces/runstamp/leases",
        ] {
            let _ = ask(Method::DELETE, kind, None);
        }
        namespace.body["spec"]["finalizers"] = json!([]);
        let _ = ask(Method::PUT, &format!("{path}/finalize"), Some(&namespace.body));
    }
}

/// Where the commands are run: a clone, the programs, and the replicas that the commands ask for.
struct Site<'a> {
    cluster: &'a Cluster,
    folder: tempfile::TempDir,
    helm: bool,
    replicas: Vec<RunstampServer>,
    started: usize,
}

impl<'a> Site<'a> {
    fn new(cluster: &'a Cluster, files: &[(String, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for shown in ["manifests", "policies", "examples"] {
            symlink(Path::new(ROOT).join(shown), folder.path().join(shown)).unwrap();
        }
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let programs = folder.path().join("bin");
        fs::create_dir(&programs).unwrap();
        symlink(cluster.plane().kubectl_program(), programs.join("kubectl")).unwrap();
        symlink(program(), programs.join("runstamp")).unwrap();
        let helm = match helm::find_or_build().unwrap() {
            Helm::Found(path) => symlink(path, programs.join("helm")).is_ok(),
            Helm::Missing(sentence) => {
                let required = std::env::var("RUNSTAMP_CLUSTER").is_ok_and(|value| value == "required");
                assert!(!required, "{sentence} (RUNSTAMP_CLUSTER=required)");
                say(&format!(
                    "SKIPPED the commands of docs/operations.md for helm: {sentence}"
                ));
                false
            }
        };
        for name in ["web", "ci"] {
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            cluster.create_object("/api/v1/namespaces", &namespace);
        }
        for kind in FOREIGN {
            declare(cluster, kind);
        }
        Self {
            cluster,
            folder,
            helm,
            replicas: Vec::new(),
            started: 0,
        }
    }

    fn play(&mut self, step: &Step) {
        let command = step.command.as_str();
        if step.section == "Helm" && !self.helm {
            return;
        }
        self.prepare(command);
        let before = self.cluster.admin(Method::GET, SECRET, None).body;
        let output = self.run(command);
        let code = output.status.code();
        // A difference is what is looked for.
        let is_well = code == Some(0) || command.starts_with("kubectl diff ") && code == Some(1);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        println!("$ {command}\n{printed}{said}");
        assert!(is_well, "{}: $ {command}\n{code:?}\n{printed}{said}", step.section);
        if !step.shown.is_empty() {
            // Replicas say within a second what they serve; a person would look again.
            let shown = without_what_differs(&step.shown.join("\n"));
            wait_until(&format!("it prints what the document shows: $ {command}"), || {
                let printed = without_what_differs(&String::from_utf8_lossy(&self.run(command).stdout));
                expect(printed == shown, &[printed, shown.clone()])
            });
        }
        self.see_the_effect(command, &printed, &before);
    }

    fn run(&self, command: &str) -> std::process::Output {
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("sh")
            .args(["-c", command])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()))
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", self.cluster.plane().kubeconfig(&User::Admin).unwrap())
            .env("NO_PROXY", "*")
            .output()
            .unwrap()
    }

    /// What others do before the command makes sense.
    fn prepare(&mut self, command: &str) {
        let ends = ["kubectl delete -k ", "kubectl delete namespace ", "helm uninstall "];
        if command.contains(" rollout status ") {
            self.roll_out();
        } else if ends.iter().any(|start| command.starts_with(start)) {
            self.replicas.clear();
        } else if command.contains("--dry-run=server -o yaml") {
            self.wait_until_stamped();
        } else if command.contains(" get events ") {
            self.refuse_a_trigger();
        }
    }

    /// What follows from it.
    fn see_the_effect(&self, command: &str, printed: &str, before: &Value) {
        let secret = || self.cluster.admin(Method::GET, SECRET, None).body;
        if command.contains("--dry-run=server -o yaml") {
            assert!(!printed.contains("chains.tekton.dev/signed"), "{printed}");
        } else if command.contains("rotate=certificate") {
            wait_until("there is another certificate", || {
                let now = secret();
                expect(
                    now["data"]["tls.crt"] != before["data"]["tls.crt"] && !is_asked(&now),
                    &now["metadata"],
                )
            });
        } else if command.contains("rotate=authority") {
            wait_until("the rotation is over", || {
                let now = secret();
                let is_new = now["data"]["authority.crt"] != before["data"]["authority.crt"];
                expect(is_new && authorities(&now) == 1 && !is_asked(&now), &authorities(&now))
            });
        } else if command.contains("grep -c 'BEGIN CERTIFICATE'") {
            assert_eq!(printed, "1\n");
        } else if command.starts_with("kubectl delete mutatingwebhookconfiguration,") {
            wait_until("nobody is asked", || {
                let answer = self.try_a_copy();
                expect(answer.is_success() && answer.warnings.is_empty(), &answer)
            });
        } else if command == "kubectl apply -f runstamp.yaml" && !self.replicas.is_empty() {
            self.wait_until_published();
            self.assert_that_replicas_own_the_bundles();
        } else if command.ends_with("overlays/cert-manager") {
            self.issue();
        }
    }

    /// In the part of the Deployment's controllers: replicas with the arguments that it has now.
    fn roll_out(&mut self) {
        let deployment = self.cluster.admin(Method::GET, DEPLOYMENT, None).body;
        let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
            .as_array()
            .unwrap();
        let mounted = self.folder.path().join("tls").display().to_string();
        let arguments: Vec<String> = arguments[1..]
            .iter()
            .map(|argument| argument.as_str().unwrap().replace("/etc/runstamp/tls", &mounted))
            .collect();
        for replica in self.replicas.drain(..) {
            assert!(replica.terminate(std::time::Duration::from_secs(60)).unwrap());
        }
        let count = deployment["spec"]["replicas"].as_u64().unwrap();
        for number in 0..count {
            // All of them share the address of the Service there; here the first has it.
            let listen = if number == 0 {
                self.service()
            } else {
                "127.0.0.1:0".to_owned()
            };
            self.start(&listen, &arguments);
        }
        for replica in &mut self.replicas {
            replica.wait_until_ready().unwrap();
        }
        let generation = &deployment["metadata"]["generation"];
        let status = json!({ "status": {
            "observedGeneration": generation,
            "replicas": count, "updatedReplicas": count, "readyReplicas": count, "availableReplicas": count,
        } });
        self.patch(&format!("{DEPLOYMENT}/status"), &status);
        self.wait_until_published();
    }

    fn start(&mut self, listen: &str, arguments: &[String]) {
        self.started += 1;
        let name = format!("runstamp-{}", self.started);
        let plane = self.cluster.plane();
        let kubeconfig = plane.access().token_kubeconfig("runstamp", "runstamp").unwrap();
        let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
        all.extend(["--namespace", "runstamp", "--replica", &name]);
        all.extend(["--trust-delay", "200ms", "--shutdown-delay", "0s"]);
        let options = Options {
            name: &name,
            listen,
            server_names: &[],
            arguments: &all,
            environment: &[("KUBECONFIG", &kubeconfig)],
        };
        self.replicas
            .push(RunstampServer::launch(plane, &program(), &options).unwrap());
    }

    fn service(&self) -> String {
        let service = self
            .cluster
            .admin(Method::GET, "/api/v1/namespaces/runstamp/services/runstamp", None)
            .body;
        format!("{}:443", service["spec"]["clusterIP"].as_str().unwrap())
    }

    fn patch(&self, path: &str, patch: &Value) {
        let answer = self
            .cluster
            .plane()
            .request(&User::Admin, Method::PATCH, path, MERGE, Some(patch))
            .unwrap();
        assert!(answer.is_success(), "{path}: {answer:?}");
    }

    fn wait_until_published(&self) {
        wait_until("every entry has a caBundle", || {
            for plural in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
                let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}/runstamp.dev");
                let configuration = self.cluster.admin(Method::GET, &path, None).body;
                for entry in configuration["webhooks"].as_array().into_iter().flatten() {
                    expect(entry["clientConfig"]["caBundle"].is_string(), &entry["name"])?;
                }
            }
            Ok(())
        });
    }

    /// The name by which a GitOps tool may leave `caBundle` to the replicas.
    fn assert_that_replicas_own_the_bundles(&self) {
        let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/runstamp.dev";
        let configuration = self.cluster.admin(Method::GET, path, None).body;
        let managers = configuration["metadata"]["managedFields"].as_array().unwrap();
        let owners: Vec<&Value> = managers
            .iter()
            .filter(|entry| entry["fieldsV1"].to_string().contains("f:caBundle"))
            .map(|entry| &entry["manager"])
            .collect();
        assert_eq!(owners, ["runstamp"]);
    }

    /// A copied Run, as Alice would create it.
    fn try_a_copy(&self) -> Answer {
        let path = "/apis/tekton.dev/v1/namespaces/default/pipelineruns?dryRun=All";
        let run = pipeline_run("copy", &json!({ "chains.tekton.dev/signed": "true" }));
        self.cluster
            .plane()
            .request(&ALICE, Method::POST, path, JSON, Some(&run))
            .unwrap()
    }

    fn wait_until_stamped(&self) {
        wait_until("Runs are stamped", || {
            let answer = self.try_a_copy();
            let is_clean = answer.body["metadata"]["annotations"]["chains.tekton.dev/signed"].is_null();
            expect(answer.is_success() && is_clean, &answer)
        });
    }

    /// What Tekton Triggers creates from a template that is wrong.
    fn refuse_a_trigger(&self) {
        let listener = json!({
            "apiVersion": "triggers.tekton.dev/v1beta1",
            "kind": "EventListener",
            "metadata": { "name": "github" },
        });
        let listeners = "/apis/triggers.tekton.dev/v1beta1/namespaces/ci/eventlisteners";
        self.cluster.create_object(listeners, &listener);
        let run = json!({
            "apiVersion": "tekton.dev/v1",
            "kind": "PipelineRun",
            "metadata": {
                "name": "build-0",
                "labels": { "triggers.tekton.dev/eventlistener": "github" },
                "annotations": { "github.integrations.tekton.dev/sha": "main" },
            },
            "spec": { "pipelineRef": { "name": "build" } },
        });
        let path = "/apis/tekton.dev/v1/namespaces/ci/pipelineruns";
        let triggers = User::service_account("ci", "triggers");
        let answer = self
            .cluster
            .plane()
            .request(&triggers, Method::POST, path, JSON, Some(&run))
            .unwrap();
        assert_eq!(answer.code, 422, "{answer:?}");
        wait_until("the refusal is told", || {
            let events = self
                .cluster
                .admin(Method::GET, "/apis/events.k8s.io/v1/namespaces/ci/events", None)
                .body;
            expect(events["items"].as_array().is_some_and(|all| !all.is_empty()), &events)
        });
    }

    /// In the part of cert-manager: the certificate in its Secret, the authority in `caBundle`.
    fn issue(&self) {
        let plane = self.cluster.plane();
        let serving = plane.serving_files("issued", &["runstamp.runstamp.svc"]).unwrap();
        let mounted = self.folder.path().join("tls");
        fs::create_dir(&mounted).unwrap();
        fs::copy(serving.certificate, mounted.join("tls.crt")).unwrap();
        fs::copy(serving.key, mounted.join("tls.key")).unwrap();
        for name in ["runstamp", "runstamp-authority"] {
            let condition = json!({ "type": "Ready", "status": "True" });
            let path = format!("/apis/cert-manager.io/v1/namespaces/runstamp/certificates/{name}");
            self.patch(&path, &json!({ "status": { "conditions": [condition] } }));
        }
        for kind in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
            let path = format!("/apis/admissionregistration.k8s.io/v1/{kind}/runstamp.dev");
            let mut configuration = self.cluster.admin(Method::GET, &path, None).body;
            assert_eq!(
                configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"],
                "runstamp/runstamp"
            );
            for entry in configuration["webhooks"].as_array_mut().unwrap() {
                entry["clientConfig"]["caBundle"] = json!(plane.ca_bundle());
            }
            let answer = self.cluster.admin(Method::PUT, &path, Some(&configuration));
            assert!(answer.is_success(), "{answer:?}");
        }
    }
}

fn program() -> PathBuf {
    binary(Path::new(env!("CARGO_BIN_EXE_runstamp")))
}

/// A CRD that takes anything.
fn declare(cluster: &Cluster, (group_version, kind, plural): (&str, &str, &str)) {
    let (group, version) = group_version.split_once('/').unwrap();
    let anything = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group,
            "names": { "kind": kind, "plural": plural },
            "scope": "Namespaced",
            "versions": [{ "name": version, "served": true, "storage": true, "schema": { "openAPIV3Schema": anything } }],
        },
    });
    cluster.create_object("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &crd);
    wait_until("a foreign kind is served", || {
        let answer = cluster.admin(Method::GET, &format!("/apis/{group_version}/{plural}"), None);
        expect(answer.is_success(), &answer)
    });
}

fn is_asked(secret: &Value) -> bool {
    secret["metadata"]["annotations"]["runstamp.dev/rotate"].is_string()
}

fn authorities(secret: &Value) -> usize {
    let bundle = BASE64
        .decode(secret["data"]["ca.crt"].as_str().unwrap_or_default())
        .unwrap();
    String::from_utf8(bundle).unwrap().matches("BEGIN CERTIFICATE").count()
}

/// What differs from one time to the next, made the same.
fn without_what_differs(output: &str) -> String {
    let masks = [
        (r"\b(?:sha256:)?(?:[0-9a-f]{64}|[0-9a-f]{8}…|…)", "DIGEST"),
        (r"[0-9-]{10}T[0-9:]{8}Z", "TIME"),
        (r"runstamp-\d+", "REPLICA"),
        (r"(?m)^(?:\d+m)?\d+s ", "AGE "),
        (r"[ \t]+", " "),
    ];
    console::masked(output, &masks).trim().to_owned()
}
