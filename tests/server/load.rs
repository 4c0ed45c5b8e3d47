//! Too many at once: turned away at once, and everybody else answered rightly.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use runstamp::domain::policy_set::PolicySet;
use runstamp::review::{LabelsOf, NotAReview, Reply, Stance, Webhook};
use tokio::task::JoinSet;

use crate::client::{connect, post_head};
use crate::harness::{TestServer, allow, eventually, review, within};

/// What the reviews called `held` wait for.
static HOLD: (Mutex<bool>, Condvar) = (Mutex::new(true), Condvar::new());

fn hold<'a>(
    webhook: Webhook,
    body: &'a [u8],
    set: &PolicySet,
    stance: Stance,
    namespaces: LabelsOf<'_>,
) -> Result<Reply<'a>, NotAReview> {
    let reply = allow(webhook, body, set, stance, namespaces)?;
    if reply.subject.uid == "held" {
        let held = HOLD.0.lock().unwrap();
        drop(HOLD.1.wait_while(held, |held| *held).unwrap());
    }
    Ok(reply)
}

/// Large enough to be judged on a thread of its own.
const LARGE: usize = 512 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn one_more_than_the_limit_is_turned_away_at_once() {
    let server = TestServer::start_with(|config| {
        config.limits.max_in_flight = 1;
        config.answer = hold;
    });
    let mut first = server.client().await;
    let body = review("held", LARGE);
    first.send(post_head("/mutate", body.len()).as_bytes()).await.unwrap();
    first.send(body.as_bytes()).await.unwrap();
    eventually("the slot is taken", async || {
        server.metric("runstamp_in_flight_reviews") == Some(1.0)
    })
    .await;
    let mut second = server.client().await;
    let answer = within(second.post("/mutate", &review("second", 0))).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (
            503,
            "1 requests or 67108864 bytes of them are under way, which is the limit\n"
        )
    );
    assert!(answer.has("retry-after: 1"), "{answer:?}");
    let child = within(second.post("/mutate?timeout=1s", &review("child", 0))).await;
    assert_eq!(child.status, 503);
    assert!(
        !child.has("retry-after: 1"),
        "whoever asks for a child has no time: {child:?}"
    );
    *HOLD.0.lock().unwrap() = false;
    HOLD.1.notify_all();
    assert_eq!(within(first.answer()).await.json()["response"]["uid"], "held");
    let answer = within(second.post("/mutate", &review("again", 0))).await;
    assert_eq!(answer.status, 200, "the same connection may try again");
}

/// The large reviews that are being judged, the most that ever were at once, and whether they may end.
static JUDGED: (Mutex<(usize, usize, bool)>, Condvar) = (Mutex::new((0, 0, false)), Condvar::new());

fn hold_large<'a>(
    webhook: Webhook,
    body: &'a [u8],
    set: &PolicySet,
    stance: Stance,
    namespaces: LabelsOf<'_>,
) -> Result<Reply<'a>, NotAReview> {
    if body.len() >= LARGE {
        let mut judged = JUDGED.0.lock().unwrap();
        judged.0 += 1;
        judged.1 = judged.1.max(judged.0);
        // Not for ever: a test that fails must end.
        let held = JUDGED
            .1
            .wait_timeout_while(judged, Duration::from_secs(20), |(_, _, may_end)| !*may_end);
        judged = held.unwrap().0;
        judged.0 -= 1;
    }
    allow(webhook, body, set, stance, namespaces)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_large_reviews_are_judged_at_once_and_the_others_wait() {
    let server = TestServer::start_with(|config| config.answer = hold_large);
    let body = review("large", LARGE);
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = server.client().await;
        client.send(post_head("/mutate", body.len()).as_bytes()).await.unwrap();
        client.send(body.as_bytes()).await.unwrap();
        clients.push(client);
    }
    eventually("all have come and two are judged", async || {
        server.metric("runstamp_in_flight_reviews") == Some(6.0) && JUDGED.0.lock().unwrap().0 == 2
    })
    .await;
    let small = within(server.client().await.post("/mutate", &review("small", 0))).await;
    assert_eq!(small.status, 200, "a small one waits for none of them");
    JUDGED.0.lock().unwrap().2 = true;
    JUDGED.1.notify_all();
    for mut client in clients {
        assert_eq!(within(client.answer()).await.status, 200);
    }
    assert_eq!(JUDGED.0.lock().unwrap().1, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_takes_nobody_s_slot() {
    let server = TestServer::start_with(|config| config.limits.max_in_flight = 1);
    let body = review("slow", 0);
    let mut slow = server.client().await;
    slow.send(post_head("/mutate", body.len()).as_bytes()).await.unwrap();
    // Else the other one could be served before the slow one has come.
    eventually("the slow one is there", async || {
        server.metric("runstamp_in_flight_reviews") == Some(1.0)
    })
    .await;
    let mut other = server.client().await;
    eventually("somebody else is served", async || {
        let answer = within(other.post("/mutate", &review("other", 0))).await;
        answer.status == 200
    })
    .await;
    assert_eq!(server.metric("runstamp_in_flight_reviews"), Some(1.0));
    slow.send(body.as_bytes()).await.unwrap();
    assert_eq!(within(slow.answer()).await.json()["response"]["uid"], "slow");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_waited_for_longer_than_the_api_server_waits() {
    let server = TestServer::start();
    let mut client = server.client().await;
    client
        .send(post_head("/mutate?timeout=300ms", 10).as_bytes())
        .await
        .unwrap();
    let answer = within(client.answer()).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (408, "expected the body within 300ms\n")
    );
    // What says nothing that can be understood is as good as nothing.
    for query in ["?timeout=soon", "?timeout=", "?timeout=-1s", "?timeout=99999999h", "?"] {
        let answer = within(server.client().await.post(&format!("/mutate{query}"), &review("a", 0))).await;
        assert_eq!(answer.status, 200, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_more_than_the_limit_is_closed_at_once() {
    let server = TestServer::start_with(|config| config.limits.max_connections = 1);
    let mut first = server.client().await;
    assert!(connect(server.address, server.greeting().config()).await.is_err());
    assert_eq!(within(first.post("/mutate", &review("a", 0))).await.status, 200);
    drop(first);
    eventually("there is room again", async || {
        connect(server.address, server.greeting().config()).await.is_ok()
    })
    .await;
    eventually("it was counted", async || {
        server.metric("runstamp_rejected_requests_total{reason=\"connections\"}") >= Some(1.0)
    })
    .await;
}

const CONNECTIONS: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_connections_at_once() {
    let Some(most) = open_files_limit().filter(|limit| *limit < 2 * CONNECTIONS + 200) else {
        return storm().await;
    };
    eprintln!(
        "SKIPPED: {CONNECTIONS} connections need {} open files, the limit is {most}: raise ulimit -n",
        2 * CONNECTIONS + 200
    );
}

async fn storm() {
    // A crowded machine takes its time to send two thousand requests: nobody is slow here who waits for the others.
    let server = TestServer::start_with(|config| config.limits.body_time_limit = Duration::from_secs(60));
    let config = server.greeting().config();
    let mut connecting = JoinSet::new();
    for number in 0..CONNECTIONS {
        let (config, address) = (Arc::clone(&config), server.address);
        connecting.spawn(async move { (number, connect(address, config).await.unwrap()) });
    }
    let mut clients = within(connecting.join_all()).await;

    // Everything but the last byte: as many requests as allowed are waited for until the last byte comes.
    for (number, client) in &mut clients {
        let body = review(&format!("uid-{number}"), 0);
        let request = format!("{}{body}", post_head("/mutate", body.len()));
        client.send(&request.as_bytes()[..request.len() - 1]).await.unwrap();
    }
    let limit = runstamp::server::Limits::default().max_in_flight;
    let turned_away = (CONNECTIONS - limit) as f64;
    eventually("everybody beyond the limit is turned away", async || {
        let rejected = |reason: &str| {
            let metric = format!("runstamp_rejected_requests_total{{reason=\"{reason}\"}}");
            server.metric(&metric).unwrap_or_default()
        };
        // Whoever came within the limit and did not go on counts as slow, and there is a limit to those as well.
        rejected("overloaded") + rejected("too_slow") == turned_away
    })
    .await;
    assert_eq!(server.metric("runstamp_in_flight_reviews"), Some(limit as f64));

    let (mut served, mut refused) = (0, 0);
    for (number, mut client) in clients {
        // Whoever was turned away may find the connection closed already.
        let _ = client.send(b"}").await;
        let answer = within(client.answer()).await;
        match answer.status {
            200 => {
                served += 1;
                assert_eq!(answer.json()["response"]["uid"], format!("uid-{number}"));
            }
            503 | 408 => refused += 1,
            _ => panic!("{answer:?}"),
        }
    }
    assert_eq!((served, refused), (limit, CONNECTIONS - limit));
    println!(
        "{CONNECTIONS} connections, client and server in one process: peak memory {}",
        peak_memory()
    );
}

fn proc_line(file: &str, start: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(start))?;
    Some(line.trim().to_owned())
}

fn open_files_limit() -> Option<usize> {
    let line = proc_line("/proc/self/limits", "Max open files")?;
    line.split_whitespace().next()?.parse().ok()
}

fn peak_memory() -> String {
    proc_line("/proc/self/status", "VmHWM:").unwrap_or_else(|| "unknown".to_owned())
}
