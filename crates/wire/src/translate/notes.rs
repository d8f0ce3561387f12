//! What a translation had to leave out, and whether that is allowed.
//!
//! Three outcomes exist. A lost *guarantee* (a schema, a forced tool, several answers) is refused; a lost *hint*
//! (a seed, a penalty) is left out and named in a response header; routing and metadata vanish silently. The caller's
//! [`Policy`] moves the border: a strict caller has hints refused too, a lenient one accepts the loss of those
//! guarantees that are marked as such. Readers and writers only say what happened; the border is drawn here.

use super::field::Field;
use sluicegate_vocabulary::{Fault, FaultKind, Format};
use std::borrow::Cow;

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
        let path = path.into();
        if self.policy == Policy::Strict {
            let message = format!(
                "`{path}` cannot be carried to the chosen provider, and strict translation was asked for; leave it out \
                 or choose a provider that speaks this format"
            );
            return Err(Fault::new(FaultKind::Unsupported, message).param(path));
        }
        if !self.dropped.contains(&path) {
            self.dropped.push(path);
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

    /// What was left out, in the order it was met, each once.
    #[must_use]
    pub fn into_dropped(self) -> Vec<Cow<'static, str>> {
        self.dropped
    }
}

/// A request that says what the other format cannot: 400, with the path of the field.
#[must_use]
pub fn unsupported(path: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::Unsupported, why).param(path)
}

/// A request that contradicts its own format: 400, with the path of the field.
#[must_use]
pub fn bad_request(path: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::BadRequest, why).param(path)
}

/// An answer that cannot be read: the provider's fault.
#[must_use]
pub fn broken(why: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::UpstreamBroken, why)
}
