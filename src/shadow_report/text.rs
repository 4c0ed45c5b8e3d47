//! The report for people.

use std::fmt::{self, Write as _};

use super::{Lines, PolicyTally, ShadowReport};

/// Most keys and most namespaces that are printed for one policy; `-o json` has them all.
const MAX_PRINTED: usize = 10;

impl ShadowReport {
    /// The report for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        for policy in self.policies() {
            policy.write(text)?;
        }
        if self.policies().next().is_none() {
            writeln!(text, "no policy in Shadow mode would have changed anything")?;
        }
        self.lines.write(text, self.period())
    }
}

impl Lines {
    fn write(&self, text: &mut String, period: Option<(&str, &str)>) -> fmt::Result {
        write!(text, "{}", counted(self.read, "line"))?;
        if let Some((from, to)) = period {
            write!(text, " from {from} to {to}")?;
        }
        write!(text, ": {} about policies in Shadow mode", self.counted)?;
        let others = [
            (self.not_json, "that is no JSON", "that are no JSON"),
            (self.too_long, "too long to be read", "too long to be read"),
            (self.dry_runs, "about a dry run, left out", "about dry runs, left out"),
            (
                self.cut,
                "that names only the first of its keys",
                "that name only the first of their keys",
            ),
        ];
        for (count, one, several) in others {
            if count > 0 {
                write!(text, "; {count} {}", if count == 1 { one } else { several })?;
            }
        }
        writeln!(text)
    }
}

impl PolicyTally {
    fn write(&self, text: &mut String) -> fmt::Result {
        let mut fates = Vec::new();
        if self.changed > 0 {
            fates.push(format!("changed {}", counted(self.changed, "Run")));
        }
        if self.refused > 0 {
            fates.push(format!("refused {}", counted(self.refused, "Run")));
        }
        if self.warned > 0 {
            fates.push(format!("warned of {}", counted(self.warned, "Run")));
        }
        writeln!(text, "policy {} would have {}", self.policy, fates.join(" and "))?;
        let mut keys: Vec<_> = self.keys.iter().collect();
        // What would have stopped somebody first.
        let rank = |outcome: &str| {
            ["Violation", "Warning", "Overwrite"]
                .iter()
                .position(|known| *known == outcome)
                .unwrap_or(usize::MAX)
        };
        keys.sort_by_key(|key| (rank(&key.outcome), std::cmp::Reverse(key.count)));
        for key in keys.iter().take(MAX_PRINTED) {
            write!(text, "  {:<9}  {} ({}×)", key.outcome, key.field, key.count)?;
            match &key.fault {
                Some(fault) => writeln!(text, ": {fault}")?,
                None => writeln!(text)?,
            }
        }
        let hidden = keys.len().saturating_sub(MAX_PRINTED);
        if hidden > 0 || self.other_keys > 0 {
            writeln!(text, "  and other keys; -o json tells of {}", self.keys.len())?;
        }
        let mut namespaces: Vec<(&str, u64)> = self.namespaces.iter().map(|(name, count)| (&**name, *count)).collect();
        namespaces.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let shown: Vec<String> = namespaces
            .iter()
            .take(MAX_PRINTED)
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        let others = namespaces.len().saturating_sub(MAX_PRINTED);
        let more = if others > 0 {
            format!(" and {others} more namespaces")
        } else {
            String::new()
        };
        writeln!(text, "  in         {}{more}", shown.join(", "))?;
        let users = [
            (self.users.people, "people"),
            (self.users.service_accounts, "service accounts"),
            (self.users.system, "others"),
        ];
        let users: Vec<String> = users
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, who)| format!("{who} {count}"))
            .collect();
        writeln!(text, "  sent by    {}", users.join(", "))?;
        for (position, example) in self.examples.iter().enumerate() {
            let label = if position == 0 { "such as" } else { "" };
            writeln!(
                text,
                "  {label:<9}  {} {}/{} by {}, {}",
                example.kind, example.namespace, example.name, example.user, example.fate
            )?;
        }
        Ok(())
    }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}
