//! What a request asks for, as one number.
//!
//! Two requests ask for the same when their JSON says the same: white space, the order of an object's members, the way
//! a text is escaped and the way a number is spelled do not count, and neither do the few top-level members that say
//! how an answer travels or on whose behalf it is asked ([`PASSED_OVER`]). Everything else does, unknown members
//! included. Inside a JSON schema the order of members counts as well, because models put their answers in that order.
//!
//! The body is walked once by the scanner and no document is built: each value becomes a number of 128 bits as soon as
//! it has gone by, which for small ones is what they say and for others a hash of what they hold; an object is the list
//! of its members, sorted by name. The hash is keyed with a secret of the process, so nobody outside can look for two
//! requests that meet in one number; 128 bits of it keep chance from it.
//! A body that says the same name twice in one object has no fingerprint, since parsers disagree about what it says.

use crate::scan::{Kind, Refusal, Scanner};
use serde::Deserialize;
use siphasher::sip128::{Hasher128, SipHasher13};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher, RandomState};

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
        let mut all = SmallVec::<[u8; 256]>::new();
        for text in texts {
            all.extend_from_slice(&text.len().to_le_bytes());
            all.extend_from_slice(text);
        }
        let mut hasher = self.hasher();
        hasher.write(&all);
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

/// Reads the fingerprint of a request that [`crate::peek`] has looked into, so that what its strings hold is known to be
/// text; `None` if it is no JSON object, nests too deep, or repeats a name.
#[must_use]
pub fn read(body: &[u8], max_depth: usize, secret: &Secret) -> Option<Fingerprint> {
    let mut walk = Walk { secret: *secret, members: Vec::with_capacity(16) };
    let mut scanner = Scanner::again(body, max_depth);
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
            walk.member(scanner, name, false)?;
            let value = scanner.text(start..scanner.position());
            let Some((name, _)) = walk.members.last() else { return Err(Stop) };
            match &**name {
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
    found.digest = walk.close(0, false).ok()?;
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

/// What stands in the number of each value, so that values of different kinds never meet.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Tag {
    Object = 1,
    OrderedObject,
    Array,
    Text,
    Short,
    Whole,
    Negative,
    Fraction,
    Spelled,
    True,
    False,
    Null,
}

impl Tag {
    /// The number of a value that needs no hash to be one. What is hashed meets it as seldom as another hash.
    const fn number(self, value: u64) -> u128 {
        ((self as u128) << 120) | value as u128
    }

    /// The number of a value that was hashed. The kind comes last, where it cannot put the words before it out of step.
    fn hashed(self, mut hasher: SipHasher13) -> u128 {
        hasher.write_u8(self as u8);
        hasher.finish128().as_u128()
    }
}

/// A text of so many bytes is its own number.
const SHORT: usize = 14;

struct Walk<'a> {
    secret: Secret,
    /// The members of all objects that are open, those of the innermost last: name and value.
    members: Vec<(Cow<'a, [u8]>, u128)>,
}

impl<'a> Walk<'a> {
    /// Takes a value and notes it as a member of the object that is open.
    fn member(&mut self, scanner: &mut Scanner<'a>, name: Cow<'a, [u8]>, ordered: bool) -> Result<(), Stop> {
        let ordered = ordered || SCHEMAS.iter().any(|schema| schema.as_bytes() == &*name);
        let value = self.value(scanner, ordered)?;
        self.members.push((name, value));
        Ok(())
    }

    fn value(&mut self, scanner: &mut Scanner<'a>, ordered: bool) -> Result<u128, Stop> {
        match scanner.kind()? {
            Kind::Object => {
                let base = self.members.len();
                scanner.object(|scanner, key| {
                    let name = scanner.name(&key).ok_or(Stop)?;
                    self.member(scanner, name, ordered)
                })?;
                self.close(base, ordered)
            }
            Kind::Array => {
                let mut hasher = self.secret.hasher();
                scanner.array(|scanner| {
                    let entry = self.value(scanner, ordered)?;
                    hasher.write_u128(entry);
                    Ok::<_, Stop>(())
                })?;
                Ok(Tag::Array.hashed(hasher))
            }
            Kind::String => Ok(self.text(&scanner.said()?.ok_or(Stop)?)),
            Kind::Number => {
                let span = scanner.value()?.span;
                self.number(scanner.text(span))
            }
            kind => {
                scanner.value()?;
                let tag = match kind {
                    Kind::True => Tag::True,
                    Kind::False => Tag::False,
                    _ => Tag::Null,
                };
                Ok(tag.number(0))
            }
        }
    }

    /// An object is over whose members begin there.
    fn close(&mut self, base: usize, ordered: bool) -> Result<u128, Stop> {
        let members = self.members.get_mut(base..).unwrap_or_default();
        if !ordered {
            members.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            if members.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
                return Err(Stop);
            }
        }
        let mut hasher = self.secret.hasher();
        for (name, value) in members {
            hasher.write_usize(name.len());
            hasher.write_u128(*value);
            hasher.write(name);
        }
        self.members.truncate(base);
        Ok(if ordered { Tag::OrderedObject } else { Tag::Object }.hashed(hasher))
    }

    fn text(&self, said: &[u8]) -> u128 {
        if said.len() <= SHORT {
            let mut bytes = [0; 16];
            let [of @ .., length, tag] = &mut bytes;
            of.iter_mut().zip(said).for_each(|(to, from)| *to = *from);
            (*length, *tag) = (said.len() as u8, Tag::Short as u8);
            return u128::from_le_bytes(bytes);
        }
        let mut hasher = self.secret.hasher();
        hasher.write(said);
        Tag::Text.hashed(hasher)
    }

    /// A number counts as what it is, not as it is spelled: `1`, `1.0` and `10e-1` are one number. Whole numbers are
    /// exact as far as 64 bits go; others are what a floating point number makes of them, which is what everybody
    /// reads.
    fn number(&self, text: &[u8]) -> Result<u128, Stop> {
        let text = std::str::from_utf8(text).map_err(|_| Stop)?;
        if let Ok(whole) = text.parse() {
            return Ok(Tag::Whole.number(whole));
        }
        let below = text.strip_prefix('-').and_then(|digits| digits.parse::<u64>().ok());
        if let Some(below) = below.filter(|below| *below > 0) {
            return Ok(Tag::Negative.number(below));
        }
        let fraction: f64 = text.parse().map_err(|_| Stop)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and small enough")]
        if fraction.fract() == 0.0 && fraction.abs() <= EXACT {
            let tag = if fraction < 0.0 { Tag::Negative } else { Tag::Whole };
            Ok(tag.number(fraction.abs() as u64))
        } else if fraction.is_finite() {
            Ok(Tag::Fraction.number(fraction.to_bits()))
        } else {
            let mut hasher = self.secret.hasher();
            hasher.write(text.as_bytes());
            Ok(Tag::Spelled.hashed(hasher))
        }
    }
}

/// The largest size up to which every whole number is a floating point number.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn number_of(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
#[path = "fingerprint_tests.rs"]
mod tests;
