//! The types of facts: what a text must be to count, and its one spelling.

use std::borrow::Cow;

use crate::domain::git_url::GitUrl;
use crate::domain::schema::Format;
use crate::domain::words::{EVENTS, FactName};

/// Longest text of a fact that has no tighter limit, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// The fact's value in its one spelling, which most texts have already; nothing where the text is not of the fact's type.
pub fn typed(fact: FactName, text: &str) -> Option<Cow<'_, str>> {
    let accepted = match fact {
        FactName::Provider => is_word(text),
        FactName::Host => return Format::Hostname.accepts(text).then(|| lower_case(text)),
        FactName::Url => {
            return GitUrl::parse(text).ok().map(|url| {
                if url.is_normalised(text) {
                    Cow::Borrowed(text)
                } else {
                    Cow::Owned(url.normalised())
                }
            });
        }
        FactName::Project | FactName::Owner => is_repository_path(text),
        FactName::Repo => is_repository_path(text) && !text.contains('/'),
        FactName::Sha => return Format::GitSha.accepts(text).then(|| lower_case(text)),
        FactName::Ref | FactName::Branch | FactName::Tag => Format::GitRef.accepts(text),
        FactName::Event => EVENTS.contains(&text),
        FactName::PullRequest | FactName::Installation => {
            Format::Int64.accepts(text) && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
        }
        FactName::EventId | FactName::Sender | FactName::Title => is_line(text),
    };
    accepted.then_some(Cow::Borrowed(text))
}

fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// What a text must be to be the fact; reads well after "is not".
pub(super) fn describe(fact: FactName) -> &'static str {
    match fact {
        FactName::Provider => "a word of lower-case letters, digits and dashes",
        FactName::Host => "a host name",
        FactName::Url => "the URL of a Git repository",
        FactName::Project | FactName::Owner => "a path of a repository host",
        FactName::Repo => "a name of a repository",
        FactName::Sha => "a commit id of 40 or 64 hex digits",
        FactName::Ref | FactName::Branch | FactName::Tag => "a Git ref",
        FactName::Event => "one of push, pull_request, tag, comment, schedule, manual",
        FactName::PullRequest | FactName::Installation => "a number from 1",
        FactName::EventId | FactName::Sender | FactName::Title => "one line of text",
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.len() <= 63
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_repository_path(text: &str) -> bool {
    is_line(text)
        && !text.contains(|character: char| character.is_whitespace() || "\\?#".contains(character))
        && text
            .split('/')
            .all(|segment| !segment.is_empty() && segment != "." && segment != "..")
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TEXT_BYTES && !text.contains(char::is_control)
}
