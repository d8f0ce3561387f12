//! What can be told of a request without understanding it.
//!
//! A model is chosen by traits that show on the surface: how long the input is, whether it holds code, brings tools or
//! pictures, asks for reasoning, and in which language the last question is. They are found in one walk with the
//! scanner, in any of the formats, and each is a rule of thumb: cheap, the same every time, and easily explained. Texts
//! are looked at from their beginning and their end only, so that a book costs hardly more than a page.

use crate::estimate::tokens_in_bytes;
use crate::scan::{Kind, Refusal, Scanner, inner, unquote};
use memchr::memmem;
use serde::Serialize;
use std::borrow::Cow;

/// Bytes of a text that are looked at from its beginning, and from its end.
const BEGIN: usize = 4096;
const END: usize = 1024;
/// Bytes of the last question that are kept for a look.
const MOST_KEPT: usize = 8192;

/// Words by which somebody asks for reasoning, where the configuration names no others.
pub const REASONING_WORDS: [&str; 18] = [
    "step by step",
    "step-by-step",
    "prove",
    "proof",
    "derive",
    "derivation",
    "theorem",
    "explain why",
    "reason about",
    "reasoning",
    "think carefully",
    "think hard",
    "trade-off",
    "trade-offs",
    "root cause",
    "schritt für schritt",
    "逐步",
    "证明",
];

/// What shows on the surface of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Traits {
    /// Tokens of its input, by estimate.
    pub tokens: u64,
    /// Somewhere in it there is code.
    pub code: bool,
    /// It brings tools.
    pub tools: bool,
    /// There are pictures in it.
    pub images: bool,
    /// Its last question asks for reasoning.
    pub reasoning: bool,
    /// The language of its last question: `en`, `zh`, ..., or `other`.
    pub language: &'static str,
}

impl Default for Traits {
    fn default() -> Self {
        Self { tokens: 0, code: false, tools: false, images: false, reasoning: false, language: OTHER }
    }
}

/// Reads the traits of a request; of what is no JSON object, what had been seen until then. `words` are those by which
/// somebody asks for reasoning, in small letters.
#[must_use]
pub fn read<T: AsRef<str>>(body: &[u8], max_depth: usize, words: &[T]) -> Traits {
    let mut look = Look::default();
    let mut scanner = Scanner::new(body, max_depth);
    if scanner.kind().is_ok_and(|kind| kind == Kind::Object) {
        let _: Result<(), Refusal> = scanner.object(|scanner, key| {
            let name = scanner.name(&key).unwrap_or_default();
            match &*name {
                b"messages" | b"contents" | b"input" | b"prompt" => look.conversation(scanner),
                b"system" | b"instructions" | b"systemInstruction" | b"system_instruction" => {
                    look.content(scanner, None)
                }
                b"tools" | b"functions" => look.tools(scanner),
                _ => scanner.value().map(drop),
            }
        });
    }
    let Look { bytes, code, tools, images, last } = look;
    let small = last.to_lowercase();
    let reasoning = words.iter().any(|word| says(&small, word.as_ref()));
    Traits { tokens: tokens_in_bytes(bytes), code, tools, images, reasoning, language: language(&small) }
}

#[derive(Default)]
struct Look {
    bytes: usize,
    code: bool,
    tools: bool,
    images: bool,
    /// The beginnings and ends of what was asked last.
    last: String,
}

impl Look {
    fn conversation(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Array => scanner.array(|scanner| self.message(scanner)),
            _ => self.message(scanner),
        }
    }

    fn message(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Refusal> {
        let mut said = String::new();
        let mut asks = true;
        match scanner.kind()? {
            Kind::Object => scanner.object(|scanner, key| {
                let name = scanner.name(&key).unwrap_or_default();
                match &*name {
                    b"role" => {
                        let span = scanner.value()?.span;
                        asks = scanner.text(span) == b"\"user\"";
                        Ok(())
                    }
                    b"content" | b"parts" | b"text" | b"output" => self.content(scanner, Some(&mut said)),
                    b"type" => self.kind_of_part(scanner),
                    b"tool_calls" | b"arguments" => {
                        let span = scanner.value()?.span;
                        self.bytes += span.len();
                        Ok(())
                    }
                    _ => scanner.value().map(drop),
                }
            })?,
            _ => self.content(scanner, Some(&mut said))?,
        }
        // An answer of a tool comes as the user's, and asks nothing.
        if asks && !said.is_empty() {
            self.last = said;
        }
        Ok(())
    }

    fn content(&mut self, scanner: &mut Scanner<'_>, mut said: Option<&mut String>) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::String => {
                let span = scanner.value()?.span;
                self.text(scanner.text(span), said);
                Ok(())
            }
            Kind::Array => scanner.array(|scanner| self.content(scanner, said.as_deref_mut())),
            Kind::Object => scanner.object(|scanner, key| {
                let name = scanner.name(&key).unwrap_or_default();
                match &*name {
                    b"text" | b"parts" => self.content(scanner, said.as_deref_mut()),
                    // What a tool has said.
                    b"content" | b"input" | b"response" => self.content(scanner, None),
                    b"type" => self.kind_of_part(scanner),
                    b"inlineData" | b"inline_data" | b"fileData" | b"file_data" => {
                        let span = scanner.value()?.span;
                        let begin = scanner.text(span);
                        let begin = begin.get(..begin.len().min(256)).unwrap_or_default();
                        self.images |= memmem::find(begin, b"image/").is_some();
                        Ok(())
                    }
                    _ => scanner.value().map(drop),
                }
            }),
            _ => scanner.value().map(drop),
        }
    }

    fn kind_of_part(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Refusal> {
        let span = scanner.value()?.span;
        self.images |= matches!(scanner.text(span), b"\"image_url\"" | b"\"input_image\"" | b"\"image\"");
        Ok(())
    }

    fn tools(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Array {
            return scanner.value().map(drop);
        }
        scanner.array(|scanner| {
            let span = scanner.value()?.span;
            self.bytes += span.len();
            self.tools = true;
            Ok(())
        })
    }

    fn text(&mut self, quoted: &[u8], said: Option<&mut String>) {
        let Some(all) = inner(quoted) else { return };
        self.bytes += all.len();
        let text: Cow<'_, str> = if all.len() <= BEGIN + END {
            unquote(quoted).unwrap_or_default()
        } else {
            let begin = all.get(..BEGIN).unwrap_or_default();
            let end = all.get(all.len() - END..).unwrap_or_default();
            // Cut anywhere, so an escape or a letter at the cuts may be lost; a rule of thumb can do without.
            let cut = [String::from_utf8_lossy(begin), String::from_utf8_lossy(end)].join(" ");
            Cow::Owned(cut.replace("\\n", "\n").replace("\\\"", "\""))
        };
        self.code |= is_code(&text);
        if let Some(said) = said.filter(|said| said.len() < MOST_KEPT) {
            if !said.is_empty() {
                said.push('\n');
            }
            said.push_str(&text);
        }
    }
}

/// Whether a text holds code: a fenced block, or three things that programs are full of, one of which prose never has.
fn is_code(text: &str) -> bool {
    const MARKS: [&str; 12] = ["{\n", ";\n", "):\n", "()", "=>", "->", "==", "!=", "+=", "#include", "</", "SELECT "];
    const WORDS: [&str; 10] =
        ["def ", "fn ", "class ", "import ", "const ", "return ", " FROM ", "public ", "var ", "let "];
    let bytes = text.as_bytes();
    let holds = |signs: &[&str]| signs.iter().filter(|sign| memmem::find(bytes, sign.as_bytes()).is_some()).count();
    if memmem::find(bytes, b"```").is_some() {
        return true;
    }
    let marks = holds(&MARKS);
    marks > 0 && marks + holds(&WORDS) >= 3
}

/// Whether a text says a word as a word, both in small letters.
fn says(text: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() && !is_ideograph(c);
    !word.is_empty()
        && memmem::find_iter(text.as_bytes(), word.as_bytes()).any(|at| {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            let after = text.get(at + word.len()..).and_then(|text| text.chars().next());
            let begins = word.chars().next().is_some_and(is_letter);
            !before.is_some_and(|c| begins && is_letter(c)) && !after.is_some_and(|c| begins && is_letter(c))
        })
}

const fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}')
}

const OTHER: &str = "other";

/// Every language that is told apart.
pub const LANGUAGES: [&str; 16] =
    ["en", "de", "fr", "es", "pt", "it", "zh", "ja", "ko", "ru", "ar", "he", "el", "hi", "th", OTHER];

/// Small words by which languages in Latin letters are told apart.
const SMALL_WORDS: [(&str, &[&str]); 6] = [
    (
        "en",
        &["the", "and", "is", "of", "to", "what", "how", "in", "this", "that", "are", "a", "i", "my", "you", "please"],
    ),
    (
        "de",
        &["der", "die", "und", "ist", "das", "nicht", "ein", "eine", "wie", "was", "ich", "mit", "für", "den", "bitte"],
    ),
    ("fr", &["le", "la", "les", "est", "des", "une", "et", "que", "quelle", "pour", "dans", "je", "du", "un", "vous"]),
    ("es", &["el", "los", "que", "una", "es", "por", "qué", "cómo", "del", "las", "con", "y", "en", "para", "mi"]),
    ("pt", &["o", "os", "que", "uma", "não", "para", "é", "do", "da", "em", "como", "um", "com", "e", "qual"]),
    ("it", &["il", "che", "di", "una", "per", "non", "è", "gli", "della", "come", "sono", "un", "e", "con", "qual"]),
];

/// The language of a text in small letters, by its script, and by its small words where the script is Latin.
fn language(text: &str) -> &'static str {
    type Belongs = fn(char) -> bool;
    const SCRIPTS: [(&str, Belongs); 9] = [
        ("ja", |c| matches!(c, '\u{3040}'..='\u{30ff}')),
        ("zh", |c| matches!(c, '\u{3400}'..='\u{9fff}')),
        ("ko", |c| matches!(c, '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7af}')),
        ("ru", |c| matches!(c, '\u{400}'..='\u{4ff}')),
        ("ar", |c| matches!(c, '\u{600}'..='\u{6ff}')),
        ("he", |c| matches!(c, '\u{590}'..='\u{5ff}')),
        ("el", |c| matches!(c, '\u{370}'..='\u{3ff}')),
        ("hi", |c| matches!(c, '\u{900}'..='\u{97f}')),
        ("th", |c| matches!(c, '\u{e00}'..='\u{e7f}')),
    ];
    if !text.is_ascii() {
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        let in_script = |is: fn(char) -> bool| text.chars().filter(|c| is(*c)).count();
        // A few kana make Japanese of many ideographs; a foreign word does not make a question foreign.
        let found = SCRIPTS.iter().find(|(_, is)| in_script(*is) * 5 > letters);
        if let Some((language, _)) = found {
            return language;
        }
    }
    let mut votes = [0u32; SMALL_WORDS.len()];
    for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
        for (vote, (_, words)) in votes.iter_mut().zip(&SMALL_WORDS) {
            *vote += u32::from(words.contains(&word));
        }
    }
    let most = votes.iter().copied().max().unwrap_or(0);
    let first = votes.iter().zip(&SMALL_WORDS).find(|(vote, _)| **vote == most);
    first.filter(|_| most > 0).map_or(OTHER, |(_, (language, _))| language)
}

#[cfg(test)]
#[path = "traits_tests.rs"]
mod tests;
