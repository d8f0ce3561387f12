//! The provider's prompt cache, as far as usage shows it.

use std::collections::HashSet;

/// Prompts remembered; beyond it all are forgotten.
const MOST: usize = 10_000;

/// Digests of prompt prefixes that were seen.
#[derive(Debug, Default)]
pub(crate) struct Prefixes(HashSet<u64>);

impl Prefixes {
    /// Tokens of the longest known prefix among `prefixes` (digest, tokens; shortest first), and of the longest one at
    /// all; remembers them.
    pub(crate) fn visit(&mut self, prefixes: &[(u64, u64)]) -> (u64, u64) {
        let known = prefixes.iter().rev().find(|(digest, _)| self.0.contains(digest)).map_or(0, |(_, tokens)| *tokens);
        if self.0.len() > MOST {
            self.0.clear();
        }
        self.0.extend(prefixes.iter().map(|(digest, _)| *digest));
        (known, prefixes.last().map_or(0, |(_, tokens)| *tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_longest_prefix_that_was_seen_counts_as_cached() {
        let mut cache = Prefixes::default();
        assert_eq!(cache.visit(&[(1, 10), (2, 20)]), (0, 20));
        assert_eq!(cache.visit(&[(1, 10), (2, 20), (3, 30)]), (20, 30));
        assert_eq!(cache.visit(&[(1, 10), (9, 25)]), (10, 25));
        assert_eq!(cache.visit(&[]), (0, 0));
    }
}
