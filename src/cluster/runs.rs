//! Listing the Runs of a cluster, a page at a time: reads only, one request after the other, and none too fast.

use std::ops::ControlFlow;
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
use crate::domain::run::Object;
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
pub enum ListError {
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
    most_page_bytes: usize,
}

/// What one request brought.
enum Answer {
    Page(Vec<u8>),
    TooLarge,
    Expired(Option<String>),
    Refused(StatusCode, String),
}

#[derive(Deserialize)]
#[serde(expecting = "a list of Runs")]
struct Page<'a> {
    metadata: Object<PageMetadata>,
    #[serde(borrow)]
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
            most_page_bytes: MOST_PAGE_BYTES,
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

    /// Hands the Runs of a kind over, page by page, until whoever looks at them has seen enough; nothing is kept of a page.
    ///
    /// # Errors
    /// When they cannot all be listed.
    pub async fn each_page(
        &self,
        plural: &str,
        version: &str,
        mut look: impl FnMut(Listed<'_>) -> ControlFlow<()>,
    ) -> Result<(), ListError> {
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
                    let message = format!("one Run is larger than {} bytes", self.most_page_bytes);
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
            let Object(page): Object<Page<'_>> = serde_json::from_slice(&bytes).map_err(|source| ListError::Read {
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
            let is_enough = look(Listed { runs, remaining }).is_break();
            limit = (limit * 2).min(PAGE);
            token = page.metadata.0.token.filter(|token| !token.is_empty());
            if token.is_none() || is_enough {
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
                return match Limited::new(answer.into_body(), self.most_page_bytes).collect().await {
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::http::Uri;
    use serde_json::json;

    use super::*;

    type Script = Vec<(u16, String)>;

    /// An API server that gives these answers, one after the other, and keeps what it was asked.
    async fn lister(scope: Scope, selector: Option<&str>, script: Script) -> (RunLister, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answers, asked_there) = (Arc::new(Mutex::new(VecDeque::from(script))), Arc::clone(&asked));
        let answer = async move |uri: Uri| {
            asked_there.lock().unwrap().push(uri.to_string());
            let (code, body) = answers.lock().unwrap().pop_front().expect("no further question");
            let code = StatusCode::from_u16(code).unwrap();
            (code, [("retry-after", "0"), ("content-type", "application/json")], body)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        let config = kube::Config::new(format!("http://{address}").parse().unwrap());
        let client = Client::try_from(config).unwrap();
        (RunLister::new(client, scope, selector.map(str::to_owned)), asked)
    }

    fn page(names: &[&str], token: &str) -> (u16, String) {
        let items: Vec<Value> = names
            .iter()
            .map(|name| json!({ "metadata": { "namespace": "ci", "name": name } }))
            .collect();
        (
            200,
            json!({ "metadata": { "continue": token }, "items": items }).to_string(),
        )
    }

    /// As the API server says it when its history has been compacted.
    fn expired(token: &str) -> (u16, String) {
        let metadata = if token.is_empty() {
            json!({})
        } else {
            json!({ "continue": token })
        };
        let body = json!({ "kind": "Status", "code": 410, "reason": "Expired", "metadata": metadata });
        (410, body.to_string())
    }

    fn refusal(code: u16, message: &str) -> (u16, String) {
        (
            code,
            json!({ "kind": "Status", "code": code, "message": message }).to_string(),
        )
    }

    /// The names that were handed over, or why they were not.
    async fn names(lister: &RunLister) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        let look = |page: Listed<'_>| {
            names.extend(page.runs.iter().map(|run| place_of(run)));
            ControlFlow::Continue(())
        };
        let outcome = lister.each_page("taskruns", "v1", look).await;
        outcome
            .map(|()| names)
            .map_err(|error| format!("{:#}", anyhow::anyhow!(error)))
    }

    async fn check(script: Script, expected: Result<&[&str], &str>) {
        let (lister, _) = lister(Scope::All, None, script.clone()).await;
        let expected = expected.map(|names| names.iter().map(|name| format!("ci/{name}")).collect::<Vec<_>>());
        assert_eq!(names(&lister).await, expected.map_err(str::to_owned), "{script:?}");
    }

    #[tokio::test]
    async fn every_page_is_asked_for_once_and_in_order() {
        let script = vec![page(&["a", "b"], "t/1+="), page(&["c"], "")];
        let (lister, asked) = lister(Scope::Namespace("ci".to_owned()), Some("app in (shop)"), script).await;
        assert_eq!(names(&lister).await.unwrap(), ["ci/a", "ci/b", "ci/c"]);
        assert_eq!(
            *asked.lock().unwrap(),
            [
                "/apis/tekton.dev/v1/namespaces/ci/taskruns?limit=250&labelSelector=app+in+%28shop%29",
                "/apis/tekton.dev/v1/namespaces/ci/taskruns?limit=250&continue=t%2F1%2B%3D&labelSelector=app+in+%28shop%29",
            ]
        );
    }

    #[tokio::test]
    async fn a_listing_that_expires_goes_on_where_it_was() {
        // By the place that the API server offers.
        check(
            vec![
                page(&["a", "b"], "1"),
                expired("2"),
                page(&["c", "d"], "3"),
                page(&["e"], ""),
            ],
            Ok(&["a", "b", "c", "d", "e"]),
        )
        .await;
        // From the beginning, where it offers none: what has been seen is not handed over again.
        check(
            vec![
                page(&["a", "b"], "1"),
                expired(""),
                page(&["a"], "2"),
                page(&["b", "ba"], "3"),
                page(&["c"], ""),
            ],
            Ok(&["a", "b", "ba", "c"]),
        )
        .await;
        let mut always = vec![page(&["a"], "1")];
        always.extend((0..=MOST_RESTARTS).map(|_| expired("2")));
        let expected = "failed to list taskruns.tekton.dev in all namespaces: the listing expired 6 times; a smaller one is -n NAMESPACE";
        check(always, Err(expected)).await;
    }

    #[tokio::test]
    async fn a_busy_api_server_is_asked_again() {
        let busy = refusal(429, "too many requests");
        check(vec![busy.clone(), busy, page(&["a"], "")], Ok(&["a"])).await;
    }

    #[tokio::test]
    async fn a_refusal_says_what_was_asked_and_which_right_is_missing() {
        check(
            vec![refusal(403, "no")],
            Err("expected the right to list taskruns.tekton.dev in all namespaces, found none"),
        )
        .await;
        check(
            vec![refusal(400, "unable to parse requirement")],
            Err("failed to list taskruns.tekton.dev in all namespaces: unable to parse requirement"),
        )
        .await;
        check(
            vec![(502, "<html>".to_owned())],
            Err("failed to list taskruns.tekton.dev in all namespaces: 502 Bad Gateway"),
        )
        .await;
        check(
            vec![(200, "[]".to_owned())],
            Err("failed to list taskruns.tekton.dev in all namespaces: invalid type: sequence, expected a list of Runs at line 1 column 0"),
        )
        .await;
    }

    #[tokio::test]
    async fn a_page_that_is_too_large_is_asked_for_in_parts() {
        let large = page(&["a".repeat(3000).as_str()], "");
        let small = |name, token| page(&[name], token);
        let script = vec![large.clone(), small("a", "1"), small("b", ""), large.clone()];
        let (mut lister, asked) = lister(Scope::All, None, script).await;
        lister.most_page_bytes = 1000;
        assert_eq!(names(&lister).await.unwrap(), ["ci/a", "ci/b"]);
        let limits = |asked: &[String]| -> Vec<String> {
            let of = |uri: &String| {
                uri.split_once("limit=")
                    .unwrap()
                    .1
                    .split('&')
                    .next()
                    .unwrap()
                    .to_owned()
            };
            asked.iter().map(of).collect()
        };
        assert_eq!(limits(&asked.lock().unwrap()), ["250", "125", "250"]);
        let (mut lister, asked) = super::tests::lister(Scope::All, None, vec![large; 8]).await;
        lister.most_page_bytes = 1000;
        let expected = "failed to list taskruns.tekton.dev in all namespaces: one Run is larger than 1000 bytes";
        assert_eq!(names(&lister).await, Err(expected.to_owned()));
        assert_eq!(limits(&asked.lock().unwrap()).last().unwrap(), "1");
    }

    #[tokio::test]
    async fn a_kind_is_listed_in_the_newest_version_that_is_served() {
        let resources = |names: &[&str]| {
            let resources: Vec<Value> = (names.iter())
                .map(|name| json!({ "name": name, "singularName": "", "namespaced": true, "kind": "", "verbs": [] }))
                .collect();
            (
                200,
                json!({ "kind": "APIResourceList", "groupVersion": "", "resources": resources }).to_string(),
            )
        };
        let none = || refusal(404, "not found");
        for (v1, v1beta1, expected) in [
            (
                resources(&["taskruns", "pipelineruns"]),
                resources(&["taskruns", "customruns"]),
                [Some("v1"), Some("v1beta1"), Some("v1")],
            ),
            (
                none(),
                resources(&["taskruns", "pipelineruns"]),
                [Some("v1beta1"), None, Some("v1beta1")],
            ),
            (none(), none(), [None, None, None]),
        ] {
            let (lister, _) = lister(Scope::All, None, vec![v1, v1beta1]).await;
            let served = lister.served().await.unwrap();
            assert_eq!(served.iter().map(|kind| kind.version).collect::<Vec<_>>(), expected);
        }
    }
}
