//! Asking about an installation: reads what its replicas say and what is configured, and writes nothing.

use std::collections::BTreeSet;

use http_body_util::{BodyExt as _, Limited};
use hyper::Request;
use hyper::header::DATE;
use jiff::fmt::rfc2822;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::client::Body;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::bundle::KINDS;
use super::follow::with_sources;
use super::last_good::LastGood;
use super::policies::{PAGE, files_of};
use super::replicas::{REPLICA, read};
use super::{ClusterError, connect, within};
use crate::policy_file::{ConfigMaps, MOST_CONFIG_MAP_BYTES};
use crate::review::{POLICIES_LABEL, POLICIES_VALUE};
use crate::server::now;
use crate::status::{Facts, Platform, Question, Wanted};

/// The Deployment of the replicas.
const DEPLOYMENT: &str = "runstamp";

/// Most Leases that are looked at.
const MOST_LEASES: u32 = 500;

/// Most bytes of what the API server says about its version.
const LARGEST_VERSION: usize = 64 * 1024;

/// The ConfigMap in which Tekton Pipelines tells everybody its version.
const TEKTON_INFO: &str = "pipelines-info";

/// How many namespaces are searched for it.
const MOST_TEKTON_NAMESPACES: usize = 3;

/// Why a question about an installation has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InquiryError {
    /// The API server is not found, or does not answer.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// It answers, and not everything that must be known.
    #[error("{}", .0.join("; "))]
    Unanswered(Vec<String>),
}

/// Asks one API server.
pub struct Inquiry {
    client: Client,
    question: Question,
}

/// What the first look brings.
#[derive(Debug)]
pub struct Gathered {
    /// What is to be judged.
    pub facts: Facts,
    /// The policies, as they stand in ConfigMaps now.
    pub config_maps: ConfigMaps,
}

impl Inquiry {
    /// Finds the API server.
    ///
    /// # Errors
    /// When nothing says where it is.
    pub async fn begin(question: Question) -> Result<Self, InquiryError> {
        let client = connect().await?;
        Ok(Self { client, question })
    }

    /// Reads everything, each thing once and all of it at the same time.
    ///
    /// # Errors
    /// When the API server does not answer, or a right is missing; every missing one is named.
    pub async fn gather(&self) -> Result<Gathered, InquiryError> {
        let namespace = &self.question.namespace;
        // Whoever cannot be reached would be said to be so for each of the others.
        let (kubernetes, date) = self.version().await?;
        let (leases, config_maps, wanted, mutating, validating, v1, v1beta1) = tokio::join!(
            self.leases(),
            self.config_maps(),
            self.wanted(),
            self.configuration(KINDS[0]),
            self.configuration(KINDS[1]),
            self.resources("v1"),
            self.resources("v1beta1"),
        );
        let mut unanswered = Unanswered::default();
        let leases = unanswered.take(leases, || {
            format!("list leases.coordination.k8s.io in the namespace {namespace}")
        });
        let config_maps = unanswered.take(config_maps, || format!("list configmaps in the namespace {namespace}"));
        let wanted = unanswered.take(wanted, || format!("get deployments.apps in the namespace {namespace}"));
        let mut configurations = Vec::new();
        for (found, (_, plural)) in [mutating, validating].into_iter().zip(KINDS) {
            let right = || {
                format!(
                    "get {plural}.admissionregistration.k8s.io {}",
                    self.question.configuration
                )
            };
            configurations.extend(unanswered.take(found, right).flatten());
        }
        let mut runs = BTreeSet::new();
        for (found, version) in [v1, v1beta1].into_iter().zip(["v1", "v1beta1"]) {
            runs.extend(
                unanswered
                    .take(found, || format!("get /apis/tekton.dev/{version}"))
                    .into_iter()
                    .flatten(),
            );
        }
        let (Some(leases), Some(config_maps), Some(wanted), true) =
            (leases, config_maps, wanted, unanswered.reasons.is_empty())
        else {
            return Err(InquiryError::Unanswered(unanswered.reasons));
        };
        let replicas: Vec<_> = leases.iter().map(read).collect();
        Ok(Gathered {
            facts: Facts {
                now: date.unwrap_or_else(now),
                replicas,
                wanted,
                configurations,
                platform: Platform {
                    kubernetes: [kubernetes.major, kubernetes.minor],
                    runs,
                    tekton: None,
                },
            },
            config_maps,
        })
    }

    /// The last good policies.
    ///
    /// # Errors
    /// When they cannot be read, or are of no use.
    pub async fn last_good(&self) -> Result<Option<ConfigMaps>, String> {
        let kept = LastGood::new(self.client.clone(), &self.question.namespace);
        kept.read().await.map_err(|error| with_sources(&error))
    }

    /// The version that Tekton Pipelines tells in the namespace of one of these controllers; none where it tells none.
    pub async fn tekton_version(&self, controllers: &[String]) -> Option<String> {
        let namespaces: BTreeSet<&str> = (controllers.iter())
            .filter_map(|name| name.strip_prefix("system:serviceaccount:")?.split(':').next())
            .filter(|namespace| !namespace.is_empty() && !namespace.contains('*'))
            .take(MOST_TEKTON_NAMESPACES)
            .collect();
        for namespace in namespaces {
            let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
            let found = within("read the version of Tekton Pipelines", api.get_opt(TEKTON_INFO)).await;
            let version = found.ok().flatten().and_then(|info| info.data?.remove("version"));
            if version.is_some() {
                return version;
            }
        }
        None
    }

    /// The version of the API server, and what its clock says.
    async fn version(&self) -> Result<(Info, Option<i64>), ClusterError> {
        within("ask the API server for its version", async {
            let request = Request::get("/version").body(Body::empty());
            let answer = self.client.send(request.map_err(kube::Error::HttpError)?).await?;
            let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
            let date = date.and_then(|date| rfc2822::parse(date).ok());
            let is_success = answer.status().is_success();
            let body = Limited::new(answer.into_body(), LARGEST_VERSION).collect().await;
            let bytes = body.map_err(kube::Error::Service)?.to_bytes();
            if !is_success {
                let refusal = serde_json::from_slice(&bytes).map_err(kube::Error::SerdeError)?;
                return Err(kube::Error::Api(refusal));
            }
            let info = serde_json::from_slice(&bytes).map_err(kube::Error::SerdeError)?;
            Ok((info, date.map(|date| date.timestamp().as_second())))
        })
        .await
    }

    async fn leases(&self) -> Result<Vec<Lease>, ClusterError> {
        let api: Api<Lease> = Api::namespaced(self.client.clone(), &self.question.namespace);
        let all = ListParams::default()
            .labels(&format!("{REPLICA}=true"))
            .limit(MOST_LEASES);
        Ok(within("list the Leases of the replicas", api.list(&all)).await?.items)
    }

    /// Stops where there is more than any policy set may have: what has come is refused for its size then.
    async fn config_maps(&self) -> Result<ConfigMaps, ClusterError> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.question.namespace);
        let mut page = ListParams::default()
            .labels(&format!("{POLICIES_LABEL}={POLICIES_VALUE}"))
            .limit(PAGE);
        let (mut maps, mut bytes) = (ConfigMaps::default(), 0_usize);
        loop {
            let listed = within("list the ConfigMaps of policies", api.list(&page)).await?;
            for map in listed.items {
                let name = map.metadata.name.clone().unwrap_or_default();
                let files = files_of(map);
                bytes = bytes.saturating_add(files.data.values().map(String::len).sum());
                maps.insert(name, files);
            }
            match listed.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) if bytes <= MOST_CONFIG_MAP_BYTES => page = page.continue_token(&token),
                _ => return Ok(maps),
            }
        }
    }

    async fn wanted(&self) -> Result<Wanted, ClusterError> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), &self.question.namespace);
        match within("read the Deployment", api.get_opt(DEPLOYMENT)).await {
            Ok(Some(deployment)) => {
                let replicas = deployment.spec.replicas.unwrap_or(1);
                Ok(Wanted::Replicas(u32::try_from(replicas).unwrap_or_default()))
            }
            Ok(None) => Ok(Wanted::NoDeployment),
            Err(error) if is_forbidden(&error) => Ok(Wanted::Forbidden),
            Err(error) => Err(error),
        }
    }

    async fn configuration(&self, (kind, plural): (&str, &str)) -> Result<Option<Value>, ClusterError> {
        let group = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let resource = ApiResource::from_gvk_with_plural(&group, plural);
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let name = &self.question.configuration;
        let found = within(format!("read the {kind} {name}"), api.get_opt(name)).await?;
        Ok(found.map(|object| json!({ "kind": kind, "webhooks": object.data.get("webhooks") })))
    }

    /// The resources of Tekton that are served in a version, each with that version.
    async fn resources(&self, version: &str) -> Result<Vec<(String, String)>, ClusterError> {
        let group = format!("tekton.dev/{version}");
        let action = format!("ask which resources of {group} are served");
        match within(action, self.client.list_api_group_resources(&group)).await {
            Ok(list) => Ok((list.resources.into_iter())
                .map(|resource| (version.to_owned(), resource.name))
                .collect()),
            Err(error) if error.status_code() == Some(404) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// What must be known and is not, and why.
#[derive(Default)]
struct Unanswered {
    reasons: Vec<String>,
}

impl Unanswered {
    fn take<T>(&mut self, answer: Result<T, ClusterError>, right: impl FnOnce() -> String) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.reasons.push(if is_forbidden(&error) {
                    format!("expected the right to {}, found none", right())
                } else {
                    with_sources(&error)
                });
                None
            }
        }
    }
}

fn is_forbidden(error: &ClusterError) -> bool {
    error.status_code() == Some(403)
}
