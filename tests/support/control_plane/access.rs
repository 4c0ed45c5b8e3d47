//! The ways into an API server: a kubeconfig, a client and requests for each user.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderValue, Method, Request};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::credentials::{self, Authority, User};

/// How long a server on loopback may take to answer a probe.
const ANSWER: Duration = Duration::from_secs(5);

/// How long the token of a service account is good: a Pod's, too, is for an hour.
const TOKEN_SECONDS: u32 = 3600;

/// What the API server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status code.
    pub(crate) code: u16,
    /// The object, or the `Status` of a refusal.
    pub(crate) body: Value,
    /// The texts of the `Warning` headers, unquoted.
    pub(crate) warnings: Vec<String>,
}

impl Answer {
    /// True for codes that say yes.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The message of a refusal, or nothing.
    pub(crate) fn message(&self) -> &str {
        self.body.get("message").and_then(Value::as_str).unwrap_or_default()
    }
}

/// How users reach one API server.
pub(crate) struct Access {
    server: String,
    folder: PathBuf,
    authority: Authority,
    runtime: Runtime,
    /// By user name. A file that is written once is never read half.
    kubeconfigs: Mutex<BTreeMap<String, PathBuf>>,
    clients: Mutex<BTreeMap<String, kube::Client>>,
}

impl Access {
    /// To the API server at `server`, whose certificate `authority` has signed; files go to `folder`.
    pub(crate) fn new(server: String, folder: PathBuf, authority: Authority) -> anyhow::Result<Self> {
        // A second call finds the provider of the first, which is the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let runtime = Runtime::new().context("failed to start tokio")?;
        let (kubeconfigs, clients) = (Mutex::default(), Mutex::default());
        Ok(Self {
            server,
            folder,
            authority,
            runtime,
            kubeconfigs,
            clients,
        })
    }

    /// Who signs the serving certificates of this cluster.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The kubeconfig of a user, written on demand.
    pub(crate) fn kubeconfig(&self, user: &User) -> anyhow::Result<PathBuf> {
        let mut written = self.kubeconfigs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = written.get(&user.name()) {
            return Ok(path.clone());
        }
        let path = credentials::write_kubeconfig(&self.folder, user, &self.server, &self.authority)?;
        written.insert(user.name(), path.clone());
        Ok(path)
    }

    /// The kubeconfig of a service account as a Pod of it would have: with a token that this API server issues now.
    pub(crate) fn token_kubeconfig(&self, namespace: &str, name: &str) -> anyhow::Result<PathBuf> {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let request = serde_json::json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": { "expirationSeconds": TOKEN_SECONDS },
        });
        let answer = self.request(&User::Admin, Method::POST, &path, "application/json", Some(&request))?;
        let token = answer.body.pointer("/status/token").and_then(Value::as_str);
        let token = token.with_context(|| format!("failed to get a token of {namespace}/{name}: {answer:?}"))?;
        let file = format!("token-of-{namespace}-{name}");
        credentials::write_token_kubeconfig(&self.folder, &file, token, &self.server, &self.authority)
    }

    /// A client that acts as the user.
    fn client(&self, user: &User) -> anyhow::Result<kube::Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&user.name()) {
            return Ok(client.clone());
        }
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig(user)?).context("failed to read a kubeconfig")?;
        let client = self.runtime.block_on(async {
            let options = KubeConfigOptions::default();
            let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .context("failed to use a kubeconfig")?;
            // A story wants the first answer, not the one that retries led to.
            config.default_retry = false;
            config.proxy_url = None;
            let agent = HeaderValue::from_str(user.agent()).context("failed to name a client")?;
            config.headers.push((USER_AGENT, agent));
            kube::Client::try_from(config).context("failed to make a client")
        })?;
        clients.insert(user.name(), client.clone());
        Ok(client)
    }

    /// Sends one request as the user and waits for the answer.
    pub(crate) fn request(
        &self,
        user: &User,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let client = self.client(user)?;
        let bytes = body.map(ToString::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, content_type)
            .body(Body::from(bytes.into_bytes()))
            .context("failed to build a request")?;
        self.runtime.block_on(async {
            let response = client
                .send(request)
                .await
                .with_context(|| format!("failed to reach {path}"))?;
            let (head, body) = response.into_parts();
            let bytes = body.collect().await.context("failed to read an answer")?.to_bytes();
            let warnings = head.headers.get_all("warning").iter();
            Ok(Answer {
                code: head.status.as_u16(),
                body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
                warnings: warnings
                    .filter_map(|value| unquote(&String::from_utf8_lossy(value.as_bytes())))
                    .collect(),
            })
        })
    }
}

/// The status code that a plain HTTP server on loopback answers to `GET url` with, if it answers.
pub(crate) fn plain_get(url: &str) -> Option<u16> {
    plain_get_text(url).map(|(code, _)| code)
}

/// The status code and the body that a plain HTTP server on loopback answers to `GET url` with, if it answers.
pub(crate) fn plain_get_text(url: &str) -> Option<(u16, String)> {
    let (address, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// The body that a plain HTTP server on loopback answers to a POST of JSON with, if it answers well.
pub(crate) fn plain_post(url: &str, body: &str) -> Option<String> {
    let (address, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    let length = body.len();
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    (head.split(' ').nth(1)? == "200").then(|| body.to_owned())
}

/// The text of `299 - "text"`.
fn unquote(header: &str) -> Option<String> {
    let (_, quoted) = header.split_once('"')?;
    let (text, _) = quoted.rsplit_once('"')?;
    Some(text.replace("\\\"", "\"").replace("\\\\", "\\"))
}
