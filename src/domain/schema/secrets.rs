//! Credentials in values: annotations are copied to Pods, results and provenance, so none may hold one.
//!
//! A list of shapes can only catch what people paste by accident; whoever wants to hide a secret can.

use memchr::memchr_iter;

use super::classes::Classes;
use crate::domain::byte_bits::{BLOCK, bits, positions};

/// The shortest value that holds a credential without an `@`, in bytes: a token of Slack.
const SHORTEST_TOKEN: usize = "xoxb-12345678".len();

/// What the value holds, if it holds a credential; never the credential itself.
pub fn credential_in(value: &str) -> Option<&'static str> {
    credential_among(value, Classes::of(value))
}

/// The same where the classes of the value's bytes are known.
///
/// Tokens and addresses are only looked for where a word begins, user names only after `:/`.
pub(super) fn credential_among(value: &str, classes: Classes) -> Option<&'static str> {
    // Names, numbers and commit ids, which most values are.
    let is_long_enough = value.len() >= SHORTEST_TOKEN || classes.have(Classes::AT);
    if !is_long_enough || !classes.have(Classes::CREDENTIAL) {
        return None;
    }
    let word = first_word(value);
    if !classes.have(Classes::AT) {
        return word.map(|(_, found)| found);
    }
    // The first one is told.
    let bytes = value.as_bytes();
    let mut colons = memchr_iter(b':', bytes).take_while(|colon| word.is_none_or(|(position, _)| *colon < position));
    let user = colons.find_map(|colon| user_info(bytes, colon));
    user.or(word.map(|(_, found)| found))
}

/// The first word that begins a credential: where it stands, and what it is.
fn first_word(value: &str) -> Option<(usize, &'static str)> {
    // Not `||`: without branches the compiler takes many bytes at a time.
    let is_of_word = |byte: u8| byte.is_ascii_digit() | ((byte | 0x20).wrapping_sub(b'a') < 26);
    let mut was_in_word = 0;
    for (index, words) in bits(value.as_bytes(), is_of_word).enumerate() {
        let beginnings = words & !(words << 1 | was_in_word);
        was_in_word = words >> (BLOCK - 1);
        for position in positions(beginnings).map(|position| index * BLOCK + position) {
            if let Some(found) = word(value, position) {
                return Some((position, found));
            }
        }
    }
    None
}

/// Tokens that say by their first characters what they are: prefix, least length of the rest, name.
///
/// By the first two characters, which rule out most words of most values.
fn tokens_beginning(first: u8, second: u8) -> &'static [(&'static str, usize, &'static str)] {
    match [first, second] {
        [b'A', b'G'] => &[("AGE-SECRET-KEY-", 20, "an age private key")],
        [b'A', b'K'] => &[("AKIA", 16, "an AWS access key")],
        [b'A', b'S'] => &[("ASIA", 16, "an AWS access key")],
        [b'A', b'T'] => &[
            ("ATATT3", 20, "an Atlassian token"),
            ("ATBB", 20, "a Bitbucket password"),
            ("ATCTT3", 20, "a Bitbucket token"),
        ],
        [b'A', b'I'] => &[("AIza", 35, "a Google API key")],
        [b'd', b'c'] => &[("dckr_pat_", 10, "a Docker Hub token")],
        [b'd', b'o'] => &[("dop_v1_", 20, "a DigitalOcean token")],
        [b'g', b'h'] => &[
            ("ghp_", 10, "a GitHub token"),
            ("gho_", 10, "a GitHub token"),
            ("ghu_", 10, "a GitHub token"),
            ("ghs_", 10, "a GitHub token"),
            ("ghr_", 10, "a GitHub token"),
        ],
        [b'g', b'i'] => &[("github_pat_", 10, "a GitHub token")],
        [b'g', b'l'] => &[
            ("glagent-", 10, "a GitLab token"),
            ("glcbt-", 10, "a GitLab token"),
            ("gldt-", 10, "a GitLab token"),
            ("glffct-", 10, "a GitLab token"),
            ("glft-", 10, "a GitLab token"),
            ("glimt-", 10, "a GitLab token"),
            ("gloas-", 10, "a GitLab token"),
            ("glpat-", 10, "a GitLab token"),
            ("glptt-", 10, "a GitLab token"),
            ("glrt-", 10, "a GitLab token"),
            ("glsoat-", 10, "a GitLab token"),
        ],
        [b'h', b'f'] => &[("hf_", 30, "a Hugging Face token")],
        [b'h', b'v'] => &[("hvs.", 20, "a Vault token")],
        [b'n', b'p'] => &[("npm_", 30, "an npm token")],
        [b'p', b'y'] => &[("pypi-AgE", 20, "a PyPI token")],
        [b's', b'h'] => &[("sha256~", 30, "an OpenShift token")],
        [b's', b'k'] => &[("sk_live_", 10, "a Stripe key")],
        [b'x', b'a'] => &[("xapp-", 8, "a Slack token")],
        [b'x', b'o'] => &[("xoxe.xox", 8, "a Slack token")],
        [b'y', b'a'] => &[("ya29.", 20, "a Google token")],
        [b'S', b'G'] => &[("SG.", 40, "a SendGrid key")],
        _ => &[],
    }
}

#[inline]
fn word(value: &str, position: usize) -> Option<&'static str> {
    // Nearly every word ends here.
    if !may_begin_a_credential(value.as_bytes().get(position..).unwrap_or_default()) {
        return None;
    }
    let (before, rest) = value.split_at_checked(position)?;
    let previous = before.bytes().next_back().unwrap_or(b' ');
    token(rest)
        .or_else(|| rest.starts_with('e').then(|| json_web_token(rest, previous)).flatten())
        .or_else(|| private_key(before, rest))
        .or_else(|| address(rest))
        .or_else(|| query_token(rest, previous))
}

/// The first two letters, in any case, of all that is looked for where a word begins: they rule out nearly every word.
#[inline]
fn may_begin_a_credential(rest: &[u8]) -> bool {
    const BEGINNINGS: &[u8] =
        b"ac ag ai ak ap as at be dc di do ey gh gi gl hf ho hv lo np ou po pr py sg sh sk we xa xo ya";
    /// By the first letter, a bit for each second one. A digit or mark counts as some letter, which costs a closer look and no more.
    const SECONDS: [u32; 32] = {
        let mut seconds = [0; 32];
        let mut rest = BEGINNINGS;
        while let [first, second, others @ ..] = rest {
            let (_, after) = seconds.as_mut_slice().split_at_mut((*first & 31) as usize);
            if let Some(of_first) = after.first_mut() {
                *of_first |= 1 << (*second & 31);
            }
            rest = match others {
                [_, others @ ..] => others,
                [] => others,
            };
        }
        seconds
    };
    let [first, second, ..] = rest else {
        return false;
    };
    let seconds = SECONDS.get(usize::from(first & 31)).copied().unwrap_or_default();
    seconds >> (second & 31) & 1 == 1
}

fn token(rest: &str) -> Option<&'static str> {
    // Slack uses nearly every letter for the fourth place.
    if let [b'x', b'o', b'x', letter, b'-', tail @ ..] = rest.as_bytes()
        && letter.is_ascii_lowercase()
        && is_token(tail, 8)
    {
        return Some("a Slack token");
    }
    let [first, second, ..] = rest.as_bytes() else {
        return None;
    };
    tokens_beginning(*first, *second)
        .iter()
        .find(|(prefix, least, _)| {
            rest.strip_prefix(prefix)
                .is_some_and(|tail| is_token(tail.as_bytes(), *least))
        })
        .map(|(_, _, name)| *name)
}

fn is_token(tail: &[u8], least: usize) -> bool {
    tail.get(..least)
        .is_some_and(|tail| tail.iter().all(|byte| is_token_byte(*byte)))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Header, claims and signature, each in base64url; the first two are JSON objects and so begin with `eyJ`.
fn json_web_token(rest: &str, previous: u8) -> Option<&'static str> {
    // A start within a base64url word would make long words of `-eyJ-eyJ` quadratic.
    if matches!(previous, b'-' | b'_') {
        return None;
    }
    let header = rest.strip_prefix("eyJ")?;
    let end = header.bytes().position(|byte| !is_base64url(byte))?;
    let claims = header.get(end..)?.strip_prefix(".eyJ")?;
    let is_encoded = claims.as_bytes().get(..10)?.iter().all(|byte| is_base64url(*byte));
    is_encoded.then_some("a JSON Web Token")
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// `-----BEGIN RSA PRIVATE KEY-----` and its like, where its first word begins.
fn private_key(before: &str, rest: &str) -> Option<&'static str> {
    let rest = rest.strip_prefix("BEGIN ")?;
    let dashes = before.len() - before.trim_end_matches('-').len();
    if dashes != "-----".len() {
        return None;
    }
    // "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK" and so on.
    let label = rest.as_bytes().get(..rest.len().min(40))?;
    label
        .windows(b"PRIVATE KEY".len())
        .any(|window| window == b"PRIVATE KEY")
        .then_some("a private key")
}

/// Addresses that anybody who knows them may post to; hosts in any case, with or without a scheme before them.
fn address(rest: &str) -> Option<&'static str> {
    const SLACK: &str = "a Slack webhook URL";
    const DISCORD: &str = "a Discord webhook URL";
    const TEAMS: &str = "a Microsoft Teams webhook URL";
    let after = |prefix: &str| strip_prefix_any_case(rest, prefix);
    let [first, second, ..] = rest.as_bytes() else {
        return None;
    };
    match [first.to_ascii_lowercase(), second.to_ascii_lowercase()] {
        [b'h', b'o'] => {
            let path = after("hooks.slack.com")
                .or_else(|| after("hooks.slack-gov.com"))
                .and_then(path_of)?;
            let folders = ["services/", "workflows/", "triggers/"];
            folders
                .iter()
                .any(|folder| strip_prefix_any_case(path, folder).is_some_and(is_more))
                .then_some(SLACK)
        }
        [b'd', b'i'] => {
            let path = after("discord.com")
                .or_else(|| after("discordapp.com"))
                .and_then(path_of)?;
            let path = strip_prefix_any_case(path, "api/")?;
            let webhooks = match strip_prefix_any_case(path, "webhooks/") {
                Some(webhooks) => webhooks,
                // The version of the API may stand between.
                None => path
                    .split_once('/')
                    .filter(|(version, _)| version.len() <= 4)?
                    .1
                    .strip_prefix("webhooks/")?,
            };
            let digits = webhooks.bytes().take(24).take_while(u8::is_ascii_digit).count();
            let token = webhooks.get(digits..)?.strip_prefix('/')?;
            (digits > 0 && is_more(token)).then_some(DISCORD)
        }
        [b'w', b'e'] => after("webhook.office.com")
            .and_then(path_of)
            .filter(|path| is_more(path))
            .map(|_| TEAMS),
        [b'o', b'u'] => {
            let path = after("outlook.office.com")
                .or_else(|| after("outlook.office365.com"))
                .and_then(path_of)?;
            strip_prefix_any_case(path, "webhook/")
                .filter(|path| is_more(path))
                .map(|_| TEAMS)
        }
        [b'l' | b'p', b'o'] => {
            let hosts = ["logic.azure.com", "powerplatform.com", "powerautomate.com"];
            let is_flow = hosts.iter().any(|host| after(host).and_then(path_of).is_some());
            (is_flow && has_signature(rest)).then_some("a Power Automate webhook URL")
        }
        [b'a', b'p'] => {
            let token = after("api.telegram.org").and_then(path_of)?.strip_prefix("bot")?;
            token
                .starts_with(|character: char| character.is_ascii_digit())
                .then_some("a Telegram bot token")
        }
        _ => None,
    }
}

/// What follows the host: after an optional port, the path without its first slash.
fn path_of(after_host: &str) -> Option<&str> {
    let after_host = after_host.strip_prefix('.').unwrap_or(after_host);
    let after_port = match after_host.strip_prefix(':') {
        Some(port) => port.trim_start_matches(|character: char| character.is_ascii_digit()),
        None => after_host,
    };
    let path = after_port.strip_prefix(['/', '\\'])?;
    Some(path.trim_start_matches(['/', '\\']))
}

/// Whether something other than a placeholder follows.
fn is_more(rest: &str) -> bool {
    rest.starts_with(|character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '%'))
}

/// The signature that makes the address of a flow usable; looked for as far as such addresses are long.
fn has_signature(address: &str) -> bool {
    let reach = address.len().min(2048);
    address
        .as_bytes()
        .get(..reach)
        .unwrap_or_default()
        .windows(5)
        .any(|window| matches!(window, [b'?' | b'&' | b';', rest @ ..] if rest.eq_ignore_ascii_case(b"sig=")))
}

/// `?access_token=…` and `&private_token=…`.
fn query_token(rest: &str, previous: u8) -> Option<&'static str> {
    if !matches!(previous, b'?' | b'&') {
        return None;
    }
    ["access_token=", "private_token="]
        .iter()
        .any(|name| strip_prefix_any_case(rest, name).is_some_and(is_more))
        .then_some("a token in a URL")
}

/// User name and password between `://` and `@`, also with the wrong number of slashes or the wrong ones.
fn user_info(bytes: &[u8], colon: usize) -> Option<&'static str> {
    let (scheme, rest) = bytes.split_at_checked(colon)?;
    let rest = rest.get(1..)?;
    let slashes = rest.iter().take_while(|byte| matches!(byte, b'/' | b'\\')).count();
    if slashes == 0 {
        return None;
    }
    let authority = rest.get(slashes..)?.split(|byte| ends_authority(*byte)).next()?;
    let at = authority.iter().rposition(|byte| *byte == b'@')?;
    let (user_info, host) = authority.split_at_checked(at)?;
    let (user, password) = match user_info.iter().position(|byte| *byte == b':') {
        Some(colon) => (user_info.get(..colon)?, user_info.get(colon + 1..)?),
        None => (user_info, [].as_slice()),
    };
    if !password.is_empty() {
        return (!is_placeholder(password)).then_some("a password in a URL");
    }
    let scheme = scheme.rsplit(|byte| !is_scheme_byte(*byte)).next()?;
    let is_web = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    // `ssh://git@host` is how ssh is spelled; a lone user name in a web address is a token more often than not.
    if !is_web || user.is_empty() || is_placeholder(user) || is_account_in_clone_url(user, host) {
        return None;
    }
    Some("a user name or token in a URL")
}

fn ends_authority(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`') || byte <= b' '
}

fn is_scheme_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

fn is_placeholder(text: &[u8]) -> bool {
    text.starts_with(b"$(") || text.starts_with(b"{{")
}

/// Azure DevOps and Bitbucket Cloud offer `https://account@host/…` as the address to clone; tokens are longer.
fn is_account_in_clone_url(user: &[u8], at_host: &[u8]) -> bool {
    let hosts: [&[u8]; 2] = [b"@dev.azure.com", b"@bitbucket.org"];
    user.len() <= 39 && hosts.iter().any(|host| at_host.eq_ignore_ascii_case(host))
}

fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(value: &str, expected: Option<&str>) {
        assert_eq!(credential_in(value), expected, "{value:?}");
        let within = format!("see {value} there");
        assert_eq!(credential_in(&within), expected, "{within:?}");
    }

    #[test]
    fn no_token_is_too_short_or_too_plain_to_be_looked_for() {
        let pairs = (0..=u8::MAX).flat_map(|first| (0..=u8::MAX).map(move |second| (first, second)));
        let tokens: Vec<_> = pairs
            .flat_map(|(first, second)| tokens_beginning(first, second))
            .collect();
        assert!(tokens.len() > 30, "{} tokens", tokens.len());
        for (prefix, rest, name) in tokens {
            let value = format!("{prefix}{}", "b".repeat(*rest));
            assert_eq!(credential_in(&value), Some(*name), "{value}");
        }
    }

    #[test]
    fn webhook_addresses_are_credentials() {
        let slack = Some("a Slack webhook URL");
        check("https://hooks.slack.com/services/T00/B00/abcdefgh", slack);
        check("https://HOOKS.Slack.com/SERVICES/T00/B00/abcdefgh", slack);
        check("https://hooks.slack.com:443//services/T00", slack);
        check("https://hooks.slack.com./services/T00", slack);
        check("https:\\\\hooks.slack.com\\services/T00", slack);
        check("hooks.slack.com/workflows/T00/A00/1/x", slack);
        check("https://hooks.slack.com/triggers/T00/1/x", slack);
        check("https://hooks.slack-gov.com/services/T00", slack);
        check("https://hooks.slack.com/", None);
        check("https://hooks.slack.com/services/", None);
        check("https://hooks.slack.com/services/$(params.path)", None);
        check("https://myhooks.slack.com.example/services/T", None);
        let discord = Some("a Discord webhook URL");
        check("https://discord.com/api/webhooks/123456789012345678/abc", discord);
        check("https://discord.com/api/v10/webhooks/123456789012345678/abc", discord);
        check("https://ptb.discordapp.com/api/webhooks/1/a", discord);
        check("https://discord.com/channels/1/2", None);
        check("https://discord.com/api/webhooks/123", None);
        let teams = Some("a Microsoft Teams webhook URL");
        check(
            "https://acme.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d",
            teams,
        );
        check("https://outlook.office.com/webhook/a/b", teams);
        check("https://outlook.office.com/mail/", None);
        let flow = Some("a Power Automate webhook URL");
        check(
            "https://prod-1.westus.logic.azure.com:443/workflows/a/triggers/x?api-version=1&sig=abc",
            flow,
        );
        check(
            "https://x.environment.api.powerplatform.com/powerautomate/x?a=1&SIG=abc",
            flow,
        );
        check("https://prod-1.westus.logic.azure.com/workflows/a", None);
        check(
            "https://api.telegram.org/bot123:abc/sendMessage",
            Some("a Telegram bot token"),
        );
    }

    #[test]
    fn tokens_are_credentials_where_a_word_begins() {
        // Put together at run time, so that no scanner takes this file for a leak.
        let token = |prefix: &str, rest: &str| [prefix, rest].concat();
        check(&token("xoxb", "-123456789012-abc"), Some("a Slack token"));
        check(&token("xoxe.xoxp", "-1-abcdefgh"), Some("a Slack token"));
        check(&token("xapp", "-1-A012-abcdef"), Some("a Slack token"));
        check(
            &token("ghp", "_0123456789abcdef0123456789abcdef0123"),
            Some("a GitHub token"),
        );
        check(&token("ghs", "_0123456789abcdef"), Some("a GitHub token"));
        check(&token("token=ghp", "_0123456789abcdef"), Some("a GitHub token"));
        check(&token("my_ghp", "_0123456789abcdef"), Some("a GitHub token"));
        check(&token("github_pat", "_0123456789abcdef"), Some("a GitHub token"));
        check(&token("glpat", "-0123456789abcdefghij"), Some("a GitLab token"));
        check(&token("glptt", "-0123456789abcdefghij"), Some("a GitLab token"));
        check(&token("AKIA", "IOSFODNN7EXAMPLE"), Some("an AWS access key"));
        check(
            &token("sha256", "~0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"),
            Some("an OpenShift token"),
        );
        check(
            &token("eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxIn0.c2ln"),
            Some("a JSON Web Token"),
        );
        check(
            &token("-----BEGIN RSA ", "PRIVATE KEY-----\nabc"),
            Some("a private key"),
        );
        check(&token("-----BEGIN ", "PRIVATE KEY----- abc"), Some("a private key"));
        check(
            &token("https://h.example/?private_token", "=abc"),
            Some("a token in a URL"),
        );
        check("-----BEGIN CERTIFICATE-----", None);
        check("laughs_0123456789abcdef", None);
        check("xoxo-love", None);
        check("ghp_short", None);
        check("xoxb-", None);
        check("eyJhbGciOiJIUzI1NiJ9", None);
        check(
            "sha256:4d2f673c600a0f08c3f6737bc3f5c6a6a15d62e64d2f673c600a0f08c3f6737b",
            None,
        );
        check("https://h.example/?access_token=$(params.token)", None);
        check("AKIAB", None);
    }

    #[test]
    fn every_token_stands_where_it_is_looked_for() {
        let mut found = 0;
        for (first, second) in (0..=u8::MAX).flat_map(|first| (0..=u8::MAX).map(move |second| (first, second))) {
            for (prefix, least, name) in tokens_beginning(first, second) {
                assert!(prefix.as_bytes().starts_with(&[first, second]), "{prefix}");
                check(&format!("{prefix}{}", "0".repeat(*least)), Some(name));
                found += 1;
            }
        }
        assert!(found > 30, "{found}");
    }

    #[test]
    fn passwords_in_urls_are_credentials() {
        let password = Some("a password in a URL");
        let user = Some("a user name or token in a URL");
        check("https://user:secret@example.com/x", password);
        check("HTTPS://user:secret@example.com", password);
        check("https:/user:secret@example.com", password);
        check("https:\\\\user:secret@example.com", password);
        check("https:////user:secret@example.com", password);
        check("ssh://git:secret@example.com/x", password);
        check("postgres://user:secret@db/x", password);
        check("https://:secret@example.com", password);
        check("https://a@b:c@example.com", password);
        check("https://user%3Asecret@example.com", user);
        check("https://0123456789abcdef@github.com/o/r", user);
        check("https://token:@github.com/o/r", user);
        check("{\"url\":\"https://user:secret@example.com\"}", password);
        check("https://org@dev.azure.com/org/p/_git/r", None);
        check("https://jo@bitbucket.org/w/r.git", None);
        check(&format!("https://{}@dev.azure.com/o", "a".repeat(52)), user);
        check("https://$(params.user):$(params.password)@example.com", None);
        check("ssh://git@example.com/o/r", None);
        check("git@github.com:o/r.git", None);
        check("https://example.com/@user", None);
        check("https://example.com/?mail=a@b.example", None);
        check("https://@example.com", None);
        check("mailto:jo@example.com", None);
        check("maintainer:jo@example.com", None);
    }

    #[test]
    fn ordinary_values_hold_none() {
        for value in [
            "",
            "main",
            "4d2f673c600a0f08c3f6737bc3f5c6a6a15d62e6",
            "https://example.com/a?b=c#d",
            "#web",
            "a:b",
            "::/",
        ] {
            check(value, None);
        }
    }

    #[test]
    fn values_made_to_be_slow_are_read_to_the_end() {
        for (piece, expected) in [
            ("eyJ-", None),
            ("eyJ.eyJ.", None),
            ("a:/", None),
            ("://a@", None),
            ("-----BEGIN ", None),
            ("logic.azure.com/", None),
            ("discord.com/api/", None),
            ("hooks.slack.com:0", None),
            ("xoxb-", Some("a Slack token")),
        ] {
            assert_eq!(credential_in(&piece.repeat(200_000 / piece.len())), expected, "{piece}");
        }
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic(value in any::<String>()) {
            let _ = credential_in(&value);
        }

        #[test]
        fn a_password_is_found_whatever_surrounds_it(
            before in "[ a-z,;\"']{0,8}[ \"]", user in "[a-z]{0,6}", password in "[a-z0-9]{1,9}", host in "[a-z]{1,9}",
        ) {
            let value = format!("{before}https://{user}:{password}@{host}");
            prop_assert_eq!(credential_in(&value), Some("a password in a URL"));
        }
    }
}
