//! Puts the parser's events together into nodes: keys to values, aliases to what they name, merge keys into their mappings.

use std::collections::HashMap;

use granit_parser::Tag;

use super::keys::{Key, collect_merged, duplicate, merge, read_key};
use super::problems::{Problems, quoted};
use super::scalar;
use super::syntax::Limit;
use super::tree::{Kind, MOST_NESTING, Node};
use crate::domain::definition::Text;
use crate::domain::source::{Code, Problem, Span};

/// Nodes of one file, aliased ones counted again; longer texts weigh more.
///
/// A mebibyte of ordinary policies has fewer than 100,000.
const MOST_WEIGHT: usize = 300_000;

/// Bytes of text that weigh as much as a node.
const BYTES_OF_A_NODE: usize = 32;

/// Aliases of one file.
const MOST_ALIASES: usize = 100;

/// A node with what it counts for against the limits.
#[derive(Clone)]
struct Measured {
    node: Node,
    /// Nodes and text in it.
    weight: usize,
    /// Levels of lists and mappings in it.
    height: usize,
}

enum Content {
    Mapping {
        entries: Vec<(Text, Node)>,
        places: HashMap<String, Span>,
        key: Option<Key>,
        merged: Vec<Node>,
        merge_place: Option<Span>,
    },
    Sequence(Vec<Node>),
}

/// A list or mapping whose end has not come yet.
struct Open {
    content: Content,
    anchor: usize,
    flow: bool,
    span: Span,
    weight: usize,
    height: usize,
}

/// Documents in the making.
pub(super) struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Measured>,
    weight: usize,
    aliases: usize,
    root: Option<Node>,
    soft: Problems,
    ended: bool,
}

impl Builder {
    /// A builder for the documents of one file.
    pub(super) fn new() -> Self {
        Self {
            open: Vec::new(),
            anchors: HashMap::new(),
            weight: 0,
            aliases: 0,
            root: None,
            soft: Problems::default(),
            ended: false,
        }
    }

    /// Forgets the document in the making.
    pub(super) fn abandon_document(&mut self) {
        self.open.clear();
        self.anchors.clear();
        self.root = None;
        self.soft = Problems::default();
        self.ended = false;
    }

    /// Marks the document as complete.
    pub(super) fn end_document(&mut self) {
        self.ended = true;
    }

    /// The document that has just ended.
    pub(super) fn take_document(&mut self) -> Option<(Node, Problems)> {
        if !self.ended {
            return None;
        }
        let root = self.root.take();
        let soft = std::mem::take(&mut self.soft);
        self.abandon_document();
        Some((root?, soft))
    }

    /// A scalar.
    pub(super) fn scalar(
        &mut self,
        text: &str,
        plain: bool,
        anchor: usize,
        tag: Option<(&Tag, Span)>,
        span: Span,
    ) -> Result<(), Limit> {
        if plain && text == "<<" && tag.is_none() && self.begin_merge(span) {
            return Ok(());
        }
        let is_string_by_tag = tag.is_some_and(|(tag, _)| tag.is_yaml_core_schema_tag("str"));
        self.check_tag(tag);
        let meaning = if plain && !is_string_by_tag {
            scalar::resolve(text)
        } else {
            None
        };
        let kind = match meaning {
            Some(plain) => Kind::Plain(plain, text.to_owned()),
            None => Kind::String(text.to_owned()),
        };
        let weight = 1 + text.len() / BYTES_OF_A_NODE;
        self.charge(weight)?;
        let node = Node { kind, span };
        self.complete(
            Measured {
                node,
                weight,
                height: 0,
            },
            anchor,
        )
    }

    /// The beginning of a list.
    pub(super) fn open_sequence(
        &mut self,
        flow: bool,
        anchor: usize,
        tag: Option<(&Tag, Span)>,
        span: Span,
    ) -> Result<(), Limit> {
        self.open(Content::Sequence(Vec::new()), flow, anchor, tag, span)
    }

    /// The beginning of a mapping.
    pub(super) fn open_mapping(
        &mut self,
        flow: bool,
        anchor: usize,
        tag: Option<(&Tag, Span)>,
        span: Span,
    ) -> Result<(), Limit> {
        let content = Content::Mapping {
            entries: Vec::new(),
            places: HashMap::new(),
            key: None,
            merged: Vec::new(),
            merge_place: None,
        };
        self.open(content, flow, anchor, tag, span)
    }

    /// The end of a list or mapping.
    pub(super) fn close(&mut self, end: Span) -> Result<(), Limit> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let mut span = open.span;
        // A block ends at the next token, which may be lines away: its last child's end is what a reader sees.
        if open.flow {
            span.end = end.end.max(span.end);
        }
        let kind = match open.content {
            Content::Sequence(items) => Kind::Sequence(items),
            Content::Mapping {
                entries,
                places,
                merged,
                ..
            } => merge(entries, places, merged),
        };
        let node = Node { kind, span };
        let measured = Measured {
            node,
            weight: open.weight,
            height: open.height + 1,
        };
        self.complete(measured, open.anchor)
    }

    /// An alias: a copy of what it names, in the alias's place; what is inside keeps its own.
    pub(super) fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Limit> {
        self.aliases += 1;
        if self.aliases > MOST_ALIASES {
            return Err(Limit::Aliases(MOST_ALIASES));
        }
        let Some(named) = self.anchors.get(&anchor) else {
            // Only something that is not complete yet is known to the parser and not here.
            return Err(Limit::AliasOfItself);
        };
        if self.open.len() + named.height > MOST_NESTING {
            return Err(Limit::Nesting);
        }
        let weight = named.weight;
        if self.weight + weight > MOST_WEIGHT {
            return Err(Limit::Size);
        }
        let mut copy = named.clone();
        copy.node.span = span;
        self.charge(weight)?;
        self.complete(copy, 0)
    }

    fn open(
        &mut self,
        content: Content,
        flow: bool,
        anchor: usize,
        tag: Option<(&Tag, Span)>,
        span: Span,
    ) -> Result<(), Limit> {
        if self.open.len() >= MOST_NESTING {
            return Err(Limit::Nesting);
        }
        self.check_tag(tag);
        self.charge(1)?;
        self.open.push(Open {
            content,
            anchor,
            flow,
            span,
            weight: 1,
            height: 0,
        });
        Ok(())
    }

    fn charge(&mut self, weight: usize) -> Result<(), Limit> {
        self.weight += weight;
        if self.weight > MOST_WEIGHT {
            return Err(Limit::Size);
        }
        Ok(())
    }

    fn check_tag(&mut self, tag: Option<(&Tag, Span)>) {
        if let Some((tag, span)) = tag
            && !tag.is_yaml_core_schema()
        {
            let message = format!("the YAML tag {} means nothing here", quoted(&tag.original()));
            self.soft
                .push(Problem::error(Code::Syntax, span, message).with_help("remove the word that begins with !"));
        }
    }

    /// Gives a complete node to the list or mapping that it stands in.
    fn complete(&mut self, measured: Measured, anchor: usize) -> Result<(), Limit> {
        if anchor != 0 {
            self.charge(measured.weight)?;
            self.anchors.insert(anchor, measured.clone());
        }
        let Measured { node, weight, height } = measured;
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        parent.weight += weight;
        parent.height = parent.height.max(height);
        parent.span.end = parent.span.end.max(node.span.end);
        match &mut parent.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping {
                entries,
                places,
                key,
                merged,
                ..
            } => match key.take() {
                None => *key = Some(read_key(node, places, &mut self.soft)),
                Some(Key::Text(text)) => entries.push((text.clone(), in_place_of(node, text.span))),
                Some(Key::Merge(place)) => collect_merged(node, place, merged, &mut self.soft),
                Some(Key::Refused) => {}
            },
        }
        Ok(())
    }

    /// Takes `<<` for a merge key where a key is expected.
    fn begin_merge(&mut self, span: Span) -> bool {
        let Some(Open {
            content: Content::Mapping { key, merge_place, .. },
            ..
        }) = self.open.last_mut()
        else {
            return false;
        };
        if key.is_some() {
            return false;
        }
        *key = Some(match *merge_place {
            None => {
                *merge_place = Some(span);
                Key::Merge(span)
            }
            Some(first) => {
                self.soft.push(duplicate("<<", span, first));
                Key::Refused
            }
        });
        true
    }
}

/// The node, in the key's place if there is nothing written where it should stand.
fn in_place_of(mut node: Node, key: Span) -> Node {
    if node.span.start >= node.span.end {
        node.span = key;
    }
    node
}
