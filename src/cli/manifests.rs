//! `runstamp manifests`: what a cluster gets, for the wishes of an installation.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::policy_args::PolicyArgs;
use super::{Verdict, output};
use crate::builtin;
use crate::domain::policy_set::PolicySet;
use crate::manifests::{DEFAULT_NAMESPACE, FailurePolicy, Parameters, Tls, installation, reset_policies};
use crate::policy_file::PolicyText;

const EXAMPLE: &str = "\
Examples:
  runstamp manifests | kubectl apply -f -
  runstamp manifests --namespace ci-admission --image registry.example.com/runstamp:0.1.0
  runstamp manifests --policies policies/ --tls cert-manager > runstamp.yaml
  runstamp manifests --observe --failure-policy Ignore
  runstamp manifests --engine map

The pipelines controllers in the conditions of the webhooks are those of Settings: of the built-in ones and of --policies, whose \
files go into the ConfigMap runstamp-policies.

--engine map prints no server but MutatingAdmissionPolicies (Kubernetes 1.36 or newer) that reset the same keys, without a word to \
the client: no injection, no validation, no recall of injected values.

Exit code 0: printed; 2: a flag or the policies cannot be used.";

/// What --engine map says before its documents, since nothing else would tell whoever reads them in a repository.
const MAP_HEADER: &str = "\
# The reset of the declared state keys, by the API server itself. Kubernetes 1.36 or newer.
# As with the webhook, what is removed is removed from managedFields too, finalizers included.
# What CEL cannot do is left out: nobody is told what was removed, values that Runstamp injected into the Run that was copied
# stay, and a status counts as empty only if its fields are (the webhook looks below them).
# A Run with thousands of state keys costs more than the API server grants CEL, and meets the failurePolicy.
";

/// Print what a cluster gets
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct ManifestsArgs {
    /// Runstamp's own namespace
    #[arg(long, value_name = "NAME", default_value = DEFAULT_NAMESPACE)]
    namespace: String,
    /// Image of the replicas [default: runstamp, in this version]
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// How many replicas [default: 2]
    #[arg(long, value_name = "NUMBER", value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    replicas: Option<u32>,
    /// What the Run of a person or a trigger meets while no replica answers
    #[arg(long, value_enum, value_name = "POLICY", default_value_t, ignore_case = true)]
    failure_policy: FailurePolicyArg,
    /// Who makes the serving certificate: the replicas, cert-manager, or you in the Secret runstamp-tls [default: self-managed]
    #[arg(long, value_enum, value_name = "MODE")]
    tls: Option<TlsArg>,
    /// Decide, count and log, but change and refuse nothing
    #[arg(long)]
    observe: bool,
    /// Leave the starter policies out
    #[arg(long)]
    no_starter: bool,
    /// A server with webhooks, or the reset alone as MutatingAdmissionPolicies
    #[arg(long, value_enum, value_name = "ENGINE", default_value_t)]
    engine: EngineArg,
    #[command(flatten)]
    policies: PolicyArgs,
    /// Form of the output: YAML documents, or one List in JSON
    #[arg(short, long, value_enum, default_value_t)]
    output: ManifestsFormat,
}

/// The words of `--failure-policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum FailurePolicyArg {
    /// It is refused.
    #[default]
    #[value(name = "Fail")]
    Fail,
    /// It passes as it is.
    #[value(name = "Ignore")]
    Ignore,
}

impl From<FailurePolicyArg> for FailurePolicy {
    fn from(word: FailurePolicyArg) -> Self {
        match word {
            FailurePolicyArg::Fail => Self::Fail,
            FailurePolicyArg::Ignore => Self::Ignore,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TlsArg {
    /// The replicas make it, renew it and publish its authority.
    SelfManaged,
    /// cert-manager does.
    CertManager,
    /// The Secret runstamp-tls is yours, and caBundle too.
    Files,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum EngineArg {
    /// The server.
    #[default]
    Webhook,
    /// MutatingAdmissionPolicies.
    Map,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ManifestsFormat {
    /// For kubectl and people.
    #[default]
    Yaml,
    /// For programs.
    Json,
}

/// Prints the manifests.
pub(super) fn run(arguments: &ManifestsArgs) -> anyhow::Result<Verdict> {
    if arguments.engine == EngineArg::Map {
        arguments.refuse_flags_of_the_server()?;
    }
    let (set, texts) = arguments.load()?;
    let parameters = arguments.parameters(&set, &texts)?;
    let (header, documents) = match arguments.engine {
        EngineArg::Webhook => ("", installation(&parameters)?),
        EngineArg::Map => (MAP_HEADER, reset_policies(&set, &parameters)?),
    };
    output::print(&match arguments.output {
        ManifestsFormat::Yaml => format!("{header}{}", yaml(&documents)?),
        ManifestsFormat::Json => list(&documents)?,
    })?;
    Ok(Verdict::Fine)
}

impl ManifestsArgs {
    fn refuse_flags_of_the_server(&self) -> anyhow::Result<()> {
        let given = [
            ("--image", self.image.is_some()),
            ("--replicas", self.replicas.is_some()),
            ("--tls", self.tls.is_some()),
            ("--observe", self.observe),
            ("--no-starter", self.no_starter),
        ];
        let flags: Vec<&str> = given
            .iter()
            .filter(|(_, given)| *given)
            .map(|(flag, _)| *flag)
            .collect();
        if flags.is_empty() {
            return Ok(());
        }
        bail!(
            "expected only flags about the reset beside --engine map, which installs no server, found {}; leave it out",
            flags.join(", ")
        )
    }

    /// The policy set that the replicas will serve, and the files of it that are given here.
    fn load(&self) -> anyhow::Result<(PolicySet, Vec<PolicyText>)> {
        let starter = if self.no_starter {
            Vec::new()
        } else {
            builtin::starter()
        };
        self.policies.load_with(starter)
    }

    fn parameters(&self, set: &PolicySet, texts: &[PolicyText]) -> anyhow::Result<Parameters> {
        Ok(Parameters {
            namespace: self.namespace.clone(),
            image: self.image.clone(),
            replicas: self.replicas,
            failure_policy: self.failure_policy.into(),
            tls: match self.tls {
                None | Some(TlsArg::SelfManaged) => Tls::SelfManaged,
                Some(TlsArg::CertManager) => Tls::CertManager,
                Some(TlsArg::Files) => Tls::Files,
            },
            observe: self.observe,
            builtin: self.policies.wants_builtin(),
            starter: !self.no_starter,
            policies: config_map_data(texts)?,
            ..Parameters::new(&set.settings)
        })
    }
}

/// Policy files by names that a ConfigMap allows: the file's own, or its path where two have the same.
fn config_map_data(texts: &[PolicyText]) -> anyhow::Result<BTreeMap<String, String>> {
    let short = |text: &PolicyText| {
        let name = Path::new(&text.name).file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let mut data = BTreeMap::new();
    for text in texts {
        let name = short(text);
        let is_alone = texts.iter().filter(|other| short(other) == name).count() == 1;
        let key = as_key(if is_alone { &name } else { &text.name });
        let content = String::from_utf8(text.content.clone())
            .with_context(|| format!("{}: expected UTF-8, which is what a ConfigMap's data holds", text.name))?;
        if data.insert(key.clone(), content).is_some() {
            bail!(
                "{}: another file is called {key} in the ConfigMap too; rename one",
                text.name
            );
        }
    }
    Ok(data)
}

/// Keys of ConfigMaps hold letters, digits, `-`, `_` and `.`, and do not begin with two full stops.
fn as_key(path: &str) -> String {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let dotted = path.replace('/', ".");
    dotted
        .trim_start_matches('.')
        .chars()
        .map(|character| if allowed(character) { character } else { '-' })
        .collect()
}

fn yaml(documents: &[Value]) -> anyhow::Result<String> {
    let mut text = String::new();
    for document in documents {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(document).context("failed to write YAML")?);
    }
    Ok(text)
}

fn list(documents: &[Value]) -> anyhow::Result<String> {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": documents });
    let mut text = serde_json::to_string_pretty(&list).context("failed to write JSON")?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> PolicyText {
        PolicyText {
            name: name.to_owned(),
            content: name.as_bytes().to_vec(),
            builtin: false,
        }
    }

    #[test]
    fn files_keep_their_names_where_they_can() {
        let check = |names: &[&str], keys: &[&str]| {
            let texts: Vec<PolicyText> = names.iter().map(|name| text(name)).collect();
            let data = config_map_data(&texts).expect("names that differ");
            assert_eq!(data.keys().collect::<Vec<_>>(), keys);
        };
        check(&["policies/a.yaml", "b.yaml"], &["a.yaml", "b.yaml"]);
        check(&["x/a.yaml", "../y/a.yaml"], &["x.a.yaml", "y.a.yaml"]);
        check(&["with space.yaml"], &["with-space.yaml"]);
        assert!(config_map_data(&[text("x/a b.yaml"), text("x/a-b.yaml")]).is_err());
    }
}
