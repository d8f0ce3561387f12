//! Efforts and budgets of thinking.
//!
//! Some models are told how hard to think in a word, others in tokens. The two tables here are the common ground, and a
//! word that a model does not know becomes the nearest one it does.

/// The efforts that exist, from least to most.
const ORDER: [&str; 6] = ["minimal", "low", "medium", "high", "xhigh", "max"];

/// Budgets below which an effort is the nearest word. Tokens.
const WORDS: [(u64, &str); 2] = [(4_096, "low"), (16_384, "medium")];

/// The effort that comes nearest to this budget of tokens.
#[must_use]
pub fn of_budget(tokens: u64) -> &'static str {
    WORDS.iter().find(|(below, _)| tokens < *below).map_or("high", |(_, word)| word)
}

/// The budget that comes nearest to this effort. Tokens.
#[must_use]
pub fn to_budget(effort: &str) -> u64 {
    match effort {
        "minimal" | "low" => 1_024,
        "medium" => 8_192,
        _ => 24_576,
    }
}

/// The effort among `known` that is nearest to the wanted one, the lesser of two equally near; the wanted one itself
/// where nothing is known.
#[must_use]
pub fn nearest<'a>(wanted: &'a str, known: &'a [String]) -> &'a str {
    let rank = |word: &str| ORDER.iter().position(|known| *known == word);
    let Some(want) = rank(wanted) else { return wanted };
    known
        .iter()
        .filter_map(|word| rank(word).map(|rank| (rank.abs_diff(want), rank, word.as_str())))
        .min()
        .map_or(wanted, |(_, _, word)| word)
}

#[cfg(test)]
#[path = "effort_tests.rs"]
mod tests;
