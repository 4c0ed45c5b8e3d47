//! Reads what every document begins with, and tells the documents that are ours from those of other API groups.

use super::Loaded;
use super::fields::{Fields, fields};
use super::problems::{Problems, quoted};
use super::scalar::Plain;
use super::tree::{Kind, Node};
use super::values::{self, Expected};
use super::{integration, run_policy, settings, suite, trigger_source};
use crate::domain::definition::{Header, Text};
use crate::domain::source::{Code, Located, Problem, Span};
use crate::domain::suggest;

const GROUP: &str = "runstamp.dev";
const API_VERSION: &str = "runstamp.dev/v1alpha1";

/// The kinds of document.
#[derive(Debug, Clone, Copy)]
enum DocumentKind {
    Integration,
    TriggerSource,
    RunPolicy,
    Settings,
    Suite,
}

/// Names the warnings that the author of a document means to cause.
const ACCEPT: &str = "runstamp.dev/accept";

const KINDS: [(&str, DocumentKind); 5] = [
    ("Integration", DocumentKind::Integration),
    ("TriggerSource", DocumentKind::TriggerSource),
    ("RunPolicy", DocumentKind::RunPolicy),
    ("Settings", DocumentKind::Settings),
    ("Suite", DocumentKind::Suite),
];

/// A document of ours whose spec has not been read.
pub(super) struct Document {
    span: Span,
    metadata: Option<Metadata>,
    builtin: bool,
    spec: Option<Node>,
}

/// The header with the field that only kinds with built-in documents have.
pub(super) fn replaceable(header: Header, fields: &mut Fields<'_>) -> Header {
    let replace = fields.boolean("replaceBuiltin");
    Header {
        replace_builtin: replace.is_some_and(|replace| replace.value),
        ..header
    }
}

/// Reads the spec of a document; `None` if the document cannot be used, and then why has been reported.
pub(super) fn spec<T>(
    document: Document,
    owner: &'static str,
    problems: &mut Problems,
    read: impl FnOnce(Header, &mut Fields<'_>) -> T,
) -> Option<T> {
    let is_named = document.metadata.is_some();
    // The spec of a document without a name is read all the same, for its mistakes.
    let metadata = document.metadata.unwrap_or_default();
    let header = Header {
        name: metadata.name,
        builtin: document.builtin,
        replace_builtin: false,
        span: document.span,
        accepts: metadata.accepts,
    };
    fields(document.spec?, owner, problems, |fields| read(header, fields)).filter(|_| is_named)
}

/// Reads one document of a file into what has been loaded so far.
pub(super) fn read(root: Node, soft: Problems, builtin: bool, loaded: &mut Loaded, problems: &mut Problems) {
    let Kind::Mapping(entries) = &root.kind else {
        if !matches!(root.kind, Kind::Plain(Plain::Null, _)) {
            problems.push(Expected::Fields("a policy document").but_found(&root));
        }
        return;
    };
    let written = |name: &str| {
        let found = entries.iter().find(|(key, _)| key.value == name);
        found.map(|(_, value)| value)
    };
    match origin(entries, written("apiVersion"), written("kind")) {
        Origin::Ours => {}
        Origin::Foreign(warning) => return problems.extend(warning),
        Origin::Unclear(problem) => {
            problems.extend(soft.into_list());
            return problems.push(*problem);
        }
    }
    // A golden of a Suite, which may stand beside the policies.
    if written("kind").is_some_and(|kind| matches!(&kind.kind, Kind::String(kind) if kind == "Decision")) {
        return;
    }
    problems.extend(soft.into_list());
    let Some(kind) = written("kind").cloned() else {
        let place = entries.first().map_or(root.span, |(key, _)| key.span);
        let message = format!("this document has no kind; expected one of {}", kind_names());
        return problems.push(Problem::error(Code::MissingField, place, message));
    };
    let Some(kind) = values::word(kind, &KINDS, problems) else {
        return;
    };
    read_kind(kind.value, root, builtin, loaded, problems);
}

fn read_kind(kind: DocumentKind, root: Node, builtin: bool, loaded: &mut Loaded, problems: &mut Problems) {
    let owner = match kind {
        DocumentKind::Integration => "an Integration",
        DocumentKind::TriggerSource => "a TriggerSource",
        DocumentKind::RunPolicy => "a RunPolicy",
        DocumentKind::Settings => "a Settings document",
        DocumentKind::Suite => "a Suite",
    };
    let span = root.span;
    let document = fields(root, owner, problems, |fields| {
        fields.take("apiVersion");
        fields.take("kind");
        Document {
            span,
            metadata: fields.required("metadata", metadata),
            builtin,
            spec: fields.required("spec", |node, _| Some(node)),
        }
    });
    let Some(document) = document else { return };
    let Loaded {
        definitions, suites, ..
    } = loaded;
    match kind {
        DocumentKind::Integration => definitions
            .integrations
            .extend(integration::integration(document, problems)),
        DocumentKind::TriggerSource => definitions
            .trigger_sources
            .extend(trigger_source::trigger_source(document, problems)),
        DocumentKind::RunPolicy => definitions
            .run_policies
            .extend(run_policy::run_policy(document, problems)),
        DocumentKind::Settings => definitions.settings.extend(settings::settings(document, problems)),
        DocumentKind::Suite => suites.extend(suite::suite(document, problems)),
    }
}

/// Whose document it is.
enum Origin {
    Ours,
    /// Another API group's, with a warning if that looks like a slip.
    Foreign(Option<Problem>),
    Unclear(Box<Problem>),
}

fn origin(entries: &[(Text, Node)], api_version: Option<&Node>, kind: Option<&Node>) -> Origin {
    let place = entries.first().map_or_else(Span::default, |(key, _)| key.span);
    let Some(api_version) = api_version else {
        let message = match kind {
            None => "this document has neither apiVersion nor kind",
            Some(_) => "this document has no apiVersion",
        };
        let mut keys = entries.iter().map(|(key, _)| key);
        let misspelt = keys.find(|key| suggest::nearest(&key.value, std::iter::once("apiVersion")).is_some());
        let help = match misspelt {
            Some(key) => format!("{} should be spelt apiVersion", quoted(&key.value)),
            None => format!("begin it with apiVersion: {API_VERSION} and a kind: {}", kind_names()),
        };
        return Origin::Unclear(Box::new(
            Problem::error(Code::ApiVersion, place, message).with_help(help),
        ));
    };
    let Kind::String(found) = &api_version.kind else {
        return Origin::Unclear(Box::new(Expected::Text.but_found(api_version)));
    };
    if found == API_VERSION {
        return Origin::Ours;
    }
    let group = found.split('/').next().unwrap_or_default();
    if group == GROUP {
        let message = format!("expected apiVersion {API_VERSION}, found {}", quoted(found));
        let problem = Problem::error(Code::ApiVersion, api_version.span, message)
            .with_text(API_VERSION, false)
            .with_help(format!("this version of Runstamp reads {API_VERSION} only"));
        return Origin::Unclear(Box::new(problem));
    }
    let looks_like_ours = group.starts_with("runstamp")
        || suggest::nearest(group, std::iter::once(GROUP)).is_some()
        || found == "v1alpha1";
    Origin::Foreign(looks_like_ours.then(|| {
        let message = format!("this document is ignored: {} is another API group", quoted(found));
        Problem::warning(Code::ForeignDocument, api_version.span, message)
            .with_text(API_VERSION, false)
            .with_help(format!("did you mean {API_VERSION}?"))
    }))
}

/// What is read of the metadata.
#[derive(Default)]
struct Metadata {
    name: Text,
    accepts: Option<Text>,
}

fn metadata(node: Node, problems: &mut Problems) -> Option<Metadata> {
    fields(node, "the metadata", problems, |fields| {
        // Kept for whoever manages the file with tools that set them.
        fields.take("labels");
        let accepts = fields.take("annotations").and_then(accepts);
        let name = fields.required("name", name);
        name.map(|name| Metadata { name, accepts })
    })?
}

/// The one annotation that is read; the others are other tools', whatever they hold.
fn accepts(annotations: Node) -> Option<Text> {
    let Kind::Mapping(entries) = annotations.kind else {
        return None;
    };
    let accepts = entries.into_iter().find(|(key, _)| key.value == ACCEPT)?.1;
    match accepts.kind {
        Kind::String(codes) => Some(Located::new(codes, accepts.span)),
        _ => None,
    }
}

/// A name as Kubernetes has them, since it stands in annotations, metrics and audit records.
fn name(node: Node, problems: &mut Problems) -> Option<Text> {
    let name = values::text(node, problems)?;
    if is_dns_subdomain(&name.value) {
        return Some(name);
    }
    let message = format!(
        "expected a name of lower-case letters, digits, hyphens and dots, at most 253 characters, found {}",
        quoted(&name.value)
    );
    let likely = name.value.to_lowercase().replace(['_', ' '], "-");
    let problem = Problem::error(Code::BadName, name.span, message);
    problems.push(match is_dns_subdomain(&likely) {
        true => problem
            .with_text(likely.as_str(), false)
            .with_help(format!("did you mean {likely}?")),
        false => problem,
    });
    // The document's other mistakes are worth finding, and the name still tells which it is.
    Some(Located::new(likely, name.span))
}

/// Whether a text is a DNS subdomain as RFC 1123 has them, in lower case.
fn is_dns_subdomain(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        label.bytes().all(|byte| is_word(byte) || byte == b'-')
            && label.bytes().next().is_some_and(is_word)
            && label.bytes().last().is_some_and(is_word)
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn kind_names() -> String {
    values::listed(KINDS.iter().map(|(name, _)| *name))
}
