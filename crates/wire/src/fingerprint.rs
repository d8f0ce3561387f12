//! What a request asks for, as one number.
//!
//! Two requests ask for the same when their JSON says the same: white space, the order of an object's members, the way
//! a text is escaped and the way a number is spelled do not count, and neither do the few top-level members that say
//! how an answer travels or on whose behalf it is asked ([`PASSED_OVER`]). Everything else does, unknown members
//! included. Inside a JSON schema the order of members counts as well, because models put their answers in that order.
//!
//! The body is walked once by the scanner and no document is built: a member's value becomes a number as soon as it
//! has gone by, and an object is the sorted list of its members' numbers. The hash is keyed with a secret of the
//! process, so nobody outside can look for two requests that meet in one number; 128 bits of it keep chance from it.
//! A body that says the same name twice in one object has no fingerprint, since parsers disagree about what it says.

use crate::scan::{Kind, Refusal, Scanner, inner, unquote};
use memchr::memchr;
use serde::Deserialize;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;
use std::hash::{BuildHasher, RandomState};

/// Top-level members that do not change what is answered: the model, which is resolved elsewhere; how the answer
/// travels; and names by which providers tell their customers' users and prompts apart.
pub const PASSED_OVER: [&str; 8] = [
    "model",
    "stream",
    "stream_options",
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
];

/// Members that hold a JSON schema.
const SCHEMAS: [&str; 9] = [
    "schema",
    "parameters",
    "input_schema",
    "responseSchema",
    "response_schema",
    "responseJsonSchema",
    "response_json_schema",
    "parametersJsonSchema",
    "parameters_json_schema",
];

/// The process's secret, without which fingerprints mean nothing.
#[derive(Clone, Copy)]
pub struct Secret(u64, u64);

impl Secret {
    /// A new one, from the system's randomness.
    #[must_use]
    pub fn random() -> Self {
        Self(RandomState::new().hash_one(0), RandomState::new().hash_one(1))
    }

    /// A hash of texts, in their order, under this secret.
    #[must_use]
    pub fn of_texts<'a>(&self, texts: impl IntoIterator<Item = &'a [u8]>) -> u128 {
        let mut hasher = self.hasher();
        for text in texts {
            hasher.write_usize(text.len());
            hasher.write(text);
        }
        hasher.finish128().as_u128()
    }

    fn hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What was found in a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fingerprint {
    /// What it asks for.
    pub digest: u128,
    /// Its sampling temperature, where it names one.
    pub temperature: Option<f64>,
    /// The answer depends on, or changes, something that the provider keeps: a conversation, an answer before this one,
    /// work in the background.
    pub stateful: bool,
    /// It asks for more than text: the probabilities of tokens, which only an answer's own form can say.
    pub logprobs: bool,
}

/// Reads the fingerprint of a request; `None` if it is no JSON object, nests too deep, or repeats a name.
#[must_use]
pub fn read(body: &[u8], max_depth: usize, secret: &Secret) -> Option<Fingerprint> {
    let mut walk = Walk { secret: *secret, members: Vec::with_capacity(16) };
    let mut scanner = Scanner::new(body, max_depth);
    let mut found = Fingerprint { digest: 0, temperature: None, stateful: false, logprobs: false };
    if scanner.kind().ok()? != Kind::Object {
        return None;
    }
    scanner
        .object(|scanner, key| {
            let name = scanner.name(&key).ok_or(Stop)?;
            if PASSED_OVER.iter().any(|passed_over| passed_over.as_bytes() == &*name) {
                return Ok(scanner.value().map(drop)?);
            }
            let kind = scanner.kind()?;
            let start = scanner.position();
            walk.member(scanner, &name, false)?;
            let value = scanner.text(start..scanner.position());
            match &*name {
                b"temperature" => found.temperature = number_of(value),
                b"generationConfig" | b"generation_config" => {
                    let Generation { temperature, logprobs } = serde_json::from_slice(value).unwrap_or_default();
                    found.temperature = temperature;
                    found.logprobs |= logprobs == Some(true);
                }
                b"previous_response_id" | b"conversation" => found.stateful |= kind != Kind::Null,
                b"background" => found.stateful |= kind == Kind::True,
                b"logprobs" | b"top_logprobs" => found.logprobs |= !matches!(kind, Kind::Null | Kind::False),
                _ => {}
            }
            Ok::<_, Stop>(())
        })
        .ok()?;
    scanner.end().ok()?;
    let mut hasher = secret.hasher();
    walk.close(0, false, &mut hasher).ok()?;
    found.digest = hasher.finish128().as_u128();
    Some(found)
}

/// Where Gemini's requests say it.
#[derive(Default, Deserialize)]
struct Generation {
    temperature: Option<f64>,
    #[serde(rename = "responseLogprobs", alias = "response_logprobs")]
    logprobs: Option<bool>,
}

/// There is no fingerprint.
struct Stop;

impl From<Refusal> for Stop {
    fn from(_: Refusal) -> Self {
        Self
    }
}

/// What the hash is told before each value, so that values of different kinds never meet.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Tag {
    Object = 1,
    OrderedObject,
    Array,
    ArrayEnd,
    Text,
    Whole,
    Negative,
    Fraction,
    Spelled,
    True,
    False,
    Null,
}

struct Walk {
    secret: Secret,
    /// The members of all objects that are open, those of the innermost last: name and value.
    members: Vec<(u128, u128)>,
}

impl Walk {
    /// Takes a value and notes it as a member of the object that is open.
    fn member(&mut self, scanner: &mut Scanner<'_>, name: &[u8], ordered: bool) -> Result<(), Stop> {
        let ordered = ordered || SCHEMAS.iter().any(|schema| schema.as_bytes() == name);
        let mut hasher = self.secret.hasher();
        self.value(scanner, ordered, &mut hasher)?;
        let value = hasher.finish128().as_u128();
        let mut hasher = self.secret.hasher();
        hasher.write(name);
        self.members.push((hasher.finish128().as_u128(), value));
        Ok(())
    }

    fn value(&mut self, scanner: &mut Scanner<'_>, ordered: bool, into: &mut SipHasher13) -> Result<(), Stop> {
        match scanner.kind()? {
            Kind::Object => {
                let base = self.members.len();
                scanner.object(|scanner, key| {
                    let name = scanner.name(&key).ok_or(Stop)?;
                    self.member(scanner, &name, ordered)
                })?;
                self.close(base, ordered, into)
            }
            Kind::Array => {
                into.write_u8(Tag::Array as u8);
                scanner.array(|scanner| self.value(scanner, ordered, into))?;
                into.write_u8(Tag::ArrayEnd as u8);
                Ok(())
            }
            kind => {
                let span = scanner.value()?.span;
                scalar(kind, scanner.text(span), into)
            }
        }
    }

    /// An object is over whose members begin there.
    fn close(&mut self, base: usize, ordered: bool, into: &mut SipHasher13) -> Result<(), Stop> {
        let members = self.members.get_mut(base..).unwrap_or_default();
        if !ordered {
            members.sort_unstable_by_key(|(name, _)| *name);
            if members.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
                return Err(Stop);
            }
        }
        into.write_u8(if ordered { Tag::OrderedObject } else { Tag::Object } as u8);
        into.write_usize(members.len());
        for (name, value) in members {
            into.write_u128(*name);
            into.write_u128(*value);
        }
        self.members.truncate(base);
        Ok(())
    }
}

fn scalar(kind: Kind, text: &[u8], into: &mut SipHasher13) -> Result<(), Stop> {
    match kind {
        Kind::String => {
            let said = inner(text).ok_or(Stop)?;
            into.write_u8(Tag::Text as u8);
            if memchr(b'\\', said).is_none() {
                into.write_usize(said.len());
                into.write(said);
            } else {
                let said = unquote(text).ok_or(Stop)?;
                into.write_usize(said.len());
                into.write(said.as_bytes());
            }
        }
        Kind::Number => number(text, into)?,
        Kind::True => into.write_u8(Tag::True as u8),
        Kind::False => into.write_u8(Tag::False as u8),
        _ => into.write_u8(Tag::Null as u8),
    }
    Ok(())
}

/// The largest size up to which every whole number is a floating point number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number counts as what it is, not as it is spelled: `1`, `1.0` and `10e-1` are one number. Whole numbers are exact
/// as far as 64 bits go; others are what a floating point number makes of them, which is what everybody reads.
fn number(text: &[u8], into: &mut SipHasher13) -> Result<(), Stop> {
    let text = std::str::from_utf8(text).map_err(|_| Stop)?;
    if let Ok(whole) = text.parse::<u64>() {
        into.write_u8(Tag::Whole as u8);
        into.write_u64(whole);
    } else if let Some(below) = text.strip_prefix('-').and_then(|digits| digits.parse::<u64>().ok()).filter(|n| *n > 0)
    {
        into.write_u8(Tag::Negative as u8);
        into.write_u64(below);
    } else {
        let fraction: f64 = text.parse().map_err(|_| Stop)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and small enough")]
        if fraction.fract() == 0.0 && fraction.abs() <= EXACT {
            into.write_u8(if fraction < 0.0 { Tag::Negative } else { Tag::Whole } as u8);
            into.write_u64(fraction.abs() as u64);
        } else if fraction.is_finite() {
            into.write_u8(Tag::Fraction as u8);
            into.write_u64(fraction.to_bits());
        } else {
            into.write_u8(Tag::Spelled as u8);
            into.write(text.as_bytes());
        }
    }
    Ok(())
}

fn number_of(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
#[path = "fingerprint_tests.rs"]
mod tests;
