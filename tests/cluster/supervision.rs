//! No program outlives what started it, and one that does not start says why.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::cluster::stage::wait_until;
use crate::support::control_plane::Supervised;

const DEADLINE: Duration = Duration::from_secs(30);

fn start(script: &str, folder: &Path, remove_at_end: Option<&Path>) -> Supervised {
    let arguments = ["-c".to_owned(), script.to_owned()];
    Supervised::start("program", Path::new("/bin/sh"), &arguments, folder, remove_at_end).unwrap()
}

#[test]
fn a_dropped_program_is_gone_and_so_is_its_folder() {
    let logs = tempfile::tempdir().unwrap();
    let doomed = logs.path().join("doomed");
    std::fs::create_dir(&doomed).unwrap();
    let mut program = start("echo $$; exec tail -f /dev/null", logs.path(), Some(&doomed));
    let out = program.stdout_file();
    let started = || {
        std::fs::read_to_string(&out)
            .ok()?
            .strip_suffix('\n')
            .map(str::to_owned)
    };
    let pid = program.wait_for("started", DEADLINE, started).unwrap();
    assert!(is_running(&pid));
    drop(program);
    assert!(!doomed.exists());
    wait_until("the program is gone", || {
        if is_running(&pid) { Err(pid.clone()) } else { Ok(()) }
    });
}

fn is_running(pid: &str) -> bool {
    let output = Command::new("/bin/sh")
        .args(["-c", "kill -0 \"$1\"", "sh", pid])
        .output()
        .unwrap();
    output.status.success()
}

#[test]
fn a_program_that_ends_early_is_quoted() {
    let logs = tempfile::tempdir().unwrap();
    let mut program = start("echo the port is taken >&2; exit 3", logs.path(), None);
    let error = program
        .wait_for("ready", DEADLINE, || None::<()>)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("program ended (exit status: 3) before it was ready"),
        "{error}"
    );
    assert!(error.contains("the port is taken"), "{error}");
}

#[test]
fn a_signal_reaches_the_program() {
    let logs = tempfile::tempdir().unwrap();
    let script = "trap 'kill $!; exit 0' TERM; tail -f /dev/null & echo ready; wait";
    let mut program = start(script, logs.path(), None);
    let out = program.stdout_file();
    program
        .wait_for("ready", DEADLINE, || {
            std::fs::read_to_string(&out).ok().filter(|text| text == "ready\n")
        })
        .unwrap();
    assert!(program.terminate(DEADLINE).unwrap());
}
