//! Runs drawn from the registry of a policy set: its keys, values that fit and values that do not, and the users that it names.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use runstamp::domain::integration::StateKey;
use runstamp::domain::policy_set::PolicySet;
use runstamp::domain::words::Place;
use serde_json::{Map, Value, json};

pub(crate) const PIPELINES_CONTROLLER: &str = "system:serviceaccount:tekton-pipelines:tekton-pipelines-controller";

const OLD_SHA: &str = "6c1f3a7be0d94c25a8f17b6d5e4c3b2a19087f6e";
const NEW_SHA: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567";

const USERS: [&str; 10] = [
    "alice",
    "alice",
    "alice",
    PIPELINES_CONTROLLER,
    PIPELINES_CONTROLLER,
    "system:serviceaccount:pipelines-as-code:pipelines-as-code-controller",
    "system:serviceaccount:portal:web",
    "system:serviceaccount:deploy:deployer",
    "system:serviceaccount:velero:velero",
    "",
];

const PARAMS: [(&str, &str); 9] = [
    ("revision", OLD_SHA),
    ("revision", NEW_SHA),
    ("revision", "main"),
    ("sha", "ABCDEF0123456789ABCDEF0123456789ABCDEF01"),
    ("repo-url", "https://github.com/acme/shop"),
    ("repo-url", "https://github.com/acme/shop"),
    ("git-url", "git@github.com:acme/docs.git"),
    ("url", "https://git.example.com/group/sub/repo"),
    ("pr-number", "42"),
];

/// A request about a Run that is created.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) user: String,
    pub(crate) groups: Vec<String>,
    pub(crate) namespace: String,
    pub(crate) object: Value,
}

impl Default for Drawn {
    fn default() -> Self {
        Self {
            user: "alice".to_owned(),
            groups: Vec::new(),
            namespace: "ci".to_owned(),
            object: Value::Null,
        }
    }
}

/// Keys with values, and names, that mean something to a policy set; and some that mean nothing.
#[derive(Debug, Clone)]
pub(crate) struct Pools {
    /// What integrations read and write.
    declared: Vec<(String, String)>,
    /// What policies inject.
    injected: Vec<(String, String)>,
    labels: Vec<(String, String)>,
    finalizers: Vec<String>,
}

/// Everything that the policy set declares or injects.
pub(crate) fn pools(set: &PolicySet) -> Pools {
    let mut pools = Pools {
        declared: Vec::new(),
        injected: Vec::new(),
        labels: pairs(&[
            ("app.kubernetes.io/name", &["shop", "Shop"]),
            ("tier", &["web", "db"]),
            ("dashboard.tekton.dev/rerunOf", &["build-1"]),
            ("triggers.tekton.dev/eventlistener", &["github"]),
            ("portal.example.com/user", &["dev1"]),
        ]),
        finalizers: vec!["example.com/keep".to_owned(), "foregroundDeletion".to_owned()],
    };
    for integration in &set.integrations {
        for config in &integration.config {
            for spelling in &config.spellings {
                let fitting = config.example.as_deref().unwrap_or("dev");
                pools.declared.extend(pairs(&[(
                    spelling,
                    &[fitting, fitting, OLD_SHA, "main", "", "https://10.0.0.1/"],
                )]));
            }
        }
        for state in &integration.state {
            pools.enter_state(state);
        }
    }
    for policy in &set.policies {
        for injection in &policy.keys {
            let values = pairs(&[(&injection.key, &["web", "backend", "nobody", OLD_SHA])]);
            match injection.place {
                Place::Label => pools.labels.extend(values),
                _ => pools.injected.extend(values),
            }
        }
        for (_, injection) in policy.integrations.iter().flat_map(|block| &block.keys) {
            pools
                .injected
                .extend(pairs(&[(&injection.key, &["acme", "shop", NEW_SHA])]));
        }
    }
    pools.declared.extend(pairs(&[
        ("github.integrations.tekton.dev/onwer", &["acme"]),
        ("gihtub.integrations.tekton.dev/owner", &["acme"]),
        ("nobody.example.com/~key/with~1", &["\n", "`"]),
        ("", &["empty key"]),
        ("runstamp.dev/injected", &["{", "[]", "{\"a\":1}"]),
        (
            "runstamp.dev/injected",
            &["{\"ci.example.com/team\":\"overwrite/00000000/x\",\"@copy\":\"true\"}"],
        ),
    ]));
    pools
}

impl Pools {
    fn enter_state(&mut self, state: &StateKey) {
        let key = state.key.as_str().replace('*', "x-1");
        let values = pairs(&[(&key, &["true", "7", "started", "ci/results/a/records/b"])]);
        match state.place {
            Place::Annotation => self.declared.extend(values),
            Place::Label => self.labels.extend(values),
            Place::Finalizer => self.finalizers.push(key),
        }
    }
}

fn pairs(table: &[(&str, &[&str])]) -> Vec<(String, String)> {
    let rows = table.iter();
    rows.flat_map(|(key, values)| values.iter().map(|value| ((*key).to_owned(), (*value).to_owned())))
        .collect()
}

/// Requests to create Runs.
pub(crate) fn runs(pools: &Pools) -> impl Strategy<Value = Drawn> + use<> {
    let request = (
        select(&USERS[..]),
        prop_oneof![4 => Just("ci"), 1 => Just("prod"), 1 => Just("sandbox")],
        prop::bool::weighted(0.02),
    );
    let metadata = (
        prop::option::weighted(0.9, annotations(pools)),
        prop::option::weighted(0.8, label_map(pools)),
        prop::option::weighted(0.4, prop::collection::vec(select(pools.finalizers.clone()), 0..4)),
        prop::option::weighted(0.5, prop::collection::vec(owner(), 1..3)),
        any::<bool>(),
    );
    let spec = (
        select(&["PipelineRun", "PipelineRun", "TaskRun", "CustomRun"][..]),
        prop::collection::vec(select(&PARAMS[..]), 0..4),
        prop::option::weighted(
            0.1,
            select(&["Cancelled", "PipelineRunPending", "StoppedRunFinally"][..]),
        ),
        prop::option::weighted(
            0.2,
            select(vec![
                json!({}),
                json!({"podName": ""}),
                json!({"podName": "p"}),
                json!(null),
            ]),
        ),
        prop::option::weighted(0.2, annotations(pools)),
    );
    (request, metadata, spec).prop_map(|((user, namespace, is_worker), metadata, spec)| Drawn {
        user: user.to_owned(),
        groups: if is_worker {
            vec!["kueue:workers".to_owned()]
        } else {
            Vec::new()
        },
        namespace: namespace.to_owned(),
        object: object(metadata, spec),
    })
}

type Metadata = (
    Option<Map<String, Value>>,
    Option<Map<String, Value>>,
    Option<Vec<String>>,
    Option<Vec<Value>>,
    bool,
);

type Spec = (
    &'static str,
    Vec<(&'static str, &'static str)>,
    Option<&'static str>,
    Option<Value>,
    Option<Map<String, Value>>,
);

fn object((annotations, labels, finalizers, owners, is_managed): Metadata, spec: Spec) -> Value {
    let (kind, params, spec_status, status, nested) = spec;
    let mut metadata = json!({"generateName": "build-", "namespace": "ci"});
    if let Some(finalizers) = finalizers {
        let mut once: Vec<String> = Vec::new();
        for finalizer in finalizers {
            if !once.contains(&finalizer) {
                once.push(finalizer);
            }
        }
        metadata["finalizers"] = json!(once);
    }
    for (name, map) in [("annotations", annotations), ("labels", labels)] {
        if let Some(map) = map {
            metadata[name] = Value::Object(map);
        }
    }
    if let Some(owners) = owners {
        metadata["ownerReferences"] = json!(owners);
    }
    if is_managed {
        metadata["managedFields"] = managed_fields(&metadata);
    }
    let params: Vec<Value> = params
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let mut object = json!({
        "apiVersion": "tekton.dev/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": {"params": params, "pipelineRef": {"name": "build"}},
    });
    if let Some(spec_status) = spec_status {
        object["spec"]["status"] = json!(spec_status);
    }
    if let Some(nested) = nested {
        object["spec"]["taskRunSpecs"] = json!([{"pipelineTaskName": "t", "metadata": {"annotations": nested}}]);
    }
    if let Some(status) = status {
        object["status"] = status;
    }
    object
}

/// Annotations: now and then what a trigger leaves, now and then what a policy would write, now and then anything declared.
fn annotations(pools: &Pools) -> impl Strategy<Value = Map<String, Value>> + use<> {
    let trigger = prop::option::weighted(
        0.4,
        (
            select(&["github", "gitlab", "github-enterprise"][..]),
            select(&[OLD_SHA, NEW_SHA, "main"][..]),
        ),
    );
    let portal = prop::option::weighted(0.2, select(&["https://github.com/acme/portal", "nowhere"][..]));
    let declared = prop::collection::vec(select(pools.declared.clone()), 0..4);
    let injected = prop::collection::vec(select(pools.injected.clone()), 0..3);
    (trigger, portal, declared, injected, prop::bool::weighted(0.4)).prop_map(
        |(trigger, portal, declared, injected, is_quiet)| {
            let mut map = Map::new();
            if let Some((provider, sha)) = trigger {
                map.insert("pipelinesascode.tekton.dev/git-provider".to_owned(), json!(provider));
                map.insert("pipelinesascode.tekton.dev/sha".to_owned(), json!(sha));
                map.insert(
                    "pipelinesascode.tekton.dev/repo-url".to_owned(),
                    json!("https://github.com/acme/shop"),
                );
            }
            if let Some(url) = portal {
                map.insert("portal.example.com/request".to_owned(), json!("7"));
                map.insert("portal.example.com/repository".to_owned(), json!(url));
                map.insert(
                    "portal.example.com/revision".to_owned(),
                    json!(format!("rev:{NEW_SHA}")),
                );
            }
            if !is_quiet {
                map.extend(declared.into_iter().map(|(key, value)| (key, json!(value))));
            }
            map.extend(injected.into_iter().map(|(key, value)| (key, json!(value))));
            map
        },
    )
}

fn label_map(pools: &Pools) -> impl Strategy<Value = Map<String, Value>> + use<> {
    prop::collection::vec(select(pools.labels.clone()), 0..5)
        .prop_map(|labels| labels.into_iter().map(|(key, value)| (key, json!(value))).collect())
}

fn owner() -> impl Strategy<Value = Value> {
    let kinds = [
        ("tekton.dev/v1", "PipelineRun", true),
        ("tekton.dev/v1", "PipelineRun", true),
        ("tekton.dev/v1", "PipelineRun", false),
        ("batch/v1", "CronJob", true),
    ];
    (select(kinds.to_vec()), 0..3_u8).prop_map(|((version, kind, controller), uid)| {
        json!({"apiVersion": version, "kind": kind, "name": "owner", "uid": format!("uid-{uid}"), "controller": controller})
    })
}

/// Two managers that share the metadata between them.
fn managed_fields(metadata: &Value) -> Value {
    let mut managers = [json!({}), json!({})];
    for (name, prefix) in [("annotations", "f:"), ("labels", "f:")] {
        for (position, key) in metadata[name]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key)
            .enumerate()
        {
            managers[position % 2][format!("f:{name}")][format!("{prefix}{key}")] = json!({});
        }
    }
    for (position, name) in metadata["finalizers"].as_array().into_iter().flatten().enumerate() {
        managers[position % 2]["f:finalizers"]["."] = json!({});
        managers[position % 2]["f:finalizers"][format!("v:{name}")] = json!({});
    }
    let entries = managers.iter().zip(["kubectl-create", "console"]);
    let entries = entries.map(|(fields, manager)| {
        json!({"manager": manager, "operation": "Update", "apiVersion": "tekton.dev/v1",
               "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": fields}})
    });
    Value::Array(entries.collect())
}

/// What somebody does to a Run before it is created again.
#[derive(Debug, Clone)]
pub(crate) struct Edits {
    user: &'static str,
    revision: Option<&'static str>,
    edited: Option<Index>,
    added: Vec<(String, String)>,
    by_controller: bool,
}

pub(crate) fn edits(pools: &Pools) -> impl Strategy<Value = Edits> + use<> {
    (
        select(&USERS[..]),
        prop::option::of(select(&[OLD_SHA, NEW_SHA, "main"][..])),
        prop::option::weighted(0.3, any::<Index>()),
        prop::collection::vec(select(pools.declared.clone()), 0..3),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(user, revision, edited, added, by_controller)| Edits {
            user,
            revision,
            edited,
            added,
            by_controller,
        })
}

impl Edits {
    /// Whether the pipelines controller makes them, if they are an UPDATE.
    pub(crate) fn is_by_controller(&self) -> bool {
        self.by_controller
    }

    pub(crate) fn apply(&self, object: &mut Value) {
        if let Some(revision) = self.revision {
            object["spec"]["params"] = json!([
                {"name": "revision", "value": revision},
                {"name": "repo-url", "value": "https://github.com/acme/shop"},
            ]);
        }
        let Some(annotations) = object["metadata"]["annotations"].as_object_mut() else {
            return;
        };
        let keys: Vec<String> = annotations.keys().cloned().collect();
        if let Some(index) = self.edited.filter(|_| !keys.is_empty()) {
            annotations.insert(index.get(&keys).clone(), json!("edited"));
        }
        annotations.extend(self.added.iter().map(|(key, value)| (key.clone(), json!(value))));
    }

    /// The same request by whoever creates the copy.
    pub(crate) fn request(&self, drawn: &Drawn) -> Drawn {
        Drawn {
            user: self.user.to_owned(),
            ..drawn.clone()
        }
    }
}

/// The review that the API server would send.
pub(crate) fn review_of(drawn: &Drawn) -> Value {
    let kind = drawn.object["kind"].as_str().unwrap_or("PipelineRun");
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "drawn",
            "kind": {"group": "tekton.dev", "version": "v1", "kind": kind},
            "namespace": drawn.namespace,
            "operation": "CREATE",
            "userInfo": {"username": drawn.user, "groups": drawn.groups},
            "object": drawn.object,
        },
    })
}

/// Any JSON, with some of the names that mean something.
pub(crate) fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!(1.5e300)),
        ".{0,8}".prop_map(Value::from),
        select(
            &[
                "CREATE",
                "UPDATE",
                "tekton.dev/v1",
                "Cancelled",
                OLD_SHA,
                "true",
                "\n`\u{202e}"
            ][..]
        )
        .prop_map(Value::from),
    ];
    let names = [
        "metadata",
        "annotations",
        "labels",
        "finalizers",
        "ownerReferences",
        "managedFields",
        "fieldsV1",
        "f:metadata",
        "f:annotations",
        "spec",
        "params",
        "taskRunSpecs",
        "pipelineSpec",
        "tasks",
        "taskSpec",
        "status",
        "name",
        "value",
        "generateName",
        "chains.tekton.dev/signed",
        "runstamp.dev/injected",
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((select(names.to_vec()), inner), 0..5).prop_map(|entries| {
                let entries = entries.into_iter().map(|(name, value)| (name.to_owned(), value));
                Value::Object(entries.collect())
            }),
        ]
    })
}
