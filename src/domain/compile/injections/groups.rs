//! Checks the keys that a policy injects for one integration against the rules between them.

use super::super::context::{Context, listed, quote};
use super::super::places::{Places, related};
use super::Block;
use crate::domain::integration::Rule;
use crate::domain::source::{Code, Problem, Span};

/// Reports groups that could never be injected whole, and keys that could never be injected side by side.
pub(super) fn check(block: &Block, places: &Places<'_>, context: &mut Context) {
    for rule in &block.integration.rules {
        match rule {
            Rule::Together(group) => check_together(block, group, places.rule(&block.integration, rule), context),
            Rule::Exclusive(group) => check_exclusive(block, group, places.rule(&block.integration, rule), context),
            Rule::Requires { .. } | Rule::AnyOf(_) => {}
        }
    }
}

fn check_together(block: &Block, group: &[usize], rule: Option<Span>, context: &mut Context) {
    let (injected, left_out): (Vec<usize>, Vec<usize>) = group.iter().partition(|key| is_injected(block, **key));
    if injected.is_empty() || left_out.is_empty() {
        return;
    }
    let message = format!(
        "expected all of {} of integration {} or none, found {} without {}",
        names(block, group),
        quote(&block.integration.name),
        names(block, &injected),
        names(block, &left_out)
    );
    let problem = Problem::error(Code::IncompleteGroup, block.span, message)
        .with_label("these keys belong together: nothing of the integration could ever be injected")
        .with_help(format!("inject {} too", names(block, &left_out)));
    context.report(related(problem, rule, "the rule that keeps them together"));
}

fn check_exclusive(block: &Block, group: &[usize], rule: Option<Span>, context: &mut Context) {
    let injected: Vec<usize> = group.iter().copied().filter(|key| is_injected(block, *key)).collect();
    if injected.len() < 2 {
        return;
    }
    let message = format!(
        "integration {} takes at most one of {}, and this policy injects {}",
        quote(&block.integration.name),
        names(block, group),
        names(block, &injected)
    );
    let help = "only the first that has a value will be injected; keep one of them";
    let mut injections = block.keys.iter().zip(&block.places);
    let places: Vec<Span> = injected
        .iter()
        .filter_map(|key| injections.by_ref().find(|((position, _), _)| position == key))
        .map(|(_, place)| *place)
        .collect();
    let (first, others) = match places.split_first() {
        Some((first, others)) => (*first, others),
        None => (block.span, [].as_slice()),
    };
    let problem = Problem::warning(Code::ExclusiveKeys, first, message).with_help(help);
    let problem = others
        .iter()
        .fold(problem, |problem, other| problem.with_related(*other, "and here"));
    context.report(related(problem, rule, "the rule that admits only one"));
}

fn is_injected(block: &Block, key: usize) -> bool {
    block.keys.iter().any(|(injected, _)| *injected == key)
}

fn names(block: &Block, keys: &[usize]) -> String {
    let configs = keys.iter().filter_map(|key| block.integration.config.get(*key));
    listed(&configs.map(|config| config.name.as_str()).collect::<Vec<_>>())
}
