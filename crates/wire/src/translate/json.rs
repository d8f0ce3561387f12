//! Reading objects one key at a time.
//!
//! A translation must know which keys it did not understand, must name the exact path of a value of the wrong type,
//! and must carry some values as the very text they came in. So an object is read into a list of keys with their raw
//! text, and a reader takes out what it knows; what remains is unknown. A key given twice counts once, with its last
//! value, and the translated body holds it once.
//!
//! The same code reads two kinds of bodies. A request with a wrong type is the client's mistake and is refused with
//! its path. An answer with a wrong type is a provider's oddity: the value counts as absent.

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use sluicegate_vocabulary::Fault;
use std::borrow::Cow;
use std::fmt;

use super::notes::{bad_request, broken};

/// Whose body is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A request: mistakes are told.
    Client,
    /// An answer: oddities are forgiven.
    Upstream,
}

/// An object's keys with their raw values, less what was already taken.
#[derive(Debug)]
pub struct Object<'a> {
    path: String,
    side: Side,
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// The keys and values of one object.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(8);
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    entries.push((key, value));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

impl<'a> Object<'a> {
    /// The top object of a request body.
    ///
    /// # Errors
    /// `BadRequest` when the body is not a JSON object.
    pub fn request(body: &'a [u8]) -> Result<Self, Fault> {
        Self::from_slice(body, Side::Client).map_err(|e| {
            Fault::new(sluicegate_vocabulary::FaultKind::BadRequest, format!("the body is not a JSON object: {e}"))
        })
    }

    /// The top object of a provider's answer. White space before it is skipped.
    ///
    /// # Errors
    /// `UpstreamBroken` when the body is not a JSON object.
    pub fn answer(body: &'a [u8]) -> Result<Self, Fault> {
        Self::from_slice(body, Side::Upstream)
            .map_err(|e| broken(format!("the provider's answer is not a JSON object: {e}")))
    }

    fn from_slice(body: &'a [u8], side: Side) -> Result<Self, serde_json::Error> {
        let entries: Entries<'a> = serde_json::from_slice(body)?;
        Ok(Self { path: String::new(), side, entries: entries.0 })
    }

    /// An object from its raw text, found at this path.
    ///
    /// # Errors
    /// For a client's body, `BadRequest` when the text is not an object.
    pub fn parse(raw: &'a RawValue, path: String, side: Side) -> Result<Option<Self>, Fault> {
        match serde_json::from_str::<Entries<'a>>(raw.get()) {
            Ok(Entries(entries)) => Ok(Some(Self { path, side, entries })),
            _ if side == Side::Upstream => Ok(None),
            _ => Err(mistyped(&path, "an object")),
        }
    }

    /// The path of a member, as error messages spell it; empty in a provider's answer.
    #[must_use]
    pub fn at(&self, key: &str) -> String {
        // Nobody is told a path in an answer, and a stream has thousands of events.
        if self.side == Side::Upstream {
            String::new()
        } else if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The path of this object; empty for the top one.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the key is present and not null, without taking it.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(k, v)| k == key && v.get() != "null")
    }

    /// Takes a member as raw text; null counts as absent.
    pub fn raw(&mut self, key: &str) -> Option<&'a RawValue> {
        let mut found = None;
        self.entries.retain(|(k, v)| {
            let hit = k == key;
            if hit {
                found = Some(*v);
            }
            !hit
        });
        found.filter(|v| v.get() != "null")
    }

    /// The same object with its keys in camel case: Gemini takes either spelling.
    #[must_use]
    pub fn camel_case(mut self) -> Self {
        for (key, _) in &mut self.entries {
            if let Some((first, rest)) = key.split_once('_').filter(|(first, _)| !first.is_empty()) {
                let mut camel = first.to_owned();
                for word in rest.split('_') {
                    let mut letters = word.chars();
                    camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
                    camel.push_str(letters.as_str());
                }
                *key = Cow::Owned(camel);
            }
        }
        self
    }

    /// Takes and forgets members that have no meaning for translation.
    pub fn ignore(&mut self, keys: &[&str]) {
        self.entries.retain(|(k, _)| !keys.contains(&k.as_ref()));
    }

    /// Takes a string.
    ///
    /// # Errors
    /// A client's value of another type.
    pub fn string(&mut self, key: &str) -> Result<Option<String>, Fault> {
        Ok(self.text(key)?.map(Cow::into_owned))
    }

    /// Takes a string without copying it where it holds no escapes.
    ///
    /// # Errors
    /// A client's value of another type.
    pub fn text(&mut self, key: &str) -> Result<Option<Cow<'a, str>>, Fault> {
        Ok(self.typed::<Key<'a>>(key, "a string")?.map(|k| k.0))
    }

    /// Takes a string that must be there.
    ///
    /// # Errors
    /// A value of another type, or none at all.
    pub fn required_string(&mut self, key: &str) -> Result<String, Fault> {
        let path = self.at(key);
        self.string(key)?.ok_or_else(|| bad_request(path.clone(), format!("`{path}` is missing; it must be a string")))
    }

    /// Takes a boolean.
    ///
    /// # Errors
    /// A client's value of another type.
    pub fn bool(&mut self, key: &str) -> Result<Option<bool>, Fault> {
        self.typed(key, "true or false")
    }

    /// Takes a whole number that is not negative. `4096.0` counts as one.
    ///
    /// # Errors
    /// A client's value of another type.
    pub fn u64(&mut self, key: &str) -> Result<Option<u64>, Fault> {
        let path = self.at(key);
        match self.i64(key)? {
            Some(n) => match u64::try_from(n) {
                Ok(n) => Ok(Some(n)),
                Err(_) if self.side == Side::Upstream => Ok(None),
                Err(_) => Err(mistyped(&path, "a whole number, zero or more")),
            },
            None => Ok(None),
        }
    }

    /// Takes a whole number. `4096.0` counts as one.
    ///
    /// # Errors
    /// A client's value of another type.
    pub fn i64(&mut self, key: &str) -> Result<Option<i64>, Fault> {
        let path = self.at(key);
        let Some(raw) = self.raw(key) else { return Ok(None) };
        let whole = serde_json::from_str::<i64>(raw.get()).ok().or_else(|| {
            let n: f64 = serde_json::from_str(raw.get()).ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "checked: whole and within 2^53")]
            (n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_992.0).then_some(n as i64)
        });
        match whole {
            Some(n) => Ok(Some(n)),
            None if self.side == Side::Upstream => Ok(None),
            None => Err(mistyped(&path, "a whole number")),
        }
    }

    /// Takes a number.
    ///
    /// # Errors
    /// A client's value of another type.
    pub fn f64(&mut self, key: &str) -> Result<Option<f64>, Fault> {
        self.typed(key, "a number")
    }

    /// Takes an object.
    ///
    /// # Errors
    /// A client's value of another type.
    pub fn object(&mut self, key: &str) -> Result<Option<Self>, Fault> {
        let path = self.at(key);
        match self.raw(key) {
            Some(raw) => Self::parse(raw, path, self.side),
            None => Ok(None),
        }
    }

    /// Takes a list, each element raw.
    ///
    /// # Errors
    /// A client's value of another type.
    pub fn list(&mut self, key: &str) -> Result<Option<Vec<&'a RawValue>>, Fault> {
        self.typed(key, "a list")
    }

    /// Takes a list of objects; each gets the path `key[i]`. A provider's elements of other types are left out.
    ///
    /// # Errors
    /// A client's value, or element, of another type.
    pub fn objects(&mut self, key: &str) -> Result<Option<Vec<Self>>, Fault> {
        let path = self.at(key);
        let Some(raw) = self.raw(key) else { return Ok(None) };
        if self.side == Side::Upstream
            && let Ok(list) = serde_json::from_str::<Vec<Entries<'a>>>(raw.get())
        {
            let object = |entries: Entries<'a>| Self { path: String::new(), side: Side::Upstream, entries: entries.0 };
            return Ok(Some(list.into_iter().map(object).collect()));
        }
        let Ok(list) = serde_json::from_str::<Vec<&'a RawValue>>(raw.get()) else {
            return if self.side == Side::Upstream { Ok(None) } else { Err(mistyped(&path, "a list")) };
        };
        let mut objects = Vec::with_capacity(list.len());
        for (i, raw) in list.into_iter().enumerate() {
            let path = if self.side == Side::Upstream { String::new() } else { format!("{path}[{i}]") };
            objects.extend(Self::parse(raw, path, self.side)?);
        }
        Ok(Some(objects))
    }

    /// Takes a list of strings.
    ///
    /// # Errors
    /// A client's value, or element, of another type.
    pub fn strings(&mut self, key: &str) -> Result<Option<Vec<String>>, Fault> {
        self.typed(key, "a list of strings")
    }

    /// The keys nobody took, nulls left out: a null says nothing that could be lost.
    pub fn rest(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter(|(_, v)| v.get() != "null").map(|(k, _)| k.as_ref())
    }

    /// Names every key nobody took as lost.
    ///
    /// # Errors
    /// The fault for a strict caller.
    pub fn note_rest(&self, notes: &mut super::notes::Notes) -> Result<(), Fault> {
        for key in self.rest() {
            notes.drop_named(self.at(key))?;
        }
        Ok(())
    }

    fn typed<T: Deserialize<'a>>(&mut self, key: &str, what: &str) -> Result<Option<T>, Fault> {
        let Some(raw) = self.raw(key) else { return Ok(None) };
        match serde_json::from_str::<T>(raw.get()) {
            Ok(value) => Ok(Some(value)),
            Err(_) if self.side == Side::Upstream => Ok(None),
            Err(_) => Err(mistyped(&self.at(key), what)),
        }
    }
}

/// Whether a raw value is a string, a list or an object: its first byte tells.
#[must_use]
pub fn first_byte(raw: &RawValue) -> u8 {
    raw.get().bytes().next().unwrap_or(b'n')
}

/// A raw string's text, or `None` when the value is not a string.
#[must_use]
pub fn as_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Key<'_>>(raw.get()).ok().map(|k| k.0)
}

/// The fault for a value of the wrong type.
#[must_use]
pub fn mistyped(path: &str, what: &str) -> Fault {
    if path.is_empty() {
        return Fault::new(sluicegate_vocabulary::FaultKind::BadRequest, format!("the body must be {what}"));
    }
    bad_request(path.to_owned(), format!("`{path}` must be {what}"))
}

/// Whether this is one complete JSON object.
#[must_use]
pub fn is_object(text: &str) -> bool {
    serde_json::from_str::<Entries<'_>>(text).is_ok()
}

/// The text as raw JSON, if it is one complete object.
#[must_use]
pub fn raw_object(text: &str) -> Option<&RawValue> {
    if is_object(text) { serde_json::from_str(text).ok() } else { None }
}

/// The JSON text without white space between its tokens, keys and number spelling untouched.
#[must_use]
pub fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut in_string = false;
    let mut escaped = false;
    for c in json.chars() {
        if in_string {
            out.push(c);
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == '"' {
                in_string = false;
            }
        } else if !matches!(c, ' ' | '\n' | '\r' | '\t') {
            out.push(c);
            in_string = c == '"';
        }
    }
    out
}

/// A number as people write it: `1`, not `1.0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

impl serde::Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() < 1e15 {
            #[expect(clippy::cast_possible_truncation, reason = "checked: whole and within 2^53")]
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// Serializes a body.
///
/// # Errors
/// `Internal`: only a defect can make one of our own types unserializable.
pub fn to_vec<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(value).map_err(|e| {
        Fault::new(sluicegate_vocabulary::FaultKind::Internal, format!("a translated body could not be written: {e}"))
    })
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
