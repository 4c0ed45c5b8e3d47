//! Certificates, keys and users of a throwaway control plane.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// A certificate authority that lives as long as its control plane.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// The two files that a TLS server is started with.
#[derive(Clone)]
pub(crate) struct ServingFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    /// A new authority with a key that is never written anywhere.
    pub(crate) fn generate() -> anyhow::Result<Self> {
        let key = KeyPair::generate().context("failed to generate the authority's key")?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "runstamp tests");
        let certificate = params
            .self_signed(&key)
            .context("failed to sign the authority's certificate")?
            .pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// The authority's certificate in base64, as `caBundle` and kubeconfig files want it.
    pub(crate) fn bundle(&self) -> String {
        STANDARD.encode(&self.certificate)
    }

    /// Signs a serving certificate for `names` and writes `NAME.crt` and `NAME.key` into `folder`.
    pub(crate) fn serve(&self, folder: &Path, name: &str, names: &[&str]) -> anyhow::Result<ServingFiles> {
        let key = KeyPair::generate().context("failed to generate a serving key")?;
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).context("failed to read the names of a certificate")?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        let certificate = params
            .signed_by(&key, &self.issuer)
            .context("failed to sign a serving certificate")?;
        let files = ServingFiles {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        write(&files.certificate, &certificate.pem())?;
        write(&files.key, &key.serialize_pem())?;
        Ok(files)
    }
}

/// The key that signs service account tokens, as the API server wants it: both halves, in two files.
pub(crate) struct TokenKey {
    pub(crate) public: PathBuf,
    pub(crate) private: PathBuf,
}

impl TokenKey {
    /// Generates the key into `folder`.
    pub(crate) fn generate(folder: &Path) -> anyhow::Result<Self> {
        let key = KeyPair::generate().context("failed to generate the key of service account tokens")?;
        let files = Self {
            public: folder.join("tokens.pub"),
            private: folder.join("tokens.key"),
        };
        write(&files.public, &key.public_key_pem())?;
        write(&files.private, &key.serialize_pem())?;
        Ok(files)
    }
}

/// Who talks to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// May do everything, by the group system:masters.
    Admin,
    /// A person of the group devs, known to the token file.
    Person(&'static str),
    /// Any controller: the administrator in its clothes.
    ServiceAccount {
        /// The namespace of the service account.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// The people whom the token file knows, besides the administrator.
const PEOPLE: [&str; 2] = ["alice", "bob"];

impl User {
    /// The service account that a name such as `tekton-chains/tekton-chains-controller` stands for.
    pub(crate) fn service_account(namespace: &str, name: &str) -> Self {
        Self::ServiceAccount {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The user name that the API server sees.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Admin => "admin".to_owned(),
            Self::Person(name) => (*name).to_owned(),
            Self::ServiceAccount { namespace, name } => format!("system:serviceaccount:{namespace}:{name}"),
        }
    }

    /// What its client calls itself: the API server names the owner of a field after it.
    pub(crate) fn agent(&self) -> &str {
        match self {
            Self::Admin | Self::Person(_) => "kubectl-create",
            Self::ServiceAccount { name, .. } => name,
        }
    }

    /// The fields of a kubeconfig's user. Tokens are names: nothing but loopback ever sees them.
    fn kubeconfig(&self) -> serde_json::Value {
        match self {
            Self::Admin | Self::Person(_) => serde_json::json!({ "token": self.name() }),
            Self::ServiceAccount { .. } => serde_json::json!({ "token": "admin", "as": self.name() }),
        }
    }
}

/// Writes the token file of [`PEOPLE`] and the administrator.
pub(crate) fn write_token_file(folder: &Path) -> anyhow::Result<PathBuf> {
    let mut lines = String::from("admin,admin,admin,\"system:masters\"\n");
    for name in PEOPLE {
        lines.push_str(&format!("{name},{name},{name},\"devs\"\n"));
    }
    let path = folder.join("users.csv");
    write(&path, &lines)?;
    Ok(path)
}

/// Writes the kubeconfig of a user and returns its path. It is JSON, which is YAML.
pub(crate) fn write_kubeconfig(
    folder: &Path,
    user: &User,
    server: &str,
    authority: &Authority,
) -> anyhow::Result<PathBuf> {
    let file = user.name().replace(':', "-");
    write_kubeconfig_with(folder, &file, &user.kubeconfig(), server, authority)
}

/// Writes a token and a kubeconfig that names its file, as a Pod has them, and returns the path of the kubeconfig.
pub(crate) fn write_token_kubeconfig(
    folder: &Path,
    name: &str,
    token: &str,
    server: &str,
    authority: &Authority,
) -> anyhow::Result<PathBuf> {
    let file = folder.join(format!("{name}.token"));
    // A token is replaced while others read it.
    let unfinished = folder.join(format!("{name}.token.new"));
    write(&unfinished, token)?;
    fs::rename(&unfinished, &file).with_context(|| format!("failed to put {} in place", file.display()))?;
    let user = serde_json::json!({ "tokenFile": file });
    write_kubeconfig_with(folder, name, &user, server, authority)
}

fn write_kubeconfig_with(
    folder: &Path,
    name: &str,
    user: &serde_json::Value,
    server: &str,
    authority: &Authority,
) -> anyhow::Result<PathBuf> {
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "local",
            "cluster": { "server": server, "certificate-authority-data": authority.bundle() },
        }],
        "users": [{ "name": "user", "user": user }],
        "contexts": [{ "name": "local", "context": { "cluster": "local", "user": "user" } }],
        "current-context": "local",
    });
    let path = folder.join(format!("{name}.kubeconfig"));
    write(&path, &format!("{config:#}\n"))?;
    Ok(path)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
}
