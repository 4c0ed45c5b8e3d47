//! Replicas that are replaced, and policies that are edited, while Runs are created all the while.

use std::time::Duration;

use crate::installation::load::Tolerance;
use crate::installation::stage::installation;
use crate::support::control_plane::programs::say;

/// Each replaces both replicas and edits the policies.
const ROUNDS: usize = 20;

#[test]
fn replacing_replicas_and_editing_policies_loses_no_call() {
    let Some(mut cluster) = installation() else { return };
    let load = cluster.load("rollouts", Tolerance::Nothing);
    let mut live = Vec::new();
    for _ in 0..ROUNDS {
        // The edit meets replicas that have just started and, while they end, those before them.
        cluster.edit();
        cluster.roll(&load);
        live.push(cluster.wait_until_live());
        load.check();
    }
    let figures = load.finish();
    let longest = live.into_iter().max().unwrap_or(Duration::ZERO);
    let (forwarded, failed) = cluster.balancer().connections();
    say(&format!(
        "{ROUNDS} rolling replacements and as many edits: {figures}; {forwarded} connections to replicas, {failed} \
         failed; the slowest edit was live {:.1} s after its rollout",
        longest.as_secs_f64()
    ));
}
