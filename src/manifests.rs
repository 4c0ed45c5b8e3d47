//! What a cluster gets: the files of `manifests/`, changed only where an installation wants something else.
//!
//! The files are the one place where the installation is written down. They are embedded, and the components beside them are
//! applied here as kustomize applies them. `tests/manifests` holds that both come to the same.

mod adjust;
mod cel;
mod embedded;
mod reset_policies;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::identity::Identities;
use crate::domain::names::is_dns_subdomain;
use crate::domain::policy_set::PolicySet;
use crate::domain::settings::Settings;

/// The namespace of the shipped files.
pub const DEFAULT_NAMESPACE: &str = "runstamp";

/// Longest name of a namespace.
const LONGEST_NAMESPACE: usize = 63;

/// Most bytes that the data of a ConfigMap may have; the API server refuses more.
const MOST_CONFIG_MAP_BYTES: usize = 1024 * 1024;

/// What happens to the Run of a person or a trigger while nobody answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailurePolicy {
    /// It is refused.
    #[default]
    Fail,
    /// It passes as it is.
    Ignore,
}

impl FailurePolicy {
    /// As the API server spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fail => "Fail",
            Self::Ignore => "Ignore",
        }
    }
}

/// Who makes the serving certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// The replicas, which also write `caBundle`.
    #[default]
    SelfManaged,
    /// cert-manager, which also writes `caBundle`.
    CertManager,
    /// Whoever keeps the Secret `runstamp-tls` and `caBundle`.
    Files,
}

/// What an installation wants.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// Runstamp's own namespace.
    pub namespace: String,
    /// The image, where it is not the shipped one.
    pub image: Option<String>,
    /// How many replicas, where it is not the shipped number.
    pub replicas: Option<u32>,
    /// For the Runs of people and triggers.
    pub failure_policy: FailurePolicy,
    /// Who makes the serving certificate.
    pub tls: Tls,
    /// Whether the replicas only watch.
    pub observe: bool,
    /// Whether the replicas know the built-in policies.
    pub builtin: bool,
    /// Whether the starter policies are installed.
    pub starter: bool,
    /// Who creates Children: the accounts in the conditions of the webhooks.
    pub controllers: Identities,
    /// Policy files for a ConfigMap of their own, by the name that each gets there.
    pub policies: BTreeMap<String, String>,
}

impl Parameters {
    /// The shipped installation, with the controllers of these Settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            namespace: DEFAULT_NAMESPACE.to_owned(),
            image: None,
            replicas: None,
            failure_policy: FailurePolicy::default(),
            tls: Tls::default(),
            observe: false,
            builtin: true,
            starter: true,
            controllers: settings.controllers.clone(),
            policies: BTreeMap::new(),
        }
    }
}

/// Why there are no manifests.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestsError {
    /// Not the name of a namespace.
    #[error(
        "expected the name of a namespace, at most {LONGEST_NAMESPACE} small letters, digits and '-', beginning and ending with a letter or digit, found {0:?}"
    )]
    Namespace(String),
    /// More policies than a ConfigMap holds.
    #[error(
        "expected at most {MOST_CONFIG_MAP_BYTES} bytes of policies, which is what a ConfigMap holds, found {0}; put them into several ConfigMaps of your own with the label runstamp.dev/policies: \"true\""
    )]
    TooManyPolicies(usize),
    /// A file of this version is not what the code expects; tests keep this from happening.
    #[error("the embedded {file} is broken: {reason}")]
    Embedded {
        /// The file, below `manifests/`.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ManifestsError {
    fn embedded(file: &str, reason: impl ToString) -> Self {
        Self::Embedded {
            file: file.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// Everything that is installed, in the order in which it should be applied: what the webhooks need comes before them.
///
/// # Errors
/// When a parameter cannot be used.
pub fn installation(parameters: &Parameters) -> Result<Vec<Value>, ManifestsError> {
    check(parameters)?;
    let mut documents = embedded::base()?;
    match parameters.tls {
        Tls::SelfManaged => {}
        Tls::CertManager => embedded::apply_component("cert-manager", &mut documents)?,
        Tls::Files => embedded::apply_component("tls-files", &mut documents)?,
    }
    if parameters.observe {
        embedded::apply_component("observe", &mut documents)?;
    }
    adjust::adjust(&mut documents, parameters);
    Ok(documents)
}

/// The webhook configurations alone, as this version would install them; a live one has a `caBundle` and defaults besides.
///
/// # Errors
/// When a parameter cannot be used.
pub fn webhook_configurations(parameters: &Parameters) -> Result<Vec<Value>, ManifestsError> {
    let mut documents = installation(parameters)?;
    documents.retain(|document| adjust::kind(document).ends_with("WebhookConfiguration"));
    Ok(documents)
}

/// The reset of the set's state keys as MutatingAdmissionPolicies, for clusters that want that without a server.
///
/// # Errors
/// When a parameter cannot be used.
pub fn reset_policies(set: &PolicySet, parameters: &Parameters) -> Result<Vec<Value>, ManifestsError> {
    let webhooks = webhook_configurations(parameters)?;
    reset_policies::documents(set, parameters, &webhooks)
}

fn check(parameters: &Parameters) -> Result<(), ManifestsError> {
    let namespace = &parameters.namespace;
    if !is_dns_subdomain(namespace) || namespace.contains('.') || namespace.len() > LONGEST_NAMESPACE {
        return Err(ManifestsError::Namespace(namespace.clone()));
    }
    let policies = parameters.policies.iter();
    let bytes = policies.map(|(name, text)| name.len().saturating_add(text.len())).sum();
    if bytes > MOST_CONFIG_MAP_BYTES {
        return Err(ManifestsError::TooManyPolicies(bytes));
    }
    Ok(())
}
