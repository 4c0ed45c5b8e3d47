//! The closed vocabularies of the policy language: each word once, with its spelling.

use std::fmt;

/// Declares an enum whose variants are words of the policy language, with the table that readers and suggestions use.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// Every word with its value, in the order of the documentation.
            pub const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];

            /// The word as written in a policy file.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value that a word stands for; case matters.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.word())
            }
        }
    };
}

words! {
    /// The kinds of Run.
    RunKind {
        /// `PipelineRun`
        PipelineRun = "PipelineRun",
        /// `TaskRun`
        TaskRun = "TaskRun",
        /// `CustomRun`
        CustomRun = "CustomRun",
    }
}

words! {
    /// What a violation meets.
    Reaction {
        /// Nothing but a count in the metrics and the audit annotation.
        Audit = "Audit",
        /// Nothing at all.
        Allow = "Allow",
        /// The client sees a warning.
        Warn = "Warn",
        /// The Run is refused.
        Deny = "Deny",
    }
}

words! {
    /// When a Root loses a state key.
    ResetRule {
        /// Whenever it is there.
        Always = "Always",
        /// Only when the Run is a copy of another.
        OnCopy = "OnCopy",
        /// Never: only Children may lose it.
        Never = "Never",
    }
}

words! {
    /// Whether a Child loses a state key.
    OnChild {
        /// It stays.
        Keep = "Keep",
        /// It goes.
        Remove = "Remove",
    }
}

words! {
    /// What a state key meets that is changed by someone who is not a writer.
    StateKeyUpdates {
        /// Nothing.
        Allow = "Allow",
        /// The client sees a warning.
        Warn = "Warn",
        /// The old value returns.
        Drop = "Drop",
        /// The update is refused.
        Deny = "Deny",
    }
}

words! {
    /// What controller references on a Root meet.
    CopiedOwnerReferences {
        /// They are removed.
        Remove = "Remove",
        /// They stay, and the client sees a warning.
        Warn = "Warn",
    }
}

words! {
    /// Whether a policy acts.
    Mode {
        /// It acts.
        Enforce = "Enforce",
        /// It decides and counts, and changes nothing.
        Shadow = "Shadow",
    }
}

words! {
    /// What happens when the user set another value.
    OnConflict {
        /// The user's value stays.
        Keep = "Keep",
        /// The policy's value takes its place.
        Overwrite = "Overwrite",
        /// The Run is refused.
        Deny = "Deny",
    }
}

words! {
    /// What happens when something that a template needs is absent.
    OnMissing {
        /// The key is not injected.
        Skip = "Skip",
        /// The key is not injected, and the client sees a warning.
        Warn = "Warn",
        /// The Run is refused.
        Deny = "Deny",
    }
}

words! {
    /// How a field is compared.
    Operator {
        /// At least one node.
        Exists = "Exists",
        /// No node.
        NotExists = "NotExists",
        /// One of the values.
        In = "In",
        /// None of the values, or absent.
        NotIn = "NotIn",
        /// The pattern matches the whole value.
        Matches = "Matches",
    }
}

words! {
    /// Where a config key stands.
    ConfigPlace {
        /// Among the annotations.
        Annotation = "annotation",
        /// Among the labels.
        Label = "label",
        /// Its system writes it as both.
        Both = "both",
    }
}

impl ConfigPlace {
    /// The places.
    pub fn places(self) -> &'static [Place] {
        match self {
            Self::Annotation => &[Place::Annotation],
            Self::Label => &[Place::Label],
            Self::Both => &[Place::Annotation, Place::Label],
        }
    }
}

words! {
    /// The facts of a trigger context.
    FactName {
        /// A word: `github`, `gitlab`, …
        Provider = "provider",
        /// Host of the repository.
        Host = "host",
        /// Normalised URL of the repository.
        Url = "url",
        /// Full path of the repository on its host.
        Project = "project",
        /// Everything before the repository's name.
        Owner = "owner",
        /// The repository's name.
        Repo = "repo",
        /// Commit id.
        Sha = "sha",
        /// Full Git ref.
        Ref = "ref",
        /// Branch.
        Branch = "branch",
        /// Tag.
        Tag = "tag",
        /// Canonical event.
        Event = "event",
        /// Id of the event.
        EventId = "eventId",
        /// Number of the pull or merge request.
        PullRequest = "pullRequest",
        /// Who caused the event.
        Sender = "sender",
        /// Id of the GitHub App installation.
        Installation = "installation",
        /// Title of the commit or pull request.
        Title = "title",
    }
}

/// The canonical events, values of the fact `event`.
pub const EVENTS: [&str; 6] = ["push", "pull_request", "tag", "comment", "schedule", "manual"];

impl FactName {
    /// How many facts there are.
    pub const COUNT: usize = Self::WORDS.len();

    /// Whether the fact tells which repository and which commit: these come together from one source.
    pub fn is_about_the_repository(self) -> bool {
        !matches!(
            self,
            Self::Event | Self::EventId | Self::Sender | Self::Installation | Self::Title
        )
    }
}

words! {
    /// Where a key stands in a Run's metadata.
    Place {
        /// `metadata.annotations`
        Annotation = "annotation",
        /// `metadata.labels`
        Label = "label",
        /// `metadata.finalizers`
        Finalizer = "finalizer",
    }
}
