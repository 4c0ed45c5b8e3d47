//! Checks the keys that a policy injects for one integration against the rules between them.

use super::super::context::{Context, listed, quote};
use super::Block;
use crate::domain::integration::Rule;
use crate::domain::source::Problem;

/// Reports groups that could never be injected whole, and keys that could never be injected side by side.
pub(super) fn check(block: &Block, context: &mut Context) {
    for rule in &block.integration.rules {
        match rule {
            Rule::Together(group) => check_together(block, group, context),
            Rule::Exclusive(group) => check_exclusive(block, group, context),
            Rule::Requires { .. } | Rule::AnyOf(_) => {}
        }
    }
}

fn check_together(block: &Block, group: &[usize], context: &mut Context) {
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
    context.report(
        Problem::error(block.span, message)
            .with_label("these keys belong together: nothing of the integration could ever be injected")
            .with_help(format!("inject {} too", names(block, &left_out))),
    );
}

fn check_exclusive(block: &Block, group: &[usize], context: &mut Context) {
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
    context.report(Problem::warning(block.span, message).with_help(help));
}

fn is_injected(block: &Block, key: usize) -> bool {
    block.keys.iter().any(|(injected, _)| *injected == key)
}

fn names(block: &Block, keys: &[usize]) -> String {
    let configs = keys.iter().filter_map(|key| block.integration.config.get(*key));
    listed(&configs.map(|config| config.name.as_str()).collect::<Vec<_>>())
}
