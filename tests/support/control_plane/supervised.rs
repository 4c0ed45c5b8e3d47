//! A child process that cannot outlive the process that started it.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};

/// The shell between us and the program: it reads signal names from a pipe that only we hold.
/// When we end, however we end, the pipe closes, and the program is killed and its folder removed.
const SUPERVISOR: &str = r#"
exec 3<&0 </dev/null
folder=$1
shift
"$@" 3<&- &
program=$!
{ while read -r signal; do kill -s "$signal" "$program"; done; kill -s KILL "$program"; } <&3 2>/dev/null &
listener=$!
exec 3<&-
wait "$program"
status=$?
kill -s KILL "$listener" 2>/dev/null
if [ -n "$folder" ]; then rm -rf -- "$folder"; fi
exit "$status"
"#;

/// Everything happens on loopback, also where a name such as `runstamp.runstamp.svc` does not look like it.
pub(crate) const NO_PROXY: [(&str, &str); 2] = [("NO_PROXY", "*"), ("no_proxy", "*")];

/// How often a condition is looked at again while we wait for it.
const POLL: Duration = Duration::from_millis(25);

/// A program that runs until this value is dropped or this process ends.
pub(crate) struct Supervised {
    name: String,
    supervisor: Child,
    signals: Option<ChildStdin>,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Supervised {
    /// Starts `program`; what it prints goes to `NAME.out` and `NAME.log` in `logs`.
    /// `remove_at_end` is a folder that goes when the program ends.
    pub(crate) fn start(
        name: &str,
        program: &Path,
        arguments: &[String],
        logs: &Path,
        remove_at_end: Option<&Path>,
    ) -> anyhow::Result<Self> {
        Self::start_with(name, program, arguments, &[], logs, remove_at_end)
    }

    /// The same, with these variables in its environment besides ours.
    pub(crate) fn start_with(
        name: &str,
        program: &Path,
        arguments: &[String],
        environment: &[(&str, &Path)],
        logs: &Path,
        remove_at_end: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let stdout = logs.join(format!("{name}.out"));
        let stderr = logs.join(format!("{name}.log"));
        let create = |path: &Path| File::create(path).with_context(|| format!("failed to create {}", path.display()));
        let mut supervisor = Command::new("/bin/sh")
            .arg("-c")
            .arg(SUPERVISOR)
            .arg("supervisor")
            .arg(remove_at_end.unwrap_or(Path::new("")))
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(create(&stdout)?)
            .stderr(create(&stderr)?)
            .envs(NO_PROXY)
            .envs(environment.iter().copied())
            // A Ctrl-C in the terminal is for us: we end the programs in our own order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("failed to start {name} ({})", program.display()))?;
        let signals = supervisor.stdin.take();
        Ok(Self {
            name: name.to_owned(),
            supervisor,
            signals,
            stdout,
            stderr,
        })
    }

    /// Sends a signal, by its name without SIG.
    pub(crate) fn signal(&mut self, signal: &str) -> anyhow::Result<()> {
        let signals = self
            .signals
            .as_mut()
            .ok_or_else(|| anyhow!("{} was stopped before", self.name))?;
        writeln!(signals, "{signal}").with_context(|| format!("failed to send {signal} to {}", self.name))
    }

    /// Waits until `condition` yields something, the program ends, or the deadline passes.
    pub(crate) fn wait_for<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        mut condition: impl FnMut() -> Option<T>,
    ) -> anyhow::Result<T> {
        let start = Instant::now();
        loop {
            if let Some(value) = condition() {
                return Ok(value);
            }
            let ended = self
                .supervisor
                .try_wait()
                .context("failed to ask for the supervisor's state")?;
            if let Some(status) = ended {
                return Err(anyhow!(
                    "{} ended ({status}) before it was {what}\n{}",
                    self.name,
                    self.log_tail()
                ));
            }
            if deadline < start.elapsed() {
                let seconds = deadline.as_secs();
                return Err(anyhow!(
                    "{} was not {what} after {seconds} s\n{}",
                    self.name,
                    self.log_tail()
                ));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Sends SIGTERM and waits for the end; true if the program ended well.
    pub(crate) fn terminate(&mut self, deadline: Duration) -> anyhow::Result<bool> {
        self.signal("TERM")?;
        Ok(self.wait_for_end(deadline)?.success())
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(&mut self, deadline: Duration) -> anyhow::Result<()> {
        self.signal("KILL")?;
        self.wait_for_end(deadline).map(drop)
    }

    /// Waits for the end of a program that was asked to end.
    pub(crate) fn wait_for_end(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self
                .supervisor
                .try_wait()
                .context("failed to ask for the supervisor's state")?
            {
                return Ok(status);
            }
            if deadline < start.elapsed() {
                return Err(anyhow!(
                    "{} did not end within {} s of being asked to\n{}",
                    self.name,
                    deadline.as_secs(),
                    self.log_tail()
                ));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Where what the program prints to standard output goes.
    pub(crate) fn stdout_file(&self) -> PathBuf {
        self.stdout.clone()
    }

    /// Everything that the program has logged so far.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(&self.stderr).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of the log, for an error text.
    pub(crate) fn log_tail(&self) -> String {
        const LINES: usize = 30;
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.len().saturating_sub(LINES);
        format!(
            "the end of its log:\n{}",
            lines.into_iter().skip(tail).collect::<Vec<_>>().join("\n")
        )
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.signals.take());
        // Nothing can be done about a supervisor that cannot be waited for.
        let _ = self.supervisor.wait();
    }
}
