//! What a translation had to leave out, and whether that is allowed.
//!
//! Three outcomes exist. A lost *guarantee* (a schema, a forced tool, several answers) is refused; a lost *hint*
//! (a seed, a penalty) is left out and named in a response header; routing and metadata vanish silently. The caller's
//! [`Policy`] moves the border: a strict caller has hints refused too, a lenient one accepts the loss of those
//! guarantees that are marked as such. Readers and writers only say what happened; the border is drawn here.

use super::field::Field;
use sluicegate_vocabulary::{Fault, FaultKind, Format};
use std::borrow::Cow;

/// The most names kept: they travel in one header, and a request can hold any number of unknown fields.
const MAX_NAMES: usize = 32;

/// What stands for all names beyond that.
const MORE: &str = "and-more";

/// The longest path told, in bytes.
const MAX_PATH: usize = 128;

/// The longest sentence told, in bytes: it may quote the request.
const MAX_SENTENCE: usize = 1024;

/// How much loss the caller accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Hints may be lost and are named; guarantees may not.
    #[default]
    Default,
    /// Nothing may be lost.
    Strict,
    /// Guarantees may be lost too, where the rest of the request still makes sense.
    Lenient,
}

/// Collects what was left out of one request.
#[derive(Debug)]
pub struct Notes {
    policy: Policy,
    client: Format,
    dropped: Vec<Cow<'static, str>>,
}

impl Notes {
    /// An empty list for a request that came in this format.
    #[must_use]
    pub const fn new(policy: Policy, client: Format) -> Self {
        Self { policy, client, dropped: Vec::new() }
    }

    /// A hint is lost: named, or refused for a strict caller.
    ///
    /// # Errors
    /// The fault for a strict caller.
    pub fn drop(&mut self, field: Field) -> Result<(), Fault> {
        self.drop_named(field.path(self.client))
    }

    /// Like [`Self::drop`] for something with a path of its own, written as the client's format writes it.
    ///
    /// # Errors
    /// The fault for a strict caller.
    pub fn drop_named(&mut self, path: impl Into<Cow<'static, str>>) -> Result<(), Fault> {
        let path = plain(path.into());
        if self.policy == Policy::Strict {
            let message = format!(
                "`{path}` cannot be carried to the chosen provider, and strict translation was asked for; leave it out \
                 or choose a provider that speaks this format"
            );
            return Err(Fault::new(FaultKind::Unsupported, message).param(path));
        }
        if self.dropped.len() < MAX_NAMES && !self.dropped.contains(&path) {
            let full = self.dropped.len() + 1 == MAX_NAMES;
            self.dropped.push(if full { MORE.into() } else { path });
        }
        Ok(())
    }

    /// A guarantee is lost: refused, or named for a lenient caller.
    ///
    /// # Errors
    /// The fault, unless the caller is lenient.
    pub fn refuse(&mut self, field: Field, why: impl Into<Cow<'static, str>>) -> Result<(), Fault> {
        self.refuse_named(field.path(self.client), why)
    }

    /// Like [`Self::refuse`] for something with a path of its own.
    ///
    /// # Errors
    /// The fault, unless the caller is lenient.
    pub fn refuse_named(
        &mut self,
        path: impl Into<Cow<'static, str>>,
        why: impl Into<Cow<'static, str>>,
    ) -> Result<(), Fault> {
        if self.policy == Policy::Lenient { self.drop_named(path) } else { Err(unsupported(path, why)) }
    }

    /// A fault that no policy softens, about a field of the client's request.
    #[must_use]
    pub fn fault(&self, field: Field, why: impl Into<Cow<'static, str>>) -> Fault {
        unsupported(field.path(self.client), why)
    }

    /// The format the request came in.
    #[must_use]
    pub const fn client(&self) -> Format {
        self.client
    }

    /// What was left out, in the order it was met, each once: printable ASCII without commas, and not many, so that
    /// they can stand in a header.
    #[must_use]
    pub fn into_dropped(self) -> Vec<Cow<'static, str>> {
        self.dropped
    }
}

/// A request that says what the other format cannot: 400, with the path of the field.
#[must_use]
pub fn unsupported(path: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::Unsupported, shortened(why.into(), MAX_SENTENCE)).param(shortened(path.into(), MAX_PATH))
}

/// A request that contradicts its own format: 400, with the path of the field.
#[must_use]
pub fn bad_request(path: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::BadRequest, shortened(why.into(), MAX_SENTENCE)).param(shortened(path.into(), MAX_PATH))
}

/// A path as a header can carry it: its keys are the client's, who may have put anything into them.
fn plain(path: Cow<'static, str>) -> Cow<'static, str> {
    let harmless = |c: char| c.is_ascii_graphic() && c != ',';
    if path.len() <= MAX_PATH && path.chars().all(harmless) {
        return path;
    }
    path.chars().take(MAX_PATH).map(|c| if harmless(c) { c } else { '?' }).collect::<String>().into()
}

/// At most so many bytes, cut between characters.
fn shortened(text: Cow<'static, str>, most: usize) -> Cow<'static, str> {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}...", text.get(..end).unwrap_or_default()).into()
}

/// An answer that cannot be read: the provider's fault.
#[must_use]
pub fn broken(why: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::UpstreamBroken, why)
}

#[cfg(test)]
#[path = "notes_tests.rs"]
mod tests;
