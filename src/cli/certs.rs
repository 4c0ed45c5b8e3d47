//! `runstamp certs`: certificates for local work, and for API servers that must show one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::{Verdict, output};
use crate::cert::{self, CertificateRequest, GeneratedPair};
use crate::server::now;

const EXAMPLE: &str = "\
Examples:
  runstamp certs generate --dir certs/local
  runstamp certs generate --dir certs/local --host webhook.example.com --days 30
  runstamp certs client --dir certs/apiserver --name kube-apiserver";

/// Make certificates for local work, and for API servers that must show one
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct CertsArgs {
    #[command(subcommand)]
    command: CertsCommand,
}

#[derive(Debug, Subcommand)]
enum CertsCommand {
    Generate(GenerateArgs),
    Client(ClientArgs),
}

/// Write a CA certificate, a serving certificate and its key: ca.crt, tls.crt, tls.key
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
struct GenerateArgs {
    /// Where to; made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Host name or IP address of the server; may be given several times
    #[arg(long = "host", value_name = "HOST", default_values = cert::DEFAULT_HOSTS)]
    hosts: Vec<String>,
    /// Days until both expire
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    days: u32,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

/// Write a CA certificate, a client certificate and its key, for serve --client-ca: ca.crt, tls.crt, tls.key
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
struct ClientArgs {
    /// Where to; made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Name of the client, for serve --client-name
    #[arg(long, value_name = "NAME", default_value = "kube-apiserver")]
    name: String,
    /// Days until both expire
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    days: u32,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

/// Runs the subcommand.
pub(super) fn run(arguments: &CertsArgs) -> anyhow::Result<Verdict> {
    match &arguments.command {
        CertsCommand::Generate(arguments) => output::print(&generate(arguments, now())?)?,
        CertsCommand::Client(arguments) => output::print(&client(arguments, now())?)?,
    }
    Ok(Verdict::Fine)
}

/// Writes the files, and says which.
fn generate(arguments: &GenerateArgs, now: i64) -> anyhow::Result<String> {
    let files = Files::of(&arguments.dir);
    if !arguments.force {
        files.refuse_existing()?;
    }
    let pair = cert::generate(&CertificateRequest {
        hosts: arguments.hosts.clone(),
        now: u64::try_from(now).unwrap_or_default(),
        days: arguments.days,
    })?;
    fs::create_dir_all(&arguments.dir).with_context(|| format!("failed to make {}", arguments.dir.display()))?;
    files.write(&pair)?;
    let certificate = format!("the serving certificate, for {}", arguments.hosts.join(", "));
    Ok(files.report("clients trust", &certificate, arguments.days))
}

/// Writes the files of a client, and says which.
fn client(arguments: &ClientArgs, now: i64) -> anyhow::Result<String> {
    let files = Files::of(&arguments.dir);
    if !arguments.force {
        files.refuse_existing()?;
    }
    let now = u64::try_from(now).unwrap_or_default();
    let pair = cert::generate_client(&arguments.name, now, arguments.days)?;
    fs::create_dir_all(&arguments.dir).with_context(|| format!("failed to make {}", arguments.dir.display()))?;
    files.write(&pair)?;
    let certificate = format!("the certificate of the client {}", arguments.name);
    Ok(files.report("the server trusts", &certificate, arguments.days))
}

/// The names that Secrets of type `kubernetes.io/tls` use.
struct Files {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn of(folder: &Path) -> Self {
        Self {
            authority: folder.join("ca.crt"),
            certificate: folder.join("tls.crt"),
            key: folder.join("tls.key"),
        }
    }

    fn refuse_existing(&self) -> anyhow::Result<()> {
        for path in [&self.authority, &self.certificate, &self.key] {
            // A dangling symlink is something too.
            if path.symlink_metadata().is_ok() {
                bail!("{} is there already, replace it with --force", path.display());
            }
        }
        Ok(())
    }

    fn write(&self, pair: &GeneratedPair) -> anyhow::Result<()> {
        output::write_atomically(&self.authority, pair.authority.as_bytes(), 0o644)?;
        output::write_atomically(&self.key, pair.key.as_bytes(), 0o600)?;
        output::write_atomically(&self.certificate, pair.certificate.as_bytes(), 0o644)
    }

    fn report(&self, trusted: &str, certificate: &str, days: u32) -> String {
        format!(
            "{}  the CA, which {trusted}; its key is not kept\n\
             {}  {certificate}, good for {days} {}\n\
             {}  its private key, never to be committed\n",
            self.authority.display(),
            self.certificate.display(),
            if days == 1 { "day" } else { "days" },
            self.key.display(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::ServingPair;
    use std::os::unix::fs::PermissionsExt;

    const NOW: i64 = 1_790_000_000;

    fn arguments(folder: &Path, force: bool) -> GenerateArgs {
        GenerateArgs {
            dir: folder.join("certs/local"),
            hosts: vec!["localhost".to_owned()],
            days: 3,
            force,
        }
    }

    #[test]
    fn the_files_are_a_pair_and_the_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = arguments(folder.path(), false);
        generate(&arguments, NOW).unwrap();
        let files = Files::of(&arguments.dir);
        let pair = ServingPair::from_files(&files.certificate, &files.key).unwrap();
        assert_eq!(pair.expiry(), NOW + 3 * 86_400);
        let mode = fs::metadata(&files.key).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(fs::read_dir(&arguments.dir).unwrap().count(), 3, "nothing is left over");
    }

    #[test]
    fn a_client_gets_a_pair_too() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ClientArgs {
            dir: folder.path().join("apiserver"),
            name: "kube-apiserver".to_owned(),
            days: 1,
            force: false,
        };
        let report = client(&arguments, NOW).unwrap();
        assert!(
            report.contains("the certificate of the client kube-apiserver, good for 1 day\n"),
            "{report}"
        );
        let files = Files::of(&arguments.dir);
        assert_eq!(fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(client(&arguments, NOW).is_err(), "files are there");
    }

    #[test]
    fn files_are_replaced_only_by_force() {
        let folder = tempfile::tempdir().unwrap();
        generate(&arguments(folder.path(), false), NOW).unwrap();
        let files = Files::of(&arguments(folder.path(), false).dir);
        let before = fs::read(&files.key).unwrap();
        let error = generate(&arguments(folder.path(), false), NOW).expect_err("files are there");
        assert_eq!(
            error.to_string(),
            format!(
                "{} is there already, replace it with --force",
                files.authority.display()
            )
        );
        assert_eq!(fs::read(&files.key).unwrap(), before);
        generate(&arguments(folder.path(), true), NOW).unwrap();
        assert_ne!(fs::read(&files.key).unwrap(), before);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("certs"), "a file").unwrap();
        let error = generate(&arguments(folder.path(), false), NOW).expect_err("no folder");
        assert!(error.to_string().starts_with("failed to make "), "{error}");
    }
}
