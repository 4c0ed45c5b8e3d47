//! What a cluster gets: the files of `manifests/`, changed only where an installation wants something else.
//!
//! The files are the one place where the installation is written down. They are embedded, and the components beside them are
//! applied here as kustomize applies them; `tests/cluster/installation_manifests.rs` holds that both come to the same.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;
    use crate::store;

    fn shipped() -> Parameters {
        let set = store::load(builtin::policies()).expect("the built-in policies");
        Parameters::new(&set.settings)
    }

    #[test]
    fn without_wishes_it_is_the_base() {
        assert_eq!(
            installation(&shipped()).expect("an installation"),
            embedded::base().expect("the base")
        );
    }

    #[test]
    fn another_namespace_stands_wherever_the_shipped_one_stood() {
        for tls in [Tls::SelfManaged, Tls::CertManager, Tls::Files] {
            let parameters = Parameters {
                namespace: "elsewhere".to_owned(),
                policies: BTreeMap::from([("a.yaml".to_owned(), String::new())]),
                tls,
                ..shipped()
            };
            let documents = installation(&parameters).expect("an installation");
            let text = serde_json::to_string(&documents).expect("JSON");
            for old in [
                r#""namespace":"runstamp""#,
                r#"["runstamp"]"#,
                "runstamp.runstamp",
                r#""runstamp/"#,
                r#""kind":"Namespace","metadata":{"name":"runstamp""#,
            ] {
                assert!(!text.contains(old), "{tls:?}: {old}");
            }
        }
    }

    #[test]
    fn the_image_is_of_this_version() {
        let documents = installation(&shipped()).expect("an installation");
        let deployment = documents.iter().find(|document| adjust::kind(document) == "Deployment");
        let image = deployment.and_then(|found| found.pointer("/spec/template/spec/containers/0/image"));
        assert_eq!(
            image.and_then(Value::as_str),
            Some(concat!("runstamp:", env!("CARGO_PKG_VERSION")))
        );
        let chart = include_str!("../manifests/chart/Chart.yaml");
        for field in ["version", "appVersion"] {
            let line = format!("\n{field}: {}\n", env!("CARGO_PKG_VERSION"));
            assert!(chart.contains(&line), "Chart.yaml: {field}");
        }
    }

    #[test]
    fn what_cannot_be_installed_is_refused() {
        let check = |change: &dyn Fn(&mut Parameters), expected: &str| {
            let mut parameters = shipped();
            change(&mut parameters);
            let error = installation(&parameters).expect_err(expected).to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        for name in ["", "a.b", "A", "-a", &"a".repeat(64)] {
            check(
                &|parameters| parameters.namespace = name.to_owned(),
                "expected the name of a namespace",
            );
        }
        let large = "x".repeat(MOST_CONFIG_MAP_BYTES);
        check(
            &|parameters| parameters.policies = BTreeMap::from([("a".to_owned(), large.clone())]),
            "expected at most 1048576 bytes of policies",
        );
    }

    #[test]
    fn only_the_runs_of_people_may_pass_unanswered() {
        let parameters = Parameters {
            failure_policy: FailurePolicy::Ignore,
            ..shipped()
        };
        let text = serde_json::to_string(&webhook_configurations(&parameters).expect("webhooks")).expect("JSON");
        assert_eq!(text.matches(r#""failurePolicy":"Ignore""#).count(), 6);
        assert_eq!(webhook_configurations(&shipped()).expect("webhooks").len(), 2);
    }
}
