//! Refusals that nobody sees: whom to tell of a refused Run that no person created, and in which words.
//!
//! Triggers answers its sender 202 whatever becomes of the Run, so its refusal is told beside something that exists:
//! the EventListener or Repository that the Run names, else the service account that created it.
//! Here is only what to tell; `cluster` writes it as a Kubernetes Event.

mod queue;

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

pub use queue::{QUEUE_LENGTH, RefusalQueue};

use crate::domain::decision::{Decision, Verdict, Violation};
use crate::domain::names::is_dns_subdomain;
use crate::domain::request::Operation;
use crate::domain::schema::{credential_in, one_line, quoted};
use crate::review::{Subject, cause_text};

/// Longest note of an Event, in bytes (`k8s.io/kubernetes/pkg/apis/core/validation/events.go`, `NoteLengthLimit`).
pub const MAX_NOTE_BYTES: usize = 1024;

/// Longest name of a namespace, in bytes.
const MAX_NAMESPACE_LENGTH: usize = 63;

/// How the API server names service accounts: this, the namespace, a colon, the name.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// What an Event can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WitnessKind {
    /// An EventListener of Triggers.
    EventListener,
    /// A Repository of Pipelines-as-Code.
    Repository,
    /// A ServiceAccount.
    ServiceAccount,
}

impl WitnessKind {
    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::EventListener => "EventListener",
            Self::Repository => "Repository",
            Self::ServiceAccount => "ServiceAccount",
        }
    }

    /// What to do, for whoever looks at one of these.
    fn advice(self) -> &'static str {
        match self {
            Self::EventListener => {
                "Mend the TriggerTemplate that this EventListener uses; runstamp review -f shows every mistake of a Run"
            }
            Self::Repository => {
                "Mend the PipelineRun in the .tekton folder of this repository; runstamp review -f shows every mistake of a Run"
            }
            Self::ServiceAccount => {
                "Mend what creates Runs as this ServiceAccount; runstamp review -f shows every mistake of a Run"
            }
        }
    }
}

/// Something that may exist and stands for whoever should learn of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Witness {
    /// What it is.
    pub kind: WitnessKind,
    /// Its namespace, which is that of the Event too.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid where the request says so.
    pub uid: Option<String>,
}

/// Tells refusals apart: those with the same identity are one Event that counts.
pub type Identity = [u8; 32];

/// A refusal that nobody sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadlessRefusal {
    /// The same for the same mistakes of Runs from the same place, whatever the Runs are called and whatever they hold:
    /// a template that is wrong makes Runs of ever new names.
    pub identity: Identity,
    /// Namespace of the Run. Unlike what it names, this is no claim of the Run: its creator has rights there.
    pub namespace: String,
    /// Whom the Run names, the most telling first. Labels are copied and forged, so each must be looked for.
    pub named: Vec<Witness>,
    /// The service account that created the Run: the API server vouches for it.
    pub creator: Witness,
    /// What happened.
    sentence: String,
    /// The mistakes, each on its own.
    mistakes: Vec<String>,
    /// How many mistakes there are besides.
    more: usize,
}

impl HeadlessRefusal {
    /// The refusal to tell of; none where the Run was allowed, nothing would have been stored, or whoever asked hears the answer.
    ///
    /// Only creations: a Run that is changed exists and can be looked at, and controllers are never refused a change.
    pub fn of(subject: &Subject<'_>, decision: &Decision) -> Option<Self> {
        if decision.is_allowed() || subject.dry_run || subject.operation != Operation::Create.word() {
            return None;
        }
        let creator = creator(subject)?;
        if !is_namespace(&subject.namespace) {
            return None;
        }
        let kind = subject.kind.map_or("Run", |kind| kind.word());
        let name = match &*subject.name {
            "" => String::new(),
            name => format!(" {}", quoted(name)),
        };
        let (namespace, user) = (&*subject.namespace, &*subject.user);
        let sentence = format!("Refused {kind}{name} in namespace {namespace}, created by {user}: ");
        let named = named(subject, &creator);
        let mut digest = Fingerprint::default();
        for witness in named.iter().chain([&creator]) {
            digest.add(&[witness.kind.word(), &witness.namespace, &witness.name]);
        }
        digest.add(&[kind, namespace]);
        let (mistakes, more) = mistakes(decision, &mut digest);
        Some(Self {
            identity: digest.finish(),
            namespace: namespace.to_owned(),
            named,
            creator,
            sentence,
            mistakes,
            more,
        })
    }

    /// What is told about one of those whom it concerns: what happened, why, and what to do. One line.
    pub fn note(&self, about: WitnessKind) -> String {
        let advice = about.advice();
        let mut note = self.sentence.clone();
        // Room for the last words: how many mistakes are left out, and what to do.
        let rest = |left_out: usize| match left_out {
            0 => format!(". {advice}"),
            count => format!("; and {count} more. {advice}"),
        };
        let total = self.mistakes.len() + self.more;
        let room = MAX_NOTE_BYTES.saturating_sub(rest(total).len());
        let mut told = 0;
        for mistake in &self.mistakes {
            let separator = if told == 0 { "" } else { "; " };
            if note.len() + separator.len() + mistake.len() > room {
                break;
            }
            note.push_str(separator);
            note.push_str(mistake);
            told += 1;
        }
        if told == 0 {
            // The first mistake is told in any case, as far as there is room.
            note.push_str(self.mistakes.first().map_or("", String::as_str));
            note.truncate(note.floor_char_boundary(room.saturating_sub('…'.len_utf8())));
            note.push('…');
            told = 1;
        }
        note.push_str(&rest(total.saturating_sub(told)));
        note
    }
}

#[cfg(test)]
impl HeadlessRefusal {
    /// A refusal without words, for tests of what becomes of refusals.
    pub(crate) fn for_test(identity: Identity, creator: Witness) -> Self {
        Self {
            identity,
            namespace: creator.namespace.clone(),
            named: Vec::new(),
            creator,
            sentence: String::new(),
            mistakes: Vec::new(),
            more: 0,
        }
    }
}

/// The first mistakes in words, about as many as a note can hold, and how many there are besides.
fn mistakes(decision: &Decision, digest: &mut Fingerprint) -> (Vec<String>, usize) {
    if let Verdict::Unreadable(reason) = &decision.verdict {
        // The reason tells of places and quotes what stands there, which differs from Run to Run.
        digest.add(&["unreadable"]);
        let reason = match credential_in(reason) {
            None => one_line(reason),
            Some(_) => "the request cannot be read, and why is not shown because it may hold a credential".to_owned(),
        };
        return (vec![clipped(reason)], 0);
    }
    let mut shown = Vec::new();
    let mut more = 0;
    // Refusals wait in memory: however large a Run is, no more of it is kept than is told.
    let mut room = MAX_NOTE_BYTES;
    for violation in decision.causes() {
        add_mistake(digest, violation);
        if room == 0 {
            more += 1;
            continue;
        }
        let text = format!("{}: {}", violation.cause.field, cause_text(violation));
        let text = clipped(one_line(&text));
        room = room.saturating_sub(text.len());
        shown.push(text);
    }
    (shown, more)
}

/// No more than a note can hold.
fn clipped(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_NOTE_BYTES));
    text.shrink_to_fit();
    text
}

/// Where, which kind of mistake, and who says so; not the value, which differs from Run to Run.
fn add_mistake(digest: &mut Fingerprint, violation: &Violation) {
    digest.add(&[
        &violation.cause.field.to_string(),
        violation.cause.kind.reason(),
        &violation.author.describe().unwrap_or_default(),
    ]);
}

/// The service account that created the Run; none where it was anybody else.
fn creator(subject: &Subject<'_>) -> Option<Witness> {
    let (namespace, name) = subject.user.strip_prefix(SERVICE_ACCOUNT)?.split_once(':')?;
    let uid = &*subject.origin.user_uid;
    let witness = Witness {
        kind: WitnessKind::ServiceAccount,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: is_uid(uid).then(|| uid.to_owned()),
    };
    witness.is_possible().then_some(witness)
}

/// Uids are UUIDs, but Kubernetes promises no more than that they are short and plain.
fn is_uid(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.len() <= MAX_NAMESPACE_LENGTH && text.bytes().all(is_plain)
}

/// Whom the Run names. An EventListener creates Runs as a service account of its own namespace, or with one for each
/// trigger, of the trigger's; a Repository stands beside its Runs.
fn named(subject: &Subject<'_>, creator: &Witness) -> Vec<Witness> {
    let witness = |kind, namespace: &str, name: &Option<Cow<'_, str>>| {
        let witness = Witness {
            kind,
            namespace: namespace.to_owned(),
            name: name.as_deref()?.to_owned(),
            uid: None,
        };
        witness.is_possible().then_some(witness)
    };
    let origin = &subject.origin;
    let beside_creator = witness(WitnessKind::EventListener, &creator.namespace, &origin.event_listener);
    let beside_run = witness(WitnessKind::EventListener, &subject.namespace, &origin.event_listener);
    let beside_run = beside_run.filter(|_| *subject.namespace != creator.namespace);
    let repository = witness(WitnessKind::Repository, &subject.namespace, &origin.repository);
    [beside_creator, beside_run, repository].into_iter().flatten().collect()
}

impl Witness {
    /// Whether Kubernetes would let something have this name: what stands in a Run may be anything.
    fn is_possible(&self) -> bool {
        is_namespace(&self.namespace) && is_dns_subdomain(&self.name)
    }
}

fn is_namespace(text: &str) -> bool {
    is_dns_subdomain(text) && !text.contains('.') && text.len() <= MAX_NAMESPACE_LENGTH
}

/// A digest of texts, each with its length, so that no two lists give the same bytes.
#[derive(Default)]
struct Fingerprint(Sha256);

impl Fingerprint {
    fn add(&mut self, texts: &[&str]) {
        for text in texts {
            self.0.update((text.len() as u64).to_be_bytes());
            self.0.update(text.as_bytes());
        }
    }

    fn finish(self) -> Identity {
        self.0.finalize().into()
    }
}

/// Bytes as names can hold them.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cause::{Cause, CauseKind};
    use crate::domain::decision::{Author, Lineage};
    use crate::domain::field_path::FieldPath;
    use crate::domain::words::{Reaction, RunKind};
    use crate::review::Origin;

    /// A Run that the service account of an EventListener creates in another namespace.
    fn subject() -> Subject<'static> {
        Subject {
            uid: "1".into(),
            kind: Some(RunKind::PipelineRun),
            operation: "CREATE",
            namespace: "builds".into(),
            name: "build-*".into(),
            user: "system:serviceaccount:ci:triggers".into(),
            dry_run: false,
            origin: Origin {
                user_uid: "0f8b3c2e-5d1a-4c7e-9b60-1f2e3d4c5b6a".into(),
                event_listener: Some("github".into()),
                repository: None,
            },
        }
    }

    fn mistake(key: &str, message: &str) -> Violation {
        Violation {
            cause: Cause {
                field: FieldPath::annotation(key),
                kind: CauseKind::Invalid,
                message: message.to_owned(),
                suggestion: None,
            },
            author: Author::Integration("github".into(), 0),
            reaction: Reaction::Deny,
        }
    }

    fn refusal(violations: Vec<Violation>) -> Decision {
        let mut decision = Decision::untouched(Some(Lineage::Root));
        decision.verdict = Verdict::Refused;
        decision.violations = violations;
        decision
    }

    fn sha() -> Violation {
        mistake(
            "github.integrations.tekton.dev/sha",
            "expected 40 or 64 hex digits, found \"main\"",
        )
    }

    fn told(subject: &Subject<'_>) -> Option<HeadlessRefusal> {
        HeadlessRefusal::of(subject, &refusal(vec![sha()]))
    }

    #[test]
    fn the_note_says_what_happened_why_and_what_to_do() {
        let refusal = told(&subject()).unwrap();
        assert_eq!(
            refusal.note(WitnessKind::EventListener),
            "Refused PipelineRun \"build-*\" in namespace builds, created by system:serviceaccount:ci:triggers: \
             metadata.annotations[github.integrations.tekton.dev/sha]: expected 40 or 64 hex digits, found \"main\" \
             (runstamp: integration github). Mend the TriggerTemplate that this EventListener uses; \
             runstamp review -f shows every mistake of a Run"
        );
        assert!(refusal.note(WitnessKind::Repository).contains(".tekton folder"));
        assert!(
            refusal
                .note(WitnessKind::ServiceAccount)
                .contains("as this ServiceAccount")
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_too() {
        let mut decision = Decision::untouched(None);
        decision.verdict = Verdict::Unreadable("the object cannot be read:\u{7} missing field metadata".to_owned());
        let mut subject = subject();
        (subject.kind, subject.name) = (None, "".into());
        let refusal = HeadlessRefusal::of(&subject, &decision).unwrap();
        assert_eq!(
            refusal.note(WitnessKind::ServiceAccount),
            "Refused Run in namespace builds, created by system:serviceaccount:ci:triggers: \
             the object cannot be read: missing field metadata. Mend what creates Runs as this ServiceAccount; \
             runstamp review -f shows every mistake of a Run"
        );
    }

    #[test]
    fn only_refused_creations_of_service_accounts_are_told() {
        #[track_caller]
        fn check(change: impl FnOnce(&mut Subject<'static>)) {
            let mut subject = subject();
            change(&mut subject);
            assert_eq!(told(&subject), None, "{subject:?}");
        }
        check(|subject| subject.dry_run = true);
        for operation in ["UPDATE", "DELETE", "CONNECT", ""] {
            check(|subject| subject.operation = operation);
        }
        for user in [
            "alice",
            "",
            "system:serviceaccount:",
            "system:serviceaccount:ci",
            "system:serviceaccount::triggers",
            "system:serviceaccount:ci:",
            "system:serviceaccount:ci:a:b",
            "system:serviceaccount:ci:Triggers",
            "system:serviceaccount:a.b:triggers",
            "system:serviceaccounts:ci:triggers",
            "system:kube-scheduler",
        ] {
            check(|subject| subject.user = user.into());
        }
        for namespace in ["", "a/b", "..", "Builds", "a.b", "a\nb"] {
            check(|subject| subject.namespace = namespace.into());
        }
        check(|subject| subject.user = format!("system:serviceaccount:{}:x", "n".repeat(64)).into());
        let allowed = Decision::untouched(Some(Lineage::Root));
        assert_eq!(HeadlessRefusal::of(&subject(), &allowed), None);
    }

    #[test]
    fn whom_it_concerns_is_the_most_telling_that_can_exist() {
        #[track_caller]
        fn check(
            listener: Option<&'static str>,
            repository: Option<&'static str>,
            namespace: &'static str,
            expected: &[&str],
        ) {
            let mut subject = subject();
            subject.namespace = namespace.into();
            subject.origin.event_listener = listener.map(Into::into);
            subject.origin.repository = repository.map(Into::into);
            let refusal = told(&subject).unwrap();
            let named = refusal.named.iter();
            let named: Vec<_> = named
                .map(|witness| format!("{} {}/{}", witness.kind.word(), witness.namespace, witness.name))
                .collect();
            assert_eq!(named, expected);
            assert_eq!(
                (&*refusal.creator.namespace, &*refusal.creator.name),
                ("ci", "triggers")
            );
        }
        check(Some("github"), None, "ci", &["EventListener ci/github"]);
        check(
            Some("github"),
            None,
            "builds",
            &["EventListener ci/github", "EventListener builds/github"],
        );
        check(None, Some("shop"), "builds", &["Repository builds/shop"]);
        check(
            Some("github"),
            Some("shop"),
            "ci",
            &["EventListener ci/github", "Repository ci/shop"],
        );
        for name in ["", "a/b", "../secrets", "GitHub", "a\nb", "a b", "-a", "é"] {
            check(Some(name), Some(name), "builds", &[]);
        }
    }

    #[test]
    fn the_uid_of_the_creator_is_told_where_it_looks_like_one() {
        let mut subject = subject();
        assert_eq!(
            told(&subject).unwrap().creator.uid.as_deref(),
            Some("0f8b3c2e-5d1a-4c7e-9b60-1f2e3d4c5b6a")
        );
        for uid in ["", "a b", "a\n", &"f".repeat(64)] {
            subject.origin.user_uid = uid.to_owned().into();
            assert_eq!(told(&subject).unwrap().creator.uid, None, "{uid:?}");
        }
    }

    /// A template that is wrong makes Runs of ever new names and values: all of them are one Event.
    #[test]
    fn the_same_mistakes_from_the_same_place_are_one() {
        let base = told(&subject()).unwrap().identity;
        let identity = |change: fn(&mut Subject<'static>), violations: Vec<Violation>| {
            let mut subject = subject();
            change(&mut subject);
            HeadlessRefusal::of(&subject, &refusal(violations)).unwrap().identity
        };
        let other_value = mistake(
            "github.integrations.tekton.dev/sha",
            "expected 40 or 64 hex digits, found \"trunk\"",
        );
        assert_eq!(
            identity(|subject| subject.name = "build-7x2kq".into(), vec![sha()]),
            base
        );
        assert_eq!(identity(|subject| subject.uid = "2".into(), vec![other_value]), base);
        let owner = mistake("github.integrations.tekton.dev/owner", "expected a value");
        let mut all = vec![
            base,
            identity(|_| {}, vec![sha(), owner.clone()]),
            identity(|_| {}, vec![owner]),
            identity(|subject| subject.namespace = "other".into(), vec![sha()]),
            identity(|subject| subject.kind = Some(RunKind::TaskRun), vec![sha()]),
            identity(|subject| subject.origin.event_listener = None, vec![sha()]),
            identity(
                |subject| subject.user = "system:serviceaccount:ci:other".into(),
                vec![sha()],
            ),
        ];
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 7, "each of these is another Event");
    }

    #[test]
    fn a_note_is_one_line_within_the_limit_and_counts_what_it_leaves_out() {
        #[track_caller]
        fn check(subject: &Subject<'_>, violations: Vec<Violation>) -> String {
            let refusal = HeadlessRefusal::of(subject, &refusal(violations)).unwrap();
            let kinds = [
                WitnessKind::EventListener,
                WitnessKind::Repository,
                WitnessKind::ServiceAccount,
            ];
            for kind in kinds {
                let note = refusal.note(kind);
                assert!(note.len() <= MAX_NOTE_BYTES, "{} bytes: {note}", note.len());
                assert!(!note.contains(char::is_control), "{note:?}");
                assert!(note.ends_with("shows every mistake of a Run"), "{note}");
            }
            refusal.note(WitnessKind::ServiceAccount)
        }
        let many: Vec<_> = (0..500)
            .map(|number| mistake(&format!("a.example/{number}"), "expected nothing"))
            .collect();
        let note = check(&subject(), many);
        let shown = note.matches("expected nothing").count();
        assert!(
            shown > 3 && note.contains(&format!("; and {} more. Mend", 500 - shown)),
            "{note}"
        );

        let large: Vec<_> = (0..100).map(|_| mistake(&"k".repeat(100_000), "x")).collect();
        let waiting = HeadlessRefusal::of(&subject(), &refusal(large)).unwrap().mistakes;
        let bytes: usize = waiting.iter().map(String::capacity).sum();
        assert!(bytes <= 2 * MAX_NOTE_BYTES, "{bytes} bytes wait");

        let note = check(&subject(), vec![mistake("a.example/b", &"é".repeat(5_000)), sha()]);
        assert!(note.contains("éé…; and 1 more. Mend"), "{note}");

        let mut hostile = subject();
        hostile.name = "\u{202e}\n\"'\u{0}é".repeat(5_000).into();
        hostile.namespace = "n".repeat(63).into();
        hostile.user = format!("system:serviceaccount:{}:{}", "n".repeat(63), "s".repeat(253)).into();
        check(&hostile, vec![mistake("a\n\u{7}.example/b", "expected\nnothing")]);
    }

    #[test]
    fn what_may_be_a_credential_is_not_repeated() {
        let token = format!("ghp_{}", "A1b2".repeat(9));
        let mut subject = subject();
        subject.name = token.clone().into();
        let note = told(&subject).unwrap().note(WitnessKind::ServiceAccount);
        assert!(!note.contains(&token), "{note}");
        let mut decision = Decision::untouched(None);
        decision.verdict = Verdict::Unreadable(format!("invalid type: string \"{token}\", expected a map"));
        let note = HeadlessRefusal::of(&subject, &decision).unwrap();
        let note = note.note(WitnessKind::ServiceAccount);
        assert!(!note.contains(&token) && note.contains("why is not shown"), "{note}");
    }
}
