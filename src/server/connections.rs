//! Connections: accepting them, TLS handshakes, HTTP/1.1, and letting them end without losing a request.
//!
//! Written by hand on hyper, since a drain must also finish handshakes that have begun: whoever is in the middle of
//! one is about to send a request.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::BACKLOG;
use super::answers::Answered;
use super::farewell::take_leave;
use crate::telemetry::{Metrics, Rejection, Throttle};

/// A handshake takes milliseconds; whoever takes this long never meant it.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// A connection that brings no request for so long, or up to twice as long, is ended. The API server gives up idle
/// connections after 90 seconds: closing first could meet a request that is on its way.
const IDLE_TIME: Duration = Duration::from_secs(180);

/// What is read from a connection at once, at most: an ordinary request is smaller.
const READ_AHEAD: usize = 8 * 1024;

/// Ordinary requests have a few hundred bytes of header.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// How long a connection on which nothing was ever asked is kept for its first request when the server closes.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);

/// Pause after the system could not accept a connection, as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How far a drain has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Everything is served.
    Serving,
    /// Everything is served, and each answer asks the client to go elsewhere.
    Draining,
    /// Nothing new is accepted; what is under way is finished.
    Closing,
    /// What is still under way is dropped.
    Gone,
}

/// Waits until a drain has come this far; a sender that is gone means the very end.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

/// One port: its protocol and who answers there.
pub(super) struct Port<A> {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) answer: A,
    pub(super) metrics: Arc<Metrics>,
    pub(super) max_connections: usize,
}

impl<A, F> Port<A>
where
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Answered> + Send + 'static,
{
    /// Accepts connections until the phase is `Closing`, and returns when all of them have ended.
    pub(super) async fn serve(self, follow: watch::Receiver<Phase>) {
        let mut phase = follow.clone();
        let Self {
            listener,
            tls,
            answer,
            metrics,
            max_connections,
        } = self;
        let seats = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
        let endpoint = Arc::new(Endpoint {
            tls,
            answer,
            metrics,
            refused_by_clients: Throttle::new(),
            too_many: Throttle::new(),
            refused_clients: Throttle::new(),
        });
        // Every connection holds a sender; the receiver learns when the last is gone.
        let (alive, mut all_gone) = mpsc::channel::<Infallible>(1);
        let spawn_connection = |stream, peer| {
            let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
                // Closing at once tells the client more than silence, and costs nothing.
                endpoint.metrics.count_rejection(Rejection::Connections);
                if let Some(held_back) = endpoint.too_many.pass() {
                    tracing::warn!(
                        max_connections,
                        held_back,
                        "too many connections: new ones are closed at once"
                    );
                }
                return;
            };
            let endpoint = Arc::clone(&endpoint);
            let (phase, alive) = (follow.clone(), alive.clone());
            tokio::spawn(async move {
                let _alive = (alive, seat);
                let mut end = phase.clone();
                tokio::select! {
                    biased;
                    () = reached(&mut end, Phase::Gone) => {}
                    () = endpoint.serve(stream, peer, phase) => {}
                }
            });
        };
        loop {
            // Accepting comes first, so that whoever the system has already greeted is not turned away.
            let accepted = tokio::select! {
                biased;
                accepted = listener.accept() => accepted,
                () = reached(&mut phase, Phase::Closing) => break,
            };
            match accepted {
                Ok((stream, peer)) => spawn_connection(stream, peer),
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        accept_backlog(listener, spawn_connection);
        drop(alive);
        let _ = all_gone.recv().await;
    }
}

/// Accepts everybody whom the system has greeted already, then closes the listener: closing resets whoever still waits.
fn accept_backlog(listener: TcpListener, mut accept: impl FnMut(TcpStream, SocketAddr)) {
    // The system itself is asked, since what the runtime last heard of the listener may be older than the newest
    // connection. The bound is for clients that connect faster than they are accepted.
    let Ok(listener) = listener.into_std() else { return };
    for _ in 0..BACKLOG {
        let accepted = listener.accept().and_then(|(stream, peer)| {
            stream.set_nonblocking(true)?;
            Ok((TcpStream::from_std(stream)?, peer))
        });
        match accepted {
            Ok((stream, peer)) => accept(stream, peer),
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
            Err(error) => {
                tracing::warn!(%error, "failed to accept the connections that were left");
                return;
            }
        }
    }
}

/// Comes to pass when nothing is asked for [`IDLE_TIME`]. A look at a count now and then costs a request nothing, as a
/// timer for each would; no request lasts so long.
async fn falls_silent(asked: &AtomicU64) {
    let mut before = None;
    loop {
        let now = asked.load(Ordering::Relaxed);
        if before.replace(now) == Some(now) {
            return;
        }
        tokio::time::sleep(IDLE_TIME).await;
    }
}

fn is_about_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What every connection of a port shares.
struct Endpoint<A> {
    tls: Option<TlsAcceptor>,
    answer: A,
    metrics: Arc<Metrics>,
    refused_by_clients: Throttle,
    too_many: Throttle,
    refused_clients: Throttle,
}

impl<A, F> Endpoint<A>
where
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Answered> + Send + 'static,
{
    async fn serve(&self, stream: TcpStream, peer: SocketAddr, phase: watch::Receiver<Phase>) {
        // Answers are single writes; waiting to fill a packet would only add latency. A socket that refuses is slower.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.speak_http(stream, phase).await;
        };
        // TLS reads 4 KiB at a time, and an ordinary review is larger: the system is asked once instead of twice.
        let stream = BufReader::with_capacity(READ_AHEAD, stream);
        match tokio::time::timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.speak_http(stream, phase).await,
            Ok(Err(error)) => self.report_handshake(peer, &error),
            Err(_) => {
                self.metrics.count_rejection(Rejection::Handshake);
                tracing::debug!(%peer, "TLS handshake took too long");
            }
        }
    }

    async fn speak_http<I: AsyncRead + AsyncWrite + Unpin>(&self, io: I, mut phase: watch::Receiver<Phase>) {
        let asked = AtomicU64::new(0);
        // Whether the client knows that the connection ends with the answer that it has, or waits for.
        let announced = AtomicBool::new(false);
        let drain = phase.clone();
        let service = service_fn(|request| {
            asked.fetch_add(1, Ordering::Relaxed);
            let answer = (self.answer)(request);
            let (drain, announced) = (&drain, &announced);
            Box::pin(async move {
                let mut response = answer.await;
                if *drain.borrow() > Phase::Serving {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                    announced.store(true, Ordering::Relaxed);
                }
                Ok::<_, Infallible>(response)
            })
        });
        let mut connection = http1::Builder::new()
            .max_header_size(MAX_HEADER_BYTES)
            .serve_connection(TokioIo::new(io), service);
        let ended = tokio::select! {
            biased;
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => ended,
            () = falls_silent(&asked) => {
                tracing::debug!("connection ended: nothing was asked for a long time");
                return;
            }
            () = reached(&mut phase, Phase::Closing) => {
                // Whoever has just been greeted is about to ask, and every answer ends its connection by now. Telling
                // the connection to end would close it at once.
                let is_new = asked.load(Ordering::Relaxed) == 0;
                let first = async {
                    if is_new {
                        let served = poll_fn(|context| connection.poll_without_shutdown(context));
                        tokio::time::timeout(FIRST_REQUEST_GRACE, served).await.ok()
                    } else {
                        None
                    }
                };
                match first.await {
                    Some(ended) => ended,
                    None => {
                        std::pin::Pin::new(&mut connection).graceful_shutdown();
                        poll_fn(|context| connection.poll_without_shutdown(context)).await
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended early");
            return;
        }
        let mut io = connection.into_parts().io.into_inner();
        if *phase.borrow() >= Phase::Closing && !announced.load(Ordering::Relaxed) {
            take_leave(&mut io).await;
        } else if let Err(error) = io.shutdown().await {
            tracing::debug!(%error, "connection ended early");
        }
    }

    fn report_handshake(&self, peer: SocketAddr, error: &std::io::Error) {
        self.metrics.count_rejection(Rejection::Handshake);
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        // Port scans and TCP probes are noise. A client that refuses our certificate is an outage in the making, most
        // often a caBundle that does not fit, and so is one whose certificate is refused: each of its calls fails.
        // Both are said, but not once a call.
        match inner {
            Some(rustls::Error::AlertReceived(alert)) => {
                if let Some(held_back) = self.refused_by_clients.pass() {
                    tracing::warn!(
                        %peer,
                        error = %rustls::Error::AlertReceived(*alert),
                        held_back,
                        "a client broke off the TLS handshake: does its CA (caBundle) fit the serving certificate"
                    );
                }
            }
            Some(error @ (rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_))) => {
                if let Some(held_back) = self.refused_clients.pass() {
                    tracing::warn!(
                        %peer,
                        reason = refused_certificate(error),
                        held_back,
                        "a client was turned away: expected a certificate that --client-ca and --client-name admit"
                    );
                }
            }
            _ => tracing::debug!(%peer, %error, "TLS handshake failed"),
        }
    }
}

/// Why the certificate of a client does not do, in words that say where to look.
fn refused_certificate(error: &rustls::Error) -> String {
    use rustls::{CertificateError, Error};
    match error {
        Error::NoCertificatesPresented => {
            "it shows none: the kubeconfig of its AdmissionConfiguration has no user for this Service".to_owned()
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "its certificate is of another authority than those of --client-ca".to_owned()
        }
        Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => {
            "its certificate has none of the names of --client-name".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use hyper::StatusCode;

    use super::*;
    use crate::server::answers::text;

    #[test]
    fn a_refused_certificate_is_told_in_words_that_say_where_to_look() {
        use rustls::{CertificateError, Error};
        #[track_caller]
        fn check(error: Error, expected: &str) {
            let reason = refused_certificate(&error);
            assert!(reason.contains(expected), "{reason}");
        }
        check(Error::NoCertificatesPresented, "AdmissionConfiguration");
        check(
            Error::InvalidCertificate(CertificateError::UnknownIssuer),
            "of another authority",
        );
        check(
            Error::InvalidCertificate(CertificateError::BadSignature),
            "of another authority",
        );
        let unnamed = CertificateError::ApplicationVerificationFailure;
        check(Error::InvalidCertificate(unnamed), "none of the names of --client-name");
        check(Error::InvalidCertificate(CertificateError::Expired), "has expired");
    }

    // The runtime has one thread: nothing is accepted before the port is served, and then it is closing already.
    #[tokio::test]
    async fn whoever_waits_when_the_port_closes_is_served() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting: Vec<_> = (0..5)
            .map(|_| {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
                stream
            })
            .collect();
        let port = Port {
            listener,
            tls: None,
            answer: async |_| text(StatusCode::OK, "served"),
            metrics: Arc::new(Metrics::new()),
            max_connections: 100,
        };
        let (_phase, follow) = watch::channel(Phase::Closing);
        port.serve(follow).await;
        for stream in &mut waiting {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.ends_with("served\n"), "{answer}");
        }
        assert!(std::net::TcpStream::connect(address).is_err(), "the listener is closed");
    }
}
