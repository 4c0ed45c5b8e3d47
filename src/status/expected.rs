//! The policies by which an installation is judged: those that its replicas should be serving now.

use std::sync::Arc;

use serde::Serialize;

use super::{Findings, Problem};
use crate::domain::policy_set::PolicySet;
use crate::domain::settings::Settings;
use crate::policy_file::{ConfigMaps, PolicyText};
use crate::store::{LoadError, PoliciesFrom, PolicyTexts, load};

/// The policies that an installation should serve, as far as this program can know.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// Where they were found: `Sources`, or what stands in for them: `LastGood`, `WithoutConfigMaps`.
    pub from: &'static str,
    /// Digest of the set.
    pub policy_set: String,
    /// The pipelines controllers that its Settings name.
    pub controllers: Vec<String>,
    /// Why the policies as they are now do not make a set.
    pub error: Option<String>,
    /// What the webhook configurations are made from.
    #[serde(skip)]
    pub settings: Settings,
}

impl Expected {
    fn new(set: &PolicySet, from: PoliciesFrom, error: Option<String>) -> Self {
        let controllers = set.settings.controllers.globs().iter();
        Self {
            from: from.word(),
            policy_set: set.digest().as_str().to_owned(),
            controllers: controllers.map(|glob| glob.as_str().to_owned()).collect(),
            error,
            settings: set.settings.clone(),
        }
    }
}

/// Finds them as a replica does that starts now. `own` are those of the binary and of files; `kept` is asked only where
/// the ConfigMaps hold a mistake.
///
/// # Errors
/// When not even `own` is without mistakes.
pub async fn expect<E>(
    own: &[PolicyText],
    config_maps: ConfigMaps,
    kept: impl AsyncFnOnce() -> Result<Option<ConfigMaps>, E>,
) -> Result<Expected, LoadError> {
    let with = |maps| {
        load(PolicyTexts {
            own: own.to_vec(),
            config_maps: Arc::new(maps),
        })
    };
    let error = match with(config_maps) {
        Ok(set) => return Ok(Expected::new(&set, PoliciesFrom::Sources, None)),
        Err(error) => error.to_string(),
    };
    let kept = kept().await.ok().flatten();
    if let Some(Ok(set)) = kept.map(with) {
        return Ok(Expected::new(&set, PoliciesFrom::LastGood, Some(error)));
    }
    let set = load(own.to_vec())?;
    Ok(Expected::new(&set, PoliciesFrom::WithoutConfigMaps, Some(error)))
}

/// Says that the policies hold a mistake, unless a replica has said so, and what stands in for them.
pub(super) fn judge(expected: &Expected, is_said: bool, findings: &mut Findings) {
    let Some(error) = &expected.error else { return };
    let used = if expected.from == PoliciesFrom::LastGood.word() {
        "the last good policies"
    } else {
        "the built-in policies and those of --policies alone"
    };
    findings.notes.push(format!(
        "while the policies hold a mistake, Settings are taken from {used}"
    ));
    if !is_said {
        findings.problems.push(Problem::new(
            "policies",
            format!("the policies of the ConfigMaps, together with those of the flags, hold a mistake: {error}"),
            "mend them: runstamp check shows the mistake with its place; a file that stands in a ConfigMap is not given with --policies too",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;
    use crate::policy_file::ConfigMapFiles;

    const GOOD: &str = "apiVersion: runstamp.dev/v1alpha1\nkind: Settings\nmetadata: {name: default}\nspec:\n  identities:\n    pipelines-controller: ['system:serviceaccount:ci:controller']\n";
    const BAD: &str = "apiVersion: runstamp.dev/v1alpha1\nkind: Nothing\n";

    fn maps(text: &str) -> ConfigMaps {
        let mut maps = ConfigMaps::default();
        let data = [("p.yaml".to_owned(), text.to_owned())].into();
        maps.insert(
            "team",
            ConfigMapFiles {
                data,
                ..ConfigMapFiles::default()
            },
        );
        maps
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn a_mistake_leaves_what_was_good() {
        #[track_caller]
        fn check(current: ConfigMaps, kept: Result<Option<ConfigMaps>, ()>, from: &str, is_error: bool) -> Expected {
            let expected = wait(expect(&builtin::policies(), current, async || kept)).unwrap();
            assert_eq!((expected.from, expected.error.is_some()), (from, is_error));
            let mut findings = Findings::default();
            judge(&expected, false, &mut findings);
            assert_eq!(!findings.problems.is_empty(), is_error);
            expected
        }
        let current = check(maps(GOOD), Err(()), "Sources", false);
        let last_good = check(maps(BAD), Ok(Some(maps(GOOD))), "LastGood", true);
        assert_eq!(current.policy_set, last_good.policy_set);
        let alone = check(ConfigMaps::default(), Err(()), "Sources", false);
        for kept in [Err(()), Ok(None), Ok(Some(maps(BAD)))] {
            let without = check(maps(BAD), kept, "WithoutConfigMaps", true);
            assert_eq!(without.controllers, alone.controllers);
        }
        assert!(!alone.controllers.is_empty());
        let bad = PolicyText {
            name: "a.yaml".to_owned(),
            content: BAD.as_bytes().to_vec(),
            builtin: false,
        };
        let own = [bad];
        assert!(wait(expect(&own, ConfigMaps::default(), async || Err(()))).is_err());
    }
}
