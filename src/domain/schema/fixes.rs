//! The likely fix of a value: spellings that people confuse with the right one.

use std::net::Ipv4Addr;

use super::{Format, Mistake, ValueSchema, uri::UriMistake};
use crate::domain::suggest::nearest;

/// Longest value for which a fix is sought, and longest fix that is suggested, in bytes.
pub(super) const MAX_BYTES: usize = 256;

/// Values that may have been meant, the most likely first; the caller keeps the first that the schema accepts.
pub(super) fn candidates(schema: &ValueSchema, value: &str, mistake: &Mistake) -> Vec<String> {
    let trimmed = value.trim_matches(|character: char| character.is_whitespace() || character.is_control());
    let mut candidates = Vec::new();
    if let Mistake::Enum = mistake {
        candidates.extend(nearest(trimmed, schema.enum_values.iter().map(String::as_str)).map(str::to_owned));
    }
    candidates.push(trimmed.to_owned());
    if let Mistake::Uri(mistake) = mistake {
        candidates.extend(address(trimmed, mistake));
    }
    match schema.format {
        Some(format) => candidates.extend(of_format(format, trimmed)),
        None => candidates.extend(without_quotes(trimmed)),
    }
    candidates.push(trimmed.to_ascii_lowercase());
    candidates.push(trimmed.to_ascii_uppercase());
    candidates
}

fn address(value: &str, mistake: &UriMistake) -> Option<String> {
    let (scheme, rest) = value.split_once(':').unwrap_or(("https", value));
    match mistake {
        UriMistake::NoScheme => Some(format!("https://{}", value.trim_start_matches('/'))),
        UriMistake::Slashes => Some(format!("{scheme}://{}", rest.trim_start_matches('/'))),
        UriMistake::PlainHttp | UriMistake::Scheme(_) => Some(format!("https:{rest}")),
        UriMistake::UserName => rest.split_once('@').map(|(_, host)| format!("{scheme}://{host}")),
        // Of an odd IPv4 address nobody can say what was meant: 0127.0.0.1 is 87.0.0.1 to some and 127.0.0.1 to others.
        UriMistake::HostSpelling { plain, .. } if plain.parse::<Ipv4Addr>().is_ok() => None,
        UriMistake::HostSpelling { found, plain } => Some(value.replacen(found.as_str(), plain, 1)),
        UriMistake::Character('\\') => Some(value.replace('\\', "/")),
        UriMistake::Character(' ') => Some(value.replace(' ', "%20")),
        _ => None,
    }
}

fn of_format(format: Format, value: &str) -> Vec<String> {
    match format {
        Format::GitUrl => without_scheme(value).into_iter().collect(),
        Format::GitRef => vec![value.trim_matches('/').to_owned()],
        Format::Int64 => {
            let digits = value.trim_start_matches(['#', '!', '+']);
            let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
            vec![format!("{sign}{}", digits.trim_start_matches('0'))]
        }
        Format::Boolean => match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" | "y" | "t" | "enabled" => vec!["true".to_owned()],
            "false" | "no" | "off" | "0" | "n" | "f" | "disabled" => vec!["false".to_owned()],
            _ => Vec::new(),
        },
        Format::DateTime => {
            let time = value.replacen([' ', 't'], "T", 1).replace('z', "Z");
            vec![time.clone(), format!("{time}Z")]
        }
        Format::Email => within_angles(value).into_iter().collect(),
        Format::EmailList => {
            let separated = value.replace([';', ' ', '\n'], ",");
            let addresses: Vec<&str> = separated.split(',').filter(|address| !address.is_empty()).collect();
            vec![addresses.join(",")]
        }
        Format::Hostname => {
            let host = value.split_once("://").map_or(value, |(_, rest)| rest);
            let host = host.split(['/', '?', '#', ':']).next().unwrap_or_default();
            vec![host.trim_end_matches('.').to_owned()]
        }
        Format::DnsLabel => vec![
            value
                .to_ascii_lowercase()
                .replace(['_', '.', ' ', '/'], "-")
                .trim_matches('-')
                .to_owned(),
        ],
        Format::SecretRef => vec![value.replacen(':', "/", 1), lower_case_name(value)],
        Format::GitSha | Format::Uri | Format::JsonObject | Format::JsonArray => Vec::new(),
    }
}

/// A URL that was pasted without its scheme begins with a host; a mere `owner/repo` does not.
fn without_scheme(value: &str) -> Option<String> {
    let (host, _) = value.split_once('/')?;
    let is_host = host.contains('.') && !host.contains(':');
    is_host.then(|| format!("https://{value}"))
}

fn within_angles(value: &str) -> Option<String> {
    let (_, after) = value.split_once('<')?;
    after.split_once('>').map(|(address, _)| address.to_owned())
}

/// Quotes that were meant for YAML or a shell and became part of the value.
fn without_quotes(value: &str) -> Option<String> {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .map(str::to_owned)
}

/// Names of Secrets are in lower case, keys need not be.
fn lower_case_name(value: &str) -> String {
    match value.split_once('/') {
        Some((name, key)) => format!("{}/{key}", name.to_ascii_lowercase().replace('_', "-")),
        None => value.to_ascii_lowercase().replace('_', "-"),
    }
}
