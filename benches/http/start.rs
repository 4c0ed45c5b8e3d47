//! From the start of the process to the first answer that it is ready.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::load::runstamp_program;
use crate::stage::Stage;
use crate::table::{at_most, begin, median, note};

const STARTS: usize = 21;

/// A start that takes longer is broken.
const LONGEST: Duration = Duration::from_secs(20);

/// How often the server is asked. The kubelet asks once a second.
const POLL: Duration = Duration::from_micros(200);

pub(crate) fn run(stage: &Stage) -> anyhow::Result<()> {
    let (mut ready, mut version) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        ready.push(start(stage)?.as_secs_f64() * 1e3);
        let begun = Instant::now();
        Command::new(runstamp_program())
            .arg("--version")
            .stdout(Stdio::null())
            .status()?;
        version.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let best = ready.iter().copied().fold(f64::INFINITY, f64::min);
    begin("Start");
    at_most(
        "from exec to ready, with the built-in set, the median",
        median(ready),
        80.0,
        30.0,
        " ms",
    );
    note("the shortest", &format!("{best:.1} ms"));
    note(
        "runstamp --version, from exec to exit",
        &format!("{:.1} ms", median(version)),
    );
    Ok(())
}

fn start(stage: &Stage) -> anyhow::Result<Duration> {
    let (admission, probes) = (free_address()?, free_address()?);
    let begun = Instant::now();
    let mut child = Command::new(runstamp_program())
        .args(["serve", "--tls-cert"])
        .arg(stage.folder().join("tls.crt"))
        .arg("--tls-key")
        .arg(stage.folder().join("tls.key"))
        .args([
            "--listen",
            &admission.to_string(),
            "--listen-plain",
            &probes.to_string(),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("failed to start runstamp")?;
    let ready = loop {
        if is_ready(probes) {
            break Some(begun.elapsed());
        }
        if begun.elapsed() > LONGEST {
            break None;
        }
        std::thread::sleep(POLL);
    };
    child.kill().context("failed to end runstamp")?;
    child.wait().context("failed to end runstamp")?;
    ready.context("runstamp did not become ready")
}

fn is_ready(probes: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(probes)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    ask().is_ok_and(|answer| &answer == b"HTTP/1.1 200")
}

/// A port that was free a moment ago.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("failed to find a free port")?;
    listener.local_addr().context("failed to find a free port")
}
