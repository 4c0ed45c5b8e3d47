//! The installation on a fresh API server: applied, applied again, overlaid, charted, and gone again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use hyper::Method;
use serde_json::{Value, json};

use crate::cluster::casts::pipeline_run;
use crate::cluster::stage::{ALICE, Cluster, admitted, expect, wait_until};
use crate::golden::agrees_with_golden;
use crate::support::control_plane::User;
use crate::support::control_plane::programs::say;
use crate::support::helm::{self, Helm};
use crate::support::manifests;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests");

/// The overlays, and the flags that say the same.
const OVERLAYS: [(&str, &[&str]); 5] = [
    ("manifests", &[]),
    ("manifests/overlays/cert-manager", &["--tls", "cert-manager"]),
    ("manifests/overlays/observe", &["--observe"]),
    ("manifests/overlays/single-replica", &["--replicas", "1"]),
    (
        "manifests/overlays/openshift",
        &["--policies", "policies/optional/openshift"],
    ),
];

/// Values of the chart, and the flags that say the same.
const CHARTED: [(&[&str], &[&str]); 6] = [
    (&[], &[]),
    (&["tls.mode=cert-manager"], &["--tls", "cert-manager"]),
    (
        &["tls.mode=files", "failurePolicy=Ignore"],
        &["--tls", "files", "--failure-policy", "Ignore"],
    ),
    (&["observe=true", "replicas=3"], &["--observe", "--replicas", "3"]),
    (
        &[
            "image.repository=registry.example.com/ci/runstamp",
            "image.tag=1.2.3",
            "policies.starter=false",
        ],
        &["--image", "registry.example.com/ci/runstamp:1.2.3", "--no-starter"],
    ),
    (
        &[
            "controllers={system:serviceaccount:tekton-pipelines:tekton-pipelines-controller,system:serviceaccount:openshift-pipelines:tekton-pipelines-controller}",
        ],
        &["--policies", "policies/optional/openshift"],
    ),
];

/// An API server of its own, since these webhooks hold for every namespace; one test at a time.
fn fresh() -> Option<(MutexGuard<'static, ()>, &'static Cluster)> {
    static TURN: Mutex<()> = Mutex::new(());
    static CLUSTER: OnceLock<Result<Option<Cluster>, String>> = OnceLock::new();
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let start = || Cluster::start(&manifests::crds().unwrap()).map_err(|error| format!("{error:#}"));
    let cluster = CLUSTER
        .get_or_init(start)
        .as_ref()
        .unwrap_or_else(|error| panic!("{error}"));
    Some((turn, cluster.as_ref()?))
}

/// What kubectl prints for the administrator, who must not be refused.
#[track_caller]
fn kubectl(cluster: &Cluster, arguments: &[&str], stdin: &str) -> String {
    let answer = cluster.plane().kubectl(&User::Admin, arguments, stdin).unwrap();
    assert_eq!(answer.code, 0, "kubectl {arguments:?}: {answer:#?}");
    answer.stdout
}

#[track_caller]
fn printed(flags: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runstamp"));
    let output = command.arg("manifests").args(flags).current_dir(ROOT).output().unwrap();
    assert!(output.status.success(), "{flags:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Documents by what they are.
#[track_caller]
fn by_name(text: &str) -> BTreeMap<String, Value> {
    let documents = manifests::parse(text).unwrap();
    let count = documents.len();
    let name = |document: &Value| {
        let text = |pointer| document.pointer(pointer).and_then(Value::as_str).unwrap();
        format!("{} {}", text("/kind"), text("/metadata/name"))
    };
    let all: BTreeMap<String, Value> = documents
        .into_iter()
        .map(|document| (name(&document), document))
        .collect();
    assert_eq!(all.len(), count, "two documents are one object");
    all
}

#[track_caller]
fn assert_same(found: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>, what: &str) {
    let names = |all: &BTreeMap<String, Value>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected), "{what}");
    for (name, document) in found {
        assert_eq!(document, &expected[name], "{what}: {name}");
    }
}

#[test]
fn what_is_printed_is_what_kustomize_builds() {
    let Some((_turn, cluster)) = fresh() else { return };
    for (folder, flags) in OVERLAYS {
        let mut built = by_name(&kubectl(cluster, &["kustomize", &format!("{ROOT}/{folder}")], ""));
        if let Some(mut policies) = built.remove("ConfigMap runstamp-openshift-policies") {
            // A flag cannot know what an overlay calls its files.
            policies["metadata"]["name"] = json!("runstamp-policies");
            built.insert("ConfigMap runstamp-policies".to_owned(), policies);
        }
        assert_same(&by_name(&printed(flags)), &built, folder);
    }
    let overlays = fs::read_dir(format!("{SHIPPED}/overlays")).unwrap().count();
    assert_eq!(overlays + 1, OVERLAYS.len(), "an overlay is not compared");
}

#[test]
fn the_forms_hold_the_same() {
    for (_, flags) in OVERLAYS {
        let list: Value = serde_json::from_str(&printed(&[flags, &["-o", "json"]].concat())).unwrap();
        assert_eq!(list["kind"], "List");
        let documents = manifests::parse(&printed(flags)).unwrap();
        assert_eq!(list["items"], json!(documents));
    }
}

#[test]
fn what_cannot_be_printed_is_said() {
    for (flags, expected) in [
        (&["--namespace", "Not_One"][..], "expected the name of a namespace"),
        (
            &["--engine", "map", "--replicas", "2", "--observe"],
            "found --replicas, --observe; leave it out",
        ),
        (&["--policies", "no/such/folder"], "no/such/folder"),
        (&["--replicas", "0"], "--replicas"),
        (&["--policies", "tests/compile/err"], "the policies hold mistakes"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runstamp"));
        let output = command.arg("manifests").args(flags).current_dir(ROOT).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(expected) && output.stdout.is_empty(), "{flags:?}: {said}");
    }
}

/// As a replica does, under a field manager of its own.
fn publish_authority(cluster: &Cluster) {
    for configuration in manifests::webhooks().unwrap() {
        let kind = configuration["kind"].as_str().unwrap();
        let count = configuration["webhooks"].as_array().unwrap().len();
        let add = |index| json!({ "op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": cluster.plane().ca_bundle() });
        let patch = json!((0..count).map(add).collect::<Vec<_>>()).to_string();
        let arguments = [
            "patch",
            kind,
            "runstamp.dev",
            "--field-manager=runstamp",
            "--type=json",
            "-p",
            &patch,
        ];
        kubectl(cluster, &arguments, "");
    }
}

#[track_caller]
fn assert_authority(cluster: &Cluster, after: &str) {
    let kinds = "mutatingwebhookconfiguration,validatingwebhookconfiguration";
    let bundles = "jsonpath={range .items[*].webhooks[*]}{.clientConfig.caBundle}{\"\\n\"}{end}";
    let found = kubectl(cluster, &["get", kinds, "-o", bundles], "");
    let bundle = cluster.plane().ca_bundle();
    assert_eq!(found.lines().collect::<Vec<_>>(), [bundle.as_str(); 6], "after {after}");
}

#[test]
fn applying_again_changes_nothing_and_keeps_the_authority() {
    let Some((_turn, cluster)) = fresh() else { return };
    let client = ["apply", "-k", SHIPPED];
    let server = ["apply", "--server-side", "-k", SHIPPED];
    assert_eq!(kubectl(cluster, &client, "").lines().count(), 13);
    publish_authority(cluster);
    let versions = "jsonpath={range .items[*]}{.kind} {.metadata.resourceVersion}{\"\\n\"}{end}";
    let versions = || kubectl(cluster, &["get", "-k", SHIPPED, "-o", versions], "");
    let before = versions();
    kubectl(cluster, &client, "");
    assert_eq!(versions(), before, "kubectl apply changes what is applied");
    assert_authority(cluster, "kubectl apply");
    for _ in 0..2 {
        kubectl(cluster, &server, "");
        assert_authority(cluster, "kubectl apply --server-side");
    }
    kubectl(cluster, &client, "");
    assert_authority(cluster, "kubectl apply after kubectl apply --server-side");
    // What is printed is no other installation.
    let before = versions();
    kubectl(cluster, &["apply", "-f", "-"], &printed(&[]));
    assert_eq!(versions(), before, "runstamp manifests prints something else");
    // An upgrade that changes the webhooks themselves.
    kubectl(
        cluster,
        &["apply", "-f", "-"],
        &printed(&["--failure-policy", "Ignore"]),
    );
    assert_authority(cluster, "kubectl apply with another failure policy");
    uninstall(cluster);

    assert_eq!(kubectl(cluster, &server, "").lines().count(), 13);
    publish_authority(cluster);
    kubectl(cluster, &server, "");
    assert_authority(cluster, "kubectl apply --server-side from the beginning");
    uninstall(cluster);
}

#[test]
fn every_overlay_is_accepted() {
    let Some((_turn, cluster)) = fresh() else { return };
    kubectl(cluster, &["apply", "-k", SHIPPED], "");
    for (folder, _) in OVERLAYS {
        let built = kubectl(cluster, &["kustomize", &format!("{ROOT}/{folder}")], "");
        let mut documents = manifests::parse(&built).unwrap();
        // cert-manager is not there, so nothing serves its kinds.
        let all = documents.len();
        documents.retain(|document| document["apiVersion"] != "cert-manager.io/v1");
        let expected = if folder.ends_with("cert-manager") { 4 } else { 0 };
        assert_eq!(all - documents.len(), expected, "{folder}");
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": documents }).to_string();
        let arguments = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            "-",
        ];
        kubectl(cluster, &arguments, &list);
    }
    uninstall(cluster);
}

/// Names go into CEL, which the API server compiles when it is registered.
#[test]
fn every_pack_and_every_name_is_accepted() {
    let Some((_turn, cluster)) = fresh() else { return };
    kubectl(cluster, &["create", "namespace", "runstamp"], "");
    let folder = tempfile::tempdir().unwrap();
    let names = "['system:serviceaccount:ci:tekton-*-controller', \"o'neill\", 'back\\slash', 'a*b*c']";
    let settings = format!(
        "apiVersion: runstamp.dev/v1alpha1\nkind: Settings\nmetadata: {{name: names}}\nspec:\n  identities: {{odd: {names}}}\n  controllers: [odd]\n  exempt: {{identities: [odd], groups: [\"o'neills\"]}}\n"
    );
    fs::write(folder.path().join("settings.yaml"), settings).unwrap();
    let mut packs: Vec<_> = fs::read_dir(format!("{ROOT}/policies/optional"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(packs.len() >= 3, "{packs:?}");
    packs.push(folder.path().to_owned());
    for pack in packs {
        for engine in ["webhook", "map"] {
            let text = printed(&["--engine", engine, "--policies", pack.to_str().unwrap()]);
            let mut documents = manifests::parse(&text).unwrap();
            documents.retain(|document| document["kind"] != "Namespace");
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": documents }).to_string();
            kubectl(
                cluster,
                &["create", "--dry-run=server", "--validate=strict", "-f", "-"],
                &list,
            );
        }
    }
    kubectl(cluster, &["delete", "namespace", "runstamp", "--wait=false"], "");
    empty_namespace(cluster);
}

/// The Pod that a Deployment would create.
fn pod(deployment: &Value) -> Value {
    let template = &deployment["spec"]["template"];
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "replica", "namespace": "runstamp", "labels": template["metadata"]["labels"] },
        "spec": template["spec"],
    })
}

#[test]
fn the_pods_are_admitted_under_the_strictest_standard() {
    let Some((_turn, cluster)) = fresh() else { return };
    kubectl(cluster, &["apply", "-k", SHIPPED], "");
    let path = "/api/v1/namespaces/runstamp/pods?dryRun=All";
    for (folder, flags) in OVERLAYS {
        let pod = pod(&by_name(&printed(flags))["Deployment runstamp"]);
        let mut privileged = pod.clone();
        privileged["spec"]["containers"][0]["securityContext"] = json!({});
        wait_until("the namespace's standard is in force", || {
            let answer = cluster.admin(Method::POST, path, Some(&privileged));
            expect(answer.code == 403 && answer.message().contains("PodSecurity"), &answer)
        });
        let answer = cluster.admin(Method::POST, path, Some(&pod));
        assert!(
            answer.is_success() && answer.warnings.is_empty(),
            "{folder}: {answer:#?}"
        );
    }
    uninstall(cluster);
}

/// What a replica may do in a namespace besides what any service account may.
fn rights(cluster: &Cluster, namespace: &str) -> BTreeSet<String> {
    let of_all = rights_of(cluster, "nobody", namespace);
    let rights = rights_of(cluster, "runstamp", namespace);
    rights.difference(&of_all).cloned().collect()
}

fn rights_of(cluster: &Cluster, account: &str, namespace: &str) -> BTreeSet<String> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": { "namespace": namespace },
    });
    let answer = cluster.plane().request(
        &User::service_account("runstamp", account),
        Method::POST,
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        "application/json",
        Some(&review),
    );
    let rules = admitted(answer.unwrap())["status"]["resourceRules"].clone();
    let words = |rule: &Value, field: &str| {
        let words = rule[field].as_array().into_iter().flatten();
        words.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut rights = BTreeSet::new();
    for rule in rules.as_array().unwrap() {
        for resource in words(rule, "resources") {
            let names = words(rule, "resourceNames").join(",");
            rights.insert(format!("{resource}({names}): {}", words(rule, "verbs").join(" ")));
        }
    }
    rights
}

#[test]
fn a_replica_may_do_what_it_needs_and_nothing_else() {
    let Some((_turn, cluster)) = fresh() else { return };
    kubectl(cluster, &["apply", "-k", SHIPPED], "");
    let everywhere = [
        "eventlisteners(): get",
        "events(): create patch",
        "mutatingwebhookconfigurations(runstamp.dev): get list watch patch",
        "namespaces(): list watch",
        "repositories(): get",
        "validatingwebhookconfigurations(runstamp.dev): get list watch patch",
    ];
    let at_home = [
        "configmaps(): get list watch create",
        "configmaps(runstamp-last-good-policies): update",
        "leases(): list watch create patch delete",
        "secrets(): create",
        "secrets(runstamp-certificates): get list watch update",
    ];
    let set = |lists: &[&[&str]]| lists.concat().into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    wait_until("the roles are bound", || {
        let found = rights(cluster, "runstamp");
        if found == set(&[&everywhere, &at_home]) {
            Ok(())
        } else {
            Err(format!("{found:#?}"))
        }
    });
    assert_eq!(rights(cluster, "default"), set(&[&everywhere]));

    // Whoever makes the certificate does the rest: nothing is left to write.
    let documents = manifests::parse(&printed(&["--tls", "files"])).unwrap();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": documents }).to_string();
    kubectl(cluster, &["apply", "-f", "-"], &list);
    let reading = everywhere.map(|right| {
        right.replace(
            "webhookconfigurations(runstamp.dev): get list watch patch",
            "webhookconfigurations(runstamp.dev): list watch",
        )
    });
    let reading = reading.each_ref().map(String::as_str);
    wait_until("the rights are fewer", || {
        let found = rights(cluster, "runstamp");
        if found == set(&[&reading, &at_home[..3]]) {
            Ok(())
        } else {
            Err(format!("{found:#?}"))
        }
    });
    uninstall(cluster);
}

/// The commands of docs/operations.md, in their order.
fn uninstall(cluster: &Cluster) {
    let document = fs::read_to_string(format!("{ROOT}/docs/operations.md")).unwrap();
    let commands = [
        "kubectl delete mutatingwebhookconfiguration,validatingwebhookconfiguration runstamp.dev",
        "kubectl delete -k manifests/ --ignore-not-found",
    ];
    for command in commands {
        assert!(
            document.lines().any(|line| line == command),
            "docs/operations.md does not say: {command}"
        );
        let mut arguments: Vec<&str> = command.split(' ').skip(1).collect();
        for argument in &mut arguments {
            if *argument == "manifests/" {
                *argument = SHIPPED;
            }
        }
        // Here no controller empties the namespace that is to go.
        arguments.push("--wait=false");
        kubectl(cluster, &arguments, "");
    }
    empty_namespace(cluster);
}

/// What the namespace controller does: deletes what is left in a namespace that is to go, and lets it go. Events are
/// among it: when it checks the addresses of Services, the API server writes some about a Service that was deleted.
fn empty_namespace(cluster: &Cluster) {
    let kinds = "secrets,configmaps,leases.coordination.k8s.io,events";
    kubectl(cluster, &["delete", kinds, "--all", "-n", "runstamp"], "");
    let path = "/api/v1/namespaces/runstamp";
    let mut namespace = cluster.admin(Method::GET, path, None).body;
    assert!(namespace["metadata"]["deletionTimestamp"].is_string(), "{namespace}");
    namespace["spec"]["finalizers"] = json!([]);
    let answer = cluster.admin(Method::PUT, &format!("{path}/finalize"), Some(&namespace));
    assert!(answer.is_success(), "{answer:?}");
    wait_until("the namespace is gone", || {
        let answer = cluster.admin(Method::GET, path, None);
        expect(answer.code == 404, &answer)
    });
}

/// Everything of Runstamp that is left, wherever it is.
fn leftovers(cluster: &Cluster) -> String {
    let kinds = kubectl(cluster, &["api-resources", "--verbs=list", "-o", "name"], "");
    let kinds = kinds.lines().collect::<Vec<_>>().join(",");
    let all = ["get", &kinds, "-A", "-o", "name", "--ignore-not-found"];
    let labelled = kubectl(
        cluster,
        &[&all[..], &["-l", "app.kubernetes.io/part-of=runstamp"]].concat(),
        "",
    );
    let named = kubectl(cluster, &all, "");
    let named = named
        .lines()
        .filter(|name| name.contains("runstamp") && !name.contains("tests.runstamp"));
    format!("{labelled}{}", named.collect::<Vec<_>>().join("\n"))
}

#[test]
fn uninstall_leaves_nothing_behind() {
    let Some((_turn, cluster)) = fresh() else { return };
    let run = pipeline_run("after-uninstall", &json!({}));
    let path = "/apis/tekton.dev/v1/namespaces/default/pipelineruns?dryRun=All";
    let create = || {
        cluster
            .plane()
            .request(&ALICE, Method::POST, path, "application/json", Some(&run))
            .unwrap()
    };

    kubectl(cluster, &["apply", "-k", SHIPPED], "");
    // What the replicas write.
    for (kind, name) in [
        ("secret", "runstamp-certificates"),
        ("configmap", "runstamp-last-good-policies"),
    ] {
        let generic: &[&str] = if kind == "secret" { &["generic"] } else { &[] };
        kubectl(
            cluster,
            &[&["create", "-n", "runstamp", kind], generic, &[name]].concat(),
            "",
        );
    }
    wait_until("the webhooks are in force, and nobody answers", || {
        let answer = create();
        expect(
            answer.code == 500 && answer.message().contains("runs.runstamp.dev"),
            &answer,
        )
    });
    assert_ne!(leftovers(cluster), "");
    uninstall(cluster);
    assert_eq!(leftovers(cluster), "");
    wait_until("nobody is asked any more", || {
        let answer = create();
        expect(answer.is_success(), &answer)
    });
}

/// Which edits of ConfigMaps are sent, made visible by a policy that refuses what nobody answers.
#[test]
fn edits_of_policies_are_sent_and_no_others() {
    let Some((_turn, cluster)) = fresh() else { return };
    kubectl(cluster, &["apply", "-k", SHIPPED], "");
    let labelled = |namespace: &str, name: &str, label: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": namespace, "labels": { "runstamp.dev/policies": label } },
        })
    };
    let path = |namespace: &str| format!("/api/v1/namespaces/{namespace}/configmaps?dryRun=All");
    let create = |namespace: &str, label: &str| {
        cluster.admin(
            Method::POST,
            &path(namespace),
            Some(&labelled(namespace, "tried", label)),
        )
    };
    let strict = r#"[{"op": "replace", "path": "/webhooks/2/failurePolicy", "value": "Fail"}]"#;
    let arguments = [
        "patch",
        "validatingwebhookconfiguration",
        "runstamp.dev",
        "--type=json",
        "-p",
        strict,
    ];
    kubectl(cluster, &arguments, "");
    let is_sent = |answer: &crate::support::control_plane::access::Answer| {
        answer.code == 500 && answer.message().contains("policies.runstamp.dev")
    };
    wait_until("the webhook is in force", || {
        let answer = create("runstamp", "true");
        expect(is_sent(&answer), &answer)
    });
    for (namespace, label) in [("runstamp", "false"), ("default", "true")] {
        let answer = create(namespace, label);
        assert!(answer.is_success(), "{namespace}, {label}: {answer:?}");
    }
    // Taking the label away takes the policies away: the old object is looked at too.
    let starter = "/api/v1/namespaces/runstamp/configmaps/runstamp-starter-policies?dryRun=All";
    let unlabelled = labelled("runstamp", "runstamp-starter-policies", "false");
    for (method, body) in [(Method::PUT, Some(&unlabelled)), (Method::DELETE, None)] {
        let answer = cluster.admin(method.clone(), starter, body);
        assert!(is_sent(&answer), "{method}: {answer:?}");
    }
    uninstall(cluster);
}

/// The policy files that a ConfigMap of `manifests/` holds, each as it is; `UPDATE_GOLDENS=1` writes them.
#[test]
fn the_config_maps_hold_the_policy_files() {
    for (manifest, folder) in [
        ("base/450-starter-policies.yaml", "policies/starter"),
        ("components/openshift/policies.yaml", "policies/optional/openshift"),
    ] {
        let path = Path::new(SHIPPED).join(manifest);
        let text = fs::read_to_string(&path).unwrap();
        let (head, _) = text.split_once("\ndata:\n").unwrap();
        let mut expected = format!("{head}\ndata:\n");
        let entries = fs::read_dir(Path::new(ROOT).join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries
            .filter(|file| file.extension().is_some_and(|ending| ending == "yaml"))
            .collect();
        files.sort();
        for file in &files {
            expected.push_str(&format!("  {}: |\n", file.file_name().unwrap().to_str().unwrap()));
            for line in fs::read_to_string(file).unwrap().lines() {
                expected.push_str(format!("    {line}").trim_end());
                expected.push('\n');
            }
        }
        assert!(agrees_with_golden(&path, &expected));
        let data = manifests::documents(&path).unwrap()[0]["data"].clone();
        assert_eq!(data.as_object().unwrap().len(), files.len());
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap();
            assert_eq!(data[name], fs::read_to_string(&file).unwrap(), "{name}");
        }
    }
}

/// helm, or one loud sentence.
fn helm() -> Option<std::path::PathBuf> {
    match helm::find_or_build().unwrap() {
        Helm::Found(path) => Some(path),
        Helm::Missing(sentence) => {
            let required = std::env::var("RUNSTAMP_CLUSTER").is_ok_and(|value| value == "required");
            assert!(!required, "{sentence} (RUNSTAMP_CLUSTER=required)");
            say(&format!("SKIPPED, nothing was proven about the chart: {sentence}"));
            None
        }
    }
}

#[test]
fn the_chart_installs_the_same() {
    let Some((_turn, cluster)) = fresh() else { return };
    let Some(helm) = helm() else { return };
    let home = tempfile::tempdir().unwrap();
    let kubeconfig = cluster.plane().kubeconfig(&User::Admin).unwrap();
    let chart = format!("{SHIPPED}/chart");
    let run = |arguments: &[&str]| helm::run(&helm, home.path(), &kubeconfig, arguments).unwrap();

    for (values, flags) in CHARTED {
        for namespace in ["runstamp", "ci-admission"] {
            let mut arguments = vec!["template", "runstamp", &chart, "--namespace", namespace];
            arguments.extend(values.iter().flat_map(|value| ["--set", *value]));
            let mut expected = by_name(&printed(&[flags, &["--namespace", namespace]].concat()));
            // helm makes the namespace itself; policies beside the starter are given to the chart as files.
            expected.remove(&format!("Namespace {namespace}")).unwrap();
            expected.remove("ConfigMap runstamp-policies");
            assert_same(
                &by_name(&run(&arguments)),
                &expected,
                &format!("{values:?} in {namespace}"),
            );
        }
    }
    let policies = Path::new(ROOT).join("policies/optional/openshift/settings.yaml");
    let value = format!("policies.files.settings\\.yaml={}", policies.display());
    let found = by_name(&run(&[
        "template",
        "runstamp",
        &chart,
        "--namespace",
        "runstamp",
        "--set-file",
        &value,
    ]));
    let expected = by_name(&printed(&["--policies", policies.to_str().unwrap()]));
    assert_eq!(
        found["ConfigMap runstamp-policies"],
        expected["ConfigMap runstamp-policies"]
    );

    let place = ["--namespace", "runstamp", "--create-namespace"];
    run(&[&["install", "runstamp", &chart], &place[..]].concat());
    publish_authority(cluster);
    run(&[&["upgrade", "runstamp", &chart, "--set", "replicas=3"], &place[..]].concat());
    assert_authority(cluster, "helm upgrade");
    run(&["rollback", "runstamp", "1", "--namespace", "runstamp"]);
    assert_authority(cluster, "helm rollback");
    run(&["uninstall", "runstamp", "--namespace", "runstamp"]);
    kubectl(cluster, &["delete", "namespace", "runstamp", "--wait=false"], "");
    empty_namespace(cluster);
    assert_eq!(leftovers(cluster), "");
}
