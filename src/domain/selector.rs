//! Label selectors: `matchLabels` and `matchExpressions`, with the meaning that Kubernetes gives them.

use super::names::{LABEL_VALUE_SHAPE, QUALIFIED_NAME_SHAPE, is_label_value, is_qualified_name};
use super::schema::quoted;

/// How a [`Requirement`] compares a label with its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// The label is there and its value is listed.
    In,
    /// The label is not there, or its value is not listed.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

impl Operator {
    /// All of them, as an error message lists them.
    pub const ALL: [Self; 4] = [Self::In, Self::NotIn, Self::Exists, Self::DoesNotExist];

    /// The word of the Kubernetes API.
    pub fn name(self) -> &'static str {
        match self {
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
        }
    }

    /// The operator of that name, written exactly so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.name() == name)
    }
}

/// One condition on one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

/// Which part of a requirement is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequirementPart {
    /// The key.
    Key,
    /// The list of values, whether it is there or not.
    Values,
    /// One value, by its place in the list.
    Value(usize),
}

/// One mistake in a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequirementProblem {
    /// Where.
    pub part: RequirementPart,
    /// What was expected and what was found.
    pub message: String,
}

impl Requirement {
    /// Checks and builds a requirement, or says everything that is wrong with it.
    pub fn new(key: String, operator: Operator, values: Vec<String>) -> Result<Self, Vec<RequirementProblem>> {
        let mut problems = Vec::new();
        if !is_qualified_name(&key) {
            problems.push(RequirementProblem {
                part: RequirementPart::Key,
                message: format!("expected a label key ({QUALIFIED_NAME_SHAPE}), found {}", quoted(&key)),
            });
        }
        let wants_values = matches!(operator, Operator::In | Operator::NotIn);
        if wants_values && values.is_empty() {
            problems.push(RequirementProblem {
                part: RequirementPart::Values,
                message: format!(
                    "expected at least one value for operator {}, found none",
                    operator.name()
                ),
            });
        }
        if !wants_values && !values.is_empty() {
            problems.push(RequirementProblem {
                part: RequirementPart::Values,
                message: format!(
                    "expected no values for operator {}, found {}",
                    operator.name(),
                    values.len()
                ),
            });
        }
        for (position, value) in values.iter().enumerate().filter(|(_, value)| !is_label_value(value)) {
            problems.push(RequirementProblem {
                part: RequirementPart::Value(position),
                message: format!("expected a label value ({LABEL_VALUE_SHAPE}), found {}", quoted(value)),
            });
        }
        if problems.is_empty() {
            Ok(Self { key, operator, values })
        } else {
            Err(problems)
        }
    }

    /// One entry of `matchLabels`: the label is there with exactly this value.
    pub fn equals(key: String, value: String) -> Result<Self, Vec<RequirementProblem>> {
        Self::new(key, Operator::In, vec![value])
    }

    /// The label that the requirement is about.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How it compares.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// What it compares with.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether the label has such a value.
    pub fn matches(&self, label: Option<&str>) -> bool {
        let is_listed = |value: &str| self.values.iter().any(|listed| listed == value);
        match self.operator {
            Operator::In => label.is_some_and(is_listed),
            Operator::NotIn => !label.is_some_and(is_listed),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
        }
    }
}

/// A label selector: all requirements must hold, and without any it selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

impl Selector {
    /// A selector of these requirements.
    pub fn new(requirements: Vec<Requirement>) -> Self {
        Self { requirements }
    }

    /// The requirements, in the order given.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether the labels, looked up by key, are selected.
    pub fn matches<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.matches(label(&requirement.key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(key: &str, operator: &str, values: &[&str]) -> Result<Requirement, Vec<RequirementProblem>> {
        Requirement::new(
            key.to_owned(),
            Operator::from_name(operator).unwrap(),
            values.iter().map(|value| (*value).to_owned()).collect(),
        )
    }

    fn check(expressions: &[(&str, &str, &[&str])], labels: &[(&str, &str)], expected: bool) {
        let requirements = expressions
            .iter()
            .map(|(key, operator, values)| requirement(key, operator, values).unwrap())
            .collect();
        let label = |key: &str| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        assert_eq!(
            Selector::new(requirements).matches(label),
            expected,
            "{expressions:?} on {labels:?}"
        );
    }

    #[test]
    fn requirements_mean_what_kubernetes_says() {
        check(&[], &[], true);
        check(&[], &[("team", "web")], true);
        check(&[("team", "In", &["web", "app"])], &[("team", "app")], true);
        check(&[("team", "In", &["web", "app"])], &[("team", "ops")], false);
        check(&[("team", "In", &["web"])], &[], false);
        check(&[("team", "In", &[""])], &[], false);
        check(&[("team", "In", &[""])], &[("team", "")], true);
        check(&[("team", "NotIn", &["web"])], &[("team", "web")], false);
        check(&[("team", "NotIn", &["web"])], &[("team", "ops")], true);
        check(&[("team", "NotIn", &["web"])], &[], true);
        check(&[("team", "Exists", &[])], &[("team", "")], true);
        check(&[("team", "Exists", &[])], &[("Team", "")], false);
        check(&[("team", "DoesNotExist", &[])], &[], true);
        check(&[("team", "DoesNotExist", &[])], &[("team", "web")], false);
    }

    #[test]
    fn all_requirements_must_hold() {
        let both: &[(&str, &str, &[&str])] = &[("a/b", "In", &["1"]), ("c", "DoesNotExist", &[])];
        check(both, &[("a/b", "1")], true);
        check(both, &[("a/b", "1"), ("c", "2")], false);
        check(both, &[("c", "2")], false);
    }

    #[test]
    fn match_labels_are_equality() {
        let selector = Selector::new(vec![Requirement::equals("team".into(), "web".into()).unwrap()]);
        assert!(selector.matches(|_| Some("web")));
        assert!(!selector.matches(|_| Some("webs")));
        assert!(!selector.matches(|_| None));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let check = |key: &str, operator: &str, values: &[&str], expected: &[RequirementPart]| {
            let problems = requirement(key, operator, values).err().unwrap_or_default();
            let parts: Vec<_> = problems.iter().map(|problem| problem.part).collect();
            assert_eq!(parts, expected, "{key} {operator} {values:?}");
        };
        use RequirementPart::{Key, Value, Values};
        check("team", "In", &["web"], &[]);
        check("team", "In", &[], &[Values]);
        check("team", "NotIn", &[], &[Values]);
        check("team", "Exists", &["web"], &[Values]);
        check("team", "DoesNotExist", &["web"], &[Values]);
        check("te am", "In", &["web", "a b", "-"], &[Key, Value(1), Value(2)]);
        check("", "Exists", &["x y"], &[Key, Values, Value(0)]);
    }

    #[test]
    fn messages_say_expected_and_found() {
        let problems = requirement("team", "Exists", &["a", "b"]).unwrap_err();
        assert_eq!(problems[0].message, "expected no values for operator Exists, found 2");
        assert_eq!(Operator::from_name("in"), None);
    }
}
