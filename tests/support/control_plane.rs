//! A real kube-apiserver with its etcd, on loopback, for as long as a value lives.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use hyper::Method;
use serde_json::{Value, json};

use access::{Access, Answer};
use credentials::{Authority, ServingFiles, TokenKey};
use programs::{Found, Programs};

pub(crate) use credentials::User;
pub(crate) use supervised::Supervised;

pub(crate) mod access;
mod controls;
mod credentials;
pub(crate) mod programs;
mod supervised;

/// Both start in about three seconds; a machine that compiles beside them may take many times that.
const START: Duration = Duration::from_secs(120);

/// Services get loopback addresses, so that a process can listen on the address of a Service.
const SERVICE_ADDRESSES: &str = "127.1.0.0/16";

/// A free port may be taken by somebody else before the program binds it.
const START_ATTEMPTS: usize = 3;

/// A running API server. Dropping it kills both programs and removes their files.
pub(crate) struct ControlPlane {
    access: Arc<Access>,
    programs: Programs,
    folder: PathBuf,
    /// A restarted API server is given the same port, keys and users.
    api_server_arguments: Vec<String>,
    // The API server goes before its etcd, whose supervisor removes the folder.
    api_server: Mutex<Supervised>,
    etcd: Mutex<Supervised>,
}

/// What kubectl did.
#[derive(Debug)]
pub(crate) struct Kubectl {
    /// Zero if it succeeded.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What a look at this machine gives: a control plane, or what it lacks.
pub(crate) enum Start {
    Running(Box<ControlPlane>),
    Missing(String),
}

impl ControlPlane {
    /// Starts etcd and kube-apiserver and waits until the API server is ready.
    pub(crate) fn start() -> anyhow::Result<Start> {
        Self::start_with(&[])
    }

    /// The same with further arguments for the API server.
    pub(crate) fn start_with(arguments: &[String]) -> anyhow::Result<Start> {
        let programs = match programs::find_or_build()? {
            Found::Programs(programs) => programs,
            Found::Missing(sentence) => return Ok(Start::Missing(sentence)),
        };
        let mut last = anyhow!("the control plane was never started");
        for _ in 0..START_ATTEMPTS {
            match Self::start_once(&programs, arguments) {
                Ok(plane) => {
                    plane.grant_rights()?;
                    return Ok(Start::Running(Box::new(plane)));
                }
                Err(error) => last = error,
            }
        }
        Err(last.context(format!("the control plane did not start in {START_ATTEMPTS} attempts")))
    }

    fn start_once(programs: &Programs, arguments: &[String]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("runstamp-control-plane-")
            .tempdir()
            .context("failed to create a folder for the control plane")?;
        let [etcd_port, peer_port, api_port] = free_ports()?;
        let etcd_address = format!("http://127.0.0.1:{etcd_port}");
        let mut etcd = start_etcd(programs, folder.path(), &etcd_address, peer_port)?;
        // From here on the supervisor of etcd removes the folder, however this process ends.
        let folder = folder.keep();
        etcd.wait_for("listening", START, || TcpStream::connect(("127.0.0.1", etcd_port)).ok())?;
        let authority = Authority::generate()?;
        let mut api_server_arguments = prepare_api_server(&folder, &etcd_address, api_port, &authority)?;
        api_server_arguments.extend_from_slice(arguments);
        let api_server = start_api_server(programs, &folder, &api_server_arguments, 0)?;
        let access = Access::new(format!("https://127.0.0.1:{api_port}"), folder.clone(), authority)?;
        let plane = Self {
            access: Arc::new(access),
            programs: programs.clone(),
            folder,
            api_server_arguments,
            api_server: Mutex::new(api_server),
            etcd: Mutex::new(etcd),
        };
        plane.wait_until_ready()?;
        Ok(plane)
    }

    /// Lets the people and every controller do everything with Runs, as the story of a cluster needs.
    fn grant_rights(&self) -> anyhow::Result<()> {
        let rights = serde_json::json!({
            "apiVersion": "v1",
            "kind": "List",
            "items": [
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "ClusterRole",
                    "metadata": { "name": "runs" },
                    "rules": [{ "apiGroups": ["tekton.dev"], "resources": ["*"], "verbs": ["*"] }],
                },
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "ClusterRoleBinding",
                    "metadata": { "name": "runs" },
                    "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "runs" },
                    "subjects": [
                        { "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "devs" },
                        { "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts" },
                    ],
                },
            ],
        });
        self.kubectl(&User::Admin, &["create", "-f", "-"], &rights.to_string())?
            .succeeded()
            .map(drop)
    }

    /// Runs kubectl as a user and hands back what it printed.
    pub(crate) fn kubectl(&self, user: &User, arguments: &[&str], stdin: &str) -> anyhow::Result<Kubectl> {
        run_kubectl(&self.programs, &self.folder, &self.kubeconfig(user)?, arguments, stdin)
    }

    /// Creates objects with kubectl, as the administrator.
    pub(crate) fn create(&self, objects: &[Value]) -> anyhow::Result<()> {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        self.kubectl(&User::Admin, &["create", "-f", "-"], &list.to_string())?
            .succeeded()
            .map(drop)
    }

    /// Creates CRDs and waits until the API server has made room for their objects.
    pub(crate) fn create_crds(&self, crds: &[Value]) -> anyhow::Result<()> {
        self.create(crds)?;
        let established = [
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "customresourcedefinitions",
            "--all",
        ];
        self.kubectl(&User::Admin, &established, "")?.succeeded().map(drop)
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
        self.access.request(user, method, path, content_type, body)
    }

    /// The ways in, for threads that outlive a look at the control plane.
    pub(crate) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access)
    }

    /// The kubeconfig of a user, written on demand.
    pub(crate) fn kubeconfig(&self, user: &User) -> anyhow::Result<PathBuf> {
        self.access.kubeconfig(user)
    }

    /// The kubectl that was built with the API server.
    pub(crate) fn kubectl_program(&self) -> &Path {
        &self.programs.kubectl
    }

    /// Where files of this control plane go; it is removed with it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a webhook configuration needs as `caBundle` to trust [`Self::serving_files`].
    pub(crate) fn ca_bundle(&self) -> String {
        self.access.authority().bundle()
    }

    /// A serving certificate for a webhook on loopback, signed by the control plane's authority.
    pub(crate) fn serving_files(&self, name: &str, names: &[&str]) -> anyhow::Result<ServingFiles> {
        self.access.authority().serve(&self.folder, name, names)
    }
}

impl Kubectl {
    /// Itself, or what kubectl said as an error.
    pub(crate) fn succeeded(self) -> anyhow::Result<Self> {
        if self.code == 0 {
            Ok(self)
        } else {
            Err(anyhow!("kubectl ended with {}: {}", self.code, self.stderr))
        }
    }
}

fn start_etcd(programs: &Programs, folder: &Path, address: &str, peer_port: u16) -> anyhow::Result<Supervised> {
    let peer = format!("http://127.0.0.1:{peer_port}");
    let arguments = [
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={address}"),
        format!("--advertise-client-urls={address}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        "--unsafe-no-fsync".to_owned(),
    ];
    Supervised::start("etcd", &programs.etcd, &arguments, folder, Some(folder))
}

/// Writes the keys, certificates and users of an API server; the arguments that name them.
fn prepare_api_server(folder: &Path, etcd: &str, port: u16, authority: &Authority) -> anyhow::Result<Vec<String>> {
    let serving = authority.serve(folder, "kube-apiserver", &["127.0.0.1", "localhost"])?;
    let tokens = TokenKey::generate(folder)?;
    let users = credentials::write_token_file(folder)?;
    Ok(vec![
        format!("--etcd-servers={etcd}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--cert-dir={}", folder.join("certificates").display()),
        format!("--tls-cert-file={}", serving.certificate.display()),
        format!("--tls-private-key-file={}", serving.key.display()),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", tokens.public.display()),
        format!("--service-account-signing-key-file={}", tokens.private.display()),
        format!("--service-cluster-ip-range={SERVICE_ADDRESSES}"),
        format!("--token-auth-file={}", users.display()),
        "--authorization-mode=RBAC".to_owned(),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ])
}

/// Starts the API server; the log of each start is a file of its own.
fn start_api_server(
    programs: &Programs,
    folder: &Path,
    arguments: &[String],
    earlier_starts: usize,
) -> anyhow::Result<Supervised> {
    let name = match earlier_starts {
        0 => "kube-apiserver".to_owned(),
        starts => format!("kube-apiserver-{}", starts + 1),
    };
    Supervised::start(&name, &programs.kube_apiserver, arguments, folder, None)
}

/// Ports that were free a moment ago, all held at once so that they differ.
fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut listeners = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("failed to find a free port")?;
        *port = listener
            .local_addr()
            .context("failed to read the address of a listener")?
            .port();
        listeners.push(listener);
    }
    Ok(ports)
}

fn run_kubectl(
    programs: &Programs,
    folder: &Path,
    kubeconfig: &Path,
    arguments: &[&str],
    stdin: &str,
) -> anyhow::Result<Kubectl> {
    let home = folder.join("home");
    fs::create_dir_all(&home).with_context(|| format!("failed to create {}", home.display()))?;
    let mut child = Command::new(&programs.kubectl)
        .args(arguments)
        // The caches of kubectl belong to this cluster, not to the user's.
        .env("HOME", &home)
        .env("KUBECONFIG", kubeconfig)
        .envs(supervised::NO_PROXY)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("failed to start kubectl")?;
    if let Some(mut pipe) = child.stdin.take() {
        // A kubectl that refuses its flags never reads its input: its own words say why.
        let _ = pipe.write_all(stdin.as_bytes());
    }
    let output = child.wait_with_output().context("failed to read from kubectl")?;
    Ok(Kubectl {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
