//! The words.
//!
//! Every text begins by saying that it is simulated and what it was asked, so that nobody takes it for a model's and a
//! test sees that its message arrived. What follows is drawn from a table.

use crate::seed::Digest;
use crate::tokens;

const OPENING: &str = "This is a simulated answer from Sluicegate; no model was asked.";

/// Bytes of the question that are quoted.
const QUOTE: usize = 120;

const SENTENCES: [&str; 12] = [
    " The words that follow are drawn from a table.",
    " The same seed and the same question give the same words again.",
    " A real provider would now tell you something useful.",
    " Water rises behind the gate until there is room below.",
    " Small gates, opened in time, keep a large river calm.",
    " Numbers such as 7, 42 and 1024 appear so that they can be seen.",
    " Some letters are not plain: café, naïve, 水, λ and 🙂 travel too.",
    " A \"quoted\" word and a back\\slash test the escaping.",
    " Streams arrive piece by piece, and joined they are this text.",
    " Nothing was billed for any of it.",
    " The usage that comes with it is exact by a simple rule.",
    " Add a provider key to hear from a model.",
];

/// The simulated answer to a question. `tokens` sets its exact length; without it the digest decides.
pub(crate) fn answer(
    question: &str,
    seen: &[String],
    results: &[String],
    digest: Digest,
    tokens: Option<u32>,
) -> String {
    let mut text = String::with_capacity(512);
    text.push_str(OPENING);
    if let [first, ..] = results {
        text.push_str(if results.len() == 1 { " The tool returned: " } else { " The tools returned: " });
        text.push_str(quote(first));
        for other in results.iter().skip(1) {
            text.push_str("; ");
            text.push_str(quote(other));
        }
        text.push('.');
    } else {
        let question = question.trim();
        if !question.is_empty() {
            text.push_str(" You wrote: “");
            text.push_str(quote(question));
            text.push_str("”.");
        }
    }
    if !seen.is_empty() {
        let noun = if seen.len() == 1 { "image" } else { "images" };
        text.push_str(&format!(" I was shown {} {noun}: {}.", seen.len(), seen.join("; ")));
    }
    // A step that shares no factor with the length of the table visits every sentence before one comes again.
    let step = [1, 5, 7, 11].get((digest.value() >> 8) as usize % 4).copied().unwrap_or(1);
    let mut place = (digest.value() >> 16) as usize;
    let mut next = || {
        place = place.wrapping_add(step) % SENTENCES.len();
        SENTENCES.get(place).copied().unwrap_or_default()
    };
    let Some(wanted) = tokens.map(u64::from) else {
        for _ in 0..2 + digest.value() % 3 {
            text.push_str(next());
        }
        return text;
    };
    let mut have = tokens::count(&text);
    while have < wanted {
        let sentence = next();
        have += tokens::count(sentence);
        text.push_str(sentence);
    }
    let end = tokens::cut(&text, wanted).0.len();
    text.truncate(end);
    text
}

/// What a model that thinks would think here.
pub(crate) fn thought(question: &str, digest: Digest) -> String {
    let number = digest.value() % 90 + 10;
    format!(
        "This thinking is simulated. The question has {} tokens, the draw is {number}; an answer from the table will do.",
        tokens::count(question)
    )
}

fn quote(text: &str) -> &str {
    let mut end = text.len().min(QUOTE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
