//! `runstamp status`: whether an installation is as it should be.

use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;

use super::manifests::FailurePolicyArg;
use super::output::OutputFormat;
use super::policy_args::PolicyArgs;
use super::{Verdict, output};
use crate::cluster::{Inquiry, InquiryError};
use crate::manifests::{DEFAULT_NAMESPACE, Parameters, webhook_configurations};
use crate::policy_file::collect_texts;
use crate::status::{Question, Status, expect, judge, render};

/// Longest wait for all answers together; each of them is waited for ten seconds at most.
const ANSWERS: Duration = Duration::from_secs(60);

const EXAMPLE: &str = "\
Examples:
  runstamp status
  runstamp status --namespace ci-admission --failure-policy Ignore
  runstamp status -o json

Asks the API server of KUBECONFIG, or of the service account of the Pod, and changes nothing. What every replica serves stands in \
the Lease that it renews. The webhook configurations are compared with what this version would install for the Settings of the \
installation: those of the built-in policies, of its ConfigMaps and of --policies.

Give --namespace, --failure-policy and --no-builtin as the installation has them, and --policies for the files that the replicas \
read by serve --policies. What manifests --policies has printed stands in a ConfigMap and is found there.

Exit code 0: all is well; 1: something is not; 2: the question could not be answered, for want of an API server or a right.";

/// Say whether all replicas of an installation serve the same, and its webhooks are as they should be
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct StatusArgs {
    /// Runstamp's own namespace
    #[arg(long, value_name = "NAME", env = "RUNSTAMP_NAMESPACE", default_value = DEFAULT_NAMESPACE)]
    namespace: String,
    /// Name of the webhook configurations
    #[arg(
        long,
        value_name = "NAME",
        env = "RUNSTAMP_WEBHOOK_CONFIGURATION",
        default_value = "runstamp.dev"
    )]
    webhook_configuration: String,
    /// What the Run of a person or a trigger is meant to meet while no replica answers
    #[arg(long, value_enum, value_name = "POLICY", default_value_t, ignore_case = true)]
    failure_policy: FailurePolicyArg,
    #[command(flatten)]
    policies: PolicyArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// Prints the state of the installation.
pub(super) fn run(arguments: &StatusArgs) -> anyhow::Result<Verdict> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    let answer = runtime.block_on(async { tokio::time::timeout(ANSWERS, ask(arguments)).await });
    let status =
        answer.map_err(|_| anyhow!("expected every answer of the API server within {ANSWERS:?}, found none"))??;
    output::print(&match arguments.output {
        OutputFormat::Text => render(&status),
        OutputFormat::Json => format!("{}\n", serde_json::to_string(&status).context("failed to write JSON")?),
    })?;
    Ok(if status.healthy { Verdict::Fine } else { Verdict::Bad })
}

async fn ask(arguments: &StatusArgs) -> anyhow::Result<Status> {
    let mut own = arguments.policies.embedded();
    own.extend(collect_texts(arguments.policies.paths())?);
    let question = Question {
        namespace: arguments.namespace.clone(),
        configuration: arguments.webhook_configuration.clone(),
    };
    let namespace = &arguments.namespace;
    let inquiry = Inquiry::begin(question.clone()).await?;
    let mut gathered = inquiry.gather().await.map_err(|error| match error {
        InquiryError::Unanswered(_) => anyhow!(
            "failed to ask about the installation in the namespace {namespace}: {error}; the section Status of docs/operations.md lists the rights that it takes"
        ),
        error => error.into(),
    })?;
    let expected = expect(&own, gathered.config_maps, async || inquiry.last_good().await).await;
    let expected = expected.context("expected policies without mistakes in the flags")?;
    gathered.facts.platform.tekton = inquiry.tekton_version(&expected.controllers).await;
    let parameters = Parameters {
        namespace: arguments.namespace.clone(),
        failure_policy: arguments.failure_policy.into(),
        ..Parameters::new(&expected.settings)
    };
    let installed = webhook_configurations(&parameters)?;
    Ok(judge(&question, &gathered.facts, expected, &installed))
}
