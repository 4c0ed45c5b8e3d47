//! What each Git provider makes of host and path: API addresses, ssh hosts, and who is owner and repository.

use std::borrow::Cow;

/// What a repository is called at its provider; a part that the URL does not show is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repository<'p> {
    /// The full path of the repository (GitLab's project); for Azure DevOps the project within the organisation.
    pub project: Option<Cow<'p, str>>,
    /// The account, group with its subgroups, workspace, project key or organisation that owns it.
    pub owner: Option<Cow<'p, str>>,
    /// Its own name.
    pub repo: Option<Cow<'p, str>>,
}

/// The provider behind a host that everybody knows; self-hosted ones are the Settings' matter.
pub fn provider_of_host(host: &str) -> Option<&'static str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    };
    match &*host {
        "github.com" | "www.github.com" | "ssh.github.com" | "api.github.com" => Some("github"),
        "gitlab.com" | "altssh.gitlab.com" => Some("gitlab"),
        "bitbucket.org" | "altssh.bitbucket.org" | "api.bitbucket.org" => Some("bitbucket-cloud"),
        "dev.azure.com" | "ssh.dev.azure.com" => Some("azure-devops"),
        "codeberg.org" | "gitea.com" => Some("gitea"),
        // GitHub's tenants with data residency.
        other if other.ends_with(".ghe.com") => Some("github"),
        other if other.ends_with(".visualstudio.com") => Some("azure-devops"),
        _ => None,
    }
}

/// The one public host of a provider, for whoever names the provider alone; a provider that is self-hosted everywhere has none.
pub fn public_host(provider: &str) -> Option<&'static str> {
    match provider {
        "github" => Some("github.com"),
        "gitlab" => Some("gitlab.com"),
        "bitbucket-cloud" => Some("bitbucket.org"),
        "azure-devops" => Some("dev.azure.com"),
        _ => None,
    }
}

impl Repository<'_> {
    /// The same, of whatever life the path was.
    pub fn into_owned(self) -> Repository<'static> {
        let owned = |part: Option<Cow<'_, str>>| part.map(|part| Cow::Owned(part.into_owned()));
        Repository {
            project: owned(self.project),
            owner: owned(self.owner),
            repo: owned(self.repo),
        }
    }
}

/// Project, owner and repository, by the rules of the provider, of the path of a [`super::GitUrl`]; where the path does not fit them,
/// they are absent.
///
/// Without a provider only a path of two segments tells owner and repository apart.
pub fn project_owner_repo<'p>(provider: Option<&str>, path: &'p str) -> Repository<'p> {
    let Some(segments) = path.split('/').map(decoded).collect::<Option<Vec<Cow<'p, str>>>>() else {
        return Repository::default();
    };
    let words: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
    let at = |position: usize| segments.get(position).cloned();
    let last = || segments.last().cloned();
    let named = |owner: Option<Cow<'p, str>>, repo: Option<Cow<'p, str>>| {
        let project = owner
            .as_deref()
            .zip(repo.as_deref())
            .map(|(owner, repo)| project_of(path, owner, repo));
        Repository { project, owner, repo }
    };
    match (provider, words.as_slice()) {
        (Some("gitlab"), [group, _]) if !group.is_empty() => named(at(0), last()),
        (Some("gitlab"), [groups @ .., _]) if !groups.is_empty() => named(Some(groups.join("/").into()), last()),
        (Some("azure-devops"), [_, _, "_git", _]) => Repository {
            project: at(1),
            owner: at(0),
            repo: last(),
        },
        (Some("azure-devops"), _) => Repository::default(),
        // Clone address, then the two addresses of the web pages; `~name` is the project key of a person.
        (Some("bitbucket-server") | None, ["scm", _, _]) => named(at(1), last()),
        (Some("bitbucket-server"), ["projects", _, "repos", _, ..]) => named(at(1), at(3)),
        (Some("bitbucket-server"), ["users", owner, "repos", _, ..]) => named(Some(format!("~{owner}").into()), at(3)),
        (_, [_, _]) => named(at(0), last()),
        (Some("gitlab" | "gitea" | "github" | "bitbucket-cloud" | "bitbucket-server"), _) => Repository::default(),
        // Nobody knows who owns what here, but the path is the path.
        (_, words) => Repository {
            project: Some(words.join("/").into()),
            ..Repository::default()
        },
    }
}

/// `owner/repo`, which most paths are.
fn project_of<'p>(path: &'p str, owner: &str, repo: &str) -> Cow<'p, str> {
    let is_path = path.strip_prefix(owner).and_then(|rest| rest.strip_prefix('/')) == Some(repo);
    if is_path {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(format!("{owner}/{repo}"))
    }
}

/// Host and path of the repository that API addresses and ssh hosts speak of; none if they speak of something else.
///
/// The result must be a fixed point: what comes out means the same when it goes in again.
pub(super) fn canonical(host: String, segments: &[&str]) -> Option<(String, String)> {
    let host = match host.as_str() {
        "www.github.com" | "ssh.github.com" => "github.com",
        "altssh.gitlab.com" => "gitlab.com",
        "altssh.bitbucket.org" => "bitbucket.org",
        "vs-ssh.visualstudio.com" => "ssh.dev.azure.com",
        other => other,
    };
    if let Some(organisation) = host.strip_suffix(".visualstudio.com") {
        return visual_studio(organisation, segments);
    }
    match (host, segments) {
        ("api.github.com", ["repos", owner, repo, ..]) => repository("github.com", &[owner, repo]),
        ("api.bitbucket.org", ["2.0", "repositories", owner, repo, ..]) => repository("bitbucket.org", &[owner, repo]),
        ("ssh.dev.azure.com", ["v3", organisation, project, repo]) => azure(organisation, project, repo),
        ("api.github.com" | "api.bitbucket.org" | "ssh.dev.azure.com", _) => None,
        ("dev.azure.com", [organisation, "_git", repo]) => azure(organisation, repo, repo),
        ("dev.azure.com", _) => repository(host, segments),
        // GitHub Enterprise Server and Gitea.
        (_, ["api", "v3" | "v1", "repos", owner, repo, ..]) => repository(host, &[owner, repo]),
        // GitLab names a project by its number, which tells nothing, or by its path, encoded as one segment.
        (_, ["api", "v4", "projects", project, ..]) => {
            let path = project.replace("%2F", "/").replace("%2f", "/");
            let segments: Vec<&str> = path.split('/').collect();
            let is_path = segments.len() > 1 && segments.first() != Some(&"api");
            is_path.then(|| repository(host, &segments))?
        }
        _ => repository(host, segments),
    }
}

/// `https://org.visualstudio.com/…`, the older name of `https://dev.azure.com/org/…`.
fn visual_studio(organisation: &str, segments: &[&str]) -> Option<(String, String)> {
    let segments = match segments {
        [collection, rest @ ..] if collection.eq_ignore_ascii_case("DefaultCollection") => rest,
        other => other,
    };
    match segments {
        [project, "_git" | "_ssh", repo] => azure(organisation, project, repo),
        ["_git" | "_ssh", repo] => azure(organisation, repo, repo),
        _ => None,
    }
}

fn azure(organisation: &str, project: &str, repo: &str) -> Option<(String, String)> {
    repository("dev.azure.com", &[organisation, project, "_git", repo])
}

fn repository(host: &str, segments: &[&str]) -> Option<(String, String)> {
    let mut path = segments.join("/");
    // All of them, or a second pass over `x.git.git` would find another repository.
    path.truncate(path.trim_end_matches(".git").len());
    let names_something = path.split('/').all(|segment| !is_empty_or_dots(segment));
    names_something.then(|| (host.to_owned(), path))
}

/// Browsers and servers walk up at `..`, and at its encoded spellings as well.
fn is_empty_or_dots(segment: &str) -> bool {
    let after_dot = |text| ["%2e", "%2E", "."].iter().find_map(|dot| str::strip_prefix(text, dot));
    segment.is_empty() || after_dot(segment).is_some_and(|rest| rest.is_empty() || after_dot(rest) == Some(""))
}

/// A segment without percent-encoding; none where that would hide a slash, a dot segment or worse.
fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    let text = if segment.contains('%') {
        Cow::Owned(percent_decoded(segment)?)
    } else {
        Cow::Borrowed(segment)
    };
    let harmless =
        !matches!(&*text, "" | "." | "..") && !text.contains(['/', '\\']) && !text.contains(char::is_control);
    harmless.then_some(text)
}

fn percent_decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::git_url::GitUrl;

    fn check(provider: Option<&str>, url: &str, project: &str, owner: &str, repo: &str) {
        let text = |text: &str| (!text.is_empty()).then(|| Cow::Owned(text.to_owned()));
        let expected = Repository {
            project: text(project),
            owner: text(owner),
            repo: text(repo),
        };
        let url = GitUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(project_owner_repo(provider, url.path()), expected, "{provider:?} {url}");
    }

    #[test]
    fn owner_and_repository_are_what_the_provider_calls_so() {
        check(Some("github"), "https://github.com/o/r", "o/r", "o", "r");
        check(Some("github"), "https://github.com/o", "", "", "");
        check(Some("github"), "https://github.com/o/r/tree/main", "", "", "");
        check(Some("gitlab"), "https://gitlab.com/g/p", "g/p", "g", "p");
        check(Some("gitlab"), "https://gitlab.com/g/s/t/p", "g/s/t/p", "g/s/t", "p");
        check(Some("gitlab"), "https://gitlab.com/g", "", "", "");
        check(Some("gitea"), "https://codeberg.org/o/r", "o/r", "o", "r");
        check(Some("bitbucket-cloud"), "https://bitbucket.org/w/r", "w/r", "w", "r");
        check(
            Some("bitbucket-server"),
            "https://b.example.com/scm/PROJ/r.git",
            "PROJ/r",
            "PROJ",
            "r",
        );
        check(
            Some("bitbucket-server"),
            "https://b.example.com/scm/~jo/r.git",
            "~jo/r",
            "~jo",
            "r",
        );
        check(
            Some("bitbucket-server"),
            "ssh://git@b.example.com:7999/proj/r.git",
            "proj/r",
            "proj",
            "r",
        );
        check(
            Some("bitbucket-server"),
            "https://b.example.com/projects/P/repos/r/browse",
            "P/r",
            "P",
            "r",
        );
        check(
            Some("bitbucket-server"),
            "https://b.example.com/users/jo/repos/r",
            "~jo/r",
            "~jo",
            "r",
        );
        check(Some("azure-devops"), "https://dev.azure.com/o/p/_git/r", "p", "o", "r");
        check(
            Some("azure-devops"),
            "https://dev.azure.com/o/My%20P/_git/My%20R",
            "My P",
            "o",
            "My R",
        );
        check(Some("azure-devops"), "https://dev.azure.com/o/p", "", "", "");
        check(None, "https://git.example.com/o/r", "o/r", "o", "r");
        check(None, "https://git.example.com/scm/P/r", "P/r", "P", "r");
        check(None, "https://git.example.com/a/b/c", "a/b/c", "", "");
        check(None, "https://git.example.com/r", "r", "", "");
        check(Some("gerrit"), "https://git.example.com/a/b/c", "a/b/c", "", "");
        check(Some("github"), "https://github.com/o/a%2Fb", "", "", "");
        check(Some("github"), "https://github.com/o/%zz", "", "", "");
        check(Some("github"), "https://github.com/o/%ff", "", "", "");
    }

    #[test]
    fn known_hosts_have_a_provider() {
        let check = |host: &str, expected: Option<&str>| assert_eq!(provider_of_host(host), expected, "{host}");
        check("github.com", Some("github"));
        check("GitHub.com.", Some("github"));
        check("acme.ghe.com", Some("github"));
        check("gitlab.com", Some("gitlab"));
        check("bitbucket.org", Some("bitbucket-cloud"));
        check("dev.azure.com", Some("azure-devops"));
        check("org.visualstudio.com", Some("azure-devops"));
        check("codeberg.org", Some("gitea"));
        check("github.com.evil.example", None);
        check("notgithub.com", None);
        check("", None);
    }
}
