//! The tree of a Run that JSONPaths walk: built from the raw JSON, borrowed from it, within bounds.
//!
//! It is a tree of our own because a number must keep the token that stands in the JSON (`1.0`, `1e3`, twenty
//! digits): `serde_json::Value` loses it, unless a feature is switched on that changes every other user of the
//! crate in the binary.

mod reader;

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::field_path::{FieldPath, Segment};

/// Deepest nesting that is read: the same as serde_json allows, so that nothing else of the request is deeper.
pub const MAX_DEPTH: usize = 128;
/// Most values that are read: more than fit into the 1.5 MiB that etcd stores, at six bytes a value.
pub const MAX_NODES: usize = 1 << 18;

/// Why there is no tree of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("the object is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Holds more than [`MAX_NODES`] values.
    #[error("the object holds more than {MAX_NODES} values")]
    TooManyNodes,
    /// Not JSON, which a `RawValue` that came out of serde_json cannot be.
    #[error("the object is not JSON")]
    Malformed,
}

/// A whole object as a tree, or the reason why it has none.
#[derive(Debug, Clone)]
pub struct Document<'j> {
    root: Result<Node<'j>, Unreadable>,
}

/// One value of a [`Document`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node<'j> {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number, as its token stands in the JSON.
    Number(&'j str),
    /// A string, unescaped.
    Text(Cow<'j, str>),
    /// A list.
    List(Vec<Node<'j>>),
    /// An object, sorted by key; of a key that stood there twice, the last one.
    Object(Vec<(Cow<'j, str>, Node<'j>)>),
}

impl<'j> Document<'j> {
    /// Reads an object. One that is too large or too deep is a document on which every look-up is too large.
    pub fn new(json: &'j RawValue) -> Self {
        Self {
            root: reader::read(json.get()),
        }
    }

    /// The outermost value.
    pub fn root(&self) -> Result<&Node<'j>, Unreadable> {
        self.root.as_ref().map_err(|unreadable| *unreadable)
    }

    /// Takes out a field, a key or a list element, as the reset does, and says whether it was there.
    ///
    /// Removing an element moves the ones behind it: remove from the end of a list.
    pub fn remove(&mut self, path: &FieldPath) -> bool {
        let (Ok(root), Some((last, parents))) = (&mut self.root, path.segments().split_last()) else {
            return false;
        };
        let mut parent = root;
        for segment in parents {
            match parent.child_mut(segment) {
                Some(child) => parent = child,
                None => return false,
            }
        }
        parent.remove_child(last)
    }

    /// Takes out a list or map that holds nothing.
    pub fn remove_if_empty(&mut self, path: &FieldPath) {
        let mut node = self.root.as_mut().ok();
        for segment in path.segments() {
            node = node.and_then(|node| node.child_mut(segment));
        }
        let is_empty = match node {
            Some(Node::List(elements)) => elements.is_empty(),
            Some(Node::Object(members)) => members.is_empty(),
            _ => false,
        };
        if is_empty {
            self.remove(path);
        }
    }

    /// Puts a text in the place of the value at a path, as when a user's own value returns; nothing where nothing stands.
    pub fn set_text(&mut self, path: &FieldPath, text: String) {
        let Ok(mut node) = self.root.as_mut() else {
            return;
        };
        for segment in path.segments() {
            match node.child_mut(segment) {
                Some(child) => node = child,
                None => return,
            }
        }
        *node = Node::Text(Cow::Owned(text));
    }
}

impl<'j> Node<'j> {
    /// The member of that name, if this is an object that has one.
    pub fn get(&self, key: &str) -> Option<&Node<'j>> {
        let Self::Object(members) = self else { return None };
        let position = members.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()?;
        members.get(position).map(|(_, value)| value)
    }

    /// The element at that place, counted from the end if negative, if this is a list that is so long.
    pub fn at(&self, index: i64) -> Option<&Node<'j>> {
        let Self::List(elements) = self else { return None };
        let distance = usize::try_from(index.unsigned_abs()).ok()?;
        let position = if index < 0 {
            elements.len().checked_sub(distance)?
        } else {
            distance
        };
        elements.get(position)
    }

    fn child_mut(&mut self, segment: &Segment) -> Option<&mut Node<'j>> {
        match (self, segment) {
            (Self::Object(members), Segment::Field(_) | Segment::Key(_)) => {
                let position = position_of(members, segment)?;
                members.get_mut(position).map(|(_, value)| value)
            }
            (Self::List(elements), Segment::Index(index)) => elements.get_mut(*index),
            _ => None,
        }
    }

    fn remove_child(&mut self, segment: &Segment) -> bool {
        match (self, segment) {
            (Self::Object(members), Segment::Field(_) | Segment::Key(_)) => match position_of(members, segment) {
                Some(position) => {
                    members.remove(position);
                    true
                }
                None => false,
            },
            (Self::List(elements), Segment::Index(index)) if *index < elements.len() => {
                elements.remove(*index);
                true
            }
            _ => false,
        }
    }
}

fn position_of(members: &[(Cow<'_, str>, Node<'_>)], segment: &Segment) -> Option<usize> {
    let key = match segment {
        Segment::Field(name) => name.as_ref(),
        Segment::Key(key) => key.as_str(),
        Segment::Index(_) => return None,
    };
    members.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    /// Writes the tree as JSON again, numbers by their tokens.
    fn shown(node: &Node<'_>) -> String {
        match node {
            Node::Null => "null".to_owned(),
            Node::Boolean(value) => value.to_string(),
            Node::Number(token) => (*token).to_owned(),
            Node::Text(text) => format!("{text:?}"),
            Node::List(elements) => {
                let elements: Vec<_> = elements.iter().map(shown).collect();
                format!("[{}]", elements.join(","))
            }
            Node::Object(members) => {
                let members: Vec<_> = members
                    .iter()
                    .map(|(key, value)| format!("{key:?}:{}", shown(value)))
                    .collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }

    #[test]
    fn every_value_is_read() {
        let check = |json: &str, expected: &str| {
            assert_eq!(shown(Document::new(raw(json)).root().expect(json)), expected, "{json}");
        };
        check("null", "null");
        check(" [ true , false ] ", "[true,false]");
        check("[]", "[]");
        check("{ }", "{}");
        check(
            "[1.0,1e3,-0,1E+2,12345678901234567890123]",
            "[1.0,1e3,-0,1E+2,12345678901234567890123]",
        );
        check(r#"["", "a\"b", "\u00e9\\", "é"]"#, r#"["","a\"b","é\\","é"]"#);
        check(r#"["\ud83d\ude00"]"#, r#"["😀"]"#);
        check("{\"b\":{\"c\":[]},\n\t\"a\":1}", r#"{"a":1,"b":{"c":[]}}"#);
        check(r#"{"a":1,"b":2,"a":3,"\u0061":4}"#, r#"{"a":4,"b":2}"#);
        check(r#"{"a":{"x":1},"a":{"y":2}}"#, r#"{"a":{"y":2}}"#);
    }

    #[test]
    fn half_a_surrogate_pair_is_one_replacement_character() {
        let json = r#"{"a":"x\ud800y"}"#;
        let document = Document::new(raw(json));
        assert_eq!(document.root().unwrap().get("a"), Some(&Node::Text("\u{FFFD}".into())));
    }

    #[test]
    fn nesting_is_bounded() {
        let check = |depth: usize, expected: Result<(), Unreadable>| {
            for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
                let json = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                let document = Document::new(raw(&json));
                assert_eq!(document.root().map(|_| ()), expected, "{depth} {open}");
            }
        };
        check(127, Ok(()));
        check(128, Ok(()));
        check(129, Err(Unreadable::TooDeep));
        check(10_000, Err(Unreadable::TooDeep));
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let check = |elements: usize, expected: Result<(), Unreadable>| {
            let json = format!("[{}0]", "0,".repeat(elements - 1));
            assert_eq!(Document::new(raw(&json)).root().map(|_| ()), expected, "{elements}");
        };
        check(MAX_NODES - 1, Ok(()));
        check(MAX_NODES, Err(Unreadable::TooManyNodes));
    }

    #[test]
    fn fields_keys_and_elements_are_removed() {
        let check = |path: FieldPath, expected: Option<&str>| {
            let json = r#"{"metadata":{"annotations":{"a/b":"1","c":"2"},"finalizers":["x","y"]},"status":{}}"#;
            let mut document = Document::new(raw(json));
            let removed = document.remove(&path);
            let left = shown(document.root().unwrap());
            assert_eq!(removed.then_some(left.as_str()), expected, "{path}");
            assert_eq!(removed, left.len() < json.len(), "{path}");
            assert!(
                !removed || !document.remove(&path) || path == finalizer(0),
                "{path} twice"
            );
        };
        fn finalizer(index: usize) -> FieldPath {
            FieldPath::root().field("metadata").field("finalizers").index(index)
        }
        check(
            FieldPath::annotation("a/b"),
            Some(r#"{"metadata":{"annotations":{"c":"2"},"finalizers":["x","y"]},"status":{}}"#),
        );
        check(
            finalizer(0),
            Some(r#"{"metadata":{"annotations":{"a/b":"1","c":"2"},"finalizers":["y"]},"status":{}}"#),
        );
        check(
            FieldPath::root().field("status"),
            Some(r#"{"metadata":{"annotations":{"a/b":"1","c":"2"},"finalizers":["x","y"]}}"#),
        );
        check(FieldPath::label("a/b"), None);
        check(finalizer(2), None);
        check(FieldPath::root().field("status").index(0), None);
        check(FieldPath::root().field("status").field("x").field("y"), None);
        check(FieldPath::root(), None);
    }

    #[test]
    fn look_ups_by_key_and_index() {
        let document = Document::new(raw(r#"{"a":[1,2],"":3}"#));
        let root = document.root().unwrap();
        let list = root.get("a").unwrap();
        assert_eq!(root.get(""), Some(&Node::Number("3")));
        assert_eq!(root.get("b"), None);
        assert_eq!(list.get("a"), None);
        assert_eq!(root.at(0), None);
        let check = |index: i64, expected: Option<&'static str>| {
            assert_eq!(list.at(index), expected.map(Node::Number).as_ref(), "{index}");
        };
        check(0, Some("1"));
        check(1, Some("2"));
        check(2, None);
        check(-1, Some("2"));
        check(-2, Some("1"));
        check(-3, None);
        check(i64::MIN, None);
        check(i64::MAX, None);
    }
}
