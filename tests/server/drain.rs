//! The end: not ready first, nothing under way is lost, then nobody is there.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::client::{Answer, connect, post_head};
use crate::harness::{DEADLINE, TestServer, eventually, review, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_announced_before_anybody_is_turned_away() {
    // The delay never ends within the test: everything here happens during it.
    let mut server = TestServer::start_with(|config| config.drain.delay = 10 * DEADLINE);
    let mut open = server.client().await;
    let answer = within(open.post("/mutate", &review("before", 0))).await;
    assert!(!answer.has("connection: close"), "{answer:?}");
    server.stop();
    eventually("not ready", async || server.probe("/readyz").await.status == 503).await;
    let report = within(server.probe("/readyz")).await.json();
    assert_eq!((&report["ready"], &report["draining"]), (&false.into(), &true.into()));
    assert_eq!(
        within(server.probe("/livez")).await.status,
        200,
        "a replica that drains is not broken"
    );

    let answer = within(open.post("/mutate", &review("during", 0))).await;
    assert_eq!((answer.status, answer.has("connection: close")), (200, true));
    assert!(within(open.is_closed()).await);
    let answer = within(server.client().await.post("/mutate", &review("new", 0))).await;
    assert_eq!(
        (answer.status, answer.has("connection: close")),
        (200, true),
        "new connections are served"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_finished() {
    let mut server = TestServer::start();
    let body = review("under way", 0);
    let (first_half, second_half) = body.split_at(body.len() / 2);

    let mut reading = server.client().await;
    let head = post_head("/mutate", body.len());
    reading.send(format!("{head}{first_half}").as_bytes()).await.unwrap();
    // Accepted, but silent so far: the first request is yet to come.
    let mut greeted = server.client().await;
    let mut idle = server.client().await;
    within(idle.post("/mutate", &review("idle", 0))).await;
    eventually("the request is under way", async || {
        server.metric("runstamp_in_flight_reviews") == Some(1.0)
    })
    .await;

    server.stop();
    assert!(
        is_asked_to_go(&within(idle.answer()).await),
        "nothing is to be expected of an idle connection"
    );
    assert!(within(idle.is_closed()).await);
    let address = server.address;
    eventually("nobody is accepted", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
    let answer = within(greeted.post("/mutate", &review("greeted", 0))).await;
    assert_eq!((answer.status, answer.has("connection: close")), (200, true));
    reading.send(second_half.as_bytes()).await.unwrap();
    let answer = within(reading.answer()).await;
    assert_eq!(answer.json()["response"]["uid"], "under way");
    assert!(answer.has("connection: close"), "{answer:?}");
    assert!(server.ended().await, "nothing was dropped");
}

/// What the API server takes for the wish to ask again at once, on another connection.
fn is_asked_to_go(answer: &Answer) -> bool {
    answer.status == 503 && answer.has("retry-after: 0") && answer.has("connection: close")
}

/// The client does not know yet that its connection ends, and asks: a call that would be lost without an answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_crosses_with_the_end_of_its_connection_is_asked_again() {
    let mut server = TestServer::start();
    let mut resting = server.client().await;
    within(resting.post("/mutate", &review("before", 0))).await;
    server.stop();
    let address = server.address;
    eventually("nobody is accepted", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
    let answer = within(resting.post("/mutate", &review("crossing", 0))).await;
    assert!(is_asked_to_go(&answer), "{answer:?}");
    drop(resting);
    assert!(server.ended().await, "nothing was dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_has_begun_is_finished() {
    let mut server = TestServer::start();
    let config = server.greeting().config();
    // The connection is there before the drain; its first byte comes after.
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let address = server.address;
    server.stop();
    eventually("nobody is accepted", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await;
    assert!(stream.is_ok(), "{stream:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_too_long_is_dropped() {
    let mut server = TestServer::start_with(|config| {
        config.drain.grace = Duration::from_millis(50);
        config.limits.body_time_limit = DEADLINE;
    });
    let mut slow = server.client().await;
    slow.send(post_head("/mutate", 1_000).as_bytes()).await.unwrap();
    eventually("the request is under way", async || {
        server.metric("runstamp_in_flight_reviews") == Some(1.0)
    })
    .await;
    server.stop();
    assert!(within(slow.is_closed()).await);
    let address = server.address;
    let config = server.greeting().config();
    assert!(!server.ended().await, "it is said that something was dropped");
    assert!(connect(address, config).await.is_err());
}

/// A client of the API server's kind: it keeps its connection until it is told to close it, and goes to the next server
/// where the first lets nobody in. Everything else is a lost call.
///
/// A listener that closes resets whoever was greeted in its very last moment; no request was sent by then.
async fn call_until_the_second_answers(first: &TestServer, second: &TestServer, client: usize) -> usize {
    let configs = [first.greeting().config(), second.greeting().config()];
    let addresses = [first.address, second.address];
    let mut server = 0;
    let mut calls = 0;
    loop {
        let mut connection = match connect(addresses[server], configs[server].clone()).await {
            Ok(connection) => connection,
            Err(error)
                if server == 0 && matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) =>
            {
                server = 1;
                continue;
            }
            Err(error) => panic!("client {client}, call {calls}: {error}"),
        };
        loop {
            let uid = format!("{client}-{calls}");
            let answer = within(connection.post("/mutate", &review(&uid, 0))).await;
            assert_eq!((answer.status, &answer.json()["response"]["uid"]), (200, &uid.into()));
            calls += 1;
            if server == 1 {
                return calls;
            }
            if answer.has("connection: close") {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_loses_no_call() {
    let mut first = TestServer::start_with(|config| config.drain.delay = Duration::from_secs(1));
    let second = TestServer::start();
    let counted = |server: &TestServer| {
        server.metric(
            "runstamp_admission_reviews_total{webhook=\"mutate\",kind=\"PipelineRun\",operation=\"CREATE\",lineage=\"Root\",decision=\"allow\"}",
        )
    };
    let stop = first.take_stop();
    let (first, second) = (std::sync::Arc::new(first), std::sync::Arc::new(second));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..8 {
        let (first, second) = (first.clone(), second.clone());
        clients.spawn(async move { call_until_the_second_answers(&first, &second, client).await });
    }
    eventually("calls are under way", async || counted(&first) >= Some(100.0)).await;
    stop.send(()).unwrap();
    let calls: usize = within(clients.join_all()).await.iter().sum();
    let answered = counted(&first).unwrap_or_default() + counted(&second).unwrap_or_default();
    assert_eq!(answered, calls as f64);
    println!("{calls} calls during a rollout, none lost");
}
