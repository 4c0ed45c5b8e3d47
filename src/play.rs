//! The page to try policies on: a web server for one person, on loopback only, that asks the engine what `runstamp review` asks.

mod answer;
mod gate;
mod page;
mod question;
mod router;
mod start;

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

pub use self::answer::{Answer, Mistake, ReviewedRun, answer};
pub use self::page::MOST_REQUEST_BYTES;
pub use self::question::{PolicyFile, Question, Sender};
pub use self::start::OwnFiles;

/// Connections at once; a browser opens half a dozen a page.
const MOST_CONNECTIONS: usize = 64;

/// How long the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Pause after the system could not accept a connection, as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlayError {
    /// Another program listens there.
    #[error(
        "port {0} of 127.0.0.1 is in use: end what listens there, or choose another one with --port (0 is any free one)"
    )]
    Taken(u16),
    /// The port cannot be listened on.
    #[error("failed to listen on port {port} of 127.0.0.1 (--port)")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// What the page begins with cannot be written.
    #[error("failed to write what the page begins with")]
    Write(#[from] serde_json::Error),
}

/// A page that listens and is not served yet.
pub struct Playground {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

impl Playground {
    /// Listens on loopback; port 0 is any free one.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn bind(port: u16, own: OwnFiles) -> Result<Self, PlayError> {
        let listen = async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = listen.await.map_err(|source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => PlayError::Taken(port),
            _ => PlayError::Listen { port, source },
        })?;
        Ok(Self {
            router: router::router(address.port(), start::start(own)?),
            listener,
            address,
        })
    }

    /// Where the page is.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Serves until `shutdown` comes to pass. Nothing is worth waiting for then: the page keeps what was typed.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let seats = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let accepting = async {
            loop {
                // Whoever comes while all seats are taken waits in the queue of the system.
                let Ok(seat) = Arc::clone(&seats).acquire_owned().await else {
                    return;
                };
                match self.listener.accept().await {
                    Ok((stream, _)) => {
                        let router = self.router.clone();
                        tokio::spawn(async move {
                            converse(stream, router).await;
                            drop(seat);
                        });
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            }
        };
        tokio::select! {
            () = shutdown => {}
            () = accepting => {}
        }
    }
}

/// Answers whatever is asked on a connection.
async fn converse(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    // A client that hangs up or speaks no HTTP harms nobody but itself.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
}
