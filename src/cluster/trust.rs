//! Whether the API server trusts what this replica shows.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;

use super::Installation;
use super::bundle::{Bundles, Published};
use crate::server::{Readiness, now};
use crate::tls::{ServingIdentity, verify_serving};

/// How often it is looked at where nothing happens: a certificate that is replaced is no event here.
const ROUND: Duration = Duration::from_secs(2);

/// The names of what must be there before requests are welcome.
pub(super) const CERTIFICATE: &str = "certificate";
const CA_BUNDLE: &str = "caBundle";

/// Says that requests are not welcome before there is a certificate that the API server trusts.
pub(super) fn expect_certificates(readiness: &Readiness) {
    readiness.set_missing(CERTIFICATE);
    readiness.set_missing(CA_BUNDLE);
}

/// Watches whether the API server can trust certificates that somebody else issues and publishes, for ever.
pub(super) async fn watch_trust(
    client: Client,
    installation: Arc<Installation>,
    identity: Arc<ServingIdentity>,
    readiness: Arc<Readiness>,
) {
    let host = format!("{}.{}.svc", installation.service, installation.namespace);
    let mut bundles = Bundles::follow(&client, installation);
    loop {
        report_trust(&identity, &readiness, &bundles.published(), &host);
        tokio::select! {
            () = bundles.changed() => {}
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

pub(super) fn report_trust(identity: &ServingIdentity, readiness: &Readiness, published: &Published, host: &str) {
    let Some(pair) = identity.current() else { return };
    readiness.set_present(CERTIFICATE);
    let trouble = match published {
        Published::Unknown => return,
        Published::Nowhere => Some("there is no MutatingWebhookConfiguration of that name".to_owned()),
        Published::Bundles(bundles) => bundles.iter().find_map(|bundle| {
            if bundle.is_empty() {
                return Some("an entry of the webhook configurations has no caBundle".to_owned());
            }
            verify_serving(&pair, bundle, host, now())
                .err()
                .map(|_| "an entry of the webhook configurations does not trust the serving certificate".to_owned())
        }),
    };
    match trouble {
        None => readiness.set_present(CA_BUNDLE),
        Some(trouble) => readiness.set_trouble(CA_BUNDLE, trouble),
    }
}
