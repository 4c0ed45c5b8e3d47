//! Policy files that change while the server decides.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use runstamp::server::{PolicySources, follow_policies, now};
use runstamp::store::PolicyStore;
use serde_json::Value;

use crate::harness::{TestServer, eventually, policy, review, within};
use crate::tls::PACE;

/// A server that follows a folder of policies.
fn follow(folder: &Path) -> TestServer {
    let sources = PolicySources {
        embedded: Vec::new(),
        paths: vec![folder.to_path_buf()],
    };
    let server = TestServer::start_with(|config| {
        let store = PolicyStore::open(sources.read().unwrap(), Arc::clone(&config.metrics), now()).unwrap();
        config.policies = Arc::new(store);
    });
    tokio::spawn(follow_policies(Arc::clone(&server.policies), sources, PACE));
    server
}

async fn ready(server: &TestServer) -> Value {
    let answer = within(server.probe("/readyz")).await;
    assert_eq!(answer.status, 200, "no edit makes a replica unready");
    answer.json()
}

/// The digest by which a review is decided.
async fn deciding(server: &TestServer) -> String {
    let answer = within(server.client().await.post("/mutate", &review("a", 0))).await;
    let warning = answer.json()["response"]["warnings"][0].as_str().unwrap().to_owned();
    warning.rsplit_once(' ').unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_edit_keeps_the_last_good_set_and_a_mended_one_is_live() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(&file, policy("one")).unwrap();
    let server = follow(folder.path());
    let first = deciding(&server).await;
    assert_eq!(ready(&server).await["policies"], "Current");

    fs::write(&file, policy("two").replace("spec: {}", "spec: {mdoe: Shadow}")).unwrap();
    let begun = Instant::now();
    eventually("the mistake is noticed", async || {
        ready(&server).await["policies"] == "Stale"
    })
    .await;
    println!("a bad edit was noticed after {:?}", begun.elapsed());
    let error = ready(&server).await["error"].as_str().unwrap().to_owned();
    assert!(
        error.contains("a.yaml:4:8: error[unknown-field]: ") && error.contains("mdoe"),
        "{error}"
    );
    assert_eq!(server.metric("runstamp_policy_load_failures_total"), Some(1.0));
    assert_eq!(server.metric("runstamp_policies_stale"), Some(1.0));
    assert_eq!(deciding(&server).await, first, "the last good set decides");

    fs::write(&file, policy("two")).unwrap();
    let begun = Instant::now();
    eventually("the mended set is live", async || {
        ready(&server).await["policies"] == "Current"
    })
    .await;
    println!("a good edit was live after {:?}", begun.elapsed());
    let second = deciding(&server).await;
    assert_ne!(second, first);
    assert_eq!(ready(&server).await["policySet"], second);
    assert_eq!(server.metric("runstamp_policies_stale"), Some(0.0));
    let info = |digest: &str| server.metric(&format!("runstamp_policy_set_info{{digest=\"{digest}\"}}"));
    assert_eq!((info(&first), info(&second)), (None, Some(1.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_vanishes_keeps_the_last_good_set() {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    fs::create_dir(&policies).unwrap();
    fs::write(policies.join("a.yaml"), policy("one")).unwrap();
    let server = follow(&policies);
    let first = deciding(&server).await;
    fs::remove_dir_all(&policies).unwrap();
    eventually("the loss is noticed", async || {
        ready(&server).await["policies"] == "Stale"
    })
    .await;
    assert_eq!(deciding(&server).await, first);
    fs::create_dir(&policies).unwrap();
    fs::write(policies.join("a.yaml"), policy("two")).unwrap();
    eventually("the new folder is live", async || deciding(&server).await != first).await;
    assert_eq!(ready(&server).await["policies"], "Current");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_written_in_pieces_ends_up_live() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    fs::write(&path, policy("one")).unwrap();
    let server = follow(folder.path());
    let first = deciding(&server).await;
    let text = policy("two");
    let mut file = fs::File::create(&path).unwrap();
    for byte in text.as_bytes() {
        file.write_all(&[*byte]).unwrap();
        file.flush().unwrap();
    }
    eventually("the whole file is live", async || {
        deciding(&server).await != first && ready(&server).await["policies"] == "Current"
    })
    .await;
    let whole = PolicySources {
        embedded: Vec::new(),
        paths: vec![folder.path().to_path_buf()],
    };
    let expected = runstamp::store::load(whole.read().unwrap()).unwrap();
    eventually("it is this file", async || {
        deciding(&server).await == expected.digest().as_str()
    })
    .await;
}
