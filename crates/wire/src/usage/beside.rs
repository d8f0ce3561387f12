//! What is billed and told elsewhere than among the counts: the tier, and what was done beside answering.
//!
//! OpenAI tells the tier beside the usage, and has no count of searches: in Responses they are items of the output, in
//! chat completions only the pages that an answer cites tell of one. Gemini lists what it searched for with each candidate
//! that rests on it. Pictures that are billed by the piece are counted by the pieces. As with counts, what comes later in a
//! stream replaces what came before, and what cannot be read says nothing.

use super::read::{Unread, list, members, object, once, skip, string, tier, whole};
use crate::peek::MAX_DEPTH;
use crate::probe::{Name, says};
use crate::scan::Scanner;
use memchr::memmem::Finder;
use sluicegate_vocabulary::{Tier, Usage, UsageSource};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

static CITED: Name = LazyLock::new(|| Finder::new(b"\"url_citation\""));
static QUERIES: Name = LazyLock::new(|| Finder::new(b"\"webSearchQueries\""));

/// Whether an answer of chat completions, or a chunk of one, cites pages of the web: it has searched then, though nobody
/// says how often.
#[must_use]
pub fn cites(json: &[u8]) -> bool {
    says(json, &CITED)
}

/// What was told beside the counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Beside {
    tier: Option<Tier>,
    /// Whether somebody wants to know of citations.
    pub(super) citing: bool,
    pub(super) web_searches: u64,
    /// Searches that were seen under way.
    pub(super) seen: u64,
    /// What Gemini has searched for, as hashes: chunks of a stream tell it again, candidates share it.
    queries: BTreeSet<u64>,
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
            b"candidates" => self.candidates(scanner)?,
            _ => skip(scanner)?,
        }
        Ok(())
    }

    /// Takes a member of a whole answer.
    pub(super) fn member(&mut self, name: &[u8], value: &[u8]) {
        let mut scanner = Scanner::new(value, MAX_DEPTH);
        // Few candidates have searched, and their text is long.
        if name == b"candidates" && !says(value, &QUERIES) {
            return;
        }
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

    /// Gemini's candidates, each with the grounding of its own.
    fn candidates(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Unread> {
        let of_candidate = |scanner: &mut Scanner<'_>| {
            let mut queries = None;
            members(scanner, |scanner, name| match name {
                b"groundingMetadata" => once(&mut queries, object(scanner, grounding)?),
                _ => skip(scanner),
            })?;
            Ok(queries.flatten().unwrap_or_default())
        };
        let found = list(scanner, |scanner| object(scanner, of_candidate))?;
        found.into_iter().for_each(|queries| self.searched(queries));
        Ok(())
    }

    /// Gemini's grounding of one candidate, as its text.
    pub(super) fn grounded(&mut self, text: &[u8]) {
        // What cannot be read says nothing.
        if let Ok(Some(queries)) = whole(text, |scanner| object(scanner, grounding)) {
            self.searched(queries);
        }
    }

    /// Each thing that was searched for counts once, and nothing is not searched for.
    fn searched(&mut self, queries: Vec<String>) {
        for query in queries.iter().filter(|query| !query.is_empty()) {
            let mut hasher = DefaultHasher::new();
            query.hash(&mut hasher);
            self.queries.insert(hasher.finish());
        }
    }

    /// Pictures by the piece, of an answer that counts nothing in tokens.
    pub(super) fn pictures(&self) -> Option<Usage> {
        let usage = Usage { images: self.pictures, source: UsageSource::Reported, ..Usage::default() };
        (self.pictures > 0).then_some(usage)
    }

    /// Counts, and what was told beside them.
    pub(super) fn add_to(&self, usage: Usage) -> Usage {
        Usage {
            web_searches: usage.web_searches.max(self.web_searches).max(self.queries.len() as u64),
            file_searches: usage.file_searches.max(self.file_searches),
            code_sessions: usage.code_sessions.max(self.code_sessions),
            tier: self.tier.unwrap_or(usage.tier),
            ..usage
        }
    }
}

/// What was searched for in the web, as a grounding tells it.
fn grounding(scanner: &mut Scanner<'_>) -> Result<Vec<String>, Unread> {
    let mut queries = Vec::new();
    members(scanner, |scanner, name| {
        match name {
            b"webSearchQueries" => queries.extend(list(scanner, string)?),
            _ => skip(scanner)?,
        }
        Ok(())
    })?;
    Ok(queries)
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
