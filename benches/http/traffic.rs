//! Load in two shapes: as many requests as a number of connections carries, and so many a second whatever comes back.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

use crate::client::Connection;
use crate::process::Server;

/// One thread: the load has one core, and nothing needs to be shared.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")
}

/// Connections to one server that are kept between rounds.
pub(crate) struct Connections {
    idle: Vec<Connection>,
}

/// What a round of [`Connections::saturate`] took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Processor time of the server for one request, in microseconds.
    pub(crate) cpu_us: f64,
    /// Requests a second.
    pub(crate) rate: f64,
}

impl Connections {
    pub(crate) async fn open(connector: &TlsConnector, address: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let mut idle = Vec::new();
        for _ in 0..count {
            idle.push(Connection::open(connector, address).await?);
        }
        Ok(Self { idle })
    }

    /// Each connection asks as soon as it has its answer, for so long.
    pub(crate) async fn saturate(
        &mut self,
        server: &Server,
        request: &Rc<[u8]>,
        time: Duration,
    ) -> anyhow::Result<Round> {
        let (begun, cpu) = (Instant::now(), server.cpu()?);
        let end = begun + time;
        let asking = self.each(|mut connection| {
            let request = Rc::clone(request);
            async move {
                let mut asked = 0_u64;
                while Instant::now() < end {
                    let status = connection.ask(&request).await?;
                    anyhow::ensure!(status == 200, "answered with {status}");
                    asked += 1;
                }
                Ok((connection, asked))
            }
        });
        let (asked, ()) = tokio::join!(asking, stay_awake(end));
        let requests: u64 = asked?.iter().sum();
        let spent = server.cpu()?.saturating_sub(cpu);
        Ok(Round {
            cpu_us: spent.as_secs_f64() * 1e6 / requests as f64,
            rate: requests as f64 / begun.elapsed().as_secs_f64(),
        })
    }

    /// So many requests a second for so long, each at its own time, on whichever connection is free. A connection that
    /// waits for its answer holds up none but the requests for which no other is free, and these count their waiting.
    /// Where so many wait that `longest_queue` is full, a request is given up.
    pub(crate) async fn ask_at_a_rate(
        &mut self,
        request: &Rc<[u8]>,
        a_second: f64,
        time: Duration,
        longest_queue: usize,
    ) -> anyhow::Result<Vec<Sample>> {
        let due = Rc::new(Due {
            longest_queue: longest_queue + self.idle.len(),
            ..Due::default()
        });
        let begun = Instant::now();
        let pacer = pace(&due, begun, a_second, time);
        let ask = self.each(|mut connection| {
            let (due, request) = (Rc::clone(&due), Rc::clone(request));
            async move {
                let mut samples = Vec::new();
                while let Some(intended) = due.next().await {
                    let status = connection.ask(&request).await?;
                    let latency = intended.elapsed();
                    samples.push(Sample {
                        intended,
                        latency,
                        status,
                    });
                }
                Ok((connection, samples))
            }
        });
        let (samples, ()) = tokio::join!(ask, pacer);
        Ok(samples?.into_iter().flatten().collect())
    }

    /// Does the same on all connections at once, and takes them back.
    async fn each<T: 'static, F: Future<Output = anyhow::Result<(Connection, T)>> + 'static>(
        &mut self,
        ask: impl Fn(Connection) -> F,
    ) -> anyhow::Result<Vec<T>> {
        let local = LocalSet::new();
        let asking: Vec<_> = self
            .idle
            .drain(..)
            .map(|connection| local.spawn_local(ask(connection)))
            .collect();
        let mut results = Vec::new();
        local
            .run_until(async {
                for one in asking {
                    let (connection, result) = one.await.context("a connection ended in a panic")??;
                    self.idle.push(connection);
                    results.push(result);
                }
                Ok(results)
            })
            .await
    }
}

/// Keeps the load from sleeping. Whoever writes to a client that sleeps pays for waking it, and the client of a fast
/// server hardly sleeps: the ratio would be about the client.
async fn stay_awake(end: Instant) {
    while Instant::now() < end {
        tokio::task::yield_now().await;
    }
}

/// One request of an open loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// When it was to be sent.
    pub(crate) intended: Instant,
    /// From then to the whole answer.
    pub(crate) latency: Duration,
    /// The status of the answer.
    pub(crate) status: u16,
}

/// Requests whose time has come and which nobody has sent yet.
#[derive(Default)]
struct Due {
    waiting: RefCell<VecDeque<Instant>>,
    /// How many may wait, those among them for whom a connection is free.
    longest_queue: usize,
    /// Connections that wait for an answer.
    busy: Cell<usize>,
    more: Notify,
    is_over: Cell<bool>,
}

impl Due {
    /// The next request to send; nothing once all are sent.
    async fn next(&self) -> Option<Instant> {
        self.busy.update(|busy| busy.saturating_sub(1));
        let next = self.wait().await;
        self.busy.update(|busy| busy + 1);
        next
    }

    async fn wait(&self) -> Option<Instant> {
        loop {
            if let Some(intended) = self.waiting.borrow_mut().pop_front() {
                return Some(intended);
            }
            if self.is_over.get() {
                return None;
            }
            self.more.notified().await;
        }
    }
}

/// Makes requests due. It looks at the clock again and again, since the runtime's own has milliseconds.
async fn pace(due: &Due, begun: Instant, a_second: f64, time: Duration) {
    let count = (time.as_secs_f64() * a_second) as u64;
    let mut made = 0_u64;
    while made < count {
        while made < count && begun.elapsed().as_secs_f64() * a_second >= made as f64 {
            let intended = begun + Duration::from_secs_f64(made as f64 / a_second);
            made += 1;
            if due.waiting.borrow().len() + due.busy.get() < due.longest_queue {
                due.waiting.borrow_mut().push_back(intended);
                due.more.notify_one();
            }
        }
        tokio::task::yield_now().await;
    }
    due.is_over.set(true);
    due.more.notify_waiters();
}
