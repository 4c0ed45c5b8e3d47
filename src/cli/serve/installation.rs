//! Being a replica of an installation: what `serve --namespace` does beside serving.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::duration;
use crate::certificates::Lifetimes;
use crate::cluster::{CertificateKeeping, Installation, Member, ReplicaReport};
use crate::server::Config;

/// Longest name of a replica: that of a Lease.
const LONGEST_NAME: usize = 253;

/// Where the installation lives that a replica belongs to.
#[derive(Debug, Clone, Args)]
pub(super) struct InstallationArgs {
    /// Runstamp's own namespace: policies come from its ConfigMaps, the certificate from its Secret
    #[arg(long, value_name = "NAME", env = "RUNSTAMP_NAMESPACE")]
    namespace: Option<String>,
    /// Name of this replica, that of its Pod [default: the host name]
    #[arg(long, value_name = "NAME", env = "RUNSTAMP_REPLICA", requires = "namespace")]
    replica: Option<String>,
    /// Name of the Service that the API server calls
    #[arg(long, value_name = "NAME", env = "RUNSTAMP_SERVICE", default_value = "runstamp")]
    service: String,
    /// Name of the webhook configurations
    #[arg(
        long,
        value_name = "NAME",
        env = "RUNSTAMP_WEBHOOK_CONFIGURATION",
        default_value = "runstamp.dev"
    )]
    webhook_configuration: String,
    /// How long a new authority is published before a certificate that it signed is shown
    #[arg(long, value_name = "DURATION", env = "RUNSTAMP_TRUST_DELAY", default_value = "30s", value_parser = duration)]
    trust_delay: Duration,
}

impl InstallationArgs {
    /// Whether this is a replica of an installation.
    pub(super) fn is_given(&self) -> bool {
        self.namespace.is_some()
    }

    /// The installation, if this is a replica of one.
    pub(super) fn installation(&self) -> Option<Installation> {
        Some(Installation {
            namespace: self.namespace.clone()?,
            service: self.service.clone(),
            configuration: self.webhook_configuration.clone(),
            replica: self.replica.clone().unwrap_or_else(host_name),
        })
    }
}

/// The host name, as far as it can name a Lease. In a Pod it is the Pod's name.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name
        .trim()
        .to_lowercase()
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            }
        })
        .take(LONGEST_NAME)
        .collect();
    let name = name.trim_matches('-');
    if name.is_empty() {
        "replica".to_owned()
    } else {
        name.to_owned()
    }
}

/// Starts what a replica does beside serving; what must be there before requests are welcome has been said before.
pub(super) fn take_part(
    member: &mut Member,
    arguments: &InstallationArgs,
    manages_certificates: bool,
    config: &Config,
) {
    if let Some(namespaces) = &config.namespaces {
        member.follow_namespaces(Arc::clone(namespaces), Arc::clone(&config.readiness));
    }
    if manages_certificates {
        member.keep_certificates(CertificateKeeping {
            identity: Arc::clone(&config.identity),
            readiness: Arc::clone(&config.readiness),
            metrics: Arc::clone(&config.metrics),
            lifetimes: Lifetimes::default(),
            trust_delay: arguments.trust_delay,
        });
    } else {
        member.watch_trust(Arc::clone(&config.identity), Arc::clone(&config.readiness));
    }
    let (identity, policies, readiness) = (
        Arc::clone(&config.identity),
        Arc::clone(&config.policies),
        Arc::clone(&config.readiness),
    );
    member.keep_lease(move || {
        let (shown, policies) = (identity.current(), policies.status());
        ReplicaReport {
            certificate: shown.as_ref().map(|pair| pair.fingerprint()).unwrap_or_default(),
            certificate_expiry: shown.map(|pair| pair.expiry()),
            policy_set: policies.digest,
            policies_loaded_at: policies.loaded_at,
            policies_from: policies.from.word(),
            stale: policies.stale,
            not_kept: policies.not_kept,
            missing: readiness.what_is_missing().into_iter().map(str::to_owned).collect(),
            troubles: readiness.what_is_wrong(),
            draining: readiness.is_draining(),
        }
    });
}
