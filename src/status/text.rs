//! The state of an installation for people: a few lines where all is well, else what to do.

use std::fmt::Write as _;

use super::{ReplicaReport, Status};

/// Most characters of a line: what replicas and other people wrote is repeated in it.
const LONGEST_LINE: usize = 1000;

/// Writes a state for people.
pub fn render(status: &Status) -> String {
    let mut lines = headline(status);
    if !status.convergence.converged {
        lines.extend(status.replicas.iter().map(|report| format!("  {}", replica(report))));
    }
    if status.webhook_configurations.as_installed {
        let count = status.webhook_configurations.authorities;
        let word = if count == 1 { "authority" } else { "authorities" };
        lines.push(format!(
            "webhook configurations {} as this version and these Settings install them, {count} {word}",
            status.webhook_configurations.name
        ));
    }
    let tekton = status.platform.tekton_pipelines.as_ref();
    let tekton = tekton.map(|version| format!(", Tekton Pipelines {version}"));
    lines.push(format!(
        "Kubernetes {}{}",
        status.platform.kubernetes,
        tekton.unwrap_or_default()
    ));
    for note in &status.notes {
        lines.push(format!("note: {note}"));
    }
    for problem in &status.problems {
        lines.push(String::new());
        lines.push(format!("problem: {}", problem.message));
        lines.extend(problem.places.iter().map(|place| format!("  {place}")));
        lines.push(format!("  do: {}", problem.remedy));
    }
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{}", printable(&line));
    }
    text
}

fn headline(status: &Status) -> Vec<String> {
    let convergence = &status.convergence;
    let living = convergence.living_replicas;
    let count = match convergence.expected_replicas {
        Some(expected) => format!("{living} of {expected} replicas"),
        None if living == 1 => "1 replica".to_owned(),
        None => format!("{living} replicas"),
    };
    if !convergence.converged {
        return vec![format!("not converged: {count} answering")];
    }
    vec![
        format!(
            "{count} converged on {} since {}",
            word(&convergence.policy_set),
            word(&convergence.since)
        ),
        format!(
            "certificate {} until {}",
            word(&convergence.certificate),
            word(&convergence.certificate_expires_at)
        ),
    ]
}

fn word(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or("unknown")
}

fn replica(report: &ReplicaReport) -> String {
    if !report.answers {
        return format!("{}: no answer since {}", report.name, word(&report.renewed_at));
    }
    let readiness = match &report.ready_since {
        Some(since) => format!("ready since {since}"),
        None => "not ready".to_owned(),
    };
    format!(
        "{}: {readiness}, {} {}, certificate {}, version {}",
        report.name,
        report.policies,
        word(&report.policy_set),
        word(&report.certificate),
        word(&report.version),
    )
}

/// One line that a terminal takes as text, not too long.
fn printable(line: &str) -> String {
    let mut text: String = (line.chars().take(LONGEST_LINE))
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if line.chars().nth(LONGEST_LINE).is_some() {
        text.push('…');
    }
    text
}
