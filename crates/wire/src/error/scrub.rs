//! Takes out of a provider's text what belongs to the operator.
//!
//! Providers quote the key they were sent, the organization it belongs to and their own addresses. The shapes are
//! known, and a text with one word too many blotted out is still a text.

use std::borrow::Cow;

/// What stands in a scrubbed place.
const BLOT: &str = "[redacted]";

/// How a word begins that is a key or names an account, and how long it is at least, beginning included.
const SECRETS: [(&str, usize); 14] = [
    ("sk-", 6),
    ("sk_", 12),
    ("pk-", 12),
    ("rk-", 12),
    ("AIza", 12),
    ("ya29.", 10),
    ("gsk_", 12),
    ("xai-", 12),
    ("hf_", 12),
    ("AKIA", 16),
    ("org-", 8),
    ("proj_", 9),
    ("projects/", 10),
    ("eyJ", 20),
];

/// Host names of providers begin or end so.
const HOSTS: [&str; 16] = [
    ".openai.com",
    ".anthropic.com",
    ".googleapis.com",
    ".google.com",
    ".google.dev",
    ".azure.com",
    ".microsoft.com",
    ".amazonaws.com",
    ".api.aws",
    ".deepseek.com",
    ".mistral.ai",
    ".groq.com",
    ".x.ai",
    ".openrouter.ai",
    ".internal",
    ".local",
];

/// The text with keys, account ids, addresses and host names blotted out. Nothing else changes, and neither does a
/// JSON text's form: quotes, brackets and escapes are never part of what is taken out.
#[must_use]
pub fn scrub(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(word) = next_word(text, at) {
        at = word.end;
        let Some(part) = text.get(word.clone()) else { break };
        let escape = text.get(..word.start).map_or(0, |before| escape(before, part));
        if let Some(secret) = secret_after(part, escape) {
            let start = word.start + secret.start;
            clean.push_str(text.get(kept..start).unwrap_or_default());
            clean.push_str(BLOT);
            kept = word.start + secret.end;
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    clean.push_str(text.get(kept..).unwrap_or_default());
    Cow::Owned(clean)
}

/// The next run of bytes that keys and addresses are made of.
fn next_word(text: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let bytes = text.as_bytes().get(from..)?;
    let start = bytes.iter().position(|&byte| in_word(byte))?;
    let length = bytes.get(start..)?.iter().position(|&byte| !in_word(byte)).unwrap_or(bytes.len() - start);
    Some(from + start..from + start + length)
}

const fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'_' | b'.' | b':' | b'/' | b'*' | b'%' | b'?' | b'=' | b'&' | b'@' | b'~' | b'+' | b'#'
        )
}

/// How many bytes of a word belong to the escape that the backslash before it begins, if the text is JSON.
fn escape(before: &str, word: &str) -> usize {
    let backslashes = before.bytes().rev().take_while(|&byte| byte == b'\\').count();
    let mut bytes = word.bytes();
    match bytes.next() {
        _ if backslashes % 2 == 0 => 0,
        Some(b'b' | b'f' | b'n' | b'r' | b't' | b'/') => 1,
        Some(b'u') if bytes.take_while(u8::is_ascii_hexdigit).take(4).count() == 4 => 5,
        _ => 0,
    }
}

/// The part that must go, the escape at the beginning excepted. Nobody says that the text is JSON, so what is secret only
/// together with those bytes goes too.
fn secret_after(word: &str, escape: usize) -> Option<std::ops::Range<usize>> {
    let whole = secret(word);
    if escape == 0 {
        return whole;
    }
    let rest = word.get(escape..).and_then(secret).map(|part| part.start + escape..part.end + escape);
    let whole = whole.map(|part| part.start.max(escape)..part.end).filter(|part| !part.is_empty());
    whole.into_iter().chain(rest).min_by_key(|part| part.start)
}

/// The part of a word that must go: from where it turns secret to its end, but for a full stop.
fn secret(word: &str) -> Option<std::ops::Range<usize>> {
    let end = word.trim_end_matches(['.', ':', '?']).len();
    let word = word.get(..end)?;
    let host = word.split(['/', ':', '?']).next()?;
    let named = HOSTS.iter().any(|known| host.ends_with(known) || host == known.trim_start_matches('.'));
    if named || is_ip(host) {
        return Some(0..end);
    }
    let address = word.find("://").map(|scheme| {
        let before = word.get(..scheme).unwrap_or_default();
        before.rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |other| other + 1)
    });
    let key = SECRETS.iter().flat_map(|&(prefix, least)| secrets(word, prefix, least)).min();
    // Whatever comes first takes the rest of the word with it, and what else is secret in there.
    let start = address.into_iter().chain(key).min()?;
    // What is left of it may now end as a host name does.
    let start = word.get(..start).and_then(secret).map_or(start, |left| left.start);
    Some(start..end)
}

/// Where ids with this prefix begin in a word.
fn secrets(word: &str, prefix: &'static str, least: usize) -> impl Iterator<Item = usize> {
    word.match_indices(prefix).map(|(start, _)| start).filter(move |&start| {
        let begins = start == 0 || !word.as_bytes().get(start - 1).is_some_and(u8::is_ascii_alphanumeric);
        // Ids hold a digit or a capital, or stars where they were shortened; "org-wide" does not.
        let rest = word.get(start + prefix.len()..).unwrap_or_default();
        let id = rest.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase() || byte == b'*');
        begins && word.len() - start >= least && (id || prefix.ends_with('/'))
    })
}

/// An IPv4 address.
fn is_ip(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok()
}
