//! Every right of the shipped roles is needed, and none is missing.
//!
//! Each is taken away alone, and a replica that starts then, or does what is asked of it, misses exactly that one.

use std::collections::BTreeSet;
use std::time::Instant;

use hyper::Method;
use serde_json::{Value, json};

use crate::installation::casts::pipeline_run;
use crate::installation::certificates::Wish;
use crate::installation::replica::Replica;
use crate::installation::shipped::texts;
use crate::installation::stage::{Installation, NAMESPACE, expect, installation, wait_until};
use crate::support::control_plane::User;
use crate::support::control_plane::access::Answer;
use crate::support::control_plane::programs::say;

const JSON: &str = "application/json";
const ROLES: [&str; 2] = [
    "/apis/rbac.authorization.k8s.io/v1/namespaces/runstamp/roles/runstamp",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles/runstamp",
];
const SECRET: &str = "/api/v1/namespaces/runstamp/secrets/runstamp-certificates";
const CONFIG_MAPS: &str = "/api/v1/namespaces/runstamp/configmaps";
const LAST_GOOD: &str = "/api/v1/namespaces/runstamp/configmaps/runstamp-last-good-policies";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/runstamp/leases";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/rights/events";

/// What makes a replica use a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Every replica that starts.
    Start,
    /// There is no Secret.
    NoSecret,
    /// Somebody asks for a new certificate.
    Renewal,
    /// The entries of the webhook configurations have no caBundle.
    NoBundle,
    /// No policies were ever kept.
    NothingKept,
    /// What is kept is not what decides.
    OtherKept,
    /// A Run is refused that a service account creates.
    Refusal,
    /// So is another one like it.
    SecondRefusal,
    /// The Run that is refused names an EventListener.
    Listener,
    /// The Run that is refused names a Repository.
    Repository,
    /// The replica ends.
    End,
}

/// How a replica shows that it misses a right.
#[derive(Clone, Copy, Debug)]
enum Sign {
    /// `/readyz` says that exactly these are missing, and requests are not welcome.
    Missing(&'static [&'static str]),
    /// `/readyz` says why the policies are not kept.
    NotKept,
    /// The log says that it failed to do this.
    Failed(&'static str),
    /// The Event is about an object without a uid.
    NoUid,
    /// Its Lease stays.
    Lease,
}

/// A right, what makes a replica use it, how it shows that it misses it, and what breaks.
type Row = (&'static str, Need, Sign, &'static str);

const NO_CERTIFICATE: Sign = Sign::Missing(&["caBundle", "certificate"]);

/// What breaks without a right. Whoever adds one to the manifests says it here.
const BREAKS: [Row; 29] = [
    (
        "secrets/runstamp-certificates get",
        Need::NoBundle,
        NO_CERTIFICATE,
        "an authority is not published: the API server trusts no replica",
    ),
    (
        "secrets/runstamp-certificates list",
        Need::Start,
        NO_CERTIFICATE,
        "no certificate: never ready",
    ),
    (
        "secrets/runstamp-certificates watch",
        Need::Start,
        Sign::Failed("watch the Secret"),
        "a new certificate is shown only after a restart",
    ),
    (
        "secrets/runstamp-certificates update",
        Need::Renewal,
        Sign::Failed("write the Secret"),
        "nothing is renewed: the certificate expires",
    ),
    (
        "secrets create",
        Need::NoSecret,
        NO_CERTIFICATE,
        "a new installation never has a certificate: never ready",
    ),
    (
        "configmaps get",
        Need::Start,
        Sign::NotKept,
        "the last good policies are neither kept nor found",
    ),
    (
        "configmaps list",
        Need::Start,
        Sign::Missing(&["policies"]),
        "policies are not known: never ready",
    ),
    (
        "configmaps watch",
        Need::Start,
        Sign::Failed("watch the ConfigMaps"),
        "an edit decides only after a restart",
    ),
    (
        "configmaps create",
        Need::NothingKept,
        Sign::NotKept,
        "the last good policies are not kept from the start",
    ),
    (
        "configmaps/runstamp-last-good-policies update",
        Need::OtherKept,
        Sign::NotKept,
        "the last good policies are those of long ago",
    ),
    (
        "leases list",
        Need::Start,
        Sign::Failed("watch the Leases"),
        "replicas do not know of each other: no rotation ends",
    ),
    (
        "leases watch",
        Need::Start,
        Sign::Failed("watch the Leases"),
        "replicas that come and go are not noticed: no rotation ends",
    ),
    (
        "leases create",
        Need::Start,
        Sign::Failed("renew the Lease"),
        "a replica does not tell the others what it serves",
    ),
    (
        "leases patch",
        Need::Start,
        Sign::Failed("renew the Lease"),
        "a replica does not tell the others what it serves",
    ),
    (
        "leases delete",
        Need::End,
        Sign::Lease,
        "others wait for a replica that has ended; its Lease stays for ever",
    ),
    (
        "mutatingwebhookconfigurations/runstamp.dev get",
        Need::NoBundle,
        NO_CERTIFICATE,
        "an authority is not published",
    ),
    (
        "mutatingwebhookconfigurations/runstamp.dev list",
        Need::Start,
        NO_CERTIFICATE,
        "nobody knows who trusts whom: never ready",
    ),
    (
        "mutatingwebhookconfigurations/runstamp.dev watch",
        Need::Start,
        Sign::Failed("watch the webhook configurations"),
        "a caBundle that somebody empties stays empty",
    ),
    (
        "mutatingwebhookconfigurations/runstamp.dev patch",
        Need::NoBundle,
        NO_CERTIFICATE,
        "an authority is not published",
    ),
    (
        "validatingwebhookconfigurations/runstamp.dev get",
        Need::NoBundle,
        NO_CERTIFICATE,
        "an authority is not published",
    ),
    (
        "validatingwebhookconfigurations/runstamp.dev list",
        Need::Start,
        NO_CERTIFICATE,
        "nobody knows who trusts whom: never ready",
    ),
    (
        "validatingwebhookconfigurations/runstamp.dev watch",
        Need::Start,
        Sign::Failed("watch the webhook configurations"),
        "a caBundle that somebody empties stays empty",
    ),
    (
        "validatingwebhookconfigurations/runstamp.dev patch",
        Need::NoBundle,
        NO_CERTIFICATE,
        "an authority is not published",
    ),
    (
        "namespaces list",
        Need::Start,
        Sign::Missing(&["namespaces"]),
        "labels of namespaces are not known: never ready",
    ),
    (
        "namespaces watch",
        Need::Start,
        Sign::Failed("watch the namespaces"),
        "the labels of a new namespace are not known",
    ),
    (
        "events.events.k8s.io create",
        Need::Refusal,
        Sign::Failed("write an Event"),
        "nobody hears of a trigger's refused Run",
    ),
    (
        "events.events.k8s.io patch",
        Need::SecondRefusal,
        Sign::Failed("write an Event"),
        "an Event does not count",
    ),
    (
        "eventlisteners.triggers.tekton.dev get",
        Need::Listener,
        Sign::NoUid,
        "kubectl describe of the EventListener does not show the Event",
    ),
    (
        "repositories.pipelinesascode.tekton.dev get",
        Need::Repository,
        Sign::NoUid,
        "kubectl describe of the Repository does not show the Event",
    ),
];

/// A single right of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Right {
    role: usize,
    group: String,
    resource: String,
    name: Option<String>,
    verb: String,
}

impl Right {
    fn rule(&self) -> Value {
        let mut rule = json!({ "apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb] });
        if let Some(name) = &self.name {
            rule["resourceNames"] = json!([name]);
        }
        rule
    }

    /// As the table says it.
    fn words(&self) -> String {
        let group = match self.group.as_str() {
            "" | "coordination.k8s.io" | "admissionregistration.k8s.io" => String::new(),
            group => format!(".{group}"),
        };
        let name = self.name.as_ref().map_or(String::new(), |name| format!("/{name}"));
        format!("{}{group}{name} {}", self.resource, self.verb)
    }

    /// Whether the API server grants it.
    fn is_granted(&self, cluster: &Installation) -> bool {
        // Events are written where Runs are refused.
        let namespace = match (self.role, self.resource.as_str()) {
            (0, _) => NAMESPACE,
            (_, "events" | "eventlisteners" | "repositories") => "rights",
            _ => "",
        };
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": "system:serviceaccount:runstamp:runstamp",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:runstamp", "system:authenticated"],
                "resourceAttributes": {
                    "namespace": namespace,
                    "verb": self.verb,
                    "group": self.group,
                    "resource": self.resource,
                    "name": self.name.as_deref().unwrap_or_default(),
                },
            },
        });
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let answer = send(cluster, Method::POST, path, Some(&review));
        assert!(answer.is_success(), "{answer:?}");
        answer.body["status"]["allowed"] == true
    }
}

/// The rights of both roles as they are, each on its own.
fn rights(cluster: &Installation) -> Vec<Right> {
    let mut rights = Vec::new();
    for (role, path) in ROLES.iter().enumerate() {
        let object = send(cluster, Method::GET, path, None).body;
        for rule in object["rules"].as_array().unwrap() {
            let names = texts(&rule["resourceNames"]).into_iter().map(Some);
            let names: Vec<Option<String>> = names.collect();
            let names = if names.is_empty() { vec![None] } else { names };
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    for name in &names {
                        rights.extend(texts(&rule["verbs"]).into_iter().map(|verb| Right {
                            role,
                            group: group.clone(),
                            resource: resource.clone(),
                            name: name.clone(),
                            verb,
                        }));
                    }
                }
            }
        }
    }
    rights
}

/// Grants all rights but one, or all; before, all but this one were granted.
fn grant(cluster: &Installation, all: &[Right], without: Option<&Right>, before: Option<&Right>) {
    for (role, path) in ROLES.iter().enumerate() {
        let granted = all.iter().filter(|right| right.role == role && Some(*right) != without);
        let rules: Vec<Value> = granted.map(Right::rule).collect();
        let patch = json!({ "rules": rules });
        let merge = "application/merge-patch+json";
        let answer = cluster
            .plane()
            .request(&User::Admin, Method::PATCH, path, merge, Some(&patch));
        let answer = answer.unwrap();
        assert!(answer.is_success(), "{answer:?}");
    }
    wait_until("the API server has heard of the rights", || {
        let is_restored = before.is_none_or(|right| right.is_granted(cluster));
        let is_removed = without.is_none_or(|right| !right.is_granted(cluster));
        expect(is_restored && is_removed, &(before, without))
    });
}

fn send(cluster: &Installation, method: Method, path: &str, body: Option<&Value>) -> Answer {
    cluster.plane().request(&User::Admin, method, path, JSON, body).unwrap()
}

/// Which rights a log says are missing, as `VERB RESOURCE`.
fn missed(log: &str) -> BTreeSet<String> {
    // Quotes are escaped, some of them twice.
    let log = log.replace('\\', "");
    let after = log.split(" cannot ").skip(1);
    let words = after.map(|rest| {
        let mut words = rest.split(' ');
        let (verb, resource) = (words.next(), words.nth(1));
        let resource = resource.unwrap_or_default().trim_matches('"');
        format!("{} {resource}", verb.unwrap_or_default())
    });
    words.collect()
}

#[test]
fn every_right_is_needed_and_none_is_missing() {
    let Some(mut cluster) = installation() else { return };
    let begun = Instant::now();
    cluster.namespace("rights", json!({}));
    let (listener, repository) = install_what_runs_name(&cluster);
    let all = rights(&cluster);
    let said: BTreeSet<String> = all.iter().map(Right::words).collect();
    let known = BREAKS
        .iter()
        .map(|row| row.0.to_owned())
        .filter(|words| !words.is_empty());
    assert_eq!(
        said,
        known.collect::<BTreeSet<_>>(),
        "the table and the manifests differ"
    );

    while !cluster.replicas().is_empty() {
        cluster.end_oldest();
    }
    cluster.wait_for_ends();
    nothing_is_missed(&mut cluster, &listener, &repository);

    let (mut table, mut before) = (String::new(), None);
    for right in &all {
        let words = right.words();
        let row = BREAKS.iter().find(|row| row.0 == words).unwrap();
        prepare(&cluster, row.1);
        grant(&cluster, &all, Some(right), before);
        before = Some(right);
        let seen = miss(&mut cluster, right, row);
        table.push_str(&format!("\n  {words}: {}\n      {seen}", row.3));
    }
    grant(&cluster, &all, None, before);
    say(&format!(
        "{} rights, each taken away alone, in {:.1} s:{table}",
        all.len(),
        begun.elapsed().as_secs_f64()
    ));
}

/// Makes the cluster one in which a replica needs something.
fn prepare(cluster: &Installation, need: Need) {
    let remove = |path: &str| {
        let answer = send(cluster, Method::DELETE, path, None);
        assert!(answer.is_success() || answer.code == 404, "{answer:?}");
    };
    match need {
        Need::NoSecret => {
            remove(SECRET);
            // Or whoever starts waits for one that knows the old authority.
            cluster.empty_bundles();
        }
        Need::NoBundle => cluster.empty_bundles(),
        Need::Renewal => drop(cluster.ask_for(Wish::Renewal)),
        Need::NothingKept => remove(LAST_GOOD),
        Need::OtherKept => {
            remove(LAST_GOOD);
            let name = "runstamp-last-good-policies";
            let other = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
            let answer = send(cluster, Method::POST, CONFIG_MAPS, Some(&other));
            assert!(answer.is_success(), "{answer:?}");
        }
        Need::Start | Need::Refusal | Need::SecondRefusal | Need::Listener | Need::Repository | Need::End => {}
    }
}

/// Lets a replica miss a right, and nothing else; what shows that.
fn miss(cluster: &mut Installation, right: &Right, row: &Row) -> String {
    let (_, need, sign, _) = row;
    let (words, expected) = (right.words(), format!("{} {}", right.verb, right.resource));
    let mut replica = cluster.launch();
    let name = replica.name.clone();
    let mut is_ended = false;
    let seen = match need {
        Need::Listener | Need::Repository => {
            refuse_with(cluster, &mut replica, *need);
            let event = event_of(cluster, &name, |_| true);
            assert_eq!(event["regarding"].get("uid"), None, "{words}: {event}");
            format!("the Event is about {}", event["regarding"])
        }
        Need::Refusal => {
            refuse_with(cluster, &mut replica, *need);
            missed_by(&replica, &expected, *sign)
        }
        Need::SecondRefusal => {
            refuse_with(cluster, &mut replica, *need);
            event_of(cluster, &name, |_| true);
            refuse(cluster, &name, &json!({}));
            // What waits is written before the end.
            replica.ask_to_end();
            let seen = missed_by(&replica, &expected, *sign);
            is_ended = true;
            seen
        }
        Need::End => {
            let lease = format!("{LEASES}/{name}");
            wait_until("the replica has a Lease", || {
                let answer = send(cluster, Method::GET, &lease, None);
                expect(answer.is_success(), &answer)
            });
            replica.wait_until_ready();
            replica.ask_to_end();
            is_ended = true;
            format!("the Lease {name} is still there")
        }
        _ => missed_by(&replica, &expected, *sign),
    };
    cluster.balancer().forget(&name);
    let log = if is_ended {
        replica.wait_for_end_with_log()
    } else {
        let log = replica.log();
        replica.kill();
        log
    };
    if *need == Need::End {
        let answer = send(cluster, Method::GET, &format!("{LEASES}/{name}"), None);
        assert!(answer.is_success(), "{words}: {answer:?}");
    }
    let others: Vec<String> = missed(&log).into_iter().filter(|missed| *missed != expected).collect();
    assert_eq!(others, [""; 0], "without {words}:\n{log}");
    cluster.remove_leases_of_the_dead();
    seen
}

/// Waits until a replica says that it misses a right; what it says.
fn missed_by(replica: &Replica, expected: &str, sign: Sign) -> String {
    let mut seen = String::new();
    wait_until("the replica misses a right", || {
        let log = replica.log();
        expect(missed(&log).contains(expected), &(expected, &log))?;
        let report = replica.readiness().unwrap_or_default();
        let shown = match sign {
            Sign::Missing(names) => (report["missing"] == json!(names)).then(|| format!("missing: {names:?}")),
            Sign::NotKept => report["notKept"].as_str().map(|why| format!("notKept: {why}")),
            Sign::Failed(what) => {
                let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
                let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
                let mut said = lines.map(|line| format!("{}: {}", text(&line, "message"), text(&line, "error")));
                let what = format!("failed to {what}");
                said.find(|line| line.contains(&what) && line.contains(" cannot "))
                    .map(|line| format!("log: {line}"))
            }
            Sign::NoUid | Sign::Lease => None,
        };
        seen = shown.ok_or_else(|| format!("expected {sign:?}, found {report}\n{log}"))?;
        Ok(())
    });
    seen
}

/// With all its rights a replica does everything that one ever does, and is never refused.
fn nothing_is_missed(cluster: &mut Installation, listener: &Value, repository: &Value) {
    prepare(cluster, Need::NoSecret);
    prepare(cluster, Need::NothingKept);
    cluster.add_replica();
    let kept = || send(cluster, Method::GET, LAST_GOOD, None).body["metadata"]["resourceVersion"].clone();
    wait_until("policies are kept", || expect(kept() != Value::Null, &kept()));
    let first = kept();
    cluster.edit();
    cluster.wait_until_live();
    wait_until("the edit is kept", || expect(kept() != first, &first));
    let asked = cluster.ask_for(Wish::Renewal);
    cluster.wait_until_granted(&asked);
    cluster.empty_bundles();
    cluster.wait_until_published();
    let name = cluster.replicas()[0].name.clone();
    for (labels, object) in [
        (json!({ "triggers.tekton.dev/eventlistener": "github" }), listener),
        (json!({ "pipelinesascode.tekton.dev/repository": "shop" }), repository),
    ] {
        wait_until("Runs are refused", || refused(cluster, &name, &labels));
        let is_about = |event: &Value| event["regarding"]["uid"] == object["metadata"]["uid"];
        event_of(cluster, &name, is_about);
        refuse(cluster, &name, &labels);
    }
    let path = cluster.plane().folder().join(format!("{name}.log"));
    cluster.end_oldest();
    cluster.wait_for_ends();
    let log = std::fs::read_to_string(path).unwrap();
    assert!(!log.contains("forbidden"), "{log}");
    for object in [listener, repository] {
        let event = event_of(cluster, &name, |event| {
            event["regarding"]["uid"] == object["metadata"]["uid"]
        });
        assert!(event["series"]["count"].as_u64() > Some(1), "{event}");
    }
    let lease = send(cluster, Method::GET, &format!("{LEASES}/{name}"), None);
    assert_eq!(lease.code, 404, "{lease:?}");
}

/// Waits until the replica gets requests, and lets it refuse a Run.
fn refuse_with(cluster: &Installation, replica: &mut Replica, need: Need) {
    replica.wait_until_ready();
    wait_until("the replica is listed", || {
        let listed = cluster.balancer().listed();
        expect(listed == [replica.name.clone()], &listed)
    });
    let labels = match need {
        Need::Listener => json!({ "triggers.tekton.dev/eventlistener": "github" }),
        Need::Repository => json!({ "pipelinesascode.tekton.dev/repository": "shop" }),
        _ => json!({}),
    };
    refuse(cluster, &replica.name, &labels);
}

/// Creates a Run as a service account whose name is the replica's, and expects that it is refused.
#[track_caller]
fn refuse(cluster: &Installation, account: &str, labels: &Value) {
    refused(cluster, account, labels).unwrap();
}

fn refused(cluster: &Installation, account: &str, labels: &Value) -> Result<(), String> {
    let user = User::service_account("rights", account);
    let mut run = pipeline_run("", &json!({ "github.integrations.tekton.dev/sha": "main" }));
    run["metadata"]["generateName"] = json!("build-");
    run["metadata"]["labels"] = labels.clone();
    let answer = cluster.create(&user, "rights", &run);
    expect(answer.code == 422, &answer)
}

/// Waits for an Event that a replica has written.
fn event_of(cluster: &Installation, replica: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let mut found = Value::Null;
    wait_until("the replica has written an Event", || {
        let events = send(cluster, Method::GET, EVENTS, None).body;
        let items = events["items"].as_array().into_iter().flatten();
        let own = items.filter(|event| event["reportingInstance"] == replica);
        let event = own.into_iter().find(|event| condition(event));
        found = event.cloned().unwrap_or_default();
        expect(!found.is_null(), &events["items"])
    });
    found
}

/// Kinds of objects that a Run may name, and one of each.
fn install_what_runs_name(cluster: &Installation) -> (Value, Value) {
    let install = |group: &str, version: &str, kind: &str, plural: &str, name: &str| {
        let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{plural}.{group}") },
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": { "plural": plural, "singular": kind.to_lowercase(), "kind": kind },
                "versions": [{ "name": version, "served": true, "storage": true, "schema": { "openAPIV3Schema": open } }],
            },
        });
        let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let answer = send(cluster, Method::POST, crds, Some(&crd));
        assert!(answer.is_success(), "{answer:?}");
        let object = json!({
            "apiVersion": format!("{group}/{version}"),
            "kind": kind,
            "metadata": { "name": name },
        });
        let path = format!("/apis/{group}/{version}/namespaces/rights/{plural}");
        let mut created = Value::Null;
        wait_until("the kind is served", || {
            let answer = send(cluster, Method::POST, &path, Some(&object));
            created = answer.body.clone();
            expect(answer.is_success(), &answer)
        });
        created
    };
    (
        install(
            "triggers.tekton.dev",
            "v1beta1",
            "EventListener",
            "eventlisteners",
            "github",
        ),
        install(
            "pipelinesascode.tekton.dev",
            "v1alpha1",
            "Repository",
            "repositories",
            "shop",
        ),
    )
}
