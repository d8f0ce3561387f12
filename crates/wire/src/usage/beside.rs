//! What is billed and told elsewhere than among the counts: the tier, and what was done beside answering.
//!
//! OpenAI tells the tier beside the usage, and has no count of searches: they are items of the output. Pictures that are
//! billed by the piece are counted by the pieces. As with counts, what comes later in a stream replaces what came before,
//! and what cannot be read says nothing.

use super::read::{Unread, list, members, object, skip, string, tier};
use crate::peek::MAX_DEPTH;
use crate::scan::Scanner;
use sluicegate_vocabulary::{Tier, Usage, UsageSource};

/// What was told beside the counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beside {
    tier: Option<Tier>,
    web_searches: u64,
    file_searches: u64,
    code_sessions: u64,
    pictures: u64,
}

impl Beside {
    /// Takes a member that is not a place of counts.
    pub(super) fn take(&mut self, name: &[u8], scanner: &mut Scanner<'_>) -> Result<(), Unread> {
        match name {
            b"service_tier" => self.tier = tier(scanner)?.or(self.tier),
            b"output" => self.output(scanner)?,
            _ => skip(scanner)?,
        }
        Ok(())
    }

    /// Takes a member of a whole answer.
    pub(super) fn member(&mut self, name: &[u8], value: &[u8]) {
        let mut scanner = Scanner::new(value, MAX_DEPTH);
        if name == b"data" {
            let entry =
                |scanner: &mut Scanner<'_>| object(scanner, |scanner| members(scanner, |scanner, _| skip(scanner)));
            self.pictures = list(&mut scanner, entry).map_or(0, |entries| entries.len() as u64);
        } else {
            // What cannot be read says nothing.
            let _ = self.take(name, &mut scanner);
        }
    }

    /// The items of an output of Responses. Code that is run in one container is one session.
    fn output(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Unread> {
        let items = list(scanner, |scanner| object(scanner, item))?;
        let count = |kind: &str| items.iter().filter(|(of, _)| of.as_deref() == Some(kind)).count() as u64;
        self.web_searches = count("web_search_call");
        self.file_searches = count("file_search_call");
        let code = items.iter().filter(|(of, _)| of.as_deref() == Some("code_interpreter_call"));
        let mut containers: Vec<&str> = code.map(|(_, container)| container.as_deref().unwrap_or_default()).collect();
        containers.sort_unstable();
        containers.dedup();
        self.code_sessions = containers.len() as u64;
        Ok(())
    }

    /// Pictures by the piece, of an answer that counts nothing in tokens.
    pub(super) fn pictures(&self) -> Option<Usage> {
        let usage = Usage { images: self.pictures, source: UsageSource::Reported, ..Usage::default() };
        (self.pictures > 0).then_some(usage)
    }

    /// Counts, and what was told beside them.
    pub(super) fn add_to(&self, usage: Usage) -> Usage {
        Usage {
            web_searches: usage.web_searches.max(self.web_searches),
            file_searches: usage.file_searches.max(self.file_searches),
            code_sessions: usage.code_sessions.max(self.code_sessions),
            tier: self.tier.unwrap_or(usage.tier),
            ..usage
        }
    }
}

/// The type of an item, and the container that it ran in.
fn item(scanner: &mut Scanner<'_>) -> Result<(Option<String>, Option<String>), Unread> {
    let (mut kind, mut container) = (None, None);
    members(scanner, |scanner, name| {
        match name {
            b"type" => kind = string(scanner)?,
            b"container_id" => container = string(scanner)?,
            _ => skip(scanner)?,
        }
        Ok(())
    })?;
    Ok((kind, container))
}
