//! Too many at once: turned away at once, and everybody else answered rightly.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::client::{connect, post_head};
use crate::harness::{TestServer, eventually, review, within};

#[tokio::test(flavor = "multi_thread")]
async fn one_more_than_the_limit_is_turned_away_at_once() {
    let server = TestServer::start_with(|config| config.limits.max_in_flight = 1);
    let body = review("first", 0);
    let mut first = server.client().await;
    first.send(post_head("/mutate", body.len()).as_bytes()).await.unwrap();
    eventually("the slot is taken", async || {
        server.metric("runstamp_in_flight_reviews") == Some(1.0)
    })
    .await;
    let mut second = server.client().await;
    let answer = within(second.post("/mutate", &review("second", 0))).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (503, "1 requests are under way, which is the limit\n")
    );
    first.send(body.as_bytes()).await.unwrap();
    assert_eq!(within(first.answer()).await.json()["response"]["uid"], "first");
    let answer = within(second.post("/mutate", &review("again", 0))).await;
    assert_eq!(answer.status, 200, "the same connection may try again");
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
    let server = TestServer::start();
    let config = server.greeting().config();
    let mut connecting = JoinSet::new();
    for number in 0..CONNECTIONS {
        let (config, address) = (Arc::clone(&config), server.address);
        connecting.spawn(async move { (number, connect(address, config).await.unwrap()) });
    }
    let mut clients = within(connecting.join_all()).await;

    // Everything but the last byte: as many requests as allowed hold their slots until the last byte comes.
    for (number, client) in &mut clients {
        let body = review(&format!("uid-{number}"), 0);
        let request = format!("{}{body}", post_head("/mutate", body.len()));
        client.send(&request.as_bytes()[..request.len() - 1]).await.unwrap();
    }
    let limit = runstamp::server::Limits::default().max_in_flight;
    let overloaded = "runstamp_rejected_requests_total{reason=\"overloaded\"}";
    let turned_away = (CONNECTIONS - limit) as f64;
    eventually("everybody beyond the limit is turned away", async || {
        server.metric(overloaded) == Some(turned_away)
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
            503 => refused += 1,
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
