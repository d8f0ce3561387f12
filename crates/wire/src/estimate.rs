//! How many tokens a text may have, without a tokenizer.
//!
//! Limits by tokens must be taken before the provider counts, and a stream that broke off tells no usage; both need a
//! figure now, and a tokenizer for every model would cost more than the rest of the relay. So text is counted by class
//! of script: byte-pair vocabularies differ less within a class than between classes. These are **estimates**
//! ([`UsageSource::Estimated`]) by rules of thumb; what is reserved by them is corrected when the provider reports.
//!
//! [`UsageSource::Estimated`]: sluicegate_vocabulary::UsageSource::Estimated

/// Tokens a text of so many bytes may have, when nothing but its length is known: one for every four bytes, rounded up.
///
/// Four bytes a token is the usual rule for English prose. Other scripts and base64 differ; see [`tokens`] for a figure
/// that looks at the text.
#[must_use]
pub const fn tokens_in_bytes(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

// What a character costs, in twelfths of a token so that all are whole: Latin letters come about four to a token, digits
// three, punctuation and other alphabets two, ideographs, syllables and everything rarer one.
const LATIN: u64 = 3;
const DIGIT: u64 = 4;
const OTHER_ALPHABET: u64 = 6;
const IDEOGRAPH: u64 = 12;

/// Tokens this text may have, by the scripts it is written in: an estimate by rule of thumb, for no model in particular.
#[must_use]
pub fn tokens(text: &str) -> u64 {
    let mut twelfths = 0u64;
    let mut after_space = false;
    for character in text.chars() {
        let space = character.is_ascii_whitespace();
        twelfths += match character {
            // A space goes with the word after it; a run of them is a token now and then.
            _ if space => u64::from(after_space),
            'a'..='z' | 'A'..='Z' => LATIN,
            '0'..='9' => DIGIT,
            '\u{0}'..='\u{7f}' => OTHER_ALPHABET,
            // Latin with marks, Greek, Cyrillic, Hebrew, Arabic.
            '\u{80}'..='\u{7ff}' => OTHER_ALPHABET,
            _ => IDEOGRAPH,
        };
        after_space = space;
    }
    twelfths.div_ceil(12)
}

#[cfg(test)]
#[path = "estimate_tests.rs"]
mod tests;
