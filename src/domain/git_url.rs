//! URLs of Git repositories: every usual spelling of one repository becomes the same URL.

mod provider;

use std::fmt;

pub use provider::{Repository, project_owner_repo, provider_of_host, public_host};

/// Longest URL that is read, in bytes.
const MAX_BYTES: usize = 2048;

/// Where a Git repository is, without scheme, credentials, `.git`, query and fragment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitUrl {
    scheme: &'static str,
    host: String,
    port: Option<u16>,
    path: String,
}

impl GitUrl {
    /// Reads an https, http, ssh or git URL, or ssh's short form `git@host:owner/repo.git`.
    ///
    /// URLs of the providers' APIs and their special ssh hosts mean the repository they speak of.
    pub fn parse(text: &str) -> Result<Self, GitUrlError> {
        if text.is_empty() {
            return Err(GitUrlError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(GitUrlError::TooLong);
        }
        if holds_what_is_out_of_place(text) {
            return Err(GitUrlError::Characters);
        }
        let spelled = match text.split_once("://") {
            Some((scheme, rest)) => Spelled::from_url(scheme, rest)?,
            None => Spelled::from_short_form(text)?,
        };
        let host = canonical_host(spelled.host)?;
        let segments: Vec<&str> = spelled.path.split('/').filter(|segment| !segment.is_empty()).collect();
        let (host, path) = provider::canonical(host, &segments).ok_or(GitUrlError::NoRepository)?;
        Ok(Self {
            scheme: spelled.scheme,
            // A web port says which server it is; the port of ssh or git says nothing about the web address.
            port: spelled.port.filter(|port| match spelled.scheme {
                "https" => *port != 443,
                // What comes out is https, where 443 goes without saying.
                "http" => !matches!(port, 80 | 443),
                _ => false,
            }),
            host,
            path,
        })
    }

    /// The URL that all spellings share: `https://host/path`, with the port of a web address that needs one.
    pub fn normalised(&self) -> String {
        self.to_string()
    }

    /// Whether a text is this URL in the spelling that all share.
    pub fn is_normalised(&self, text: &str) -> bool {
        let rest = text
            .strip_prefix("https://")
            .and_then(|rest| rest.strip_prefix(self.host.as_str()));
        self.port.is_none() && rest.and_then(|rest| rest.strip_prefix('/')) == Some(self.path.as_str())
    }

    /// The scheme as written: `https`, `http`, `ssh` or `git`; ssh's short form is `ssh`.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The host, in lower case and without port; IPv6 addresses in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path without leading slash and without `.git`: `tektoncd/pipeline`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for GitUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "https://{}", self.host)?;
        if let Some(port) = self.port {
            write!(formatter, ":{port}")?;
        }
        write!(formatter, "/{}", self.path)
    }
}

/// Why a text is no URL of a Git repository; each reads well after "found …, ".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GitUrlError {
    /// Nothing at all.
    #[error("which is empty")]
    Empty,
    /// Longer than any real one.
    #[error("which is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// White space, control characters, backslashes, quotes, braces or a placeholder.
    #[error("which holds characters that no repository URL has")]
    Characters,
    /// Neither a scheme nor ssh's short form.
    #[error("which has neither a scheme such as https:// nor the form git@host:owner/repo")]
    NoScheme,
    /// A scheme that Git does not fetch from over the network.
    #[error("whose scheme is none of https, http, ssh and git")]
    Scheme,
    /// No host, or one that is no host name and no address.
    #[error("whose host is not a host name")]
    Host,
    /// A port that is no number up to 65535.
    #[error("whose port is not a number up to 65535")]
    Port,
    /// A path that names no repository.
    #[error("whose path names no repository")]
    NoRepository,
}

/// The parts of one spelling.
struct Spelled<'a> {
    scheme: &'static str,
    host: &'a str,
    port: Option<u16>,
    path: &'a str,
}

impl<'a> Spelled<'a> {
    fn from_url(scheme: &str, rest: &'a str) -> Result<Self, GitUrlError> {
        // pip and others write git+https.
        let scheme = scheme.to_ascii_lowercase();
        let scheme = match scheme.strip_prefix("git+").unwrap_or(&scheme) {
            "https" => "https",
            "http" => "http",
            "ssh" | "ssh+git" => "ssh",
            "git" => "git",
            _ => return Err(GitUrlError::Scheme),
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match host_and_port.rsplit_once(':') {
            // The colons of an IPv6 address stand before its closing bracket.
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (host_and_port, ""),
        };
        let port = if port.is_empty() {
            None
        } else if port.bytes().all(|byte| byte.is_ascii_digit()) {
            Some(port.parse().map_err(|_| GitUrlError::Port)?)
        } else {
            return Err(GitUrlError::Port);
        };
        Ok(Self {
            scheme,
            host,
            port,
            path,
        })
    }

    /// `git@host:owner/repo.git`: as in Git, only where no slash stands before the first colon.
    /// Without a user the host must be a known one, or `revision:main`, `C:/work` and `registry.example:5000/image`
    /// would be repositories.
    fn from_short_form(text: &'a str) -> Result<Self, GitUrlError> {
        let (user_and_host, path) = text.split_once(':').ok_or(GitUrlError::NoScheme)?;
        let host = match user_and_host.rsplit_once('@') {
            Some((user, host)) if !user.is_empty() => host,
            None if provider_of_host(user_and_host).is_some() => user_and_host,
            _ => return Err(GitUrlError::NoScheme),
        };
        if user_and_host.contains('/') {
            return Err(GitUrlError::NoScheme);
        }
        if path.contains(['?', '#']) {
            return Err(GitUrlError::Characters);
        }
        Ok(Self {
            scheme: "ssh",
            host,
            port: None,
            path,
        })
    }
}

fn holds_what_is_out_of_place(text: &str) -> bool {
    if text.is_ascii() {
        text.bytes()
            .any(|byte| byte <= b' ' || is_out_of_place(char::from(byte)))
    } else {
        text.contains(is_out_of_place)
    }
}

/// What no spelling of a repository's URL holds: Git, browsers and shells each make something else of it.
fn is_out_of_place(character: char) -> bool {
    character.is_control()
        || character.is_whitespace()
        || matches!(
            character,
            '\\' | '"' | '\'' | '<' | '>' | '`' | '{' | '}' | '|' | '^' | '$'
        )
}

fn canonical_host(host: &str) -> Result<String, GitUrlError> {
    // Percent signs would be decoded: a host needs none.
    if host.contains('%') {
        return Err(GitUrlError::Host);
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if is_plain_host(host) {
        return Ok(host.to_owned());
    }
    match url::Host::parse(host) {
        Ok(url::Host::Domain(name)) if is_host_name(&name) => Ok(name),
        Ok(url::Host::Domain(_)) | Err(_) => Err(GitUrlError::Host),
        Ok(address) => Ok(address.to_string()),
    }
}

/// Whether a host is in its one spelling already, as most are: a name in small letters that is no address and needs no decoding.
fn is_plain_host(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    is_host_name(host)
        && last.starts_with(|first: char| first.is_ascii_lowercase())
        && host.split('.').all(|label| !label.starts_with("xn--"))
        && !host.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// Whether a name is a host name as people use them inside companies: with underscores, which happen.
pub(super) fn is_host_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            matches!(label.len(), 1..=63)
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<&str, GitUrlError>) {
        let found = GitUrl::parse(text).map(|url| url.normalised());
        assert_eq!(found.as_deref().map_err(|error| *error), expected, "{text:?}");
    }

    #[test]
    fn all_spellings_of_a_repository_are_one() {
        for text in [
            "https://github.com/tektoncd/pipeline",
            "https://github.com/tektoncd/pipeline/",
            "https://github.com/tektoncd/pipeline.git",
            "https://github.com/tektoncd/pipeline.git/",
            "https://github.com//tektoncd//pipeline.git//",
            "HTTPS://GitHub.com:443/tektoncd/pipeline",
            "http://github.com/tektoncd/pipeline",
            "http://github.com:80/tektoncd/pipeline",
            "http://github.com:443/tektoncd/pipeline",
            "https://www.github.com/tektoncd/pipeline",
            "https://user:secret@github.com/tektoncd/pipeline.git",
            "https://a@b:c@github.com/tektoncd/pipeline.git",
            "https://github.com./tektoncd/pipeline",
            "https://github.com/tektoncd/pipeline?tab=readme#top",
            "git://github.com/tektoncd/pipeline",
            "git+https://github.com/tektoncd/pipeline.git",
            "ssh://git@github.com/tektoncd/pipeline.git",
            "ssh://git@github.com:22/tektoncd/pipeline.git",
            "git+ssh://git@github.com/tektoncd/pipeline",
            "ssh://git@ssh.github.com:443/tektoncd/pipeline.git",
            "git@github.com:tektoncd/pipeline.git",
            "git@github.com:/tektoncd/pipeline.git",
            "github.com:tektoncd/pipeline",
            "https://api.github.com/repos/tektoncd/pipeline",
            "https://api.github.com/repos/tektoncd/pipeline/commits/4d2f673",
        ] {
            check(text, Ok("https://github.com/tektoncd/pipeline"));
        }
    }

    #[test]
    fn each_provider_has_its_own_spellings() {
        check(
            "git@gitlab.com:group/sub/project.git",
            Ok("https://gitlab.com/group/sub/project"),
        );
        check(
            "https://gitlab.example.com/api/v4/projects/group%2Fsub%2Fproject",
            Ok("https://gitlab.example.com/group/sub/project"),
        );
        check(
            "https://gitlab.example.com/api/v4/projects/42",
            Err(GitUrlError::NoRepository),
        );
        check(
            "https://ghe.example.com/api/v3/repos/o/r",
            Ok("https://ghe.example.com/o/r"),
        );
        check(
            "https://git.example.com/api/v1/repos/o/r",
            Ok("https://git.example.com/o/r"),
        );
        check(
            "https://api.bitbucket.org/2.0/repositories/w/r",
            Ok("https://bitbucket.org/w/r"),
        );
        check("git@altssh.bitbucket.org:w/r.git", Ok("https://bitbucket.org/w/r"));
        check("https://api.github.com/users/o", Err(GitUrlError::NoRepository));
        for text in [
            "https://dev.azure.com/org/project/_git/repo",
            "https://org@dev.azure.com/org/project/_git/repo",
            "git@ssh.dev.azure.com:v3/org/project/repo",
            "ssh://git@ssh.dev.azure.com/v3/org/project/repo",
            "https://org.visualstudio.com/project/_git/repo",
            "https://org.visualstudio.com/DefaultCollection/project/_git/repo",
            "org@vs-ssh.visualstudio.com:v3/org/project/repo",
            "ssh://org@org.visualstudio.com:22/project/_ssh/repo",
        ] {
            check(text, Ok("https://dev.azure.com/org/project/_git/repo"));
        }
        check(
            "https://dev.azure.com/org/_git/repo",
            Ok("https://dev.azure.com/org/repo/_git/repo"),
        );
        check(
            "https://org.visualstudio.com/_git/repo",
            Ok("https://dev.azure.com/org/repo/_git/repo"),
        );
        // The rules of a host come before those for APIs on any host.
        check(
            "https://o.visualstudio.com/api/v1/repos/o/r",
            Err(GitUrlError::NoRepository),
        );
        check(
            "https://bitbucket.example.com/scm/PROJ/repo.git",
            Ok("https://bitbucket.example.com/scm/PROJ/repo"),
        );
    }

    #[test]
    fn a_web_port_stays_and_an_ssh_port_goes() {
        check(
            "https://git.example.com:8443/o/r",
            Ok("https://git.example.com:8443/o/r"),
        );
        check(
            "ssh://git@git.example.com:7999/o/r.git",
            Ok("https://git.example.com/o/r"),
        );
        check("https://git.example.com:/o/r", Ok("https://git.example.com/o/r"));
        check("https://[2001:DB8::1]:8443/o/r", Ok("https://[2001:db8::1]:8443/o/r"));
        check("https://10.1.2.3/o/r", Ok("https://10.1.2.3/o/r"));
        check("https://git_host.example.com/r", Ok("https://git_host.example.com/r"));
        check(
            "https://b\u{fc}cher.example/o/r",
            Ok("https://xn--bcher-kva.example/o/r"),
        );
    }

    #[test]
    fn what_is_no_repository_says_why() {
        check("", Err(GitUrlError::Empty));
        check(&format!("https://h/{}", "a".repeat(2048)), Err(GitUrlError::TooLong));
        for text in [
            "main",
            "/srv/git/repo.git",
            "./repo",
            "../repo.git",
            "repo",
            "C:/src/repo",
            "revision:main",
            "registry.example.com:5000/image",
            "github.com/o/r",
            "@github.com:o/r",
            "a/b@c.d:o/r",
            "https:/github.com/o/r",
        ] {
            check(text, Err(GitUrlError::NoScheme));
        }
        check("file:///srv/git/repo.git", Err(GitUrlError::Scheme));
        check("ftp://example.com/o/r", Err(GitUrlError::Scheme));
        check("javascript://example.com/o/r", Err(GitUrlError::Scheme));
        check("://x/y", Err(GitUrlError::Scheme));
        for text in [
            "https://github.com/o/r\n",
            " https://github.com/o/r",
            "https:\\\\github.com\\o\\r",
            "https://github.com/$(params.owner)/r",
            "https://github.com/{{ owner }}/r",
            "https://github.com/o/r\u{0}",
        ] {
            check(text, Err(GitUrlError::Characters));
        }
        for text in [
            "https:///o/r",
            "https://@/o/r",
            "https://a..b/o/r",
            "https://-x.example/o/r",
            "https://git%68ub.com/o/r",
            "https://[::1/o/r",
            "https://[fe80::1%25eth0]/o/r",
            "https://256.256.256.256/o/r",
            "git@:o/r",
        ] {
            check(text, Err(GitUrlError::Host));
        }
        check("https://github.com:99999/o/r", Err(GitUrlError::Port));
        check("https://github.com:+80/o/r", Err(GitUrlError::Port));
        check("ssh://git@github.com:o/r", Err(GitUrlError::Port));
        for text in [
            "https://github.com",
            "https://github.com/",
            "https://github.com/.git",
            "https://github.com/o/../r",
            "https://github.com/./r",
            "https://github.com/o/%2E%2e",
            "git@github.com:",
        ] {
            check(text, Err(GitUrlError::NoRepository));
        }
    }

    proptest! {
        #[test]
        fn a_plain_host_is_what_the_web_makes_of_it(host in "[a-z0-9.x-]{1,4}[a-z0-9.-]{0,12}") {
            if is_plain_host(&host) {
                prop_assert_eq!(url::Host::parse(&host), Ok(url::Host::Domain(host)));
            }
        }

        #[test]
        fn any_text_is_a_url_or_a_reason(text in any::<String>()) {
            let _ = GitUrl::parse(&text);
        }

        #[test]
        fn normalising_twice_is_normalising_once(
            text in r"(https|http|ssh|git|git\+ssh)://([a-z]{1,3}@)?(github\.com|api\.github\.com|dev\.azure\.com|o\.visualstudio\.com|ssh\.dev\.azure\.com|api\.bitbucket\.org|git\.example\.com|[a-z0-9.-]{1,8})(:[0-9]{1,5})?(/(repos|api|v3|v4|v1|2\.0|repositories|projects|_git|_ssh|scm|a|b%2Fc|%2e%2e|B\.git|\.git|DefaultCollection|\.)){0,7}/?",
        ) {
            if let Ok(url) = GitUrl::parse(&text) {
                let normalised = url.normalised();
                let again = GitUrl::parse(&normalised).map(|url| url.normalised());
                prop_assert_eq!(again.as_deref(), Ok(normalised.as_str()), "{}", text);
                let _ = project_owner_repo(provider_of_host(url.host()), url.path());
            }
        }

        #[test]
        fn short_forms_normalise_once_too(text in r"[a-z]{1,3}@[a-z]{1,5}(\.[a-z]{2,3}){0,2}:/?[a-zA-Z0-9._/~-]{1,20}") {
            if let Ok(url) = GitUrl::parse(&text) {
                let normalised = url.normalised();
                let again = GitUrl::parse(&normalised).map(|url| url.normalised());
                prop_assert_eq!(again.as_deref(), Ok(normalised.as_str()), "{}", text);
            }
        }
    }
}
