//! Listing the Runs of a cluster, a page at a time: reads only, one request after the other, and none too fast.

use std::time::Duration;

use axum::http::{Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until, timeout};
use url::form_urlencoded::Serializer;

use super::{ClusterError, connect};
use crate::domain::words::RunKind;

/// Runs that one request asks for.
const PAGE: u32 = 250;

/// Most bytes of one page; one that holds more is asked for again with fewer Runs.
const MOST_PAGE_BYTES: usize = 64 * 1024 * 1024;

/// Most bytes of a refusal.
const MOST_REFUSAL_BYTES: usize = 64 * 1024;

/// Shortest time between two requests.
const PACE: Duration = Duration::from_millis(50);

/// Longest wait for a page, with the pauses that a busy API server asks for (429) and the client keeps.
const PAGE_ANSWER: Duration = Duration::from_secs(120);

/// How often one listing may begin anew because its place has expired.
const MOST_RESTARTS: usize = 5;

/// Tekton's versions, the preferred one first.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// The kinds: children first, so that a PipelineRun's are known when it comes.
const KINDS: [(RunKind, &str); 3] = [
    (RunKind::TaskRun, "taskruns"),
    (RunKind::CustomRun, "customruns"),
    (RunKind::PipelineRun, "pipelineruns"),
];

/// Where Runs are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// In all namespaces.
    All,
    /// In this one.
    Namespace(String),
    /// In the one that the kubeconfig names.
    Default,
}

/// A kind of Run, and where it is listed; no version where it is not installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// The kind.
    pub kind: RunKind,
    /// The name of its resource.
    pub plural: &'static str,
    /// The version in which it is asked for.
    pub version: Option<&'static str>,
}

/// Why the Runs of a kind cannot be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError<E> {
    /// The right is missing; here is which.
    #[error("expected the right to list {0}, found none")]
    Forbidden(String),
    /// Something else went wrong.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The API server refused.
    #[error("failed to {action}: {message}")]
    Refused {
        /// What was tried.
        action: String,
        /// What the API server said.
        message: String,
    },
    /// A page cannot be read.
    #[error("failed to {action}")]
    Read {
        /// What was tried.
        action: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Whoever looks at the Runs cannot go on.
    #[error(transparent)]
    Stopped(E),
}

/// One page, while it is there.
#[derive(Debug)]
pub struct Listed<'a> {
    /// The JSON of each Run.
    pub runs: Vec<&'a str>,
    /// How many are still to come, where the API server says it.
    pub remaining: Option<u64>,
}

/// Lists the Runs of one API server.
pub struct RunLister {
    client: Client,
    namespace: Option<String>,
    selector: Option<String>,
}

/// What one request brought.
enum Answer {
    Page(Vec<u8>),
    TooLarge,
    Expired(Option<String>),
    Refused(StatusCode, String),
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: PageMetadata,
    #[serde(borrow, default)]
    items: Vec<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    token: Option<String>,
    #[serde(default)]
    remaining_item_count: Option<u64>,
}

/// The place of a Run in the order in which all are listed.
#[derive(Default, Deserialize)]
struct Placed {
    #[serde(default)]
    metadata: PlacedMetadata,
}

#[derive(Default, Deserialize)]
struct PlacedMetadata {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

impl RunLister {
    /// Finds the API server.
    ///
    /// # Errors
    /// When nothing says where it is.
    pub async fn begin(scope: Scope, selector: Option<String>) -> Result<Self, ClusterError> {
        Ok(Self::new(connect().await?, scope, selector))
    }

    fn new(client: Client, scope: Scope, selector: Option<String>) -> Self {
        let namespace = match scope {
            Scope::All => None,
            Scope::Namespace(name) => Some(name),
            Scope::Default => Some(client.default_namespace().to_owned()),
        };
        Self {
            client,
            namespace,
            selector,
        }
    }

    /// The namespace that is looked into; none for all.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The kinds of Run in the order in which they are best listed.
    ///
    /// # Errors
    /// When the API server does not say which it has.
    pub async fn served(&self) -> Result<Vec<Served>, ClusterError> {
        let mut served = KINDS.map(|(kind, plural)| Served {
            kind,
            plural,
            version: None,
        });
        for version in VERSIONS {
            let group = format!("tekton.dev/{version}");
            let action = format!("ask which resources of {group} are served");
            let resources = match super::within(action, self.client.list_api_group_resources(&group)).await {
                Ok(list) => list.resources,
                Err(ClusterError::Request {
                    source: kube::Error::Api(status),
                    ..
                }) if status.code == 404 => continue,
                Err(error) => return Err(error),
            };
            for kind in &mut served {
                let is_served = resources.iter().any(|resource| resource.name == kind.plural);
                if is_served && kind.version.is_none() {
                    kind.version = Some(version);
                }
            }
        }
        Ok(served.to_vec())
    }

    /// Hands the Runs of a kind over, page by page; nothing is kept of a page.
    ///
    /// # Errors
    /// When they cannot all be listed, or whoever looks at them cannot go on.
    pub async fn each_page<E>(
        &self,
        plural: &str,
        version: &str,
        mut look: impl FnMut(Listed<'_>) -> Result<(), E>,
    ) -> Result<(), ListError<E>> {
        let place = (self.namespace.as_ref()).map_or_else(String::new, |namespace| format!("namespaces/{namespace}/"));
        let whereabouts = (self.namespace.as_ref()).map_or_else(
            || "all namespaces".to_owned(),
            |namespace| format!("the namespace {namespace}"),
        );
        let action = format!("list {plural}.tekton.dev in {whereabouts}");
        let (mut limit, mut token, mut restarts) = (PAGE, None::<String>, 0);
        // The last Run seen, and whether the listing has begun anew and not reached it again.
        let (mut last, mut is_behind) = (String::new(), false);
        let mut next = Instant::now();
        loop {
            sleep_until(next).await;
            next = Instant::now() + PACE;
            let mut query = Serializer::new(String::new());
            query.append_pair("limit", &limit.to_string());
            for (name, value) in [("continue", &token), ("labelSelector", &self.selector)] {
                if let Some(value) = value {
                    query.append_pair(name, value);
                }
            }
            let uri = format!("/apis/tekton.dev/{version}/{place}{plural}?{}", query.finish());
            let bytes = match self.ask(&action, uri).await? {
                Answer::Page(bytes) => bytes,
                Answer::TooLarge if limit > 1 => {
                    limit /= 2;
                    continue;
                }
                Answer::TooLarge => {
                    let message = format!("one Run is larger than {MOST_PAGE_BYTES} bytes");
                    return Err(ListError::Refused { action, message });
                }
                // The API server compacts its history after minutes. It offers to go on from the same place as things are now.
                Answer::Expired(offered) if restarts < MOST_RESTARTS => {
                    restarts += 1;
                    is_behind = offered.is_none();
                    token = offered;
                    continue;
                }
                Answer::Expired(_) => {
                    let message = format!(
                        "the listing expired {} times; a smaller one is -n NAMESPACE",
                        MOST_RESTARTS + 1
                    );
                    return Err(ListError::Refused { action, message });
                }
                Answer::Refused(StatusCode::FORBIDDEN, _) => {
                    return Err(ListError::Forbidden(format!("{plural}.tekton.dev in {whereabouts}")));
                }
                Answer::Refused(_, message) => return Err(ListError::Refused { action, message }),
            };
            let page: Page<'_> = serde_json::from_slice(&bytes).map_err(|source| ListError::Read {
                action: action.clone(),
                source,
            })?;
            let mut runs: Vec<&str> = page.items.iter().map(|item| item.get()).collect();
            if is_behind {
                runs.retain(|run| place_of(run) > last);
                is_behind = runs.is_empty();
            }
            if let Some(run) = runs.last() {
                last = place_of(run);
            }
            let remaining = page.metadata.remaining_item_count;
            look(Listed { runs, remaining }).map_err(ListError::Stopped)?;
            token = page.metadata.token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(());
            }
        }
    }

    async fn ask(&self, action: &str, uri: String) -> Result<Answer, ClusterError> {
        let failed = |source| ClusterError::Request {
            action: action.to_owned(),
            source,
        };
        let request = Request::get(uri).body(Body::empty());
        let request = request.map_err(|error| failed(kube::Error::HttpError(error)))?;
        let answer = timeout(PAGE_ANSWER, async {
            let answer = self.client.send(request).await?;
            let status = answer.status();
            if status.is_success() {
                return match Limited::new(answer.into_body(), MOST_PAGE_BYTES).collect().await {
                    Ok(body) => Ok(Answer::Page(body.to_bytes().into())),
                    Err(error) if error.is::<LengthLimitError>() => Ok(Answer::TooLarge),
                    Err(error) => Err(kube::Error::Service(error)),
                };
            }
            let body = Limited::new(answer.into_body(), MOST_REFUSAL_BYTES).collect().await;
            let refusal: Value = (body.ok())
                .and_then(|body| serde_json::from_slice(&body.to_bytes()).ok())
                .unwrap_or_default();
            let text = |pointer| refusal.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            Ok(if status == StatusCode::GONE {
                Answer::Expired(text("/metadata/continue").filter(|token| !token.is_empty()))
            } else {
                Answer::Refused(status, text("/message").unwrap_or_else(|| status.to_string()))
            })
        });
        match answer.await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(ClusterError::NoAnswer {
                action: action.to_owned(),
            }),
        }
    }
}

/// `NAMESPACE/NAME`, by which the API server sorts.
fn place_of(run: &str) -> String {
    let Placed {
        metadata: PlacedMetadata { namespace, name },
    } = serde_json::from_str(run).unwrap_or_default();
    format!("{namespace}/{name}")
}
