//! What a request asks for, as one number.
//!
//! Two requests ask for the same when their JSON says the same: white space, the order of an object's members, the way
//! a text is escaped and the way a number is spelled do not count, and neither do the few top-level members that say
//! how an answer travels or on whose behalf it is asked ([`PASSED_OVER`]). Everything else does, unknown members
//! included. Inside a JSON schema the order of members counts as well, because models put their answers in that order.
//!
//! The body is walked once by the scanner and no document is built: each value becomes a number of 128 bits as soon as
//! it has gone by, which for small ones is what they say and for others a hash of what they hold; an object is the list
//! of its members, sorted by the numbers of their names. The hashes are keyed with a secret of the process, so nobody
//! outside can look for two requests that meet in one number; 128 bits of them keep chance from it. Most of a request is
//! a few long texts, and those are hashed by HighwayHash, which takes in 32 bytes at a time; SipHash begins and ends
//! sooner, and has the rest.
//! A body that says the same name twice in one object has no fingerprint, since parsers disagree about what it says.

use crate::scan::{Kind, Refusal, Scanner};
use highway::{HighwayHash, HighwayHasher, Key};
use serde::Deserialize;
use siphasher::sip128::{Hasher128, SipHasher13};
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
pub struct Secret {
    short: (u64, u64),
    long: [u64; 4],
}

impl Secret {
    /// A new one, from the system's randomness.
    #[must_use]
    pub fn random() -> Self {
        // Each of these has keys of its own.
        let number = |_| RandomState::new().hash_one(0);
        Self { short: (number(0), number(1)), long: std::array::from_fn(number) }
    }

    /// A hash of numbers and texts, in their order, under this secret.
    #[must_use]
    pub fn of<'a>(&self, numbers: &[u128], texts: impl IntoIterator<Item = &'a [u8]>) -> u128 {
        let mut hasher = self.hasher();
        for number in numbers {
            write(&mut hasher, *number);
        }
        for text in texts {
            hasher.write_usize(text.len());
            if !text.is_empty() {
                hasher.write(text);
            }
        }
        hasher.finish128().as_u128()
    }

    fn hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.short.0, self.short.1)
    }

    fn of_long(&self, text: &[u8]) -> u128 {
        let [low, high] = HighwayHasher::new(Key(self.long)).hash128(text);
        u128::from(high) << 64 | u128::from(low)
    }
}

/// Tells a hasher of a number, as two words.
#[expect(clippy::cast_possible_truncation, reason = "the halves of a number")]
fn write(hasher: &mut SipHasher13, number: u128) {
    hasher.write_u64(number as u64);
    hasher.write_u64((number >> 64) as u64);
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
    let mut walk = Walk { secret, members: Vec::with_capacity(16) };
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
    LongText,
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
/// A text of so many bytes is a long one: beginning and ending have been made up for.
const LONG: usize = 256;

struct Walk<'s> {
    secret: &'s Secret,
    /// The members of all objects that are open, those of the innermost last: the numbers of name and value.
    members: Vec<(u128, u128)>,
}

impl Walk<'_> {
    /// Takes a value and notes it as a member of the object that is open.
    fn member(&mut self, scanner: &mut Scanner<'_>, name: &[u8], ordered: bool) -> Result<(), Stop> {
        let ordered = ordered || SCHEMAS.iter().any(|schema| schema.as_bytes() == name);
        let value = self.value(scanner, ordered)?;
        self.members.push((self.text(name), value));
        Ok(())
    }

    fn value(&mut self, scanner: &mut Scanner<'_>, ordered: bool) -> Result<u128, Stop> {
        match scanner.kind()? {
            Kind::Object => {
                let base = self.members.len();
                scanner.object(|scanner, key| {
                    let name = scanner.name(&key).ok_or(Stop)?;
                    self.member(scanner, &name, ordered)
                })?;
                self.close(base, ordered)
            }
            Kind::Array => {
                let mut hasher = self.secret.hasher();
                scanner.array(|scanner| {
                    let entry = self.value(scanner, ordered)?;
                    write(&mut hasher, entry);
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
            members.sort_unstable_by_key(|(name, _)| *name);
            if members.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
                return Err(Stop);
            }
        }
        let mut hasher = self.secret.hasher();
        for (name, value) in members {
            write(&mut hasher, *name);
            write(&mut hasher, *value);
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
        if said.len() < LONG {
            hasher.write(said);
            return Tag::Text.hashed(hasher);
        }
        write(&mut hasher, self.secret.of_long(said));
        Tag::LongText.hashed(hasher)
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
