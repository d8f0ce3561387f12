//! From the tree to the types: a serde deserializer that keeps the place of every mistake and does not stop at the first.
//!
//! The types are plain serde types with `deny_unknown_fields`, which is what makes their schema and their documentation
//! possible. What serde does not give is a place, and more than one error. The place comes from the tree. More errors
//! come from trying again: a name or value that does not fit is noted and taken out of the tree, and the whole is read
//! once more without it, until it fits or there are more mistakes than anybody reads at once.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::document::{Document, Entry, Node, Number, Place, Value};
use crate::near::nearest;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use std::fmt;

/// So many mistakes are reported at once.
const MOST_MISTAKES: usize = 40;

/// Fills a type from a document, or says everything that is wrong with its shape.
pub(crate) fn fill<T: DeserializeOwned>(document: &mut Document) -> Result<T, Vec<Diagnostic>> {
    let mut found = Vec::new();
    while found.len() < MOST_MISTAKES {
        let error = match T::deserialize(Reader { node: &document.root, path: None }) {
            Ok(value) if found.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => error,
        };
        let (path, place) = error.at.unwrap_or_else(|| (Vec::new(), document.root.place.clone()));
        let consequence = matches!(error.mistake, Mistake::Missing(_)) && lost_a_part(&document.root, &path);
        if !consequence {
            found.push(document.at(error.mistake.diagnostic(), &place));
        }
        // Without a path it is the document as a whole that does not fit: there is nothing to leave out.
        if !reject(&mut document.root, &path) {
            break;
        }
    }
    Err(found)
}

/// The node that a path of positions leads to.
fn follow<'a>(root: &'a mut Node, path: &[usize]) -> Option<&'a mut Node> {
    path.iter().try_fold(root, |node, at| match &mut node.value {
        Value::List(items) => items.get_mut(*at),
        Value::Map(entries) => entries.get_mut(*at).map(|entry| &mut entry.node),
        _ => None,
    })
}

/// Takes the value at a path out of the tree; false when there is none or it is the whole.
fn reject(root: &mut Node, path: &[usize]) -> bool {
    let node = follow(root, path).filter(|_| !path.is_empty());
    node.map(|node| node.value = Value::Rejected).is_some()
}

/// Whether something was taken out of the mapping at a path, so that its missing fields are no news.
fn lost_a_part(root: &Node, path: &[usize]) -> bool {
    let node = path.iter().try_fold(root, |node, at| match &node.value {
        Value::List(items) => items.get(*at),
        Value::Map(entries) => entries.get(*at).map(|entry| &entry.node),
        _ => None,
    });
    node.is_some_and(|node| node.entries().iter().any(|entry| matches!(entry.node.value, Value::Rejected)))
}

/// What is wrong with the shape of one value.
#[derive(Debug)]
enum Mistake {
    UnknownField { field: String, allowed: &'static [&'static str] },
    UnknownWord { word: String, allowed: &'static [&'static str] },
    Missing(&'static str),
    WrongType { found: String, wanted: String },
    Other(String),
}

impl Mistake {
    fn diagnostic(self) -> Diagnostic {
        let list = |allowed: &[&str]| if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
        let hint = |mut diagnostic: Diagnostic, word: &str, allowed: &[&str]| {
            if let Some(near) = nearest(word, allowed.iter().copied()) {
                diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
            }
            diagnostic.note(format!("allowed here: {}", list(allowed)))
        };
        match self {
            Self::UnknownField { field, allowed } => {
                hint(Diagnostic::new(codes::UNKNOWN_FIELD, format!("unknown field `{field}`")), &field, allowed)
            }
            Self::UnknownWord { word, allowed } => {
                hint(Diagnostic::new(codes::UNKNOWN_WORD, format!("`{word}` is not known here")), &word, allowed)
            }
            Self::Missing(field) => Diagnostic::new(codes::MISSING_FIELD, format!("`{field}` is missing")),
            Self::WrongType { found, wanted } => {
                Diagnostic::new(codes::WRONG_TYPE, format!("expected {wanted}, found {found}"))
            }
            Self::Other(message) => Diagnostic::new(codes::BAD_VALUE, message),
        }
    }
}

/// A mistake and, once a reader has seen it pass, the way to it and its place.
#[derive(Debug)]
struct ShapeError {
    mistake: Mistake,
    at: Option<(Vec<usize>, Place)>,
}

impl ShapeError {
    fn new(mistake: Mistake) -> Self {
        Self { mistake, at: None }
    }

    /// Remembers the innermost place only.
    fn at(mut self, path: Option<&Path<'_>>, place: &Place) -> Self {
        self.at.get_or_insert_with(|| (Path::steps(path), place.clone()));
        self
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.mistake)
    }
}

impl std::error::Error for ShapeError {}

impl de::Error for ShapeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Mistake::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(Mistake::WrongType { found: found_in_words(found), wanted: wanted_in_words(&wanted.to_string()) })
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let found = format!("{}, which does not fit", found_in_words(found));
        Self::new(Mistake::WrongType { found, wanted: wanted_in_words(&wanted.to_string()) })
    }

    fn unknown_field(field: &str, allowed: &'static [&'static str]) -> Self {
        Self::new(Mistake::UnknownField { field: field.to_owned(), allowed })
    }

    fn unknown_variant(word: &str, allowed: &'static [&'static str]) -> Self {
        Self::new(Mistake::UnknownWord { word: word.to_owned(), allowed })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Mistake::Missing(field))
    }
}

/// What was found, without saying what it was: it may be a secret in the wrong place.
fn found_in_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(truth) => format!("{truth}"),
        Unexpected::Unsigned(_) => "a number".to_owned(),
        Unexpected::Signed(_) => "a negative number".to_owned(),
        Unexpected::Float(_) => "a number with a fraction".to_owned(),
        Unexpected::Str(_) | Unexpected::Char(_) => "text".to_owned(),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// serde's words for what it wants, in the file's words.
fn wanted_in_words(wanted: &str) -> String {
    const WORDS: [(&str, &str); 15] = [
        ("u8", "a whole number"),
        ("u16", "a whole number"),
        ("u32", "a whole number"),
        ("u64", "a whole number"),
        ("usize", "a whole number"),
        ("i64", "a whole number"),
        ("a nonzero usize", "a whole number above 0"),
        ("f64", "a number"),
        ("a boolean", "true or false"),
        ("a string", "text"),
        ("path string", "a path"),
        ("a sequence", "a list"),
        ("a map", "a mapping"),
        ("unit", "nothing"),
        ("string or map", "a word"),
    ];
    let known = WORDS.iter().find_map(|(serde, ours)| (*serde == wanted).then_some(*ours));
    let kind = ["struct ", "enum "].iter().zip(["a mapping", "a word"]);
    let kind = kind.filter_map(|(prefix, ours)| wanted.starts_with(prefix).then_some(ours)).next();
    known.or(kind).unwrap_or(wanted).to_owned()
}

/// The way to a value, innermost step first.
struct Path<'a> {
    before: Option<&'a Path<'a>>,
    step: usize,
}

impl Path<'_> {
    fn steps(path: Option<&Path<'_>>) -> Vec<usize> {
        let mut steps: Vec<usize> = std::iter::successors(path, |path| path.before).map(|path| path.step).collect();
        steps.reverse();
        steps
    }
}

/// Reads one node.
#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
    path: Option<&'a Path<'a>>,
}

impl Reader<'_> {
    fn locate<T>(&self, result: Result<T, ShapeError>) -> Result<T, ShapeError> {
        result.map_err(|error| error.at(self.path, &self.node.place))
    }

    fn wrong<T>(&self, visitor: &dyn Expected) -> Result<T, ShapeError> {
        let found = match &self.node.value {
            Value::Null | Value::Rejected => Unexpected::Unit,
            Value::Bool(truth) => Unexpected::Bool(*truth),
            Value::Number(Number::Natural(n), _) => Unexpected::Unsigned(*n),
            Value::Number(Number::Negative(n), _) => Unexpected::Signed(*n),
            Value::Number(Number::Real(n), _) => Unexpected::Float(*n),
            Value::Text(_) => Unexpected::Str(""),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        };
        self.locate(Err(de::Error::invalid_type(found, visitor)))
    }

    /// Text as it stands; numbers and truth values as they were written.
    fn written(&self) -> Option<&str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            Value::Number(_, written) => Some(written),
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            _ => None,
        }
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        let number = match &self.node.value {
            Value::Number(number, _) => Some(*number),
            Value::Text(text) if self.node.soft => parse_number(text.trim()),
            _ => None,
        };
        let Some(number) = number else { return self.wrong(&visitor) };
        self.locate(match number {
            Number::Natural(n) => visitor.visit_u64(n),
            Number::Negative(n) => visitor.visit_i64(n),
            Number::Real(n) => visitor.visit_f64(n),
        })
    }
}

fn parse_number(text: &str) -> Option<Number> {
    let whole = text.parse().map(Number::Natural).ok();
    let negative = || text.parse().map(Number::Negative).ok();
    let real = || text.parse().ok().filter(|n: &f64| n.is_finite()).map(Number::Real);
    whole.or_else(negative).or_else(real)
}

macro_rules! read_numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
            self.number(visitor)
        })*
    };
}

macro_rules! read_text {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
            match self.written() {
                Some(text) => self.locate(visitor.visit_str(text)),
                None => self.wrong(&visitor),
            }
        })*
    };
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = ShapeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match &self.node.value {
            Value::Null | Value::Rejected => self.locate(visitor.visit_unit()),
            Value::Bool(truth) => self.locate(visitor.visit_bool(*truth)),
            Value::Number(..) => self.number(visitor),
            Value::Text(text) => self.locate(visitor.visit_str(text)),
            Value::List(items) => self.locate(visitor.visit_seq(Items { reader: self, items, at: 0 })),
            Value::Map(entries) => self.locate(visitor.visit_map(Entries { reader: self, entries, at: 0 })),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match &self.node.value {
            Value::Bool(truth) => self.locate(visitor.visit_bool(*truth)),
            Value::Text(text) if self.node.soft => match text.trim() {
                "true" | "1" => visitor.visit_bool(true),
                "false" | "0" => visitor.visit_bool(false),
                _ => self.wrong(&visitor),
            },
            _ => self.wrong(&visitor),
        }
    }

    read_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_f32 deserialize_f64
    }

    read_text! { deserialize_str deserialize_string deserialize_char deserialize_identifier }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match &self.node.value {
            Value::Null | Value::Rejected => self.locate(visitor.visit_none()),
            _ => self.locate(visitor.visit_some(self)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match &self.node.value {
            // A name with everything below it commented out.
            Value::Null => self.locate(visitor.visit_seq(Items { reader: self, items: &[], at: 0 })),
            Value::List(_) => self.deserialize_any(visitor),
            _ => self.wrong(&visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match &self.node.value {
            Value::Null => self.locate(visitor.visit_map(Entries { reader: self, entries: &[], at: 0 })),
            Value::Map(_) => self.deserialize_any(visitor),
            _ => self.wrong(&visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        let Some(word) = self.written() else { return self.wrong(&visitor) };
        let access: de::value::StrDeserializer<'_, ShapeError> = word.into_deserializer();
        let hidden = |mut error: ShapeError| {
            if let (true, Mistake::UnknownWord { word, .. }) = (self.node.soft, &mut error.mistake) {
                *word = "what the environment says".to_owned();
            }
            error
        };
        self.locate(visitor.visit_enum(access).map_err(hidden))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ShapeError> {
        self.locate(visitor.visit_newtype_struct(self))
    }

    forward_to_deserialize_any! { i128 u128 bytes byte_buf unit unit_struct tuple tuple_struct ignored_any }
}

struct Items<'a> {
    reader: Reader<'a>,
    items: &'a [Node],
    at: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = ShapeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ShapeError> {
        while let Some(node) = self.items.get(self.at) {
            let path = Path { before: self.reader.path, step: self.at };
            self.at += 1;
            if !matches!(node.value, Value::Rejected) {
                let reader = Reader { node, path: Some(&path) };
                return reader.locate(seed.deserialize(reader)).map(Some);
            }
        }
        Ok(None)
    }
}

struct Entries<'a> {
    reader: Reader<'a>,
    entries: &'a [Entry],
    at: usize,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = ShapeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ShapeError> {
        // A seed can be used once, so names that were rejected in an earlier pass are left out before it is.
        while let Some(entry) = self.entries.get(self.at) {
            self.at += 1;
            if matches!(entry.node.value, Value::Rejected) {
                continue;
            }
            let path = Path { before: self.reader.path, step: self.at - 1 };
            let key: de::value::StrDeserializer<'_, ShapeError> = entry.key.as_str().into_deserializer();
            return seed.deserialize(key).map(Some).map_err(|error| error.at(Some(&path), &entry.key_place));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ShapeError> {
        let Some(entry) = self.at.checked_sub(1).and_then(|at| self.entries.get(at)) else {
            return Err(de::Error::custom("a value was asked for before its name"));
        };
        let path = Path { before: self.reader.path, step: self.at - 1 };
        let reader = Reader { node: &entry.node, path: Some(&path) };
        seed.deserialize(reader).map_err(|mut error| {
            // What is missing has no place of its own; the name of what it is missing from is the nearest.
            if let (Mistake::Missing(_), Some((steps, place))) = (&error.mistake, &mut error.at)
                && *steps == Path::steps(Some(&path))
            {
                *place = entry.key_place.clone();
            }
            error.at(Some(&path), &entry.node.place)
        })
    }
}
