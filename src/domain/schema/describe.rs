//! A value schema in words, for those who ask what a key may hold before they set it.

use super::explain::{counted, one_of, shortened};
use super::quote::one_line;
use super::{Format, HostRule, ValueSchema};

impl ValueSchema {
    /// What values may be, on one line: `a GitHub account name, at most 39 characters`.
    pub fn describe(&self) -> String {
        let mut parts = self.shapes();
        if parts.is_empty() {
            parts.push("any text on one line that holds no credential".to_owned());
        }
        parts.extend(self.lengths());
        parts.extend(self.limits());
        match self.schemes.as_slice() {
            [] => {}
            [only] => parts.push(format!("scheme {only}")),
            several => parts.push(format!("scheme {}", several.join(" or "))),
        }
        match (self.format, self.hosts) {
            (Some(Format::Uri), HostRule::Public) => parts.push("on a public host".to_owned()),
            (Some(Format::Uri), HostRule::Any) => parts.push("on any host, inside the cluster too".to_owned()),
            _ => {}
        }
        if self.template {
            parts.push("placeholders may stand in it".to_owned());
        }
        parts.join(", ")
    }

    fn shapes(&self) -> Vec<String> {
        if !self.enum_values.is_empty() {
            return vec![one_of(&self.enum_values)];
        }
        let format = self.format.map(|format| format.expected().to_owned());
        let pattern = match (&self.pattern_message, &self.pattern) {
            (Some(message), _) => Some(one_line(message)),
            (None, Some(pattern)) => Some(format!("a value that matches {}", shortened(pattern.as_str()))),
            (None, None) => None,
        };
        format.into_iter().chain(pattern).collect()
    }

    fn lengths(&self) -> Option<String> {
        Some(match (self.min_length, self.max_length) {
            (None, None) => return None,
            (Some(least), None) => format!("at least {}", counted(least)),
            (None, Some(most)) => format!("at most {}", counted(most)),
            (Some(least), Some(most)) if least == most => counted(most),
            (Some(least), Some(most)) => format!("{least} to {}", counted(most)),
        })
    }

    fn limits(&self) -> Option<String> {
        Some(match (self.minimum, self.maximum) {
            (None, None) => return None,
            (Some(minimum), None) => format!("at least {minimum}"),
            (None, Some(maximum)) => format!("at most {maximum}"),
            (Some(minimum), Some(maximum)) => format!("from {minimum} to {maximum}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pattern::Pattern;

    #[test]
    fn a_schema_reads_as_one_line() {
        let check = |schema: ValueSchema, expected: &str| assert_eq!(schema.describe(), expected);
        let pattern = || Pattern::parse("[a-z]+").ok();
        check(ValueSchema::default(), "any text on one line that holds no credential");
        check(
            ValueSchema {
                pattern: pattern(),
                pattern_message: Some("an account name".to_owned()),
                max_length: Some(39),
                ..ValueSchema::default()
            },
            "an account name, at most 39 characters",
        );
        check(
            ValueSchema {
                pattern: pattern(),
                min_length: Some(2),
                max_length: Some(2),
                ..ValueSchema::default()
            },
            "a value that matches [a-z]+, 2 characters",
        );
        check(
            ValueSchema {
                enum_values: vec!["true".to_owned(), "false".to_owned()],
                ..ValueSchema::default()
            },
            "\"true\" or \"false\"",
        );
        check(
            ValueSchema {
                format: Some(Format::Int64),
                minimum: Some(1),
                maximum: Some(9),
                ..ValueSchema::default()
            },
            "a whole number, from 1 to 9",
        );
        check(
            ValueSchema {
                format: Some(Format::Uri),
                schemes: vec!["https".to_owned(), "http".to_owned()],
                hosts: HostRule::Any,
                template: true,
                ..ValueSchema::default()
            },
            "an address such as https://example.com/path, scheme https or http, on any host, inside the cluster too, placeholders may stand in it",
        );
    }
}
