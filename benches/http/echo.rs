//! The least that a webhook can do: hyper and rustls, the uid found by searching bytes, no JSON.
//!
//! It runs as a process of its own, so that its processor time can be told from that of the load.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use runstamp::tls::{ServingIdentity, ServingPair, server_config};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What stands before the uid. The API server writes it near the beginning of the review.
const UID: &[u8] = b"\"uid\":\"";

/// Serves until it is killed; says on stdout where, as `runstamp serve` does.
///
/// Every answer of `/mutate` holds `more` besides: nothing, or a patch and what goes with it.
pub(crate) fn serve(certificate: &Path, key: &Path, more: Vec<u8>) -> anyhow::Result<()> {
    let more = Bytes::from(more);
    let pair = ServingPair::from_files(certificate, key).context("failed to read the certificate")?;
    // The very settings of Runstamp.
    let tls = server_config(Arc::new(ServingIdentity::new(pair)), None).context("failed to configure TLS")?;
    let tls = TlsAcceptor::from(Arc::new(tls));
    // One core is what both get, and a runtime of one thread is the least that it can be had for.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("failed to listen")?;
        let address = listener.local_addr().context("failed to read the address")?;
        println!("serving https://{address}");
        loop {
            let (stream, _) = listener.accept().await.context("failed to accept")?;
            let (tls, more) = (tls.clone(), more.clone());
            tokio::spawn(async move {
                // A client that goes is no matter here.
                let _ = speak(stream, tls, more).await;
            });
        }
    })
}

async fn speak(stream: TcpStream, tls: TlsAcceptor, more: Bytes) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let stream = tls.accept(stream).await?;
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service_fn(|request| answer(request, &more)))
        .await?;
    Ok(())
}

async fn answer(request: Request<Incoming>, more: &[u8]) -> Result<Response<Full<Bytes>>, Infallible> {
    let more = if request.uri().path() == "/mutate" { more } else { &[] };
    // A body that broke off has no uid, and the load says so.
    let body = request.into_body().collect().await.map(|body| body.to_bytes());
    let uid = body.as_deref().ok().and_then(uid).unwrap_or_default();
    let mut answer = Vec::with_capacity(160 + more.len());
    answer.extend_from_slice(br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":""#);
    answer.extend_from_slice(uid);
    answer.extend_from_slice(br#"","allowed":true"#);
    answer.extend_from_slice(more);
    answer.extend_from_slice(b"}}");
    let mut response = Response::new(Full::new(Bytes::from(answer)));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

fn uid(body: &[u8]) -> Option<&[u8]> {
    let start = body.windows(UID.len()).position(|window| window == UID)? + UID.len();
    let rest = body.get(start..)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    rest.get(..end)
}
