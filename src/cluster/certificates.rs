//! Keeping the certificates of the installation: the Secret, the caBundle, and what this replica shows.
//!
//! Every replica does the same, and none leads: each write is refused where another one was first, and what to do next
//! is read off what is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ObjectMeta;
use kube::{Api, Client};
use tokio::sync::watch;

use super::bundle::{Bundles, Published};
use super::follow::{Objects, Trouble, follow, named, only};
use super::replicas::Replicas;
use super::trust::{CERTIFICATE, report_trust};
use super::{ClusterError, Installation, labels, post_params, within};
use crate::cert::CertificateError;
use crate::certificates::{Lifetimes, Material, Request, Situation, Step, certificates_in, may_show, next_step, take};
use crate::server::{Readiness, now};
use crate::telemetry::Metrics;
use crate::tls::{ServingIdentity, TlsError};

/// Name of the Secret.
pub const SECRET: &str = "runstamp-certificates";

/// The annotation of the Secret with which somebody asks for a new `certificate` or a new `authority`.
const ROTATE: &str = "runstamp.dev/rotate";

/// How long a replica that finds no Secret waits for one that still knows what was in it, where there was an
/// installation before.
const RESTORATION: Duration = Duration::from_secs(3);

/// How often everything is looked at while nothing happens: certificates age without an event.
const ROUND: Duration = Duration::from_secs(60);

/// The same while a rotation is under way: other replicas report without an event that is waited for.
const ROTATION_ROUND: Duration = Duration::from_millis(500);

/// After a failure.
const RETRY: Duration = Duration::from_secs(2);

/// What goes wrong with certificates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The API server refuses, or is not there.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A certificate cannot be made.
    #[error(transparent)]
    Make(#[from] CertificateError),
    /// What was made cannot be shown.
    #[error(transparent)]
    Show(#[from] TlsError),
}

/// What the keeper of certificates needs.
#[derive(Debug, Clone)]
pub struct CertificateKeeping {
    /// What handshakes get.
    pub identity: Arc<ServingIdentity>,
    /// Where it says what is there.
    pub readiness: Arc<Readiness>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// How long things hold.
    pub lifetimes: Lifetimes,
    /// How long an authority is published before anything that it signed is shown: API servers notice by a watch.
    pub trust_delay: Duration,
}

/// Keeps Secret, caBundle and the shown certificate in order, for ever.
pub(super) async fn keep_certificates(
    client: Client,
    installation: Arc<Installation>,
    replicas: Replicas,
    keeping: CertificateKeeping,
) {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &installation.namespace);
    let mut keeper = Keeper {
        seen: follow(secrets.clone(), named(SECRET), "watch the Secret runstamp-certificates"),
        bundles: Bundles::follow(&client, Arc::clone(&installation)),
        host: format!("{}.{}.svc", installation.service, installation.namespace),
        secrets,
        replicas,
        keeping,
        held: None,
        published: None,
        served: None,
        absent_since: None,
        unknown_request: None,
    };
    let mut trouble = Trouble::new("keep the certificates");
    loop {
        let pause = match keeper.round().await {
            Ok(pause) => {
                trouble.is_over();
                pause
            }
            Err(error) => {
                keeper.keeping.metrics.count_certificate_load_failure();
                trouble.report(&error);
                RETRY
            }
        };
        keeper.wait(pause).await;
    }
}

struct Keeper {
    secrets: Api<Secret>,
    seen: watch::Receiver<Objects<Secret>>,
    bundles: Bundles,
    host: String,
    replicas: Replicas,
    keeping: CertificateKeeping,
    /// What the Secret held when it was last read: put back if it is deleted or broken.
    held: Option<BTreeMap<String, ByteString>>,
    /// The bundle that is published everywhere, and since when.
    published: Option<(String, Instant)>,
    /// The certificate that every replica shows, and since when.
    served: Option<(String, Instant)>,
    absent_since: Option<Instant>,
    unknown_request: Option<String>,
}

impl Keeper {
    async fn wait(&mut self, pause: Duration) {
        tokio::select! {
            _ = self.seen.changed() => {}
            () = self.bundles.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// Looks at everything and does what is due; returns how long to rest where nothing happens.
    async fn round(&mut self) -> Result<Duration, KeepError> {
        let published = self.bundles.published();
        let secret = {
            // Marked as seen before it is looked at, so that no change is missed.
            let seen = self.seen.borrow_and_update();
            if seen.is_none() || published == Published::Unknown {
                return Ok(RETRY);
            }
            only(&seen, SECRET)
        };
        let Some(secret) = secret else {
            return self.restore(&published).await;
        };
        self.absent_since = None;
        let data = secret.data.clone().unwrap_or_default();
        let material = match Material::read(&plain(&data)) {
            Ok(material) => material,
            Err(error) => {
                tracing::error!(%error, "the Secret {SECRET} is of no use and is written anew");
                let data = self.replacement(&published)?;
                self.replace(&secret, data, false).await?;
                return Ok(RETRY);
            }
        };
        self.held = Some(data);
        self.note_publication(&published, &material);
        if !published.is_everywhere(&material.bundle()) && published != Published::Nowhere {
            self.bundles.publish(&self.secrets, bundle_of).await?;
        }
        self.show(&material)?;
        self.report(&published);
        self.advance(&secret, material).await
    }

    /// Remembers since when the bundle has been published everywhere.
    fn note_publication(&mut self, published: &Published, material: &Material) {
        let bundle = material.bundle();
        if !published.is_everywhere(&bundle) || *published == Published::Nowhere {
            self.published = None;
        } else if self.published.as_ref().is_none_or(|(known, _)| *known != bundle) {
            self.published = Some((bundle, Instant::now()));
        }
    }

    fn is_trusted(&self) -> bool {
        let since = self.published.as_ref().map(|(_, since)| since.elapsed());
        since.is_some_and(|since| since >= self.keeping.trust_delay)
    }

    /// Shows what the Secret holds, as soon as clients trust it.
    fn show(&mut self, material: &Material) -> Result<(), KeepError> {
        let shown = self.keeping.identity.current();
        if !material.is_fit(&self.host, now()) || !may_show(shown.is_some(), self.is_trusted()) {
            return Ok(());
        }
        let pair = material.pair()?;
        if shown.is_some_and(|shown| shown.shows_the_same(&pair)) {
            return Ok(());
        }
        let (expiry, fingerprint) = (pair.expiry(), pair.fingerprint());
        self.keeping.metrics.set_certificate_expiry(expiry);
        self.keeping.identity.replace(pair);
        self.keeping.readiness.set_present(CERTIFICATE);
        tracing::info!(
            expires_at = crate::server::time(expiry),
            fingerprint,
            "shows the serving certificate of the installation"
        );
        Ok(())
    }

    /// Says whether the API server can trust what is shown.
    fn report(&self, published: &Published) {
        report_trust(&self.keeping.identity, &self.keeping.readiness, published, &self.host);
    }

    /// Takes the next step, if one is due.
    async fn advance(&mut self, secret: &Secret, material: Material) -> Result<Duration, KeepError> {
        let now = now();
        let request = self.request(secret);
        let is_served_by_all = self.is_served_by_all(&material);
        let situation = Situation {
            host: &self.host,
            now,
            request,
            is_trusted: self.is_trusted(),
            is_served_by_all,
        };
        let step = next_step(&material, &situation);
        if step == Step::Rest {
            let is_settled = material.is_settled() && self.is_trusted() && self.shows(&material);
            return Ok(if is_settled { ROUND } else { ROTATION_ROUND });
        }
        let fulfilled = request.is_some_and(|request| step.fulfils(request));
        let material = take(step, material, &self.host, now, self.keeping.lifetimes)?;
        if self.replace(secret, encoded(material.write()), fulfilled).await? {
            tracing::info!(?step, "took a step with the certificates of the installation");
        }
        // What was written comes back by the watch.
        Ok(RETRY)
    }

    /// Whether all replicas, this one included, have been showing the certificate for a while.
    fn is_served_by_all(&mut self, material: &Material) -> bool {
        let Ok(pair) = material.pair() else { return false };
        let fingerprint = pair.fingerprint();
        if !self.shows(material) || !self.replicas.all_show(&fingerprint) {
            self.served = None;
            return false;
        }
        if self.served.as_ref().is_none_or(|(known, _)| *known != fingerprint) {
            self.served = Some((fingerprint, Instant::now()));
        }
        let since = self.served.as_ref().map(|(_, since)| since.elapsed());
        since.is_some_and(|since| since >= self.keeping.trust_delay)
    }

    fn shows(&self, material: &Material) -> bool {
        let shown = self.keeping.identity.current();
        shown.is_some_and(|shown| material.pair().is_ok_and(|pair| shown.shows_the_same(&pair)))
    }

    fn request(&mut self, secret: &Secret) -> Option<Request> {
        let word = secret.metadata.annotations.as_ref()?.get(ROTATE)?;
        let request = Request::from_word(word);
        if request.is_none() && self.unknown_request.as_ref() != Some(word) {
            tracing::warn!(
                found = word.chars().take(40).collect::<String>(),
                "the annotation {ROTATE} of the Secret {SECRET} is ignored: expected certificate or authority"
            );
            self.unknown_request = Some(word.clone());
        }
        request
    }

    /// There is no Secret: what was in it is put back, or a new one is made.
    async fn restore(&mut self, published: &Published) -> Result<Duration, KeepError> {
        let since = *self.absent_since.get_or_insert_with(Instant::now);
        let was_there = trusted_before(published).next().is_some();
        if self.held.is_none() && was_there && since.elapsed() < RESTORATION {
            return Ok(RESTORATION.saturating_sub(since.elapsed()));
        }
        let restored = self.held.is_some();
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(SECRET.to_owned()),
                labels: Some(labels()),
                ..ObjectMeta::default()
            },
            data: Some(self.replacement(published)?),
            ..Secret::default()
        };
        let action = format!("create the Secret {SECRET}");
        match within(action, self.secrets.create(&post_params(), &secret)).await {
            Ok(_) => tracing::info!(restored, "created the Secret {SECRET}"),
            // Another replica was first, and its Secret comes by the watch.
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(RETRY)
    }

    /// What to write where the Secret is gone or broken: what it held, else something new that keeps trusting what the
    /// webhook configurations trust, since other replicas may show a certificate by it.
    fn replacement(&self, published: &Published) -> Result<BTreeMap<String, ByteString>, KeepError> {
        if let Some(held) = &self.held {
            return Ok(held.clone());
        }
        let mut before: Vec<String> = trusted_before(published).collect();
        before.sort();
        before.dedup();
        let material = Material::create(&self.host, now(), self.keeping.lifetimes, &before)?;
        Ok(encoded(material.write()))
    }

    /// Writes the Secret unless somebody has written it since; tells whether it was written.
    async fn replace(
        &self,
        secret: &Secret,
        data: BTreeMap<String, ByteString>,
        fulfilled: bool,
    ) -> Result<bool, KeepError> {
        let mut fresh = secret.clone();
        fresh.data = Some(data);
        fresh.metadata.managed_fields = None;
        if fulfilled && let Some(annotations) = &mut fresh.metadata.annotations {
            annotations.remove(ROTATE);
        }
        let action = format!("write the Secret {SECRET}");
        match within(action, self.secrets.replace(SECRET, &post_params(), &fresh)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Every authority that some webhook configuration trusts.
fn trusted_before(published: &Published) -> impl Iterator<Item = String> + '_ {
    let bundles = match published {
        Published::Bundles(bundles) => bundles.as_slice(),
        Published::Unknown | Published::Nowhere => &[],
    };
    bundles.iter().flat_map(|bundle| certificates_in(bundle))
}

fn bundle_of(secret: Secret) -> Option<String> {
    let material = Material::read(&plain(&secret.data?)).ok()?;
    Some(material.bundle())
}

fn plain(data: &BTreeMap<String, ByteString>) -> BTreeMap<String, Vec<u8>> {
    data.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect()
}

fn encoded(data: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, ByteString> {
    data.into_iter().map(|(key, value)| (key, ByteString(value))).collect()
}
