//! Replicas that are killed, an API server that restarts, an etcd that stops.

use std::time::{Duration, Instant};

use crate::installation::certificates::Wish;
use crate::installation::load::Tolerance;
use crate::installation::stage::{Installation, expect, installation, wait_until};
use crate::support::control_plane::programs::say;

/// How long etcd stops.
const ETCD_STOP: Duration = Duration::from_secs(10);

/// So many creates in a row without a failure are taken for proof that things are well again.
const HEALED: u64 = 100;

/// Replicas notice what is edited and what is asked of them, as if nothing had happened.
fn assert_alive(cluster: &Installation) {
    cluster.edit();
    let asked = cluster.ask_for(Wish::Renewal);
    cluster.wait_until_live();
    cluster.wait_until_granted(&asked);
}

/// Calls under way on a replica that is killed are lost, and so are connections that go to it until it has left the
/// list: the API server asks once. Each is a refused create, told to its client; none is a Run that was not stamped.
#[test]
fn a_killed_replica_costs_the_creates_that_it_had_and_no_more() {
    let Some(mut cluster) = installation() else { return };
    let load = cluster.load("killed", Tolerance::Failures);
    let mut lost = Vec::new();
    for _ in 0..3 {
        load.wait_for_more(HEALED);
        let before = load.failed();
        let name = cluster.kill_oldest();
        wait_until("the killed replica has left the list", || {
            let listed = cluster.balancer().listed();
            expect(!listed.contains(&name), &listed)
        });
        // Creates that were sent before may still fail.
        load.wait_for_more(HEALED);
        let at_rest = load.failed();
        load.wait_for_more(HEALED);
        assert_eq!(load.failed(), at_rest, "nothing leads to the killed replica any more");
        lost.push((at_rest - before).to_string());
        cluster.add_replica();
    }
    let seen = load.finish();
    for failure in &seen.failures {
        let said =
            "Internal error occurred: failed calling webhook \"runs.runstamp.dev\": failed to call webhook: Post ";
        assert!(
            failure.code == Some(500) && failure.message.starts_with(said),
            "{failure}"
        );
    }
    say(&format!(
        "a replica killed, three times: {seen}: {}{}",
        lost.join(" and "),
        seen.kinds()
    ));
}

#[test]
fn an_api_server_that_restarts_stamps_every_run_that_it_takes() {
    let Some(cluster) = installation() else { return };
    let load = cluster.load("restarted", Tolerance::Failures);
    let begun = Instant::now();
    cluster.plane().restart_api_server().unwrap();
    let restarted = begun.elapsed();
    load.wait_for_more(HEALED);
    cluster.plane().crash_api_server().unwrap();
    load.wait_for_more(HEALED);
    let at_rest = load.failed();
    assert_alive(&cluster);
    load.wait_for_more(HEALED);
    assert_eq!(load.failed(), at_rest);
    let seen = load.finish();
    say(&format!(
        "the API server restarted in {:.1} s, then killed: {seen}{}",
        restarted.as_secs_f64(),
        seen.kinds()
    ));
    for failure in &seen.failures {
        let is_its_own = matches!(failure.code, None | Some(403 | 429 | 503)) && !failure.message.contains("webhook");
        assert!(is_its_own, "{failure}");
    }
}

#[test]
fn an_etcd_that_stops_delays_creates_and_harms_nothing() {
    let Some(cluster) = installation() else { return };
    let load = cluster.load("stopped-etcd", Tolerance::Failures);
    cluster.plane().stop_etcd().unwrap();
    // The one thing here that takes its time: an outage lasts.
    let begun = Instant::now();
    wait_until("the outage is over", || {
        expect(ETCD_STOP <= begun.elapsed(), &begun.elapsed())
    });
    cluster.plane().continue_etcd().unwrap();
    load.wait_for_more(HEALED);
    let at_rest = load.failed();
    assert_alive(&cluster);
    load.wait_for_more(HEALED);
    assert_eq!(load.failed(), at_rest);
    let seen = load.finish();
    say(&format!("etcd stopped for {ETCD_STOP:?}: {seen}{}", seen.kinds()));
    // Whoever creates waits, and is served; only what etcd had in hand when it stopped may be too old when it goes on.
    for failure in &seen.failures {
        assert!(
            failure.code == Some(500) && failure.message.contains("etcdserver: request timed out"),
            "{failure}"
        );
    }
}

#[test]
fn a_secret_that_is_deleted_comes_back_and_nothing_is_lost() {
    let Some(cluster) = installation() else { return };
    let load = cluster.load("deleted-secret", Tolerance::Nothing);
    let held = cluster.delete_secret();
    cluster.wait_until_held(&held);
    assert_alive(&cluster);
    load.wait_for_more(HEALED);
    say(&format!("the Secret deleted: {}", load.finish()));
}

/// The API server trusts nobody until the caBundle is published again: creates are refused for that moment.
#[test]
fn a_ca_bundle_that_is_emptied_is_published_again() {
    let Some(cluster) = installation() else { return };
    let load = cluster.load("emptied-bundle", Tolerance::Failures);
    cluster.empty_bundles();
    cluster.wait_until_published();
    load.wait_for_more(HEALED);
    let at_rest = load.failed();
    load.wait_for_more(HEALED);
    assert_eq!(load.failed(), at_rest);
    let seen = load.finish();
    say(&format!("the caBundle emptied: {seen}{}", seen.kinds()));
    for failure in &seen.failures {
        assert!(
            failure.code == Some(500) && failure.message.contains("x509: "),
            "{failure}"
        );
    }
}
