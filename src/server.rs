//! The admission server: a TLS port for the API server and a plain one for probes.

mod answers;
mod body;
mod connections;
mod farewell;
mod policy_edits;
mod probes;
mod readiness;
mod reload;
mod webhooks;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

pub use policy_edits::PolicyEdits;
pub use readiness::{Readiness, time};
pub use reload::{
    CertificateFiles, PolicySources, follow_certificate, follow_client_authorities, follow_policies, now,
    reload_policies,
};

use crate::domain::policy_set::PolicySet;
use crate::headless::RefusalQueue;
use crate::namespaces::Namespaces;
use crate::review::{LabelsOf, NotAReview, Reply, Stance, Webhook};
use crate::store::PolicyStore;
use crate::telemetry::{Metrics, RejectionLog, Throttle};
use crate::tls::{ClientGate, ServingIdentity, TlsError, server_config};
use body::BodyLimits;
use connections::{Phase, Port};

/// Connections that may wait to be accepted: all that the API servers of a large cluster open after a rollout. The
/// kernel lowers it to its own limit.
const BACKLOG: u32 = 4096;

/// Decides one review: [`crate::review::answer_with`], or what a test puts in its place.
pub type Answer = for<'a> fn(Webhook, &'a [u8], &PolicySet, Stance, LabelsOf<'_>) -> Result<Reply<'a>, NotAReview>;

/// What clients may ask of the server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest body in bytes.
    pub max_body_bytes: usize,
    /// Longest time that a body may take to arrive.
    pub body_time_limit: Duration,
    /// Requests read or judged at once.
    pub max_in_flight: usize,
    /// Bytes of all bodies that are read or judged at once.
    pub max_buffered_bytes: usize,
    /// Connections at once, on each port.
    pub max_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 8 * 1024 * 1024,
            body_time_limit: Duration::from_secs(5),
            max_in_flight: 512,
            max_buffered_bytes: 64 * 1024 * 1024,
            max_connections: 4096,
        }
    }
}

impl Limits {
    /// What the body of a request may be whose sender waits no longer than `patience`.
    fn body(&self, patience: Duration) -> BodyLimits {
        BodyLimits {
            bytes: self.max_body_bytes,
            time: self.body_time_limit.min(patience),
        }
    }
}

/// How the server ends.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// How long connections are still accepted after the signal, while the cluster takes this replica out of its lists.
    pub delay: Duration,
    /// How long requests that are under way may take after that.
    pub grace: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(5),
            grace: Duration::from_secs(10),
        }
    }
}

/// Everything that the server needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the TLS port.
    pub listen: SocketAddr,
    /// Address of the plain port.
    pub listen_plain: SocketAddr,
    /// What clients may ask.
    pub limits: Limits,
    /// How it ends.
    pub drain: Drain,
    /// How it stands to the decisions.
    pub stance: Stance,
    /// Who decides.
    pub answer: Answer,
    /// The policies.
    pub policies: Arc<PolicyStore>,
    /// Who judges edits of ConfigMaps; `None` outside of an installation.
    pub policy_edits: Option<Arc<PolicyEdits>>,
    /// The certificate.
    pub identity: Arc<ServingIdentity>,
    /// Which clients may connect; `None` means all.
    pub gate: Option<Arc<ClientGate>>,
    /// Where refusals go that nobody sees; `None` where there is no cluster to tell.
    pub refusals: Option<RefusalQueue>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Whether requests are welcome.
    pub readiness: Arc<Readiness>,
    /// The labels of the namespaces; `None` where nothing watches them.
    pub namespaces: Option<Arc<Namespaces>>,
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error("failed to listen on {address} ({flag})")]
    Listen {
        /// The flag that names the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// TLS cannot be configured.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What the handlers of both ports share.
#[derive(Debug)]
struct App {
    limits: Limits,
    stance: Stance,
    answer: Answer,
    slots: Arc<Semaphore>,
    /// For requests whose body does not come at once: they wait here, where they take nobody's slot.
    slow_slots: Arc<Semaphore>,
    /// Whose turn it is to be judged, of the large ones.
    large_reviews: Arc<Semaphore>,
    memory: body::Memory,
    policies: Arc<PolicyStore>,
    policy_edits: Option<Arc<PolicyEdits>>,
    identity: Arc<ServingIdentity>,
    refusals: Option<RefusalQueue>,
    metrics: Arc<Metrics>,
    rejections: RejectionLog,
    suspected_children: Throttle,
    readiness: Arc<Readiness>,
    namespaces: Option<Arc<Namespaces>>,
}

/// A server that listens and does not serve yet.
pub struct Server {
    app: Arc<App>,
    tls: TlsAcceptor,
    drain: Drain,
    listener: TcpListener,
    plain_listener: TcpListener,
    address: SocketAddr,
    plain_address: SocketAddr,
}

impl Server {
    /// Listens on both addresses.
    ///
    /// # Errors
    /// When an address is taken or not this machine's.
    pub fn bind(config: Config) -> Result<Self, ServeError> {
        let tls = server_config(Arc::clone(&config.identity), config.gate)?;
        let (listener, address) = listen("--listen", config.listen)?;
        let (plain_listener, plain_address) = listen("--listen-plain", config.listen_plain)?;
        if let Some(pair) = config.identity.current() {
            config.metrics.set_certificate_expiry(pair.expiry());
        }
        Ok(Self {
            app: Arc::new(App {
                slots: semaphore(config.limits.max_in_flight),
                slow_slots: semaphore(config.limits.max_in_flight),
                large_reviews: semaphore(webhooks::LARGE_REVIEWS_AT_ONCE),
                memory: body::Memory::new(config.limits.max_buffered_bytes),
                limits: config.limits,
                stance: config.stance,
                answer: config.answer,
                policies: config.policies,
                policy_edits: config.policy_edits,
                identity: config.identity,
                refusals: config.refusals,
                metrics: config.metrics,
                rejections: RejectionLog::default(),
                suspected_children: Throttle::new(),
                readiness: config.readiness,
                namespaces: config.namespaces,
            }),
            tls: TlsAcceptor::from(Arc::new(tls)),
            drain: config.drain,
            listener,
            plain_listener,
            address,
            plain_address,
        })
    }

    /// Address of the TLS port, with the real port where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Address of the plain port.
    pub fn plain_address(&self) -> SocketAddr {
        self.plain_address
    }

    /// Serves until `shutdown` comes to pass and everything under way is finished; `false` if that took too long and
    /// requests were dropped.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> bool {
        let Self {
            app,
            tls,
            drain,
            listener,
            plain_listener,
            ..
        } = self;
        let (phase, follow) = watch::channel(Phase::Serving);
        let (plain_phase, plain_follow) = watch::channel(Phase::Serving);
        let webhooks = {
            let app = Arc::clone(&app);
            move |request| webhooks::webhook(Arc::clone(&app), request)
        };
        let probes = {
            let app = Arc::clone(&app);
            move |request| std::future::ready(probes::probe(&app, &request))
        };
        let port = Port {
            listener,
            tls: Some(tls),
            answer: webhooks,
            metrics: Arc::clone(&app.metrics),
            max_connections: app.limits.max_connections,
        };
        let plain_port = Port {
            listener: plain_listener,
            tls: None,
            answer: probes,
            metrics: Arc::clone(&app.metrics),
            max_connections: app.limits.max_connections,
        };
        let mut serving = tokio::spawn(port.serve(follow));
        let plain_serving = tokio::spawn(plain_port.serve(plain_follow));

        shutdown.await;
        tracing::info!(delay = ?drain.delay, "draining: not ready any more, still serving");
        app.readiness.start_draining();
        phase.send_replace(Phase::Draining);
        plain_phase.send_replace(Phase::Draining);
        tokio::time::sleep(drain.delay).await;
        phase.send_replace(Phase::Closing);
        let finished = tokio::time::timeout(drain.grace, &mut serving).await.is_ok();
        phase.send_replace(Phase::Gone);
        if finished {
            tracing::info!("drained: every request is answered");
        } else {
            tracing::warn!(grace = ?drain.grace, "requests still under way are dropped");
        }
        // Probes are answered to the last: a kubelet that finds nobody would call the replica broken.
        plain_phase.send_replace(Phase::Gone);
        plain_serving.abort();
        finished
    }
}

fn semaphore(permits: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)))
}

fn listen(flag: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let open = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        // A restarted server must not wait for the connections of its predecessor to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let real = listener.local_addr()?;
        Ok((listener, real))
    };
    open().map_err(|source| ServeError::Listen { flag, address, source })
}
