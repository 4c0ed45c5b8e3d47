//! What policies in Shadow mode would have changed, summed up from logs and audit logs, in bounded memory.

mod line;
mod tally;
mod text;

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _};

use serde::Serialize;

use self::line::{Read as Found, read};
pub use self::tally::PolicyTally;

/// Longest line that is read, in bytes; an audit event may hold a whole Run, before and after.
const MAX_LINE_BYTES: u64 = 16 * 1024 * 1024;

/// Most policies that are told apart. An installation has thousands at most; a log may come from anywhere.
const MAX_POLICIES: usize = 20_000;

/// What the lines of one or more logs come to.
#[derive(Debug, Default)]
pub struct ShadowReport {
    policies: BTreeMap<String, PolicyTally>,
    /// When the first and the last line with a time were written.
    period: Option<(String, String)>,
    /// What was read.
    pub lines: Lines,
}

/// What was read, line by line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lines {
    /// All of them, empty ones left out.
    pub read: u64,
    /// Those that tell of a policy in Shadow mode.
    pub counted: u64,
    /// Those that are no JSON.
    pub not_json: u64,
    /// Those that are longer than any line that is meant.
    pub too_long: u64,
    /// Those about dry runs, which would have changed nothing.
    pub dry_runs: u64,
    /// Those that name only the first of many keys.
    pub cut: u64,
}

impl ShadowReport {
    /// Reads a log to its end.
    ///
    /// # Errors
    /// When it cannot be read. What is no JSON, or about something else, is counted and passed over.
    pub fn read(&mut self, log: &mut dyn BufRead) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            if log.take(MAX_LINE_BYTES).read_until(b'\n', &mut buffer)? == 0 {
                return Ok(());
            }
            let is_whole = buffer.last() == Some(&b'\n') || (buffer.len() as u64) < MAX_LINE_BYTES;
            if is_whole {
                self.count(buffer.trim_ascii());
            } else {
                self.lines.read += 1;
                self.lines.too_long += 1;
                // What is left of it must not be taken for a line.
                log.skip_until(b'\n')?;
            }
        }
    }

    fn count(&mut self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        self.lines.read += 1;
        let (found, time) = read(line);
        if let Some(time) = time {
            self.extend_period(time);
        }
        let told = match found {
            Found::NotJson => {
                self.lines.not_json += 1;
                return;
            }
            Found::AboutSomethingElse => return,
            Found::DryRun => {
                self.lines.dry_runs += 1;
                return;
            }
            Found::Told(told) => told,
        };
        self.lines.counted += 1;
        self.lines.cut += u64::from(told.is_cut);
        for (policy, outcomes) in &told.policies {
            if let Some(tally) = self.policies.get_mut(policy) {
                tally.count(outcomes, &told);
            } else if self.policies.len() < MAX_POLICIES {
                let mut tally = PolicyTally::new(policy.clone());
                tally.count(outcomes, &told);
                self.policies.insert(policy.clone(), tally);
            }
        }
    }

    fn extend_period(&mut self, time: String) {
        match &mut self.period {
            None => self.period = Some((time.clone(), time)),
            Some((from, _)) if time < *from => *from = time,
            Some((_, to)) if time > *to => *to = time,
            Some(_) => {}
        }
    }

    /// When the first and the last line were written, where any line says so.
    pub fn period(&self) -> Option<(&str, &str)> {
        self.period.as_ref().map(|(from, to)| (from.as_str(), to.as_str()))
    }

    /// The policies that would have changed anything, by name.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyTally> {
        self.policies.values()
    }

    /// Whether any Run would have been refused.
    pub fn would_refuse(&self) -> bool {
        self.policies().any(|policy| policy.refused > 0)
    }
}
