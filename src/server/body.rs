//! Reading request bodies within their limits of size and time.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::telemetry::Rejection;

/// How much memory is set aside on a client's word before anything has arrived.
const MOST_ON_CREDIT: usize = 256 * 1024;

const KIBIBYTE: usize = 1024;

/// How much of a refused body is read and thrown away, in multiples of the size limit.
const DISCARD_FACTOR: usize = 4;

/// How long a refused body is read at most.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// What a body may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimits {
    /// Largest size in bytes.
    pub(super) bytes: usize,
    /// Longest time from the first to the last byte.
    pub(super) time: Duration,
}

/// How much memory all bodies together may take.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    kibibytes: Arc<Semaphore>,
}

impl Memory {
    /// That many bytes, rounded up to a kibibyte.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            kibibytes: Arc::new(Semaphore::new(bytes.div_ceil(KIBIBYTE).min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Takes what so many bytes need, if there is so much left.
    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Rejection> {
        let kibibytes = u32::try_from(bytes.div_ceil(KIBIBYTE)).map_err(|_| Rejection::TooLarge)?;
        Arc::clone(&self.kibibytes)
            .try_acquire_many_owned(kibibytes)
            .map_err(|_| Rejection::Overloaded)
    }
}

/// A body that has been read, and the memory that it takes until it is dropped.
#[derive(Debug)]
pub(super) struct Received {
    /// The body.
    pub(super) bytes: Bytes,
    _memory: OwnedSemaphorePermit,
}

/// Reads a body whole.
pub(super) async fn read(
    body: &mut (impl Body<Data = Bytes> + Unpin),
    limits: BodyLimits,
    memory: &Memory,
) -> Result<Received, Rejection> {
    // What is announced as too large need not be looked at.
    if body.size_hint().lower() > limits.bytes as u64 {
        return Err(Rejection::TooLarge);
    }
    tokio::time::timeout(limits.time, collect(body, limits.bytes, memory))
        .await
        .unwrap_or(Err(Rejection::TooSlow))
}

async fn collect(
    body: &mut (impl Body<Data = Bytes> + Unpin),
    limit: usize,
    memory: &Memory,
) -> Result<Received, Rejection> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(limit);
    let first = next(body).await?.unwrap_or_default();
    if first.len() > limit {
        return Err(Rejection::TooLarge);
    }
    // Taken as the bytes arrive: what a client only announces takes nothing from others.
    let mut taken = memory.take(first.len())?;
    if body.is_end_stream() {
        // The ordinary review arrives in one piece, which then need not be copied.
        return Ok(Received {
            bytes: first,
            _memory: taken,
        });
    }
    let mut whole = BytesMut::with_capacity(announced.min(MOST_ON_CREDIT).max(first.len()));
    whole.extend_from_slice(&first);
    while let Some(bytes) = next(body).await? {
        if whole.len().saturating_add(bytes.len()) > limit {
            return Err(Rejection::TooLarge);
        }
        taken.merge(memory.take(bytes.len())?);
        whole.extend_from_slice(&bytes);
    }
    Ok(Received {
        bytes: whole.freeze(),
        _memory: taken,
    })
}

async fn next(body: &mut (impl Body<Data = Bytes> + Unpin)) -> Result<Option<Bytes>, Rejection> {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                // Trailers are nobody's business here.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Err(_) => return Err(Rejection::CutOff),
        }
    }
    Ok(None)
}

/// Reads a bounded part of a refused body and throws it away. A connection that is closed while the client still
/// writes is reset, and the reset can overtake the answer.
pub(super) async fn discard(body: &mut (impl Body<Data = Bytes> + Unpin), limits: BodyLimits) {
    let most = limits.bytes.saturating_mul(DISCARD_FACTOR);
    let reading = async {
        let mut seen = 0_usize;
        while let Ok(Some(bytes)) = next(body).await {
            seen = seen.saturating_add(bytes.len());
            if seen > most {
                return;
            }
        }
    };
    // Whether it came to its end does not change the answer.
    let _ = tokio::time::timeout(DISCARD_TIME.min(limits.time), reading).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body_util::Full;
    use hyper::body::Frame;

    const LIMITS: BodyLimits = BodyLimits {
        bytes: 10,
        time: Duration::from_secs(5),
    };

    /// A body in pieces, whose size nobody announces; `broken` is an error, `stuck` never ends.
    struct Pieces(VecDeque<&'static str>);

    impl hyper::body::Body for Pieces {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            if self.0.front() == Some(&"stuck") {
                return Poll::Pending;
            }
            match self.0.pop_front() {
                None => Poll::Ready(None),
                Some("broken") => Poll::Ready(Some(Err(std::io::Error::other("reset")))),
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece.as_bytes()))))),
            }
        }
    }

    fn pieces(pieces: &[&'static str]) -> Pieces {
        Pieces(pieces.iter().copied().collect())
    }

    fn whole(text: impl Into<Bytes>) -> Full<Bytes> {
        Full::new(text.into())
    }

    #[track_caller]
    fn check(mut body: impl Body<Data = Bytes> + Unpin, expected: Result<&'static str, Rejection>) {
        // Paused: a body that is stuck costs no time.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let memory = Memory::new(KIBIBYTE * 4);
        let read = runtime.block_on(read(&mut body, LIMITS, &memory));
        assert_eq!(
            read.map(|received| received.bytes),
            expected.map(|text| Bytes::from_static(text.as_bytes()))
        );
    }

    #[test]
    fn bodies_within_the_limit_are_whole() {
        check(whole(""), Ok(""));
        check(whole("0123456789"), Ok("0123456789"));
        check(pieces(&["01", "", "23456789"]), Ok("0123456789"));
    }

    #[tokio::test]
    async fn bodies_share_the_memory_and_give_it_back() {
        let memory = Memory::new(2 * KIBIBYTE);
        let limits = BodyLimits {
            bytes: 8 * KIBIBYTE,
            ..LIMITS
        };
        let body = |size: usize| whole("x".repeat(size));
        let first = read(&mut body(KIBIBYTE + 1), limits, &memory).await.unwrap();
        let second = read(&mut body(1), limits, &memory).await.map(drop);
        assert_eq!(second, Err(Rejection::Overloaded));
        drop(first);
        assert!(read(&mut body(2 * KIBIBYTE), limits, &memory).await.is_ok());
        // In pieces it is no different.
        let mut body = Pieces([&*"y".repeat(KIBIBYTE).leak(); 3].into());
        assert_eq!(
            read(&mut body, limits, &memory).await.map(drop),
            Err(Rejection::Overloaded)
        );
        assert_eq!(memory.kibibytes.available_permits(), 2);
    }

    #[test]
    fn one_byte_more_is_too_large() {
        check(whole("0123456789A"), Err(Rejection::TooLarge));
        check(pieces(&["0123456789", "A"]), Err(Rejection::TooLarge));
        check(pieces(&["0123456789A"]), Err(Rejection::TooLarge));
    }

    #[test]
    fn a_body_that_breaks_off_is_cut_off() {
        check(pieces(&["01", "broken"]), Err(Rejection::CutOff));
    }

    #[test]
    fn a_body_that_never_ends_is_too_slow() {
        check(pieces(&["stuck"]), Err(Rejection::TooSlow));
        check(pieces(&["01", "stuck"]), Err(Rejection::TooSlow));
    }

    #[tokio::test(start_paused = true)]
    async fn discarding_ends_whatever_comes() {
        for body in [pieces(&["stuck"]), pieces(&["broken"]), pieces(&["0123456789"; 1_000])] {
            let mut body = body;
            discard(&mut body, LIMITS).await;
        }
    }
}
