//! What `serve --dev` makes up: a throwaway certificate, a review to send, and the command that sends it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cert::{self, CertificateRequest};
use crate::tls::ServingPair;

/// A copied PipelineRun, as the API server would send it.
const REVIEW: &str = include_str!("review.json");

/// Long enough for a day's work, and worthless afterwards.
const DAYS: u32 = 7;

/// Attempts to find a name that is free; one suffices unless somebody makes folders against us.
const ATTEMPTS: u32 = 100;

/// A private folder that is removed when the server ends.
#[derive(Debug)]
pub(super) struct DevFolder {
    path: PathBuf,
}

impl DevFolder {
    /// Makes folder, certificate and review; the private key stays in memory. `now` in seconds since 1970.
    pub(super) fn create(now: i64) -> anyhow::Result<(Self, ServingPair)> {
        let generated = cert::generate(&CertificateRequest {
            hosts: cert::DEFAULT_HOSTS.iter().map(|host| (*host).to_owned()).collect(),
            now: u64::try_from(now).unwrap_or_default(),
            days: DAYS,
        })?;
        let pair = ServingPair::from_pem(
            generated.certificate.as_bytes(),
            generated.key.as_bytes(),
            "the throwaway certificate",
        )?;
        let folder = Self {
            path: make_private(&std::env::temp_dir())?,
        };
        write_new(&folder.authority(), generated.authority.as_bytes())?;
        write_new(&folder.review(), REVIEW.as_bytes())?;
        Ok((folder, pair))
    }

    /// What to do with the server that listens there.
    pub(super) fn help(&self, address: SocketAddr) -> String {
        let authority = quoted(&self.authority());
        let review = quoted(&PathBuf::from(format!("@{}", self.review().display())));
        let address = reachable(address);
        format!(
            "\n\
             Send it a PipelineRun that was copied from another one:\n\
             \n  \
             curl --cacert {authority} -H 'Content-Type: application/json' --data {review} https://{address}/mutate\n\
             \n\
             The patch in the answer is base64; append | jq -r .response.patch | base64 -d to read it.\n\
             The CA is good for this process only. Stop it with Ctrl-C.\n"
        )
    }

    fn authority(&self) -> PathBuf {
        self.path.join("ca.crt")
    }

    fn review(&self) -> PathBuf {
        self.path.join("review.json")
    }
}

impl Drop for DevFolder {
    fn drop(&mut self) {
        // What cannot be removed is a certificate that nobody trusts.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Makes a folder that only this user can enter, under a name that nobody had.
fn make_private(parent: &Path) -> anyhow::Result<PathBuf> {
    for attempt in 0..ATTEMPTS {
        let path = parent.join(format!("runstamp-dev-{}-{attempt}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("failed to make {}", path.display())),
        }
    }
    anyhow::bail!("failed to find a free name for a folder in {}", parent.display())
}

fn write_new(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(path)?.write_all(content)
    };
    write().with_context(|| format!("failed to write {}", path.display()))
}

/// An address to connect to: that of all interfaces is none.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        });
    }
    address
}

/// A path as one word of a shell command.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-@+".contains(&byte);
    if text.bytes().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_folder_is_private_and_vanishes() {
        let (folder, _) = DevFolder::create(1_790_000_000).unwrap();
        let (other, _) = DevFolder::create(1_790_000_000).unwrap();
        let path = folder.path.clone();
        assert_ne!(path, other.path);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&folder.authority())), (0o700, 0o600));
        let mut names: Vec<_> = std::fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["ca.crt", "review.json"], "and no private key");
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn the_command_is_for_the_address_that_can_be_reached() {
        let (folder, _) = DevFolder::create(1_790_000_000).unwrap();
        #[track_caller]
        fn check(folder: &DevFolder, address: &str, expected: &str) {
            let help = folder.help(address.parse().unwrap());
            assert!(help.contains(&format!(" {expected}\n")), "{help}");
        }
        check(&folder, "127.0.0.1:8443", "https://127.0.0.1:8443/mutate");
        check(&folder, "0.0.0.0:9", "https://127.0.0.1:9/mutate");
        check(&folder, "[::]:9", "https://[::1]:9/mutate");
    }

    #[test]
    fn paths_survive_the_shell() {
        #[track_caller]
        fn check(path: &str, expected: &str) {
            assert_eq!(quoted(Path::new(path)), expected);
        }
        check("/tmp/a-1/ca.crt", "/tmp/a-1/ca.crt");
        check("@/tmp/a b", "'@/tmp/a b'");
        check("/tmp/it's", r"'/tmp/it'\''s'");
        check("/tmp/$(id)", "'/tmp/$(id)'");
    }

    #[test]
    fn the_review_is_json() {
        let review: serde_json::Value = serde_json::from_str(REVIEW).unwrap();
        assert_eq!(review["request"]["object"]["kind"], "PipelineRun");
    }
}
