//! Policies in ConfigMaps: an edit is live on every replica, and a bad one harms nobody.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use runstamp::cluster::LastGood;
use runstamp::store::{Keeping, write_kept};
use serde_json::{Value, json};

use crate::cluster::stage::{cluster, wait_until};
use crate::support::control_plane::User;
use crate::support::control_plane::programs::say;
use installation::{Installation, LAST_GOOD, config_maps, digest, integration, misspelt, policy, policy_of, wait_for};

mod installation;
mod line;

/// What people read.
const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// Far more than a server takes to end.
const END: Duration = Duration::from_secs(30);

#[test]
fn an_edit_is_live_on_every_replica_at_once() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "everywhere");
    let replicas = [here.replica("one"), here.replica("two")];
    let mut served = Vec::new();
    let everywhere = |what: &str, begun: Instant, expected: &str, served: &mut Vec<String>| {
        for replica in &replicas {
            wait_for(
                replica,
                &json!({ "policySet": expected, "policies": "Current", "error": null }),
            );
        }
        served.push(format!("{what} {} ms", begun.elapsed().as_millis()));
    };
    let alone = digest(&[]);
    everywhere("start", Instant::now(), &alone, &mut served);

    let first = policy("first");
    here.store("team", &[("p.yaml", &first)]);
    everywhere(
        "create",
        Instant::now(),
        &digest(&[("team", &[("p.yaml", &first)])]),
        &mut served,
    );

    let mut versions = Vec::new();
    for number in 0..10 {
        let edited = policy(&format!("edited-{number}"));
        here.store("team", &[("p.yaml", &edited)]);
        let begun = Instant::now();
        everywhere("edit", begun, &digest(&[("team", &[("p.yaml", &edited)])]), &mut served);
        versions.push(edited);
    }
    // Taken away on purpose: the built-ins alone, and no mistake.
    here.delete("team");
    everywhere("delete", Instant::now(), &alone, &mut served);
    say(&format!(
        "both replicas serve after the API server's answer: {}",
        served.join(", ")
    ));
}

#[test]
fn a_misspelt_field_is_refused_where_it_stands() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "misspelt");
    let replica = here.replica("one");
    here.judge_edits(Some(&replica));

    let bad = here.config_map(
        "team",
        &[("team.yaml", &misspelt("team")), ("other.yaml", &policy("other"))],
    );
    let answer = here.kubectl(&["create", "-f", "-"], &bad.to_string());
    let line = "configmap/team/team.yaml:6:3: error[unknown-field]: the spec of a RunPolicy has no field \"mtach\"; did you mean match? (runstamp)";
    assert_ne!(answer.code, 0);
    let lines: Vec<&str> = answer.stderr.lines().map(str::trim_end).collect();
    assert!(lines[0].contains("The ConfigMap \"team\" is invalid"), "{answer:?}");
    assert!(
        answer.stderr.contains(&format!("data[team.yaml]: {line}")),
        "{answer:?}"
    );
    assert!(
        OPERATIONS.contains(answer.stderr.trim()),
        "docs/operations.md shows another answer: {}",
        answer.stderr
    );
    assert_eq!(here.get("team"), None);

    // The same through apply, which shows the message, and for an edit.
    here.store("team", &[("team.yaml", &policy("team"))]);
    let answer = here.kubectl(&["apply", "-f", "-"], &bad.to_string());
    assert_ne!(answer.code, 0);
    assert!(answer.stderr.contains(line), "{answer:?}");
    let answer = here.put(&bad);
    assert_eq!(
        (answer.code, &answer.body["reason"]),
        (422, &json!("Invalid")),
        "{answer:?}"
    );
    wait_for(
        &replica,
        &json!({ "policySet": digest(&[("team", &[("team.yaml", &policy("team"))])]), "policies": "Current" }),
    );
}

#[test]
fn what_is_no_policy_file_is_refused() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "no-yaml");
    let replica = here.replica("one");
    here.judge_edits(Some(&replica));
    #[track_caller]
    fn check(here: &Installation, object: &Value, expected: &str) {
        let answer = here.put(object);
        assert_eq!(answer.code, 422, "{answer:?}");
        assert!(answer.message().contains(expected), "{answer:?}");
    }
    let good = policy("good");
    check(
        &here,
        &here.config_map(
            "notes",
            &[("README.md", "# Policies\n\nRead: me: first\n"), ("p.yaml", &good)],
        ),
        "data[README.md]: configmap/notes/README.md:3:",
    );
    check(
        &here,
        &here.config_map("words", &[("words", "just words")]),
        "configmap/words/words:1:1: error[wrong-type]: expected",
    );
    check(
        &here,
        &here.config_map("nothing", &[]),
        "configmap/nothing:1:1: error[no-policies]: the ConfigMap nothing holds no policies",
    );
    check(
        &here,
        &here.config_map("cut", &[("p.yaml", "# cut\n")]),
        "configmap/cut/p.yaml:1:1: error[no-policies]: the ConfigMap cut holds no policies",
    );
    let mut binary = here.config_map("binary", &[("p.yaml", &good)]);
    binary["binaryData"] = json!({ "logo.png": STANDARD.encode([0x89, b'P', b'N', b'G', 0xff]) });
    check(
        &here,
        &binary,
        "data[logo.png]: configmap/binary/logo.png:1:1: error[not-text]: expected policy files under data",
    );
    wait_for(&replica, &json!({ "policySet": digest(&[]), "policies": "Current" }));
}

#[test]
fn an_edit_while_nobody_judges_leaves_the_last_good_policies() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "unjudged");
    let good = policy("team");
    let maps: &[(&str, &[(&str, &str)])] = &[("team", &[("p.yaml", &good)])];
    here.store("team", &[("p.yaml", &good)]);
    let stays = here.replica("stays");
    let ends = here.replica("ends");
    here.wait_until_kept(maps);
    here.judge_edits(None);

    // Nobody judges: the edit is stored, and the last good set goes on.
    here.store("team", &[("p.yaml", &misspelt("team"))]);
    let stale = json!({ "policies": "Stale", "policySet": digest(maps), "ready": true });
    for replica in [&stays, &ends] {
        let (_, report) = wait_for(replica, &stale);
        assert_eq!(report["policiesFrom"], "Sources");
        let error = report["error"].as_str().unwrap();
        assert!(
            error.starts_with("configmap/team/p.yaml:6:3: error[unknown-field]: "),
            "{error}"
        );
        assert!(error.contains("did you mean match?"), "{error}");
    }
    // A replica that starts now finds what is kept.
    assert!(ends.terminate(END).unwrap());
    let started = here.replica("started");
    let (_, report) = wait_for(&started, &stale);
    assert_eq!(report["policiesFrom"], "LastGood", "{report}");
    assert!(
        report["error"]
            .as_str()
            .unwrap()
            .starts_with("configmap/team/p.yaml:6:3: ")
    );
    say(&format!("a replica that starts on a mistake: {report}"));

    // Mended: everything is as it was.
    let mended = policy("mended");
    here.store("team", &[("p.yaml", &mended)]);
    let maps: &[(&str, &[(&str, &str)])] = &[("team", &[("p.yaml", &mended)])];
    for replica in [&stays, &started] {
        let current = json!({
            "policies": "Current", "policiesFrom": "Sources", "policySet": digest(maps), "error": null, "notKept": null,
        });
        wait_for(replica, &current);
    }
    here.wait_until_kept(maps);
}

#[test]
fn without_a_last_good_set_the_built_ins_decide() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "from-the-start");
    here.store("team", &[("p.yaml", &misspelt("team"))]);
    let replica = here.replica("one");
    let expected = json!({
        "ready": true, "policies": "Stale", "policiesFrom": "WithoutConfigMaps", "policySet": digest(&[]),
    });
    wait_for(&replica, &expected);
    assert_eq!(here.get(LAST_GOOD), None, "a bad set is not kept");
}

#[test]
fn what_is_kept_is_used_only_if_it_is_what_was_written() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "corrupt");
    here.store("team", &[("p.yaml", &misspelt("team"))]);
    let without = json!({ "policies": "Stale", "policiesFrom": "WithoutConfigMaps", "policySet": digest(&[]) });
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let good = policy("kept");
    let whole = write_kept(&config_maps(&[("team", &[("p.yaml", &good)])])).unwrap();
    let bad = write_kept(&config_maps(&[("team", &[("p.yaml", &misspelt("kept"))])])).unwrap();
    let keep = |bytes: Option<&[u8]>| {
        let mut object = here.config_map(LAST_GOOD, &[]);
        object["metadata"]["labels"] = Value::Null;
        if let Some(bytes) = bytes {
            object["binaryData"] = json!({ "policies.json.gz": STANDARD.encode(bytes) });
        }
        let answer = here.put(&object);
        assert!(answer.is_success(), "{answer:?}");
    };
    let bomb = gzip(&vec![b' '; 100 * 1024 * 1024]);
    say(&format!("a bomb of {} bytes", bomb.len()));
    let kept: [(&str, Option<&[u8]>); 5] = [
        ("empty", None),
        ("noise", Some(b"no gzip at all")),
        ("cut", Some(&whole[..whole.len() / 2])),
        ("bomb", Some(&bomb)),
        ("bad", Some(&bad)),
    ];
    for (name, bytes) in kept {
        keep(bytes);
        let replica = here.replica(name);
        wait_for(&replica, &without);
        assert!(replica.terminate(END).unwrap(), "{name}");
    }
    keep(Some(&whole));
    let replica = here.replica("whole");
    let with = json!({ "policies": "Stale", "policiesFrom": "LastGood", "policySet": digest(&[("team", &[("p.yaml", &good)])]) });
    wait_for(&replica, &with);
}

#[test]
fn policies_may_come_before_what_they_name() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "any-order");
    let replica = here.replica("one");
    here.judge_edits(Some(&replica));

    let first = policy_of("team", "pager");
    let warnings = here.store("team", &[("p.yaml", &first)]);
    assert!(
        warnings.iter().any(|warning| warning.starts_with(
            "configmap/team/p.yaml:10:7: error[unknown-integration]: there is no Integration named \"pager\""
        )),
        "{warnings:?}"
    );
    for warning in &warnings {
        assert!(
            OPERATIONS.contains(&format!("Warning: {warning}\n")),
            "docs/operations.md shows other warnings: {warnings:#?}"
        );
    }
    let (_, report) = wait_for(&replica, &json!({ "policies": "Stale", "policySet": digest(&[]) }));
    assert!(report["error"].as_str().unwrap().contains("pager"), "{report}");

    let second = integration("pager");
    assert_eq!(here.store("integrations", &[("p.yaml", &second)]), [""; 0]);
    let both = digest(&[
        ("team", &[("p.yaml", &first)]),
        ("integrations", &[("p.yaml", &second)]),
    ]);
    wait_for(&replica, &json!({ "policies": "Current", "policySet": both }));

    // Whoever takes away what others name is told, and both stay.
    let warnings = here.delete("integrations");
    assert!(
        warnings.iter().any(|warning| warning.contains("\"pager\"")),
        "{warnings:?}"
    );
    wait_for(&replica, &json!({ "policies": "Stale", "policySet": both }));
    here.delete("team");
    wait_for(&replica, &json!({ "policies": "Current", "policySet": digest(&[]) }));
}

#[test]
fn one_of_two_broken_config_maps_can_be_mended() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "ratchet");
    here.store("one", &[("p.yaml", &misspelt("one"))]);
    here.store("two", &[("p.yaml", &misspelt("two"))]);
    let replica = here.replica("one");
    here.judge_edits(Some(&replica));

    // The watch of the replica knows both by then, so this is judged against the other one.
    let warnings = here.store("one", &[("p.yaml", &policy("one"))]);
    assert!(
        warnings
            .iter()
            .any(|warning| warning.starts_with("was wrong before: configmap/two/p.yaml:6:3: ")),
        "{warnings:?}"
    );
    wait_until("the replica knows", || {
        let report = replica.readiness().unwrap_or_default();
        let is_met = !report["error"].to_string().contains("configmap/one/");
        if is_met { Ok(()) } else { Err(report.to_string()) }
    });
    // An edit that leaves the mistake in the file that it changes.
    let worse = format!("# later\n{}", misspelt("two"));
    let answer = here.put(&here.config_map("two", &[("p.yaml", &worse)]));
    assert_eq!(answer.code, 422, "{answer:?}");
    // One that changes no file.
    let mut annotated = here.config_map("two", &[("p.yaml", &misspelt("two"))]);
    annotated["metadata"]["annotations"] = json!({ "ci.example.com/owner": "two" });
    assert!(here.put(&annotated).is_success());
    assert_eq!(here.store("two", &[("p.yaml", &policy("two"))]), [""; 0]);
    let both = digest(&[
        ("one", &[("p.yaml", &policy("one"))]),
        ("two", &[("p.yaml", &policy("two"))]),
    ]);
    wait_for(
        &replica,
        &json!({ "policies": "Current", "policiesFrom": "Sources", "policySet": both }),
    );
}

#[test]
fn a_config_map_without_the_label_is_none_of_policies() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "label");
    let replica = here.replica("one");
    here.judge_edits(Some(&replica));
    let good = policy("team");
    here.store("team", &[("p.yaml", &good)]);
    let with = digest(&[("team", &[("p.yaml", &good)])]);
    wait_for(&replica, &json!({ "policySet": with }));

    let mut unlabelled = here.config_map("team", &[("p.yaml", &misspelt("team"))]);
    unlabelled["metadata"]["labels"] = Value::Null;
    let answer = here.put(&unlabelled);
    assert!(answer.is_success(), "{answer:?}");
    wait_for(&replica, &json!({ "policies": "Current", "policySet": digest(&[]) }));
    // With the label its mistake counts.
    assert_eq!(
        here.put(&here.config_map("team", &[("p.yaml", &misspelt("team"))]))
            .code,
        422
    );
    here.store("team", &[("p.yaml", &good)]);
    wait_for(&replica, &json!({ "policySet": with }));
}

#[test]
fn two_edits_at_once_end_in_one_state() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "at-once");
    let replicas = [here.replica("one"), here.replica("two")];
    here.judge_edits(Some(&replicas[0]));
    // Each is good alone; together they are not, and both may get through.
    let twice = policy("twice");
    let answers = std::thread::scope(|scope| {
        let edit = |name: &'static str| {
            let object = here.config_map(name, &[("p.yaml", &twice)]);
            let here = &here;
            scope.spawn(move || here.put(&object))
        };
        [edit("left"), edit("right")].map(|edit| edit.join().unwrap())
    });
    let admitted = answers.iter().filter(|answer| answer.is_success()).count();
    say(&format!(
        "{admitted} of two edits that contradict each other got through"
    ));
    assert!(admitted > 0, "{answers:?}");
    for replica in &replicas {
        if admitted == 2 {
            let (_, report) = wait_for(replica, &json!({ "policies": "Stale" }));
            assert!(
                report["error"].as_str().unwrap().contains("there are two documents"),
                "{report}"
            );
        }
    }
    here.delete(if answers[1].is_success() { "right" } else { "left" });
    let left = if admitted == 2 {
        digest(&[("left", &[("p.yaml", &twice)])])
    } else {
        digest(&[])
    };
    for replica in &replicas {
        wait_for(replica, &json!({ "policies": "Current", "policySet": left }));
    }

    // Edits that do not contradict each other: the last state wins everywhere.
    let names: Vec<String> = (0..8).map(|number| format!("many-{number}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            let here = &here;
            scope.spawn(move || here.store(name, &[("p.yaml", &policy(name))]));
        }
    });
    let contents: Vec<String> = names.iter().map(|name| policy(name)).collect();
    let files: Vec<[(&str, &str); 1]> = contents.iter().map(|content| [("p.yaml", content.as_str())]).collect();
    let mut all: Vec<(&str, &[(&str, &str)])> = names
        .iter()
        .zip(&files)
        .map(|(name, files)| (name.as_str(), files.as_slice()))
        .collect();
    let twice = [("p.yaml", twice.as_str())];
    if admitted == 2 {
        all.push(("left", &twice));
    }
    for replica in &replicas {
        wait_for(replica, &json!({ "policies": "Current", "policySet": digest(&all) }));
    }
    here.wait_until_kept(&all);
}

#[test]
fn a_config_map_of_a_mebibyte_is_served_and_what_does_not_compress_is_not_kept() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "large");
    let replica = here.replica("one");
    here.judge_edits(Some(&replica));
    let largest = 1024 * 1024;
    let padded = |line: &mut dyn FnMut() -> String| {
        let mut text = policy("large");
        while text.len() < largest {
            text.push_str(&format!("# {}\n", line()));
        }
        text.truncate(largest);
        text
    };
    let repeated = padded(&mut || "the same line again and again and again".to_owned());
    let begun = Instant::now();
    here.store("large", &[("p.yaml", &repeated)]);
    let judged = begun.elapsed();
    let maps: &[(&str, &[(&str, &str)])] = &[("large", &[("p.yaml", &repeated)])];
    wait_for(
        &replica,
        &json!({ "policies": "Current", "policySet": digest(maps), "notKept": null }),
    );
    say(&format!(
        "1 MiB is stored after {} ms, live after {} ms",
        judged.as_millis(),
        begun.elapsed().as_millis()
    ));
    here.wait_until_kept(maps);

    let mut state = 1_u64;
    let noise = padded(&mut || {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        };
        (0..100).map(|_| next()).collect()
    });
    let half: String = policy("half") + &noise[policy("large").len()..];
    let half: String = half.chars().take(largest).collect();
    here.store("large", &[("p.yaml", &noise)]);
    here.store("second", &[("p.yaml", &half)]);
    let maps: &[(&str, &[(&str, &str)])] = &[("large", &[("p.yaml", &noise)]), ("second", &[("p.yaml", &half)])];
    let (_, report) = wait_for(&replica, &json!({ "policies": "Current", "policySet": digest(maps) }));
    let mut why = report["notKept"].clone();
    wait_until("what is too large is said", || {
        why = replica.readiness().unwrap_or_default()["notKept"].clone();
        let said = why.as_str().unwrap_or_default();
        let is_said = said.starts_with("expected at most 1000000 bytes") && said.ends_with("too large to keep");
        if is_said { Ok(()) } else { Err(why.to_string()) }
    });
    say(&format!("/readyz: {why}"));
}

#[test]
fn a_replica_that_lags_keeps_nothing_old() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "lagging");
    let good = policy("new");
    let maps: &[(&str, &[(&str, &str)])] = &[("team", &[("p.yaml", &good)])];
    here.store("team", &[("p.yaml", &good)]);
    let replica = here.replica("one");
    here.wait_until_kept(maps);
    drop(replica);
    let seen = || -> u64 {
        let kept = here.get(LAST_GOOD).unwrap();
        let seen = kept["metadata"]["annotations"]["runstamp.dev/seen-resource-version"]
            .as_str()
            .unwrap();
        seen.parse().unwrap()
    };
    let now = seen();
    // What is kept is always younger than what its writer had seen, also what is written below.
    let mut other = here.config_map("other", &[]);
    other["metadata"]["labels"] = Value::Null;
    for number in 0..20 {
        other["data"] = json!({ "number": number.to_string() });
        assert!(here.put(&other).is_success());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let path = cluster.plane().kubeconfig(&User::Admin).unwrap();
    runtime.block_on(async {
        let kubeconfig = Kubeconfig::read_from(path).unwrap();
        let options = KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        config.proxy_url = None;
        let client = kube::Client::try_from(config).unwrap();
        let last_good = LastGood::new(client, &here.namespace);
        let old = policy("old");
        let old = Arc::new(config_maps(&[("team", &[("p.yaml", &old)])]));
        assert_eq!(last_good.keep(&old, now - 1).await.unwrap(), Keeping::Newer);
        let new = Arc::new(config_maps(maps));
        assert_eq!(last_good.keep(&new, now + 1).await.unwrap(), Keeping::Same);
        assert_eq!(last_good.read().await.unwrap().unwrap(), *new);

        // Many at once: whoever has seen most is right in the end, whatever the order of the writes.
        let writers = (1..=8).map(|number| {
            let last_good = last_good.clone();
            let content = policy(&format!("at-once-{number}"));
            let maps = Arc::new(config_maps(&[("team", &[("p.yaml", &content)])]));
            tokio::spawn(async move {
                // As the follower does: again, until somebody is right.
                loop {
                    if let Ok(keeping) = last_good.keep(&maps, now + number).await {
                        return keeping;
                    }
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            let keeping = writer.await.unwrap();
            assert!(matches!(keeping, Keeping::Write | Keeping::Newer), "{keeping:?}");
        }
        let content = policy("at-once-8");
        let newest = config_maps(&[("team", &[("p.yaml", &content)])]);
        assert_eq!(last_good.read().await.unwrap().unwrap(), newest);
    });
}

#[test]
fn files_and_config_maps_are_one_set() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "files");
    let folder = tempfile::tempdir().unwrap();
    // The file names what only a ConfigMap declares.
    std::fs::write(folder.path().join("p.yaml"), policy_of("file", "pager")).unwrap();
    here.store("integrations", &[("p.yaml", &integration("pager"))]);
    let path = folder.path().display().to_string();
    let replica = here.replica_with("one", &["--policies", &path]);
    let (_, first) = wait_for(&replica, &json!({ "policies": "Current", "policiesFrom": "Sources" }));
    assert_ne!(
        first["policySet"],
        json!(digest(&[("integrations", &[("p.yaml", &integration("pager"))])]))
    );

    // A change of one source does not forget the other.
    let edited = format!("{}---\n{}", policy_of("file", "pager"), policy("more"));
    std::fs::write(folder.path().join("p.yaml"), edited).unwrap();
    wait_until("the file is read again", || {
        let report = replica.readiness().unwrap_or_default();
        let is_met = report["policySet"] != first["policySet"] && report["policies"] == "Current";
        if is_met { Ok(()) } else { Err(report.to_string()) }
    });
    here.delete("integrations");
    let (_, report) = wait_for(&replica, &json!({ "policies": "Stale" }));
    assert!(
        report["error"]
            .as_str()
            .unwrap()
            .contains("p.yaml:10:7: error[unknown-integration]: there is no Integration named \"pager\""),
        "{report}"
    );
}

#[test]
fn what_happened_while_the_line_was_cut_is_seen_afterwards() {
    let Some(cluster) = cluster() else { return };
    let here = Installation::new(cluster, "line");
    let (gone, stays) = (policy("gone"), policy("stays"));
    here.store("gone", &[("p.yaml", &gone)]);
    here.store("stays", &[("p.yaml", &stays)]);
    let (replica, line) = here.replica_on_a_line("one");
    let both: &[(&str, &[(&str, &str)])] = &[("gone", &[("p.yaml", &gone)]), ("stays", &[("p.yaml", &stays)])];
    let before = json!({ "ready": true, "policies": "Current", "policySet": digest(both) });
    wait_for(&replica, &before);

    line.cut();
    here.delete("gone");
    let edited = policy("edited");
    here.store("stays", &[("p.yaml", &edited)]);
    // Without the API server a replica goes on as it was.
    wait_for(&replica, &before);
    let begun = Instant::now();
    line.mend();
    let maps: &[(&str, &[(&str, &str)])] = &[("stays", &[("p.yaml", &edited)])];
    wait_for(
        &replica,
        &json!({ "ready": true, "policies": "Current", "policySet": digest(maps) }),
    );
    say(&format!(
        "seen {} ms after the line was mended",
        begun.elapsed().as_millis()
    ));
    here.wait_until_kept(maps);
}
