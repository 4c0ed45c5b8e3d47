//! The kinds of problem, each with a stable word for scripts, for `--explain` and for whoever accepts a warning.

macro_rules! codes {
    ($($variant:ident $word:literal $summary:literal)*) => {
        /// What kind of problem it is. The words are stable: scripts, annotations and reports name them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $summary] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// What is wrong, in one sentence.
            pub fn summary(self) -> &'static str {
                match self {
                    $(Self::$variant => $summary,)*
                }
            }
        }
    };
}

codes! {
    // Files.
    Syntax "syntax" "The file is not YAML."
    NotText "not-text" "The file is not UTF-8 text."
    TooLarge "too-large" "The file is larger, deeper or fuller than a policy file may be."
    NoPolicies "no-policies" "A place that should hold policies holds none."
    DuplicateKey "duplicate-key" "A key stands in one mapping twice."
    ApiVersion "api-version" "The document does not say that it is Runstamp's, or says another version."
    ForeignDocument "foreign-document" "The document belongs to an API group whose name is nearly Runstamp's."
    // Fields.
    UnknownField "unknown-field" "A field stands where none of its name is known."
    MissingField "missing-field" "A field that must be there is not."
    ConflictingFields "conflicting-fields" "Several fields are written of which only one may be."
    MisplacedField "misplaced-field" "A field has nothing to work on where it stands."
    WrongType "wrong-type" "A value is not of the type that its field takes."
    BadNumber "bad-number" "A number is out of range or not written in decimal."
    UnknownWord "unknown-word" "A word is none of those that its field takes."
    EmptyList "empty-list" "A list has fewer entries than it needs to mean anything."
    DuplicateEntry "duplicate-entry" "A list or mapping names one thing twice."
    // Names and texts.
    BadName "bad-name" "A name is not written as names are."
    BadKey "bad-key" "A text is not the key of an annotation, label or finalizer."
    BadUser "bad-user" "A text is not the name of a user or group."
    BadNamespace "bad-namespace" "A text is not the name of a namespace, nor a wildcard for some."
    BadHost "bad-host" "A text is not the name of a host."
    BadProvider "bad-provider" "A text is not the name of a provider."
    BadPattern "bad-pattern" "A regular expression or wildcard cannot be used."
    BadPath "bad-path" "A JSONPath cannot be used."
    BadTemplate "bad-template" "A value refers to something that does not exist."
    BadSelector "bad-selector" "A label selector cannot be used."
    BadFactValue "bad-fact-value" "A literal could never be the fact that it stands for."
    // Schemas.
    UnknownFormat "unknown-format" "A schema names a format that does not exist."
    BadSchema "bad-schema" "The terms of a schema do not fit together."
    BadExample "bad-example" "An example breaks its own schema."
    ContradictingRules "contradicting-rules" "Rules of one integration contradict each other."
    // What documents say of each other.
    DuplicateDeclaration "duplicate-declaration" "Two declarations claim one name, key or prefix."
    ContradictingSettings "contradicting-settings" "Two Settings documents say different things."
    NothingToReplace "nothing-to-replace" "A document replaces a built-in one that does not exist."
    UnknownIntegration "unknown-integration" "No Integration has this name or prefix."
    UnknownConfigKey "unknown-config-key" "The integration declares no such key."
    UnknownSource "unknown-source" "No TriggerSource has this name."
    UnknownFact "unknown-fact" "There is no fact of this name."
    UnknownIdentity "unknown-identity" "Settings declare no identity of this name."
    TooWide "too-wide" "Trust is given to users whom nobody meant."
    // What policies write.
    ReservedKey "reserved-key" "A key belongs to Runstamp, Kubernetes or Tekton."
    StateKey "state-key" "A policy writes or requires state that only an integration writes."
    MisplacedKey "misplaced-key" "A key is named where keys of another kind belong."
    DuplicateInjection "duplicate-injection" "One policy injects one key twice."
    BadValue "bad-value" "A literal value breaks the schema of its key."
    Credential "credential" "A value holds a credential."
    IncompleteGroup "incomplete-group" "A policy injects a part of the keys that belong together."
    ImpossibleConstraint "impossible-constraint" "A constraint admits no value that the integration admits."
    // Warnings.
    EvadableRule "evadable-rule" "Whoever creates a Run can slip away from a rule."
    OverlappingPolicies "overlapping-policies" "Policies of equal priority write one key for the same Runs."
    ShadowedInjection "shadowed-injection" "An earlier policy always writes the key first."
    UnreachablePolicy "unreachable-policy" "No Run can ever match a policy."
    DeadPath "dead-path" "A path leads to a field that no Run has."
    ExcludedNamespace "excluded-namespace" "A namespace is listed and excluded at once."
    UnreadKind "unread-kind" "An integration does not read the kinds of Run that a policy is for."
    ExclusiveKeys "exclusive-keys" "A policy injects keys of which an integration takes only one."
    IdleDocument "idle-document" "A document says nothing."
    UnusedVariable "unused-variable" "No value uses a variable."
    UnusedIdentity "unused-identity" "Nothing refers to an identity that is spelt nearly like another one."
    UnknownProvider "unknown-provider" "A provider is spelt nearly like a known one."
    UnknownCode "unknown-code" "A warning is accepted that does not exist."
    UnusedAcceptance "unused-acceptance" "A warning is accepted that does not occur."
}

impl Code {
    /// What to do about it, where the problem itself does not say so.
    pub fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::MissingField => "write it",
            Self::WrongType => "put it in quotation marks if it is meant as text",
            Self::BadNumber => "write it in decimal, without leading zeros",
            Self::UnknownWord | Self::BadTemplate => "write one of these",
            Self::DuplicateEntry => "remove one of the two",
            Self::DuplicateDeclaration => "rename one of the two",
            Self::BadName => "write a name of letters, digits and hyphens",
            Self::BadUser => "write the name as the API server does: kubectl auth whoami prints it",
            Self::BadPattern => "mend it; a backslash before a character takes its special meaning",
            Self::BadPath => "mend it; the form is that of RFC 9535, such as $.spec.params[0].value",
            Self::BadSelector => {
                "write it as Kubernetes does: In and NotIn take values, Exists and DoesNotExist take none"
            }
            Self::BadFactValue => "write a value of that type",
            Self::BadSchema => "change one of the terms",
            Self::BadValue => "write a value that fits",
            Self::ContradictingRules => "take it out of the rule",
            _ => return None,
        })
    }

    /// The code of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_word_of_its_own_and_a_sentence() {
        for code in Code::ALL {
            let word = code.word();
            assert_eq!(Code::from_word(word), Some(*code));
            assert!(
                word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'),
                "{word}"
            );
            assert!(code.summary().ends_with('.'), "{word}");
        }
        assert_eq!(Code::from_word("nothing-like-it"), None);
    }
}
