//! What the server says to requests of every kind, and the metrics that count them.

use std::time::Duration;

use runstamp::domain::policy_set::PolicySet;
use runstamp::review::{LabelsOf, NotAReview, Reply, Stance, Webhook};

use crate::client::{connect_plain, post_head};
use crate::harness::{TestServer, allow, eventually, review, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_answered_with_its_uid() {
    let server = TestServer::start();
    let mut client = server.client().await;
    for (number, path) in ["/mutate", "/validate", "/mutate"].iter().enumerate() {
        let uid = format!("uid-{number}");
        let answer = within(client.post(path, &review(&uid, 0))).await;
        assert_eq!(answer.status, 200);
        assert!(answer.has("content-type: application/json"), "{answer:?}");
        assert_eq!(answer.json()["response"]["uid"], uid);
    }
    let counted = |webhook| {
        format!(
            "runstamp_admission_reviews_total{{webhook=\"{webhook}\",kind=\"PipelineRun\",operation=\"CREATE\",lineage=\"Root\",decision=\"allow\"}}"
        )
    };
    assert_eq!(server.metric(&counted("mutate")), Some(2.0));
    assert_eq!(server.metric(&counted("validate")), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stance_reaches_the_decision() {
    let server = TestServer::start_with(|config| {
        config.stance = Stance {
            observe: true,
            mutate_only: false,
        };
    });
    let answer = within(server.client().await.post("/mutate", &review("a", 0))).await;
    let warning = answer.json()["response"]["warnings"][0].as_str().unwrap().to_owned();
    assert!(
        warning.starts_with("Mutate Stance { observe: true, mutate_only: false }"),
        "{warning}"
    );
}

/// Sends a request as it stands and checks status, text and the metric that counts it.
async fn check(request: &str, status: u16, text: &str, reason: &str) {
    let server = TestServer::start_with(|config| config.limits.max_body_bytes = 1_000);
    let mut client = server.client().await;
    client.send(request.as_bytes()).await.unwrap();
    let answer = within(client.answer()).await;
    assert_eq!((answer.status, answer.body.as_str()), (status, text), "{request}");
    assert!(answer.has("content-type: text/plain; charset=utf-8"), "{answer:?}");
    let metric = format!("runstamp_rejected_requests_total{{reason=\"{reason}\"}}");
    assert_eq!(server.metric(&metric), Some(1.0), "{request}");
    assert_eq!(server.metric("runstamp_in_flight_reviews"), Some(0.0), "{request}");
}

fn post(path: &str, body: &str) -> String {
    format!("{}{body}", post_head(path, body.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_refused() {
    check(&post("/", "{}"), 404, "expected /mutate or /validate\n", "path").await;
    check(&post("/mutate/", "{}"), 404, "expected /mutate or /validate\n", "path").await;
    check(&post("/readyz", "{}"), 404, "expected /mutate or /validate\n", "path").await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let request = format!("{method} /mutate HTTP/1.1\r\nhost: localhost\r\n\r\n");
        check(&request, 405, "expected POST\n", "method").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_review_is_refused_in_one_line() {
    let server = TestServer::start();
    let mut client = server.client().await;
    for body in ["", "null", "{}", "{", "[[[[", "\u{0}", "{\"request\": {\"uid\": 1}}"] {
        let answer = within(client.post("/mutate", body)).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.starts_with("not an AdmissionReview: "), "{answer:?}");
        assert_eq!(answer.body.matches('\n').count(), 1, "{answer:?}");
    }
    let answer = within(client.post("/mutate", &review("a", 0))).await;
    assert_eq!(answer.status, 200, "the same connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_types_are_refused() {
    let text = "expected the header Content-Type: application/json\n";
    for header in [
        "",
        "content-type: application/x-www-form-urlencoded\r\n",
        "content-type: \r\n",
    ] {
        let request = format!("POST /mutate HTTP/1.1\r\nhost: localhost\r\n{header}content-length: 2\r\n\r\n{{}}");
        check(&request, 415, text, "content_type").await;
    }
    let server = TestServer::start();
    let mut client = server.client().await;
    let body = review("a", 0);
    let head = post_head("/mutate", body.len()).replace("application/json", "Application/JSON; charset=utf-8");
    client.send(format!("{head}{body}").as_bytes()).await.unwrap();
    assert_eq!(within(client.answer()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let text = "expected a body of at most 1000 bytes, found more\n";
    check(&post("/mutate", &review("a", 1_000)), 413, text, "too_large").await;
    let chunk = "x".repeat(600);
    let chunked = format!(
        "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
         258\r\n{chunk}\r\n258\r\n{chunk}\r\n0\r\n\r\n"
    );
    check(&chunked, 413, text, "too_large").await;
    // A client that asks first is answered without ever sending.
    let asking = post_head("/mutate", 1_001).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    check(&asking, 413, text, "too_large").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_nine_mebibytes_sees_the_refusal() {
    let server = TestServer::start();
    let mut client = server.client().await;
    let body = "x".repeat(9 * 1024 * 1024);
    let answer = within(client.post("/mutate", &body)).await;
    assert_eq!((answer.status, answer.has("connection: close")), (413, true));
    assert!(within(client.is_closed()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_mebibytes_are_an_ordinary_review() {
    let server = TestServer::start();
    let mut client = server.client().await;
    for uid in ["large", "larger"] {
        let answer = within(client.post("/validate", &review(uid, 3 * 1024 * 1024))).await;
        assert_eq!(answer.json()["response"]["uid"], uid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_too_slowly_is_refused_in_time() {
    let limit = Duration::from_millis(200);
    let server = TestServer::start_with(|config| config.limits.body_time_limit = limit);
    let mut client = server.client().await;
    client.send(post_head("/mutate", 1_000_000).as_bytes()).await.unwrap();
    // A byte at a time, for as long as the server listens: it never pauses long enough to be idle.
    let answer = within(async {
        loop {
            let _ = client.send(b"x").await;
            if let Ok(answer) = tokio::time::timeout(Duration::from_millis(5), client.try_answer()).await {
                break answer.unwrap();
            }
        }
    })
    .await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (408, "expected the body within 200ms\n")
    );
    assert!(answer.has("connection: close"), "{answer:?}");
    assert_eq!(
        server.metric("runstamp_rejected_requests_total{reason=\"too_slow\"}"),
        Some(1.0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_frees_its_slot() {
    let server = TestServer::start_with(|config| config.limits.max_in_flight = 1);
    let mut client = server.client().await;
    client.send(post_head("/mutate", 1_000).as_bytes()).await.unwrap();
    client.send(b"{").await.unwrap();
    eventually("the request is under way", async || {
        server.metric("runstamp_in_flight_reviews") == Some(1.0)
    })
    .await;
    drop(client);
    eventually("the slot is free", async || {
        server.metric("runstamp_in_flight_reviews") == Some(0.0)
    })
    .await;
    let answer = within(server.client().await.post("/mutate", &review("a", 0))).await;
    assert_eq!(answer.status, 200);
}

fn panics<'a>(
    webhook: Webhook,
    body: &'a [u8],
    set: &PolicySet,
    stance: Stance,
    namespaces: LabelsOf<'_>,
) -> Result<Reply<'a>, NotAReview> {
    let reply = allow(webhook, body, set, stance, namespaces)?;
    assert!(&*reply.subject.uid != "secret", "secret");
    Ok(reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_one_request_and_says_nothing() {
    let server = TestServer::start_with(|config| config.answer = panics);
    let mut client = server.client().await;
    for padding in [0, 300 * 1024] {
        let answer = within(client.post("/mutate", &review("secret", padding))).await;
        assert_eq!((answer.status, answer.body.as_str()), (500, "internal error\n"));
        let answer = within(client.post("/mutate", &review("fine", padding))).await;
        assert_eq!(answer.status, 200, "the same connection goes on");
    }
    let metric = "runstamp_rejected_requests_total{reason=\"panic\"}";
    assert_eq!(server.metric(metric), Some(2.0));
    assert_eq!(server.metric("runstamp_in_flight_reviews"), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plain_port_has_probes_and_nothing_else() {
    let server = TestServer::start();
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/mutate", 404),
        ("/", 404),
    ] {
        assert_eq!(within(server.probe(path)).await.status, status, "{path}");
    }
    let mut client = connect_plain(server.plain_address).await;
    client
        .send(b"HEAD /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut head = vec![0; 15];
    tokio::io::AsyncReadExt::read_exact(&mut client.stream, &mut head)
        .await
        .unwrap();
    assert_eq!(head, b"HTTP/1.1 200 OK");
    let mut client = connect_plain(server.plain_address).await;
    let answer = within(client.post("/livez", "{}")).await;
    assert_eq!((answer.status, answer.body.as_str()), (405, "expected GET\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_says_what_is_missing() {
    let server = TestServer::start();
    server.readiness.set_missing("namespaces");
    let answer = within(server.probe("/readyz")).await;
    assert_eq!(
        (answer.status, &answer.json()["missing"]),
        (503, &serde_json::json!(["namespaces"]))
    );
    server.readiness.set_present("namespaces");
    let answer = within(server.probe("/readyz")).await;
    let report = answer.json();
    assert_eq!(
        (answer.status, &report["policies"]),
        (200, &serde_json::json!("Current"))
    );
    assert_eq!(report["policySet"], server.policies.status().digest);
}

/// The metrics that dashboards rest on, as a scrape names them.
pub(crate) const METRICS: [&str; 21] = [
    "runstamp_admission_reviews_total",
    "runstamp_admission_review_duration_seconds",
    "runstamp_in_flight_reviews",
    "runstamp_rejected_requests_total",
    "runstamp_state_removed_total",
    "runstamp_state_updates_total",
    "runstamp_injected_total",
    "runstamp_shadow_total",
    "runstamp_denied_total",
    "runstamp_violations_total",
    "runstamp_policy_set_info",
    "runstamp_policy_load_failures_total",
    "runstamp_policy_last_load_success_timestamp_seconds",
    "runstamp_certificate_expiry_timestamp_seconds",
    "runstamp_certificate_load_failures_total",
    "runstamp_events_dropped_total",
    "runstamp_suspected_children_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_cpu_seconds_total",
    "process_start_time_seconds",
];

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_openmetrics() {
    let server = TestServer::start();
    within(server.client().await.post("/mutate", &review("a", 0))).await;
    let answer = within(server.probe("/metrics")).await;
    assert!(
        answer.has("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{answer:?}"
    );
    assert!(answer.body.ends_with("# EOF\n"));
    for line in answer.body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(name.starts_with("runstamp_") || name.starts_with("process_"), "{line}");
    }
}
