//! The installation as it is shipped: applied with kubectl, replicas started as its Deployment says, and deleted again
//! in the words of the documentation.

use std::net::SocketAddr;
use std::path::PathBuf;

use hyper::Method;
use serde_json::Value;

use crate::installation::stage::{NAMESPACE, expect, wait_until};
use crate::support::control_plane::{ControlPlane, User};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What `manifests/` is called in commands.
const SHIPPED: &str = "manifests/";

/// How a container of the Deployment is started.
pub(crate) struct Container {
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, PathBuf)>,
}

/// Installs everything; the address of the Service.
pub(crate) fn install(plane: &ControlPlane) -> SocketAddr {
    kubectl(plane, "kubectl apply -k manifests/", &[]);
    let service = read(plane, "/api/v1/namespaces/runstamp/services/runstamp");
    let address = service["spec"]["clusterIP"].as_str().unwrap();
    format!("{address}:{}", service["spec"]["ports"][0]["port"])
        .parse()
        .unwrap()
}

/// What the kubelet makes of the Deployment for a Pod of this name.
pub(crate) fn container(plane: &ControlPlane, pod: &str) -> Container {
    let deployment = read(plane, "/apis/apps/v1/namespaces/runstamp/deployments/runstamp");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let mut arguments = texts(&container["args"]);
    assert_eq!(arguments.remove(0), "serve", "{container}");
    let variables = container["env"].as_array().into_iter().flatten();
    let environment = variables.map(|variable| {
        let value = match variable
            .pointer("/valueFrom/fieldRef/fieldPath")
            .and_then(Value::as_str)
        {
            Some("metadata.namespace") => NAMESPACE,
            Some("metadata.name") => pod,
            _ => variable["value"]
                .as_str()
                .unwrap_or_else(|| panic!("no kubelet is here that would know {variable}")),
        };
        (variable["name"].as_str().unwrap().to_owned(), PathBuf::from(value))
    });
    Container {
        arguments,
        environment: environment.collect(),
    }
}

/// Deletes everything with the commands of `docs/operations.md`, in their order; something may happen after the first.
pub(crate) fn uninstall(plane: &ControlPlane, meanwhile: impl FnOnce()) {
    let document = std::fs::read_to_string(format!("{ROOT}/docs/operations.md")).unwrap();
    let (_, section) = document.split_once("\n## Uninstall\n").unwrap();
    // What comes before is about alerts, which this cluster has no kinds for.
    let blocks = section.split("```sh\n").skip(1);
    let block = blocks.map(|block| block.split_once("\n```").unwrap().0);
    let block = block
        .into_iter()
        .find(|block| block.contains("webhookconfiguration"))
        .unwrap();
    let mut meanwhile = Some(meanwhile);
    for command in block.lines() {
        // No controller is here that would empty the namespace.
        kubectl(plane, command, &["--wait=false"]);
        if let Some(meanwhile) = meanwhile.take() {
            meanwhile();
        }
    }
}

/// What the namespace controller does: deletes what is left in the namespace that is to go, and lets it go.
pub(crate) fn empty_namespace(plane: &ControlPlane) {
    let kinds = kubectl(plane, "kubectl api-resources --namespaced --verbs=delete -o name", &[]);
    let mut kinds: Vec<&str> = kinds.lines().collect();
    // Two names of one kind.
    kinds.retain(|kind| *kind != "events");
    let kinds = kinds.join(",");
    kubectl(plane, "kubectl delete --all -n runstamp", &[&kinds]);
    let path = "/api/v1/namespaces/runstamp";
    let mut namespace = read(plane, path);
    assert!(namespace["metadata"]["deletionTimestamp"].is_string(), "{namespace}");
    namespace["spec"]["finalizers"] = Value::Array(Vec::new());
    let finalize = format!("{path}/finalize");
    let answer = plane
        .request(
            &User::Admin,
            Method::PUT,
            &finalize,
            "application/json",
            Some(&namespace),
        )
        .unwrap();
    assert!(answer.is_success(), "{answer:?}");
    wait_until("the namespace is gone", || {
        let answer = plane.request(&User::Admin, Method::GET, path, "application/json", None);
        let answer = answer.map_err(|error| format!("{error:#}"))?;
        expect(answer.code == 404, &answer)
    });
}

/// Everything of Runstamp that is left, by label or by name; Events stay on purpose.
pub(crate) fn leftovers(plane: &ControlPlane) -> Vec<String> {
    let kinds = kubectl(plane, "kubectl api-resources --verbs=list -o name", &[]);
    let mut kinds: Vec<&str> = kinds.lines().collect();
    kinds.retain(|kind| !kind.starts_with("events"));
    let kinds = kinds.join(",");
    let labelled = ["-l", "app.kubernetes.io/part-of=runstamp", &kinds];
    let all = "kubectl get -A -o name --ignore-not-found";
    let mut left: Vec<String> = kubectl(plane, all, &labelled).lines().map(str::to_owned).collect();
    let named = kubectl(plane, all, &[&kinds]);
    left.extend(
        named
            .lines()
            .filter(|name| name.contains("runstamp"))
            .map(str::to_owned),
    );
    left
}

/// Runs a command as it stands in the documentation, as the administrator, who must not be refused.
#[track_caller]
pub(crate) fn kubectl(plane: &ControlPlane, command: &str, more: &[&str]) -> String {
    let words = command.strip_prefix("kubectl ").unwrap().split(' ');
    let folder = format!("{ROOT}/{SHIPPED}");
    let words = words.map(|word| if word == SHIPPED { folder.as_str() } else { word });
    let arguments: Vec<&str> = words.chain(more.iter().copied()).collect();
    let answer = plane.kubectl(&User::Admin, &arguments, "").unwrap();
    assert_eq!(answer.code, 0, "{command}: {answer:#?}");
    answer.stdout
}

#[track_caller]
fn read(plane: &ControlPlane, path: &str) -> Value {
    let answer = plane
        .request(&User::Admin, Method::GET, path, "application/json", None)
        .unwrap();
    assert!(answer.is_success(), "{path}: {answer:?}");
    answer.body
}

/// The texts of a list.
pub(crate) fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}
