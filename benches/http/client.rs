//! A client that costs little, so that the server is what is measured: requests are bytes made beforehand, and of an
//! answer only its head and its length are looked at.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Room for an answer; it grows where one is larger.
const ANSWER: usize = 16 * 1024;

/// A request as the API server sends it.
pub(crate) fn request(review: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /mutate?timeout=3s HTTP/1.1\r\nHost: runstamp.runstamp.svc:443\r\nUser-Agent: \
         kube-apiserver-admission\r\nContent-Length: {}\r\nAccept: application/json, */*\r\nContent-Type: \
         application/json\r\nAccept-Encoding: gzip\r\n\r\n",
        review.len()
    );
    [head.as_bytes(), review].concat()
}

/// Whom to trust.
pub(crate) fn connector(folder: &Path) -> anyhow::Result<TlsConnector> {
    let pem = fs::read(folder.join("ca.crt")).context("failed to read ca.crt")?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem)?)?;
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each new connection is a whole handshake.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(connector: &TlsConnector, address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("failed to connect")?;
        stream.set_nodelay(true)?;
        let stream = connector
            .connect(ServerName::from(address.ip()), stream)
            .await
            .context("failed to shake hands")?;
        Ok(Self {
            stream,
            answer: vec![0; ANSWER],
        })
    }

    /// Sends a request and reads the answer whole; its status.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.ask_for_text(request).await.map(|(status, _)| status)
    }

    /// The same, and the body of the answer.
    pub(crate) async fn ask_for_text(&mut self, request: &[u8]) -> anyhow::Result<(u16, &[u8])> {
        self.stream.write_all(request).await.context("failed to send")?;
        self.stream.flush().await.context("failed to send")?;
        let mut filled = 0;
        let mut whole = None;
        loop {
            if let Some((status, body, end)) = whole
                && filled >= end
            {
                return Ok((status, &self.answer[body..end]));
            }
            if filled == self.answer.len() {
                self.answer.resize(filled * 2, 0);
            }
            let read = self
                .stream
                .read(&mut self.answer[filled..])
                .await
                .context("failed to read")?;
            if read == 0 {
                return Err(anyhow!("the connection ended"));
            }
            filled += read;
            if whole.is_none() {
                whole = head(&self.answer[..filled]);
            }
        }
    }
}

/// Status, begin and end of the body, once the head is there.
fn head(bytes: &[u8]) -> Option<(u16, usize, usize)> {
    let body = find(bytes, b"\r\n\r\n")? + 4;
    let head = &bytes[..body];
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<usize>().ok();
    let status = number(head.get(9..12)?)?;
    // hyper writes the names of headers in small letters.
    let after = &head[find(head, b"content-length: ")? + 16..];
    let length = number(&after[..after.iter().position(|byte| *byte == b'\r')?])?;
    Some((u16::try_from(status).ok()?, body, body + length))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
