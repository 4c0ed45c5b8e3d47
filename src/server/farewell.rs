//! The last words on a connection that its client may still believe in.
//!
//! HTTP/1.1 has no way to close a connection that rests without a race: the client may be asking while the end of the
//! connection is on its way to it, and the API server does not repeat a call that meets a closed connection. So the end
//! comes with an answer. Whoever has just asked takes it for his own, and `Retry-After` makes the API server ask again
//! at once, on another connection, within the timeout of the webhook. Whoever has not asked drops the connection; the
//! API server says so in its log.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Ask again now, somewhere else.
const FAREWELL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long a client has to take its leave. It is a matter of one round trip.
const LEAVE_TIME: Duration = Duration::from_secs(1);

/// Ends a connection so that a request which is on its way is asked again instead of lost.
pub(super) async fn take_leave(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let leave = async {
        io.write_all(FAREWELL).await?;
        io.shutdown().await?;
        // A request that nobody reads resets the connection, and a reset may overtake the farewell.
        let mut unread = [0; 4096];
        while io.read(&mut unread).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // A client that is gone, or does not go, is nobody to wait for.
    let _ = tokio::time::timeout(LEAVE_TIME, leave).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_asks_meanwhile_is_told_to_ask_again() {
        let (mut client, mut server) = tokio::io::duplex(1024);
        let leaving = tokio::spawn(async move { take_leave(&mut server).await });
        // More than fits: somebody must be reading.
        client.write_all(&[b'?'; 100_000]).await.unwrap();
        let mut answer = vec![0; FAREWELL.len()];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, FAREWELL);
        drop(client);
        leaving.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_who_does_not_go() {
        let (client, mut server) = tokio::io::duplex(1024);
        take_leave(&mut server).await;
        drop(client);
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_no_trouble() {
        let (client, mut server) = tokio::io::duplex(16);
        drop(client);
        take_leave(&mut server).await;
    }
}
