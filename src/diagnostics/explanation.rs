//! What is wrong, why it matters and what to do, for each kind of problem; with an example and what is said about it.

use std::fmt::Write as _;

use include_dir::{Dir, include_dir};

use super::{Style, render};
use crate::builtin;
use crate::domain::compile::compile;
use crate::domain::source::{Code, Problem, Severity};
use crate::policy_file::{PolicyText, SourceFiles, read_texts};

/// A page a code: sentences, then an example in a YAML block.
static PAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/diagnostics/codes");

/// The file that an example is said to stand in.
const EXAMPLE_FILE: &str = "example.yaml";

/// What is to be said about one kind of problem.
#[derive(Debug, Clone, Copy)]
pub struct Explanation {
    /// The kind.
    pub code: Code,
    /// Why it is a problem and what to do, as Markdown.
    pub prose: &'static str,
    /// A policy file with the problem; a few problems fit into no example.
    pub example: Option<&'static str>,
}

impl Explanation {
    /// The explanation of a kind.
    pub fn of(code: Code) -> Self {
        let page = PAGES.get_file(format!("{}.md", code.word()));
        let text = page.and_then(|page| page.contents_utf8()).unwrap_or_default();
        let (prose, example) = match text.split_once("```yaml\n") {
            Some((prose, example)) => (prose, example.split_once("```").map(|(example, _)| example)),
            None => (text, None),
        };
        Self {
            code,
            prose: prose.trim(),
            example,
        }
    }

    /// The first paragraph on one line.
    pub fn one_paragraph(&self) -> String {
        let paragraph = self.prose.split("\n\n").next().unwrap_or_default();
        paragraph.lines().collect::<Vec<_>>().join(" ")
    }

    /// Everything that is said about the example, beside the built-in policies.
    pub fn problems(&self) -> (SourceFiles, Vec<Problem>) {
        let example = self.example.map(|example| PolicyText {
            name: EXAMPLE_FILE.to_owned(),
            content: example.as_bytes().to_vec(),
            builtin: false,
        });
        let (files, loaded) = read_texts(builtin::policies().into_iter().chain(example));
        let mut problems = loaded.problems;
        problems.extend(compile(loaded.definitions).problems);
        (files, problems)
    }

    /// The explanation for a terminal.
    pub fn text(&self, style: Style) -> String {
        let mut text = format!("{}: {}\n\n{}\n", self.code.word(), self.code.summary(), self.prose);
        if let Some(example) = self.example {
            let _ = write!(text, "\nExample:\n\n{}\n{}", indented(example), self.output(style));
        }
        text
    }

    /// What `runstamp check` prints about the example.
    fn output(&self, style: Style) -> String {
        let (files, problems) = self.problems();
        let rendered: Vec<String> = problems.iter().map(|problem| render(problem, &files, style)).collect();
        rendered.join("\n")
    }

    fn section(&self) -> String {
        let mut section = format!("## {}\n\n{}\n\n{}\n", self.code.word(), self.code.summary(), self.prose);
        if let Some(example) = self.example {
            let output = self.output(Style::Plain);
            let _ = write!(section, "\n```yaml\n{example}```\n\n```text\n{output}```\n");
        }
        section
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// The page of all explanations, for the documentation.
pub fn explanations_page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for code in Code::ALL {
        let _ = write!(page, "\n{}", Explanation::of(*code).section());
    }
    page
}

/// Every code with its sentence, and whether its example is an error or a warning.
pub fn list_of_codes() -> String {
    let mut list = String::new();
    for code in Code::ALL {
        let (_, problems) = Explanation::of(*code).problems();
        let is_warning = problems
            .first()
            .is_some_and(|problem| problem.severity == Severity::Warning);
        let level = if is_warning { "warning" } else { "error" };
        let _ = writeln!(list, "{:24} {level:8} {}", code.word(), code.summary());
    }
    list
}

const INTRODUCTION: &str = "\
# What `runstamp check` says

<!-- Written by the program: UPDATE_GOLDENS=1 cargo test --test diagnostics -->

Every problem has a code, in brackets behind `error` or `warning`. The codes are stable: scripts and reports may name them.
`runstamp check --explain CODE` prints what stands here, and `--explain` alone lists the codes.
The meaning of the fields is told in [the reference of the policy language](policy-language.md).

An **error** keeps a policy set from loading. A **warning** does not: the set does what is written, and that is probably not what was meant.
`--deny-warnings` turns the exit code of a set with warnings into 1, for pipelines that want none.

Whoever means what is written accepts the warning, on the document it stands in:

```yaml
metadata:
  name: deployers
  annotations:
    runstamp.dev/accept: evadable-rule, overlapping-policies
```

An acceptance that nothing needs any more is a warning itself. Errors cannot be accepted.

`-o json` prints one object a problem, with its code, all its places and what would mend it: `fixes`, with `certain: true` where nothing else can have been meant.
`-o sarif` prints SARIF 2.1.0, which code hosts show beside the lines of a change:

```sh
runstamp check -o sarif policies/ > runstamp.sarif
```
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What cannot be shown in a policy file: it is no text, or too much of it, or none at all.
    const WITHOUT_EXAMPLE: [Code; 3] = [Code::NotText, Code::TooLarge, Code::NoPolicies];

    #[test]
    fn every_code_has_a_page_and_no_page_is_without_a_code() {
        let pages: BTreeSet<String> = PAGES
            .files()
            .map(|file| file.path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let codes: BTreeSet<String> = Code::ALL.iter().map(|code| code.word().to_owned()).collect();
        assert_eq!(pages, codes);
        for code in Code::ALL {
            let explanation = Explanation::of(*code);
            assert!(
                explanation.prose.ends_with('.'),
                "{}: {}",
                code.word(),
                explanation.prose
            );
            assert_eq!(
                explanation.example.is_none(),
                WITHOUT_EXAMPLE.contains(code),
                "{}",
                code.word()
            );
        }
    }

    #[test]
    fn every_example_has_its_problem_and_no_other() {
        let mut wrong = Vec::new();
        for code in Code::ALL {
            let explanation = Explanation::of(*code);
            let (files, problems) = explanation.problems();
            let is_shown = !problems.is_empty() && problems.iter().all(|problem| problem.code == *code);
            if explanation.example.is_some() && !is_shown {
                let said: Vec<String> = problems
                    .iter()
                    .map(|problem| super::super::one_line(problem, &files))
                    .collect();
                wrong.push(format!("{}: {said:#?}", code.word()));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
