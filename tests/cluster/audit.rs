//! `runstamp audit` on an API server that holds ten thousand Runs: the damaged ones are found, and none that looks like them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};

use crate::cluster::stage::{Cluster, expect, wait_until, yaml};
use crate::support::control_plane::User;
use crate::support::control_plane::programs::say;
use crate::support::manifests;
use crate::support::runstamp::binary;

/// Which Run, and why it is found.
type Damage = (String, String, String, &'static str);

const RUNS: usize = 10_000;
const DAMAGED: usize = 37;
const NEAR_MISSES: usize = 1_000;

/// Requests are sent from so many threads at once.
const THREADS: usize = 16;

/// What the process may take at most.
const MOST_MEMORY_KIB: u64 = 128 * 1024;

const NAMESPACES: [&str; 4] = ["ci", "prod", "team-a", "team-b"];
const OTHER: &str = "5f1c2b9e-7a64-4c0e-9a1b-2d3e4f5a6b7c";
const EVENT: &str = "1f0c8a52-6f3e-4a53-9d0e-0d7b8b5b3a11";
const PARENT: &str = "3947dc60-75b2-4b3b-93ab-7bb4d11a84cb";

const RECORD: &str = "results.tekton.dev/record";
const RESULT: &str = "results.tekton.dev/result";
const LOG: &str = "results.tekton.dev/log";
const SIGNED: &str = "chains.tekton.dev/signed";
const RERUN_OF: &str = "dashboard.tekton.dev/rerunOf";
const EVENT_ID: &str = "triggers.tekton.dev/triggers-eventid";
const PAC_STATE: &str = "pipelinesascode.tekton.dev/state";

const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// How the controllers of Results and Chains write, now and before server-side apply.
#[derive(Clone, Copy)]
enum Write {
    Apply,
    Patch,
}

/// A cluster that fills.
struct Site<'a> {
    cluster: &'a Cluster,
}

impl<'a> Site<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        for namespace in NAMESPACES {
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
            cluster.create_object("/api/v1/namespaces", &namespace);
        }
        Self { cluster }
    }

    fn send(&self, method: Method, path: &str, content_type: &str, body: &Value) -> Value {
        let plane = self.cluster.plane();
        let answer = plane
            .request(&User::Admin, method, path, content_type, Some(body))
            .unwrap();
        assert!(answer.is_success(), "{path}: {body}: {answer:?}");
        answer.body
    }

    /// Creates a Run by a client of this name.
    fn create(&self, manager: &str, run: &Value) -> Value {
        let path = format!("{}?fieldManager={manager}", collection(run));
        self.send(Method::POST, &path, "application/json", run)
    }

    /// Writes metadata of a Run by a client of this name.
    fn write(&self, run: &Value, manager: &str, write: Write, metadata: &Value) -> Value {
        let mut object = json!({ "apiVersion": run["apiVersion"], "kind": run["kind"], "metadata": metadata });
        object["metadata"]["name"] = run["metadata"]["name"].clone();
        let content_type = match write {
            Write::Apply => "application/apply-patch+yaml",
            Write::Patch => "application/merge-patch+json",
        };
        let manager = manager.replace('/', "%2F");
        let path = format!("{}?fieldManager={manager}", object_path(run));
        self.send(Method::PATCH, &path, content_type, &object)
    }

    fn write_status(&self, run: &Value, status: Value) {
        let path = format!("{}/status?fieldManager=controller", object_path(run));
        self.send(
            Method::PATCH,
            &path,
            "application/merge-patch+json",
            &json!({ "status": status }),
        );
    }

    /// What Results writes about a Run under a Result: its record, and the Result's name.
    fn record(&self, run: &Value, result: &str, write: (&str, Write)) {
        let namespace = run["metadata"]["namespace"].as_str().unwrap();
        let uid = run["metadata"]["uid"].as_str().unwrap();
        let result = if result.is_empty() { uid } else { result };
        let names = json!({ "annotations": {
            RESULT: format!("{namespace}/results/{result}"),
            RECORD: format!("{namespace}/results/{result}/records/{uid}"),
            LOG: format!("{namespace}/results/{result}/logs/0c2f39f1-1a39-3d2d-a7a5-1c1d3dbd5f4e"),
        } });
        self.write(run, write.0, write.1, &names);
    }
}

fn collection(run: &Value) -> String {
    let plural = format!("{}s", run["kind"].as_str().unwrap().to_lowercase());
    let version = run["apiVersion"].as_str().unwrap();
    format!(
        "/apis/{version}/namespaces/{}/{plural}",
        run["metadata"]["namespace"].as_str().unwrap()
    )
}

fn object_path(run: &Value) -> String {
    format!("{}/{}", collection(run), run["metadata"]["name"].as_str().unwrap())
}

/// A Run of one of the kinds in one of the namespaces, by a number.
fn run(kind: &str, prefix: &str, number: usize, metadata: Value) -> Value {
    let (version, spec) = match kind {
        "CustomRun" => (
            "v1beta1",
            json!({ "customRef": { "apiVersion": "example.dev/v1", "kind": "Wait" } }),
        ),
        "TaskRun" => ("v1", json!({ "taskRef": { "name": "compile" } })),
        _ => (
            "v1",
            json!({ "pipelineRef": { "name": "build" }, "params": [{ "name": "revision", "value": "main" }] }),
        ),
    };
    let mut metadata = metadata;
    metadata["name"] = json!(format!("{prefix}-{number}"));
    metadata["namespace"] = json!(NAMESPACES[number % NAMESPACES.len()]);
    json!({ "apiVersion": format!("tekton.dev/{version}"), "kind": kind, "metadata": metadata, "spec": spec })
}

fn kind_by(number: usize) -> &'static str {
    ["PipelineRun", "TaskRun", "CustomRun"][number % 3]
}

fn namespace_by(number: usize) -> &'static str {
    NAMESPACES[number % NAMESPACES.len()]
}

fn child_labels() -> Value {
    json!({
        "tekton.dev/memberOf": "tasks",
        "tekton.dev/pipelineRun": "build-7x2kq",
        "tekton.dev/pipelineRunUID": PARENT,
        "tekton.dev/pipelineTask": "compile",
    })
}

fn owner(kind: &str) -> Value {
    json!([{ "apiVersion": "tekton.dev/v1", "kind": kind, "name": "build-7x2kq", "uid": PARENT, "controller": true }])
}

/// Creates one damaged Run, in one of the ways that are known from reports and from the real controllers.
fn damage(site: &Site<'_>, number: usize) -> Damage {
    let namespace = namespace_by(number);
    let copied = |annotations: Value| json!({ "annotations": annotations });
    let (created, reason) = match number {
        // Signed, says the copy: created so, or annotated by hand.
        0..5 => {
            let run = run(kind_by(number), "signed", number, copied(json!({ SIGNED: "true" })));
            (site.create("kubectl-create", &run), "UndeclaredWriter")
        }
        5..8 => {
            let run = site.create("tkn", &run(kind_by(number), "annotated", number, json!({})));
            let signed = json!({ "annotations": { SIGNED: "true" } });
            (
                site.write(&run, "kubectl-annotate", Write::Patch, &signed),
                "UndeclaredWriter",
            )
        }
        8..11 => {
            let key = format!("chains.tekton.dev/payload-taskrun-{OTHER}");
            let run = run("TaskRun", "payload", number, copied(json!({ key: "cGF5" })));
            (site.create("kubectl-create", &run), "ForeignUid")
        }
        // Results repeats what it finds, so the names are its own as well.
        11..17 => {
            let names = json!({
                RECORD: format!("{namespace}/results/{OTHER}/records/{OTHER}"),
                RESULT: format!("{namespace}/results/{OTHER}"),
            });
            let run = site.create(
                "kubectl-create",
                &run(kind_by(number), "record", number, copied(names.clone())),
            );
            (
                site.write(&run, "tekton-results-watcher", Write::Apply, &copied(names)),
                "ForeignUid",
            )
        }
        17..19 => {
            let run = run(
                kind_by(number),
                "elsewhere",
                number,
                copied(json!({ RESULT: format!("attic/results/{OTHER}") })),
            );
            (site.create("kubectl-create", &run), "ForeignNamespace")
        }
        19..21 => {
            let run = run(
                "PipelineRun",
                "log",
                number,
                copied(json!({ LOG: format!("{namespace}/results/{OTHER}/logs/{EVENT}") })),
            );
            (site.create("kubectl-create", &run), "ForeignUid")
        }
        // The annotations of a Pipeline come with the pipelines controller.
        21..23 => {
            let run = site.create("tkn", &run("PipelineRun", "stored", number, json!({})));
            let stored = json!({ "annotations": { "results.tekton.dev/stored": "true" } });
            (
                site.write(&run, "controller", Write::Patch, &stored),
                "UndeclaredWriter",
            )
        }
        // The Dashboard's re-runs.
        23..26 => {
            let labels = json!({ "labels": { RERUN_OF: "build-7x2kq", EVENT_ID: EVENT } });
            let run = site.create("Mozilla", &run("PipelineRun", "event", number, labels));
            site.record(&run, EVENT, ("tekton-results-watcher", Write::Apply));
            (run, "Copied")
        }
        26..28 => {
            let metadata = json!({
                "labels": { RERUN_OF: "build-7x2kq" },
                "annotations": { RESULT: format!("{namespace}/results/{OTHER}") },
            });
            (
                site.create("Mozilla", &run("PipelineRun", "rerun", number, metadata)),
                "Copied",
            )
        }
        28..30 => {
            let metadata = json!({
                "labels": { PAC_STATE: "completed" },
                "annotations": { PAC_STATE: "completed", "pipelinesascode.tekton.dev/check-run-id": "8745123" },
            });
            (
                site.create("kubectl-create", &run("PipelineRun", "pac", number, metadata)),
                "UndeclaredWriter",
            )
        }
        30 => {
            let checkrun = json!({ "github.integrations.tekton.dev/checkrun": "8745123" });
            (
                site.create("kubectl-create", &run("TaskRun", "checkrun", number, copied(checkrun))),
                "UndeclaredWriter",
            )
        }
        31 => {
            let assistant = json!({ "pipeline.tekton.dev/affinity-assistant": "affinity-assistant-5f1c2b9e7a" });
            (
                site.create("Mozilla", &run("TaskRun", "assistant", number, copied(assistant))),
                "UndeclaredWriter",
            )
        }
        32 => {
            let finalizers = json!({ "finalizers": ["chains.tekton.dev/pipelinerun"] });
            (
                site.create("kubectl-create", &run("PipelineRun", "finalizer", number, finalizers)),
                "UndeclaredWriter",
            )
        }
        33 => {
            let owned = json!({ "ownerReferences": owner("PipelineRun") });
            (
                site.create("kubectl-create", &run("TaskRun", "owned", number, owned)),
                "OwnerReference",
            )
        }
        // Somebody's TaskRun has the name of a task's.
        34 => {
            let adopted = site.create("kubectl-create", &run("TaskRun", "adopted", number, json!({})));
            let run = site.create("tkn", &run("PipelineRun", "adopting", number, json!({})));
            let child =
                json!({ "apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": adopted["metadata"]["name"] });
            site.write_status(&run, json!({ "childReferences": [child] }));
            (run, "ForeignChild")
        }
        35 => {
            let run = site.create("tkn", &run("CustomRun", "started", number, json!({})));
            site.write_status(&run, json!({ "startTime": "2020-01-01T00:00:00Z" }));
            (run, "ForeignStatus")
        }
        _ => {
            let sha = json!({
                "github.integrations.tekton.dev/owner": "acme",
                "github.integrations.tekton.dev/repo": "shop",
                "github.integrations.tekton.dev/sha": "main",
            });
            (
                site.create("kubectl-create", &run("TaskRun", "branch", number, copied(sha))),
                "Violation",
            )
        }
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let metadata = &created["metadata"];
    (
        text(&created["kind"]),
        text(&metadata["namespace"]),
        text(&metadata["name"]),
        reason,
    )
}

/// Creates one Run that carries what a damaged one may carry, and rightly.
fn near_miss(site: &Site<'_>, number: usize) {
    let namespace = namespace_by(number);
    let inherited = json!({
        RECORD: format!("{namespace}/results/{PARENT}/records/{PARENT}"),
        RESULT: format!("{namespace}/results/{PARENT}"),
        PAC_STATE: "started",
        "pipelinesascode.tekton.dev/check-run-id": "8745123",
    });
    let child = |annotations: &Value| json!({ "labels": child_labels(), "annotations": annotations, "ownerReferences": owner("PipelineRun") });
    match number {
        // Children that inherit, on Kubernetes and on OpenShift.
        0..200 => {
            let controller = ["controller", "openshift-pipelines-controller"][number % 2];
            site.create(
                controller,
                &run(["TaskRun", "CustomRun"][number % 2], "child", number, child(&inherited)),
            );
        }
        200..300 => {
            let created = site.create("controller", &run("TaskRun", "recorded", number, child(&json!({}))));
            site.record(&created, PARENT, ("tekton-results-watcher", Write::Apply));
        }
        // Results grouped by hand: by a word, or by the UID of a Run.
        300..500 => {
            let group = if number < 400 { "nightly" } else { OTHER };
            let annotations = json!({ RESULT: format!("{namespace}/results/{group}") });
            let created = site.create(
                "kubectl-create",
                &run(kind_by(number), "group", number, json!({ "annotations": annotations })),
            );
            site.record(&created, group, ("tekton-results-watcher", Write::Apply));
        }
        // Mirrors: of a backup, and of another cluster.
        500..650 => {
            let (label, program) = if number < 600 {
                ("velero.io/restore-name", "velero-server")
            } else {
                ("kueue.x-k8s.io/multikueue-origin", "kueue")
            };
            let record = format!("{namespace}/results/{OTHER}/records/{OTHER}");
            let metadata = json!({ "labels": { label: "there" }, "annotations": { RECORD: record, SIGNED: "true" } });
            site.create(program, &run("PipelineRun", "mirror", number, metadata));
        }
        // Older field managers.
        650..750 => {
            let created = site.create("tkn", &run(kind_by(number), "older", number, json!({})));
            site.record(&created, "", ("watcher", Write::Patch));
            let signed = json!({ "annotations": { SIGNED: "true" }, "finalizers": ["chains.tekton.dev/taskrun"] });
            site.write(&created, "controller", Write::Patch, &signed);
        }
        // Left behind by a PipelineRun, or made for a custom task.
        750..800 => drop(site.create(
            "controller",
            &run("TaskRun", "orphan", number, json!({ "labels": child_labels() })),
        )),
        800..850 => {
            let metadata = json!({ "labels": child_labels(), "ownerReferences": owner("CustomRun") });
            site.create("pipeline-loops", &run("PipelineRun", "loop", number, metadata));
        }
        850..950 => {
            let metadata = json!({
                "labels": { PAC_STATE: "started" },
                "annotations": { "pipelinesascode.tekton.dev/secret-created": "false" },
            });
            let created = site.create(
                "pipelines-as-code-controller",
                &run("PipelineRun", "pac", number, metadata),
            );
            let done = json!({ "labels": { PAC_STATE: "completed" }, "annotations": { PAC_STATE: "completed" } });
            site.write(&created, "pipelines-as-code-watcher", Write::Patch, &done);
        }
        _ => {
            let labels = json!({ "labels": { EVENT_ID: EVENT } });
            let created = site.create("eventlistenersink", &run("PipelineRun", "triggered", number, labels));
            site.record(&created, EVENT, ("tekton-results-watcher", Write::Apply));
        }
    }
}

/// Fills the cluster from many threads, and says which Runs are damaged.
fn fill(cluster: &Cluster) -> BTreeSet<Damage> {
    let site = Site::new(cluster);
    // One of the damaged Runs takes another Run for its child.
    let plain = RUNS - DAMAGED - NEAR_MISSES - 1;
    let next = AtomicUsize::new(0);
    let work = || {
        let mut damaged = BTreeSet::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number < DAMAGED {
                damaged.insert(damage(&site, number));
            } else if let Some(number) = number.checked_sub(DAMAGED).filter(|number| *number < NEAR_MISSES) {
                near_miss(&site, number);
            } else if number < DAMAGED + NEAR_MISSES + plain {
                let metadata = json!({ "labels": { "app.kubernetes.io/name": "shop" }, "annotations": { "ci.example.com/note": "kept" } });
                site.create("tkn", &run(kind_by(number), "run", number, metadata));
            } else {
                return damaged;
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// What the program said, and what it took.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
    /// The most memory that it held, as the kernel counts it.
    peak_kib: u64,
    took: Duration,
}

fn audit(kubeconfig: &Path, arguments: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let file = |name| File::create(folder.path().join(name)).unwrap();
    let began = Instant::now();
    let mut child = Command::new(binary(Path::new(env!("CARGO_BIN_EXE_runstamp"))))
        .arg("audit")
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .stdout(file("out"))
        .stderr(file("err"))
        .spawn()
        .unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak_kib = 0;
    let code = loop {
        // The kernel forgets it with the process, so it is asked for until then.
        let held = fs::read_to_string(&status).unwrap_or_default();
        let held = held.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let held = held.and_then(|text| text.split_whitespace().next()?.parse().ok());
        peak_kib = peak_kib.max(held.unwrap_or_default());
        if let Some(ended) = child.try_wait().unwrap() {
            break ended.code();
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
    Said {
        code,
        out: read("out"),
        err: read("err"),
        peak_kib,
        took: began.elapsed(),
    }
}

/// The lines of the JSON form of a kind.
fn lines(said: &Said, kind: &str) -> Vec<Value> {
    let all = said
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|line| line["kind"] == kind).collect()
}

fn found(said: &Said) -> BTreeSet<(String, String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    lines(said, "AuditFinding")
        .iter()
        .map(|line| {
            let run = &line["run"];
            (
                text(&run["kind"]),
                text(&run["namespace"]),
                text(&run["name"]),
                text(&line["findings"][0]["reason"]),
            )
        })
        .collect()
}

/// The rights that the operations manual gives to whoever audits, bound to a service account.
fn grant(cluster: &Cluster) -> PathBuf {
    let (_, rest) = OPERATIONS.split_once("# Who may audit\n").unwrap();
    let role = yaml(rest.split("\n```").next().unwrap());
    assert_eq!(role["rules"][0]["verbs"], json!(["list"]), "reading is enough");
    let rights = "/apis/rbac.authorization.k8s.io/v1";
    // In this cluster everybody may do everything with Runs, until now.
    let everybody = format!("{rights}/clusterrolebindings/runs");
    assert!(cluster.admin(Method::DELETE, &everybody, None).is_success());
    cluster.create_object(&format!("{rights}/clusterroles"), &role);
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "auditor" } });
    cluster.create_object("/api/v1/namespaces/ci/serviceaccounts", &account);
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": "auditor" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"] },
        "subjects": [{ "kind": "ServiceAccount", "namespace": "ci", "name": "auditor" }],
    });
    cluster.create_object(&format!("{rights}/clusterrolebindings"), &binding);
    cluster.plane().access().token_kubeconfig("ci", "auditor").unwrap()
}

#[test]
fn of_ten_thousand_runs_exactly_the_damaged_ones_are_found() {
    let Some(cluster) = Cluster::start(&manifests::crds().unwrap()).unwrap() else {
        return;
    };
    let began = Instant::now();
    let damaged = fill(&cluster);
    assert_eq!(damaged.len(), DAMAGED);
    let filled = began.elapsed();
    let auditor = grant(&cluster);
    wait_until("the auditor may list", || {
        let said = audit(&auditor, &["-n", "default"]);
        expect(said.code == Some(0), &said.err)
    });

    let said = audit(&auditor, &["-A", "-o", "json"]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    let expected: BTreeSet<_> = (damaged.iter().cloned())
        .map(|(kind, namespace, name, reason)| (kind, namespace, name, reason.to_owned()))
        .collect();
    assert_eq!(found(&said), expected);
    let summary = &lines(&said, "AuditSummary")[0];
    let sum = |counts: &Value| {
        counts
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_u64)
            .sum::<u64>()
    };
    assert_eq!(sum(&summary["runs"]), RUNS as u64, "{summary}");
    assert_eq!(sum(&summary["found"]), DAMAGED as u64, "{summary}");
    assert_eq!(summary["complete"], true);
    assert!(
        said.peak_kib > 0 && said.peak_kib < MOST_MEMORY_KIB,
        "{} KiB",
        said.peak_kib
    );
    say(&format!(
        "audit of {RUNS} Runs, {DAMAGED} of them damaged and {NEAR_MISSES} near misses: found {}, {:.1} s, {} MiB at most (filling took {:.1} s)",
        found(&said).len(),
        said.took.as_secs_f64(),
        said.peak_kib / 1024,
        filled.as_secs_f64(),
    ));

    let of_namespace = |said: &Said| found(said).into_iter().filter(|found| found.1 == "ci").count();
    let said = audit(&auditor, &["-n", "ci", "-o", "json"]);
    assert_eq!(found(&said).len(), of_namespace(&said));
    assert_eq!(
        found(&said),
        expected.iter().filter(|found| found.1 == "ci").cloned().collect()
    );
    let said = audit(&auditor, &["-A", "-l", &format!("{EVENT_ID}={EVENT}"), "-o", "json"]);
    let of_event = |found: &&(String, String, String, String)| found.2.starts_with("event-");
    assert_eq!(found(&said), expected.iter().filter(of_event).cloned().collect());

    without_a_right(&cluster, &auditor, &expected);
    as_a_dump(&cluster, &expected);
}

/// A kind that may not be listed is named, and the others are looked at all the same.
fn without_a_right(cluster: &Cluster, auditor: &Path, expected: &BTreeSet<(String, String, String, String)>) {
    let rules =
        json!([{ "apiGroups": ["tekton.dev"], "resources": ["pipelineruns", "customruns"], "verbs": ["list"] }]);
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/runstamp-audit";
    let patch = json!({ "rules": rules });
    let merge = "application/merge-patch+json";
    let answer = cluster
        .plane()
        .request(&User::Admin, Method::PATCH, path, merge, Some(&patch));
    assert!(answer.unwrap().is_success());
    let missing = "error: expected the right to list taskruns.tekton.dev in all namespaces, found none\n";
    wait_until("the right is gone", || {
        let said = audit(auditor, &["-A", "-l", "app=none"]);
        expect(said.code == Some(2) && said.err == missing, &said.err)
    });
    let said = audit(auditor, &["-A", "-o", "json"]);
    assert_eq!((said.code, said.err.as_str()), (Some(2), missing));
    let is_left = |found: &&(String, String, String, String)| found.0 != "TaskRun" && found.3 != "ForeignChild";
    assert_eq!(found(&said), expected.iter().filter(is_left).cloned().collect());
    assert_eq!(lines(&said, "AuditSummary")[0]["complete"], false);
}

/// The same from what kubectl prints.
fn as_a_dump(cluster: &Cluster, expected: &BTreeSet<(String, String, String, String)>) {
    let get = [
        "get",
        "pipelineruns,taskruns,customruns",
        "-A",
        "-o",
        "json",
        "--show-managed-fields",
    ];
    let dump = cluster
        .plane()
        .kubectl(&User::Admin, &get, "")
        .unwrap()
        .succeeded()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.json");
    fs::write(&path, &dump.stdout).unwrap();
    let said = audit(Path::new("/nowhere"), &["-f", path.to_str().unwrap(), "-o", "json"]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    assert_eq!(found(&said), *expected);
    assert!(said.peak_kib < MOST_MEMORY_KIB, "{} KiB", said.peak_kib);
    say(&format!(
        "audit of a dump of {} MiB: {:.1} s, {} MiB at most",
        dump.stdout.len() / (1024 * 1024),
        said.took.as_secs_f64(),
        said.peak_kib / 1024
    ));
}

/// What the listing of an audit rests on: the API server forgets what was, and offers to go on from the same place.
#[test]
fn a_listing_that_has_expired_is_offered_a_place_to_go_on() {
    // Its cache would remember for a while.
    let arguments = ["--watch-cache=false".to_owned()];
    let Some(cluster) = Cluster::start_with(&manifests::crds().unwrap(), &arguments).unwrap() else {
        return;
    };
    let site = Site::new(&cluster);
    for number in 0..3 {
        site.create("tkn", &run("TaskRun", "run", number * NAMESPACES.len(), json!({})));
    }
    let list = "/apis/tekton.dev/v1/taskruns?limit=1";
    let first = cluster.admin(Method::GET, list, None).body;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (mut answer, mut times) = (None, 0);
    wait_until("the listing has expired", || {
        times += 1;
        let label = json!({ "labels": { "written": format!("{times}-times") } });
        site.write(&first["items"][0], "tkn", Write::Patch, &label);
        cluster.plane().compact_etcd().unwrap();
        let page = cluster.admin(Method::GET, &format!("{list}&continue={token}"), None);
        let is_expired = page.code == 410;
        let seen = expect(is_expired, &page);
        answer = Some(page);
        seen
    });
    let offered = answer.unwrap().body["metadata"]["continue"]
        .as_str()
        .unwrap()
        .to_owned();
    let rest = cluster
        .admin(
            Method::GET,
            &format!("/apis/tekton.dev/v1/taskruns?continue={offered}"),
            None,
        )
        .body;
    let names = rest["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["metadata"]["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["run-4", "run-8"]);
}

#[test]
fn the_printed_commands_take_away_what_was_found() {
    let Some(cluster) = Cluster::start(&manifests::crds().unwrap()).unwrap() else {
        return;
    };
    let site = Site::new(&cluster);
    let damaged: Vec<Damage> = (0..DAMAGED).map(|number| damage(&site, number)).collect();
    let admin = cluster.plane().kubeconfig(&User::Admin).unwrap();
    let said = audit(&admin, &["-A", "-o", "json"]);
    assert_eq!(found(&said).len(), DAMAGED, "{}", said.err);
    let commands: Vec<String> = lines(&said, "AuditFinding")
        .iter()
        .flat_map(|line| line["commands"].as_array().unwrap().clone())
        .map(|command| command.as_str().unwrap().to_owned())
        .collect();
    let programs = cluster.plane().kubectl_program().parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(command) = commands.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut shell = Command::new("sh");
                    shell
                        .args(["-c", command])
                        .env("PATH", &path)
                        .env("KUBECONFIG", &admin)
                        .env("NO_PROXY", "*");
                    let output = shell.output().unwrap();
                    let said = String::from_utf8_lossy(&output.stderr).into_owned();
                    assert!(output.status.success(), "{command}: {said}");
                }
            });
        }
    });
    // For these nobody can say by a command what is right.
    let is_left = |damage: &&Damage| ["ForeignChild", "ForeignStatus", "Violation"].contains(&damage.3);
    let left: BTreeSet<_> = (damaged.iter().filter(is_left).cloned())
        .map(|(kind, namespace, name, reason)| (kind, namespace, name, reason.to_owned()))
        .collect();
    assert_eq!(left.len(), 3);
    assert_eq!(found(&audit(&admin, &["-A", "-o", "json"])), left);
}
