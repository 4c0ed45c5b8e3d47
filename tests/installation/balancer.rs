//! In the part of kube-proxy and of the controllers that tell it where to: the way from a Service to its replicas.
//!
//! What is like the real ones:
//! - New connections go to the endpoints in turn. A connection that exists stays where it is, whatever the list says.
//! - The list follows readiness late: a replica enters and leaves it only after several probes in a row have said so,
//!   and connections go to a replica that is gone for as long.
//! - A connection that an endpoint does not take fails. Nobody tries the next one.
//! - Without any endpoint, connections to the Service are refused.
//!
//! Beyond that it can be told to hold what is said on the connections there are, as a slow network would, so that what
//! both sides say crosses on the way.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};

/// Between two looks at the readiness of all endpoints.
const POLL: Duration = Duration::from_millis(50);

/// So many looks must agree before the list follows them: some 200 ms, in the part of probes, controllers and watches.
const AGREEING_PROBES: u32 = 4;

/// An endpoint that does not answer a probe by then has not answered.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// Connections at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;

/// The balancer of one Service. It ends when it is dropped.
pub(crate) struct Balancer {
    shared: Arc<Shared>,
    // The last to go: its tasks hold the rest.
    _runtime: Runtime,
}

struct Shared {
    pods: Mutex<Vec<Pod>>,
    endpoints: watch::Sender<Vec<Endpoint>>,
    /// Whether what is said is held back.
    is_held: watch::Sender<bool>,
    /// How many pieces were held back on their way to an endpoint, and from one; an end is a piece.
    held_there: AtomicU64,
    held_back: AtomicU64,
    turn: AtomicUsize,
    forwarded: AtomicU64,
    failed: AtomicU64,
}

/// Where new connections go.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Endpoint {
    name: String,
    address: SocketAddr,
}

/// A replica that the Service selects, ready or not.
struct Pod {
    endpoint: Endpoint,
    probes: SocketAddr,
    is_listed: bool,
    /// Looks in a row that contradict the list.
    contrary: u32,
    is_gone: bool,
}

impl Balancer {
    /// Listens on the address of a Service whenever it has an endpoint.
    pub(crate) fn start(service: SocketAddr) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared {
            pods: Mutex::default(),
            endpoints: watch::Sender::new(Vec::new()),
            is_held: watch::Sender::new(false),
            held_there: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
            turn: AtomicUsize::new(0),
            forwarded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        runtime.spawn(follow_readiness(Arc::clone(&shared)));
        runtime.spawn(serve(Arc::clone(&shared), service));
        Ok(Self {
            shared,
            _runtime: runtime,
        })
    }

    /// A new Pod that the Service selects: it is listed once it is ready.
    pub(crate) fn add(&self, name: &str, address: SocketAddr, probes: SocketAddr) {
        self.shared.pods().push(Pod {
            endpoint: Endpoint {
                name: name.to_owned(),
                address,
            },
            probes,
            is_listed: false,
            contrary: 0,
            is_gone: false,
        });
    }

    /// The Pod has ended: it is forgotten as soon as it has left the list.
    pub(crate) fn forget(&self, name: &str) {
        let mut pods = self.shared.pods();
        for pod in pods.iter_mut().filter(|pod| pod.endpoint.name == name) {
            pod.is_gone = true;
        }
    }

    /// The names of the endpoints that new connections go to.
    pub(crate) fn listed(&self) -> Vec<String> {
        let endpoints = self.shared.endpoints.borrow();
        endpoints.iter().map(|endpoint| endpoint.name.clone()).collect()
    }

    /// From now on nothing that is said on any connection arrives, nor its end.
    pub(crate) fn hold(&self) {
        self.shared.held_there.store(0, Ordering::SeqCst);
        self.shared.held_back.store(0, Ordering::SeqCst);
        self.shared.is_held.send_replace(true);
    }

    /// How many pieces are held on their way to endpoints, and from them; an end is a piece.
    pub(crate) fn held(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        (count(&self.shared.held_there), count(&self.shared.held_back))
    }

    /// Lets everything that was held arrive.
    pub(crate) fn release(&self) {
        self.shared.is_held.send_replace(false);
    }

    /// Connections so far: those that an endpoint took, and those that it did not.
    pub(crate) fn connections(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.shared.forwarded), count(&self.shared.failed))
    }
}

impl Shared {
    fn pods(&self) -> MutexGuard<'_, Vec<Pod>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one look at every Pod into account.
    fn follow(&self, looks: &[(SocketAddr, bool)]) {
        let mut pods = self.pods();
        for pod in pods.iter_mut() {
            let Some((_, is_ready)) = looks.iter().find(|(probes, _)| *probes == pod.probes) else {
                continue;
            };
            pod.contrary = if *is_ready == pod.is_listed {
                0
            } else {
                pod.contrary + 1
            };
            if pod.contrary >= AGREEING_PROBES {
                pod.is_listed = *is_ready;
                pod.contrary = 0;
            }
        }
        pods.retain(|pod| pod.is_listed || !pod.is_gone);
        let listed = pods.iter().filter(|pod| pod.is_listed);
        let listed: Vec<Endpoint> = listed.map(|pod| pod.endpoint.clone()).collect();
        self.endpoints.send_if_modified(|endpoints| {
            let is_new = *endpoints != listed;
            *endpoints = listed;
            is_new
        });
    }

    /// Bytes one way until their end, each when nothing is held.
    async fn carry(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        held: &AtomicU64,
    ) -> std::io::Result<()> {
        let mut is_held = self.is_held.subscribe();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let length = from.read(&mut buffer).await;
            if *is_held.borrow() {
                held.fetch_add(1, Ordering::SeqCst);
            }
            let _ = is_held.wait_for(|is_held| !is_held).await;
            match length? {
                0 => return Ok(()),
                length => to.write_all(&buffer[..length]).await?,
            }
        }
    }

    fn next(&self) -> Option<SocketAddr> {
        let endpoints = self.endpoints.borrow();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let index = turn.checked_rem(endpoints.len())?;
        Some(endpoints.get(index)?.address)
    }
}

async fn follow_readiness(shared: Arc<Shared>) {
    loop {
        let pods: Vec<SocketAddr> = shared.pods().iter().map(|pod| pod.probes).collect();
        let looks = pods.into_iter().map(async |probes| (probes, is_ready(probes).await));
        shared.follow(&join_all(looks).await);
        tokio::time::sleep(POLL).await;
    }
}

/// What the kubelet asks: does `/readyz` answer with 200.
async fn is_ready(probes: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(probes).await.ok()?;
        let request = format!("GET /readyz HTTP/1.1\r\nHost: {probes}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        Some(answer.starts_with(b"HTTP/1.1 200 "))
    };
    matches!(tokio::time::timeout(PROBE_TIME, ask).await, Ok(Some(true)))
}

async fn serve(shared: Arc<Shared>, service: SocketAddr) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut follow = shared.endpoints.subscribe();
    loop {
        let _ = follow.wait_for(|endpoints| !endpoints.is_empty()).await;
        let listener = TcpListener::bind(service).await.unwrap();
        loop {
            let slot = Arc::clone(&slots).acquire_owned().await.unwrap();
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // The listener goes, and whoever comes now is refused.
                _ = follow.wait_for(Vec::is_empty) => break,
            };
            let Ok((client, _)) = accepted else { continue };
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                forward(&shared, client).await;
                drop(slot);
            });
        }
    }
}

/// Bytes to and fro until both sides have said their last, or one of them is gone.
async fn forward(shared: &Shared, mut client: TcpStream) {
    let endpoint = match shared.next() {
        Some(address) => TcpStream::connect(address).await.ok(),
        None => None,
    };
    let Some(mut endpoint) = endpoint else {
        shared.failed.fetch_add(1, Ordering::Relaxed);
        // Reset, as an address would where nobody listens.
        let _ = client.set_zero_linger();
        return;
    };
    shared.forwarded.fetch_add(1, Ordering::Relaxed);
    let _ = (client.set_nodelay(true), endpoint.set_nodelay(true));
    if let Err(_reset) = exchange(shared, &mut client, &mut endpoint).await {
        let _ = client.set_zero_linger();
    }
}

/// Carries both ways until both sides have said their last; an `Err` when the endpoint has reset its connection.
async fn exchange(shared: &Shared, client: &mut TcpStream, endpoint: &mut TcpStream) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_endpoint, mut to_endpoint) = endpoint.split();
    let there = async {
        let _ = shared
            .carry(&mut from_client, &mut to_endpoint, &shared.held_there)
            .await;
        let _ = to_endpoint.shutdown().await;
    };
    let back = async {
        shared
            .carry(&mut from_endpoint, &mut to_client, &shared.held_back)
            .await?;
        to_client.shutdown().await
    };
    let (mut there, mut back) = (pin!(there), pin!(back));
    tokio::select! {
        biased;
        ended = back.as_mut() => {
            if ended.is_ok() {
                there.await;
            }
            ended
        }
        () = there.as_mut() => back.await,
    }
}
