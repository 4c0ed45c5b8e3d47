//! Replicas that are replaced, and policies that are edited, while Runs are created all the while.

use std::time::Duration;

use serde_json::json;

use crate::installation::casts::pipeline_run;
use crate::installation::certificates::{Asked, Wish};
use crate::installation::load::Tolerance;
use crate::installation::shipped::kubectl;
use crate::installation::stage::{ALICE, Installation, expect, installation, wait_until};
use crate::support::control_plane::programs::say;

/// Each replaces both replicas and edits the policies.
const ROUNDS: usize = 20;

/// What is asked for in a round, besides.
fn wish(round: usize) -> Option<Wish> {
    match round {
        1 | 5 | 9 | 13 | 17 => Some(Wish::Renewal),
        3 | 10 | 16 => Some(Wish::Rotation),
        _ => None,
    }
}

#[test]
fn rollouts_edits_and_rotations_lose_no_call() {
    let Some(mut cluster) = installation() else { return };
    let load = cluster.load("rollouts", Tolerance::Nothing);
    let (forwarded, failed) = cluster.balancer().connections();
    let mut live = Vec::new();
    let judged = webhook_calls(&cluster, "policies.runstamp.dev");
    let mut asked: Option<Asked> = None;
    for round in 0..ROUNDS {
        // What is asked for meets replicas that have just started and, while they end, those before them.
        if let Some(wish) = wish(round) {
            if let Some(before) = asked.take() {
                cluster.wait_until_granted(&before);
            }
            asked = Some(cluster.ask_for(wish));
        }
        cluster.roll(&load, |cluster| {
            cluster.edit();
            live.push(cluster.wait_until_live());
        });
    }
    cluster.wait_for_ends();
    cluster.wait_until_granted(&asked.unwrap());
    let figures = load.finish();
    // The API server would store an edit without an answer.
    let judged_now = webhook_calls(&cluster, "policies.runstamp.dev");
    let edits = ROUNDS as f64;
    assert_eq!((judged_now.0 - judged.0, judged_now.1 - judged.1), (edits, 0.0));
    for replica in cluster.replicas() {
        assert!(!replica.log().contains("forbidden"), "{}", replica.log());
        assert_eq!(
            replica.metric("runstamp_policy_load_failures_total"),
            0.0,
            "{}",
            replica.log()
        );
        assert_eq!(
            replica.metric("runstamp_certificate_load_failures_total"),
            0.0,
            "{}",
            replica.log()
        );
    }
    let longest = live.into_iter().max().unwrap_or(Duration::ZERO);
    let (forwarded_now, failed_now) = cluster.balancer().connections();
    say(&format!(
        "{ROUNDS} rolling replacements of both replicas, as many edits of a ConfigMap, 5 renewals and 3 rotations: {figures}; {} connections to \
         replicas, {} failed; the slowest edit was live after {:.1} s",
        forwarded_now - forwarded,
        failed_now - failed,
        longest.as_secs_f64()
    ));
}

/// How often the API server has called a webhook, and how often it went on without an answer.
fn webhook_calls(cluster: &Installation, webhook: &str) -> (f64, f64) {
    let metrics = kubectl(cluster.plane(), "kubectl get --raw /metrics", &[]);
    let sum = |metric: &str| {
        let samples = metrics.lines().filter(|line| line.starts_with(metric));
        let own = samples.filter(|line| line.contains(&format!("name=\"{webhook}\"")));
        own.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    };
    (
        sum("apiserver_admission_webhook_request_total{"),
        sum("apiserver_admission_webhook_fail_open_count{"),
    )
}

/// A replica that ends closes connections that nobody uses, and the API server may use one at that moment. The network
/// is made slow here, so that both happen. The API server does not repeat a call that meets a closed connection.
#[test]
fn a_call_that_crosses_with_the_end_of_its_connection_is_not_lost() {
    let Some(mut cluster) = installation() else { return };
    cluster.namespace("crossing", json!({}));
    // All connections lead to one replica.
    cluster.end_oldest();
    cluster.wait_for_ends();
    let create = |cluster: &Installation, name: &str| {
        let answer = cluster.create(&ALICE, "crossing", &pipeline_run(name, &json!({})));
        assert!(answer.is_success(), "{answer:#?}");
    };
    create(&cluster, "before");

    cluster.add_replica();
    cluster.balancer().hold();
    cluster.end_oldest();
    wait_until("the replica has closed its connections", || {
        let (there, back) = cluster.balancer().held();
        expect(back > 0, &(there, back))
    });
    std::thread::scope(|scope| {
        let crossing = scope.spawn(|| create(&cluster, "crossing"));
        wait_until("the API server has asked on one of them", || {
            let (there, back) = cluster.balancer().held();
            expect(there > 0 || crossing.is_finished(), &(there, back))
        });
        cluster.balancer().release();
        crossing.join().unwrap();
    });
    cluster.wait_for_ends();
}
