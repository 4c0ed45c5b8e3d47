//! YAML text as trees of nodes that know where they stand, one tree a document, within fixed limits.
//!
//! The parser's events are used directly: a deserialiser would have forgotten whether a scalar was quoted, and stops at the first mistake.

use std::borrow::Cow;

use granit_parser::{Event, Parser, ScalarStyle, StrInput, StructureStyle, Tag};

use super::builder::Builder;
use super::problems::Problems;
use super::scalar::Plain;
use super::syntax::{self, Limit};
use crate::domain::definition::Text;
use crate::domain::source::Span;

/// Levels of lists and mappings within one another.
pub(super) const MOST_NESTING: usize = 64;

/// Syntax errors after which the rest of a file is not looked at; each ends one document.
const MOST_SYNTAX_ERRORS: usize = 20;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// The value.
    pub(super) kind: Kind,
    /// From its first byte to its last; a value left out stands where its key stands, an aliased one where its alias does.
    pub(super) span: Span,
}

/// The kinds of value.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Keys and values as written, each key once.
    Mapping(Vec<(Text, Node)>),
    /// A list.
    Sequence(Vec<Node>),
    /// A string: quoted, a block, or a plain scalar that nobody takes for anything else.
    String(String),
    /// A plain scalar that is something else, and its text.
    Plain(Plain, String),
}

/// Hands every document of a file to `each`, with the problems that do not keep it from being read, and reports syntax errors.
///
/// A syntax error ends its document; the next one begins at the next `---`.
pub(super) fn read_documents(
    text: &str,
    file: u32,
    problems: &mut Problems,
    mut each: impl FnMut(Node, Problems, &mut Problems),
) {
    let options = granit_parser::options! {
        emit_comments: false,
        block_nesting_limit: MOST_NESTING,
        flow_nesting_limit: MOST_NESTING,
    };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder::new();
    let mut syntax_errors = 0;
    loop {
        let (event, place) = match parser.next_event() {
            None => return,
            Some(Ok(next)) => next,
            Some(Err(error)) => {
                problems.push(syntax::problem(&error, text, file));
                syntax_errors += 1;
                builder.abandon_document();
                if syntax_errors == MOST_SYNTAX_ERRORS || !next_document(&mut parser) {
                    return;
                }
                continue;
            }
        };
        let locate = |place: granit_parser::Span| Span {
            file,
            start: syntax::offset(&place.start, text),
            end: syntax::offset(&place.end, text),
        };
        let span = locate(place);
        let tag_span = place.tag_span().map_or(span, locate);
        if let Err(limit) = accept(&mut builder, event, span, tag_span) {
            problems.push(limit.problem(span));
            return;
        }
        if let Some((root, soft)) = builder.take_document() {
            each(root, soft, problems);
        }
    }
}

/// Puts the parser behind the document that it failed in; `false` when there is nothing more.
fn next_document<'text>(parser: &mut Parser<'text, StrInput<'text>>) -> bool {
    matches!(parser.proceed_next_document(), Ok(true))
}

fn accept(builder: &mut Builder, event: Event<'_>, span: Span, tag_span: Span) -> Result<(), Limit> {
    fn with_place<'tag>(tag: &'tag Option<Cow<'_, Tag>>, span: Span) -> Option<(&'tag Tag, Span)> {
        tag.as_deref().map(|tag| (tag, span))
    }
    match event {
        Event::Scalar(text, style, anchor, tag) => builder.scalar(
            &text,
            style == ScalarStyle::Plain,
            anchor,
            with_place(&tag, tag_span),
            span,
        ),
        Event::Alias(anchor) => builder.alias(anchor, span),
        Event::SequenceStart(style, anchor, tag) => {
            builder.open_sequence(style == StructureStyle::Flow, anchor, with_place(&tag, tag_span), span)
        }
        Event::MappingStart(style, anchor, tag) => {
            builder.open_mapping(style == StructureStyle::Flow, anchor, with_place(&tag, tag_span), span)
        }
        Event::SequenceEnd | Event::MappingEnd => builder.close(span),
        Event::DocumentEnd => {
            builder.end_document();
            Ok(())
        }
        _ => Ok(()),
    }
}
