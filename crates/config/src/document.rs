//! The file as a tree in which every value knows where it came from.
//!
//! Typed configuration forgets places, and a message without a place sends people searching. So the text is read into
//! this tree first; environment variables and flags are laid over it as further values with places of their own; the
//! types are filled from it; and a later check that finds two sections contradicting each other asks the tree where they
//! are. The same tree answers where an effective value came from.

use crate::codes;
use crate::diagnostic::{Diagnostic, Position};
use crate::mask;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::fmt;
use std::sync::Arc;

/// The largest file that is read. A configuration of thousands of keys stays far below it.
pub(crate) const MAX_BYTES: usize = 4 << 20;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A stretch of the file.
    File(Mark),
    /// An environment variable of this name.
    Variable(Arc<str>),
    /// A flag of the command line, as it is written.
    Flag(Arc<str>),
    /// Found on this machine; the text says what.
    Found(Arc<str>),
}

/// A stretch of the file: line and column of its start in characters from 1, and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) line: usize,
    pub(crate) column: usize,
    start: usize,
    end: usize,
}

/// One value of the tree.
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
    /// Text that came from the environment, where everything is text: it may stand for a number or a truth value.
    pub(crate) soft: bool,
}

pub(crate) enum Value {
    Null,
    Bool(bool),
    /// A number, and how it was written.
    Number(Number, String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Found to be wrong, reported, and left out so that what is right around it can still be checked.
    Rejected,
}

#[derive(Clone, Copy)]
pub(crate) enum Number {
    Natural(u64),
    Negative(i64),
    Real(f64),
}

/// One name of a mapping and its value.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn text(text: impl Into<String>, place: Place) -> Self {
        Self { value: Value::Text(text.into()), place, soft: true }
    }

    pub(crate) fn map(place: Place) -> Self {
        Self { value: Value::Map(Vec::new()), place, soft: false }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entry of a name, if this is a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value of a name that is made, or becomes, a mapping if need be. `None` when this is no mapping.
    pub(crate) fn child(&mut self, key: &str, place: &Place) -> Option<&mut Self> {
        if matches!(self.value, Value::Null) {
            self.value = Value::Map(Vec::new());
        }
        let Value::Map(entries) = &mut self.value else { return None };
        let at = match entries.iter().position(|entry| entry.key == key) {
            Some(at) => at,
            None => {
                entries.push(Entry { key: key.to_owned(), key_place: place.clone(), node: Self::map(place.clone()) });
                entries.len() - 1
            }
        };
        entries.get_mut(at).map(|entry| &mut entry.node)
    }
}

/// A configuration's tree and the text it was read from.
pub(crate) struct Document {
    /// The file's name as it was given.
    pub(crate) origin: String,
    /// Its text with secrets blotted out, the same length in characters.
    masked: String,
    pub(crate) root: Node,
}

impl Document {
    /// A document without a file, for a configuration that comes from the environment alone.
    pub(crate) fn empty() -> Self {
        let place = Place::Found("built-in default".into());
        Self { origin: String::new(), masked: String::new(), root: Node::map(place) }
    }

    /// Reads YAML.
    pub(crate) fn parse(text: &str, origin: &str) -> Result<Self, Box<Diagnostic>> {
        if text.len() > MAX_BYTES {
            let why = format_args!("it is larger than {} MiB", MAX_BYTES >> 20);
            return Err(Box::new(Diagnostic::unreadable(origin, why)));
        }
        let options = serde_saphyr::options! {
            strict_booleans: true,
            with_snippet: false,
        };
        // Comments alone are no document at all for the reader, but a perfectly good empty configuration for a person.
        let bare = text.lines().all(|line| matches!(line.trim_start().chars().next(), None | Some('#')));
        let parsed =
            if bare { Ok(None) } else { serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options).map(Some) };
        match parsed {
            Ok(tree) => {
                let start = Place::File(Mark { line: 1, column: 1, start: 0, end: 0 });
                let root = tree.map_or_else(|| Node::map(start), |tree| tree.value.placed(text, tree.referenced));
                let mut masked = mask::secrets_in_text(text);
                mask::secrets_in_tree(&mut masked, &root);
                let document = Self { origin: origin.to_owned(), masked, root };
                match &document.root.value {
                    Value::Map(_) | Value::Null => Ok(document),
                    _ => {
                        let what = "the file is not a mapping of sections such as `providers:`";
                        Err(Box::new(document.at(Diagnostic::new(codes::NOT_A_MAPPING, what), &document.root.place)))
                    }
                }
            }
            Err(error) => {
                let masked = mask::secrets_in_text(text);
                let blank = Self { origin: origin.to_owned(), masked, root: Node::map(Place::Found("".into())) };
                Err(Box::new(blank.syntax_error(&error)))
            }
        }
    }

    fn syntax_error(&self, error: &serde_saphyr::Error) -> Diagnostic {
        let error = error.without_snippet();
        let diagnostic = match error {
            serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
                Diagnostic::new(codes::DUPLICATE, format!("`{key}` is given twice in one mapping"))
                    .remedy("remove one of the two")
            }
            other => {
                let said = other.render_with_formatter(&serde_saphyr::UserMessageFormatter);
                // The reader puts its own position at the end or the beginning; ours is drawn.
                let said = said.lines().next().unwrap_or_default();
                let said = said.split(" at line ").next().unwrap_or(said);
                Diagnostic::new(codes::SYNTAX, format!("not readable as YAML: {}", said.trim()))
            }
        };
        match error.location().and_then(|location| mark(&self.masked, location)) {
            Some(mark) => self.at(diagnostic, &Place::File(mark)),
            None => diagnostic,
        }
    }

    /// Puts a place into a diagnostic.
    pub(crate) fn at(&self, mut diagnostic: Diagnostic, place: &Place) -> Diagnostic {
        match place {
            Place::File(mark) => diagnostic.position = Some(self.position(*mark)),
            Place::Variable(name) => diagnostic.from = Some(format!("environment variable {name}")),
            Place::Flag(flag) => diagnostic.from = Some(format!("flag {flag}")),
            Place::Found(what) => diagnostic.from = Some(what.to_string()),
        }
        diagnostic
    }

    /// A place in a few words: `sluicegate.yaml:14`, `env NAME`, `flag --listen`.
    pub(crate) fn describe(&self, place: &Place) -> String {
        match place {
            Place::File(mark) => format!("{}:{}", self.origin, mark.line),
            Place::Variable(name) => format!("env {name}"),
            Place::Flag(flag) => format!("flag {flag}"),
            Place::Found(what) => what.to_string(),
        }
    }

    fn position(&self, mark: Mark) -> Position {
        const LONGEST: usize = 160;
        let first = mark.line.saturating_sub(1).max(1);
        let lines = self.masked.lines().zip(1..).skip(first - 1).take(if first == mark.line { 2 } else { 3 });
        let excerpt: Vec<(usize, String)> = lines
            .filter(|(text, number)| *number == mark.line || !text.trim().is_empty())
            .map(|(text, number)| (number, text.chars().take(LONGEST).collect()))
            .collect();
        let on_line = excerpt
            .iter()
            .find(|(number, _)| *number == mark.line)
            .map_or(0, |(_, text)| text.trim_end().chars().count());
        let wanted = self.masked.get(mark.start..mark.end).and_then(|text| text.lines().next());
        let wanted = wanted.map_or(1, |text| text.trim_end().chars().count());
        let width = wanted.min((on_line + 1).saturating_sub(mark.column)).max(1);
        Position { file: self.origin.clone(), line: mark.line, column: mark.column, width, excerpt }
    }

    /// Lays a single value over the tree: of an environment variable or a flag. Names of existing entries are found
    /// whatever their case and with `_` for `-` and `.`, because a variable's name has only one way to be written. The error
    /// says why nothing was set.
    pub(crate) fn set(&mut self, path: &[String], text: &str, place: &Place) -> Result<(), String> {
        let dotted = path.join(".");
        if path.is_empty() || path.iter().any(String::is_empty) {
            return Err(format!("`{dotted}` names no field"));
        }
        let mut node = &mut self.root;
        for wanted in path {
            let spelled = |key: &str| key.to_ascii_lowercase().replace(['-', '.'], "_");
            let key = node.entries().iter().map(|entry| entry.key.clone()).find(|key| spelled(key) == spelled(wanted));
            let key = key.unwrap_or_else(|| wanted.clone());
            match node.child(&key, place) {
                Some(child) => node = child,
                None => return Err(format!("`{dotted}` leads through a value that is no section")),
            }
        }
        if node.entries().is_empty() && node.items().is_empty() {
            *node = Node::text(text, place.clone());
            return Ok(());
        }
        Err(format!("`{dotted}` is a section or a list; a variable sets single values only"))
    }

    /// The value at a path of names and list positions.
    pub(crate) fn find(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(&self.root, |node, step| match &node.value {
            Value::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => node.entry(step).map(|entry| &entry.node),
        })
    }

    /// How a name is spelled in the mapping at a path, where there are several ways.
    pub(crate) fn spelled(&self, path: &[&str], is_it: impl Fn(&str) -> bool) -> Option<&str> {
        let entries = self.find(path).map(Node::entries).unwrap_or_default();
        entries.iter().map(|entry| entry.key.as_str()).find(|key| is_it(key))
    }

    /// The place of the value at a path, or of its nearest ancestor that exists.
    pub(crate) fn place(&self, path: &[&str]) -> Place {
        (0..=path.len())
            .rev()
            .find_map(|length| path.get(..length).and_then(|path| self.find(path)))
            .map_or_else(|| self.root.place.clone(), |node| node.place.clone())
    }

    /// The place of the name that ends a path: better to point at than a whole section.
    pub(crate) fn key_place(&self, path: &[&str]) -> Place {
        let found = path.split_last().and_then(|(last, before)| self.find(before)?.entry(last));
        found.map_or_else(|| self.place(path), |entry| entry.key_place.clone())
    }

    /// The line of the value at a path, when it is in the file.
    pub(crate) fn line(&self, path: &[&str]) -> Option<usize> {
        match self.find(path)?.place {
            Place::File(mark) => Some(mark.line),
            _ => None,
        }
    }
}

/// Turns the reader's location into ours; `None` when it has none. A location without bytes is found by counting.
fn mark(text: &str, location: Location) -> Option<Mark> {
    let line = usize::try_from(location.line()).ok().filter(|line| *line > 0)?;
    let column = usize::try_from(location.column()).ok()?.max(1);
    let span = location.span();
    let bytes = span.byte_offset().zip(span.byte_len());
    let bytes = bytes.and_then(|(start, len)| Some((usize::try_from(start).ok()?, usize::try_from(len).ok()?)));
    let (start, len) = bytes.unwrap_or_else(|| {
        let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        (before + column - 1, 0)
    });
    Some(Mark { line, column, start, end: start.saturating_add(len) })
}

impl Mark {
    pub(crate) const fn bytes(self) -> std::ops::Range<usize> {
        self.start..self.end
    }

    /// The part of this stretch that `needle` takes, if the text has it as it stands.
    pub(crate) fn narrowed(self, text: &str, needle: &str) -> Self {
        let Some(before) = text.get(self.bytes()).and_then(|part| part.split_once(needle)).map(|(before, _)| before)
        else {
            return self;
        };
        let start = self.start + before.len();
        let line = self.line + before.matches('\n').count();
        let column = match before.rsplit_once('\n') {
            Some((_, tail)) => tail.chars().count() + 1,
            None => self.column + before.chars().count(),
        };
        Self { line, column, start, end: start + needle.len() }
    }
}

/// A value as the YAML reader gives it, before it is put in its place.
enum Raw {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl Raw {
    fn placed(self, text: &str, location: Location) -> Node {
        let mark = mark(text, location).unwrap_or(Mark { line: 1, column: 1, start: 0, end: 0 });
        let value = match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(truth),
            Self::Number(number) => {
                let written = text.get(mark.bytes()).filter(|written| !written.is_empty());
                Value::Number(number, written.map_or_else(|| number.to_string(), str::to_owned))
            }
            Self::Text(text) => Value::Text(text),
            Self::List(items) => {
                Value::List(items.into_iter().map(|item| item.value.placed(text, item.referenced)).collect())
            }
            Self::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let key_mark = self::mark(text, key.referenced).unwrap_or(mark);
                        Entry {
                            key: key.value,
                            key_place: Place::File(key_mark),
                            node: value.value.placed(text, value.referenced),
                        }
                    })
                    .collect(),
            ),
        };
        Node { value, place: Place::File(mark), soft: false }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Natural(n) => write!(f, "{n}"),
            Self::Negative(n) => write!(f, "{n}"),
            Self::Real(n) => write!(f, "{n}"),
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Raw;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_none<E: de::Error>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
                Raw::deserialize(deserializer)
            }
            fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Raw, E> {
                Ok(Raw::Bool(truth))
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Raw, E> {
                Ok(Raw::Number(Number::Natural(n)))
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Raw, E> {
                Ok(Raw::Number(u64::try_from(n).map_or(Number::Negative(n), Number::Natural)))
            }
            fn visit_f64<E: de::Error>(self, n: f64) -> Result<Raw, E> {
                Ok(Raw::Number(Number::Real(n)))
            }
            fn visit_u128<E: de::Error>(self, n: u128) -> Result<Raw, E> {
                Ok(Raw::Text(n.to_string()))
            }
            fn visit_i128<E: de::Error>(self, n: i128) -> Result<Raw, E> {
                Ok(Raw::Text(n.to_string()))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Raw, E> {
                Ok(Raw::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Map(entries))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
