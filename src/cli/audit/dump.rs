//! The Runs of a dump, one after the other: a JSON list of any length is never held whole.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use anyhow::Context;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::domain::words::RunKind;
use crate::review_run::{open, read_documents_from, runs_of};

/// Most bytes of one Run.
const MOST_RUN_BYTES: u64 = 64 * 1024 * 1024;

/// What looks at each Run.
pub(super) type Look<'l> = dyn FnMut(RunKind, &str) -> anyhow::Result<()> + 'l;

/// What a dump holds besides Runs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    /// Lists; an empty one says that there are no Runs.
    pub(super) lists: usize,
    /// Objects of other kinds.
    pub(super) others: usize,
}

/// Hands every Run of a file over, as JSON; `-` is stdin.
pub(super) fn each_run(path: &Path, look: &mut Look<'_>) -> anyhow::Result<Rest> {
    let budget = Rc::new(Cell::new(MOST_RUN_BYTES));
    let reader = Bounded {
        reader: open(path)?,
        budget: Rc::clone(&budget),
    };
    let mut reader = BufReader::new(reader);
    let reading = || format!("failed to read {}", path.display());
    if first_byte(&mut reader).with_context(reading)? == Some(b'{') {
        return each_in_json(reader, &budget, look).with_context(reading);
    }
    // YAML is read whole, within the limit of its reader.
    budget.set(u64::MAX);
    let mut rest = Rest::default();
    for document in read_documents_from(path, reader)? {
        let is_list = document.get("items").is_some();
        let runs = runs_of(document);
        rest.lists += usize::from(is_list);
        rest.others += usize::from(!is_list && runs.is_empty());
        for run in runs {
            let text = run.to_string();
            match kind_of(&text) {
                Some(kind) => look(kind, &text)?,
                None => rest.others += 1,
            }
        }
    }
    Ok(rest)
}

/// Skips white space and a byte order mark, and tells what comes then.
fn first_byte(reader: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffer = reader.fill_buf()?;
        let Some(byte) = buffer.first().copied() else {
            return Ok(None);
        };
        if !byte.is_ascii_whitespace() {
            return Ok(Some(byte));
        }
        reader.consume(1);
    }
}

fn each_in_json(reader: impl Read, budget: &Cell<u64>, look: &mut Look<'_>) -> anyhow::Result<Rest> {
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let mut reading = Reading {
        budget,
        look,
        rest: Rest::default(),
        has_begun: false,
        stopped: None,
    };
    loop {
        reading.has_begun = false;
        let outcome = Document(&mut reading).deserialize(&mut deserializer);
        if let Some(error) = reading.stopped.take() {
            return Err(error);
        }
        match outcome {
            Ok(()) => {}
            // The end, where another document might have begun.
            Err(error) if error.is_eof() && !reading.has_begun => return Ok(reading.rest),
            Err(error) => return Err(error.into()),
        }
    }
}

struct Reading<'r, 'l> {
    budget: &'r Cell<u64>,
    look: &'r mut Look<'l>,
    rest: Rest,
    has_begun: bool,
    /// Why whoever looks cannot go on; the reader's own errors have no room for it.
    stopped: Option<anyhow::Error>,
}

impl Reading<'_, '_> {
    /// Looks at an object if it is a Run. The next one may be as large again.
    fn look_at(&mut self, text: &str) -> Result<(), ()> {
        self.budget.set(MOST_RUN_BYTES);
        let Some(kind) = kind_of(text) else {
            self.rest.others += 1;
            return Ok(());
        };
        (self.look)(kind, text).map_err(|error| self.stopped = Some(error))
    }
}

struct Document<'d, 'r, 'l>(&'d mut Reading<'r, 'l>);

impl<'de> DeserializeSeed<'de> for Document<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a Run or a list of Runs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.0.has_begun = true;
        // A Run is put together again, since its kind may stand at its end; of a list nothing but its items matters.
        let (mut object, mut is_list) = (String::from("{"), false);
        while let Some(key) = map.next_key::<String>()? {
            if key == "items" {
                is_list = true;
                map.next_value_seed(Items(self.0))?;
            } else {
                let value: Box<RawValue> = map.next_value()?;
                if object.len() > 1 {
                    object.push(',');
                }
                object.push_str(&serde_json::to_string(&key).map_err(A::Error::custom)?);
                object.push(':');
                object.push_str(value.get());
            }
        }
        object.push('}');
        if is_list {
            self.0.rest.lists += 1;
            return Ok(());
        }
        self.0.look_at(&object).map_err(|()| A::Error::custom("stopped"))
    }
}

struct Items<'d, 'r, 'l>(&'d mut Reading<'r, 'l>);

impl<'de> DeserializeSeed<'de> for Items<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of objects")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Box<RawValue>>()? {
            self.0.look_at(item.get()).map_err(|()| A::Error::custom("stopped"))?;
        }
        Ok(())
    }
}

/// The kind of a Run; none for anything else.
fn kind_of(text: &str) -> Option<RunKind> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        api_version: String,
        kind: String,
    }
    let head: Head = serde_json::from_str(text).ok()?;
    let (group, _) = head.api_version.split_once('/')?;
    RunKind::from_word(&head.kind).filter(|_| group == "tekton.dev")
}

/// Reads no more than there is room for between two Runs.
struct Bounded<R> {
    reader: R,
    budget: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let left = self.budget.get().checked_sub(read as u64);
        let left =
            left.ok_or_else(|| io::Error::other(format!("expected Runs of at most {MOST_RUN_BYTES} bytes each")))?;
        self.budget.set(left);
        Ok(read)
    }
}
