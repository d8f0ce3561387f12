//! A text that fits a simple regular expression.
//!
//! Enough for the patterns that people write into tool schemas: anchors, literals, classes, the usual escapes, groups,
//! alternatives (the first is taken) and counts (the least is taken). Anything else gives `None`, and the caller writes
//! an ordinary text.

use std::iter::Peekable;
use std::str::Chars;

use fastrand::Rng;

/// Repetitions written at most.
const MOST: usize = 1_000;

/// Bytes written at most.
const LONGEST: usize = 4_096;

/// Groups may nest so deep.
const DEEPEST: usize = 16;

/// A text for `pattern`, drawn with `rng`.
pub(super) fn write(pattern: &str, rng: &mut Rng) -> Option<String> {
    let mut input = pattern.chars().peekable();
    let text = alternatives(&mut input, rng, 0)?;
    input.next().is_none().then_some(text)
}

type Input<'a> = Peekable<Chars<'a>>;

fn alternatives(input: &mut Input<'_>, rng: &mut Rng, depth: usize) -> Option<String> {
    if depth > DEEPEST {
        return None;
    }
    let first = sequence(input, rng, depth)?;
    while input.next_if_eq(&'|').is_some() {
        sequence(input, rng, depth)?;
    }
    Some(first)
}

fn sequence(input: &mut Input<'_>, rng: &mut Rng, depth: usize) -> Option<String> {
    let mut out = String::new();
    while let Some(&c) = input.peek() {
        if matches!(c, '|' | ')') {
            break;
        }
        input.next();
        let atom = match c {
            '^' | '$' => continue,
            '(' => {
                if input.next_if_eq(&'?').is_some() {
                    input.next_if_eq(&':')?;
                }
                let inner = alternatives(input, rng, depth + 1)?;
                input.next_if_eq(&')')?;
                Atom::Text(inner)
            }
            '[' => Atom::Class(class(input)?),
            '.' => Atom::Class(vec![('a', 'z')]),
            '\\' => escape(input.next()?)?,
            '*' | '+' | '?' | '{' => return None,
            literal => Atom::Text(literal.to_string()),
        };
        for _ in 0..least(input)? {
            if out.len() > LONGEST {
                return None;
            }
            match &atom {
                Atom::Text(text) => out.push_str(text),
                Atom::Class(ranges) => out.push(draw(ranges, rng)?),
            }
        }
    }
    Some(out)
}

enum Atom {
    Text(String),
    Class(Vec<(char, char)>),
}

fn escape(c: char) -> Option<Atom> {
    Some(match c {
        'd' => Atom::Class(vec![('0', '9')]),
        'w' => Atom::Class(vec![('a', 'z'), ('A', 'Z'), ('0', '9')]),
        's' => Atom::Text(" ".to_owned()),
        'D' | 'W' | 'S' => Atom::Text(if c == 'W' { "-" } else { "x" }.to_owned()),
        'b' => Atom::Text(String::new()),
        c if c.is_ascii_alphanumeric() => return None,
        c => Atom::Text(c.to_string()),
    })
}

fn class(input: &mut Input<'_>) -> Option<Vec<(char, char)>> {
    if input.peek() == Some(&'^') {
        return None;
    }
    let mut ranges = Vec::new();
    loop {
        let from = match input.next()? {
            ']' => return (!ranges.is_empty()).then_some(ranges),
            '\\' => match escape(input.next()?)? {
                Atom::Class(more) => {
                    ranges.extend(more);
                    continue;
                }
                Atom::Text(text) => text.chars().next()?,
            },
            c => c,
        };
        if input.next_if_eq(&'-').is_none() {
            ranges.push((from, from));
            continue;
        }
        match input.peek()? {
            ']' => ranges.extend([(from, from), ('-', '-')]),
            '\\' => return None,
            _ => ranges.push((from, input.next()?)),
        }
    }
}

/// The least number of repetitions that the count after an atom asks for, but one if it allows one.
fn least(input: &mut Input<'_>) -> Option<usize> {
    let count = match input.peek() {
        Some('*' | '+' | '?') => {
            input.next();
            1
        }
        Some('{') => {
            input.next();
            let mut inside = String::new();
            loop {
                match input.next()? {
                    '}' => break,
                    c => inside.push(c),
                }
            }
            inside.split(',').next()?.trim().parse::<usize>().ok()?
        }
        _ => return Some(1),
    };
    input.next_if_eq(&'?');
    (count <= MOST).then_some(count)
}

fn draw(ranges: &[(char, char)], rng: &mut Rng) -> Option<char> {
    let (from, to) = *rng.choice(ranges)?;
    (from <= to).then(|| rng.char(from..=to))
}
