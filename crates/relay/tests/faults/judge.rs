//! The verdict on one cell.
//!
//! First the laws that hold whatever the fault: one receipt, no answer that looks complete and is not, no piece of a
//! second answer after the first, no try that the receipt does not name, no more tries than are allowed. Then the
//! outcome, which follows from the tables.

use crate::client::{self, Got, Read_};
use crate::stand::{Cell, Choice, RETRIES, Stand, name};
use crate::table::{Failure, Help, Law, Looks, Place};
use sluicegate_vocabulary::{AttemptResult, EndReason, FaultKind, Format, Receipt};
use sluicegate_wire::error::words;
use std::time::{Duration, Instant};

/// No client is kept for longer than it said it would wait, and a little.
const LONGEST: Duration = Duration::from_secs(20);

/// The texts that the two providers answer when nothing is wrong.
pub(crate) struct Texts {
    pub(crate) first: String,
    pub(crate) second: String,
}

/// What shall come of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The first provider answers at once.
    Answer,
    /// An answer after some tries that failed so; from the first provider or the second.
    Helped(AttemptResult, EndReason),
    /// An error, after one try or several.
    Error(Failure),
    /// The beginning of an answer and then an error.
    Broken(EndReason),
}

fn outcome(cell: &Cell, format: Format) -> Outcome {
    let looks = if cell.stream { cell.fault.streamed } else { cell.fault.buffered };
    match looks {
        Looks::Harmless => Outcome::Answer,
        Looks::NoMark if format == Format::Chat => Outcome::Answer,
        Looks::NoMark => Outcome::Broken(EndReason::Truncated),
        Looks::Within(end) => Outcome::Broken(end),
        Looks::Before(failure) => {
            let Law { result, end, help, .. } = failure.law();
            let helped = match cell.choice {
                Choice::Keys => help == Help::Key && !cell.all_keys,
                Choice::Providers => help != Help::Nobody,
                Choice::One | Choice::AllFail => false,
            };
            if helped { Outcome::Helped(result, end) } else { Outcome::Error(failure) }
        }
    }
}

/// Whether the fault of this cell belongs to the provider and not to one of its keys.
pub(crate) fn strikes_all_keys(looks: Looks) -> bool {
    !matches!(looks, Looks::Before(failure) if failure.law().help == Help::Key)
}

/// Makes the call of a cell and says all that is wrong with what came of it.
pub(crate) fn judge(stand: &Stand, cell: &Cell, texts: &Texts) -> Vec<String> {
    let id = format!("{}-{}", stand.format.as_str(), name(cell));
    let begun = Instant::now();
    let got = match client::call(stand.relay.address, stand.format, cell.stream, &name(cell), &id) {
        Ok(got) => got,
        Err(error) => return vec![format!("no answer: {error}")],
    };
    let took = begun.elapsed();
    let read = got.read(stand.format);
    let receipts = stand.receipts(&id);
    let [receipt] = receipts.as_slice() else { return vec![format!("{} receipts", receipts.len())] };
    let mut wrong = Vec::new();
    let mut claim = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    claim(took < LONGEST, format!("it took {:.1} s", took.as_secs_f64()));
    let struck = stand.struck(cell);
    laws(cell, &got, &read, receipt, texts, struck, &mut claim);
    let results: Vec<AttemptResult> = receipt.attempts.iter().map(|attempt| attempt.result).collect();
    match outcome(cell, stand.format) {
        Outcome::Answer => {
            let whole = read.text == texts.first && read.ended && read.error.is_none();
            claim(got.status == 200 && whole, format!("no answer: {}", got.shown()));
            claim(results == [AttemptResult::Ok], format!("tries {results:?}"));
            claim(receipt.end == EndReason::Done, format!("end {:?}", receipt.end));
        }
        Outcome::Helped(result, _) => {
            let expected = if cell.choice == Choice::Keys { &texts.first } else { &texts.second };
            claim(
                got.status == 200 && read.text == *expected && read.ended,
                format!("not helped: {} after {results:?}", got.shown()),
            );
            let (last, failed) = results.split_last().map_or((None, &[][..]), |(last, failed)| (Some(*last), failed));
            claim(
                last == Some(AttemptResult::Ok) && !failed.is_empty() && failed.iter().all(|it| *it == result),
                format!("tries {results:?} instead of {result:?} and then Ok"),
            );
            claim(receipt.end == EndReason::Done, format!("end {:?}", receipt.end));
        }
        Outcome::Error(failure) => {
            let law = failure.law();
            error(cell, stand.format, &got, &read, receipt, law, &mut claim);
            claim(results.iter().all(|it| *it == law.result), format!("tries {results:?}, not {:?}", law.result));
            let tries = if cell.choice == Choice::AllFail && law.help != Help::Nobody { 2 } else { 1 };
            let most = if law.again { tries * (1 + RETRIES as usize) } else { tries };
            claim((tries..=most).contains(&results.len()), format!("{} tries, not {tries} to {most}", results.len()));
        }
        Outcome::Broken(end) => {
            claim(got.status == 200, format!("status {}", got.status));
            claim(read.error.is_some() && !read.ended, format!("no error event: {read:?}"));
            claim(results.len() == 1, format!("tries {results:?}"));
            claim(receipt.end == end, format!("end {:?}, not {end:?}", receipt.end));
        }
    }
    wrong
}

/// What holds in every cell.
fn laws(
    cell: &Cell,
    got: &Got,
    read: &Read_,
    receipt: &Receipt,
    texts: &Texts,
    struck: u64,
    claim: &mut impl FnMut(bool, String),
) {
    let looks_done = got.status == 200 && read.ended && read.error.is_none();
    let complete = read.text == texts.first || read.text == texts.second;
    claim(!looks_done || complete, format!("a truncated answer looks complete: {:?}", read.text));
    let begun = texts.first.starts_with(&read.text) || texts.second.starts_with(&read.text);
    claim(begun, format!("the text is no one's: {:?}", read.text));
    claim(!read.garbage, format!("no JSON went to the client: {}", got.shown()));
    claim(got.whole, format!("the connection was cut: {}", got.shown()));
    claim(looks_done == (receipt.end == EndReason::Done), format!("end {:?} of {}", receipt.end, got.shown()));
    claim(receipt.status == got.status, format!("receipt says {}, the client saw {}", receipt.status, got.status));
    claim(receipt.stream == cell.stream, "receipt says the wrong form".to_owned());
    let told = got.header("x-sluicegate-attempts").and_then(|it| it.parse().ok());
    claim(told == Some(receipt.attempts.len()), format!("told {told:?} tries of {}", receipt.attempts.len()));
    let each = 1 + RETRIES as usize;
    for provider in ["a", "b"] {
        let tries = receipt.attempts.iter().filter(|it| it.provider.starts_with(provider)).count();
        claim(tries <= each, format!("{tries} tries at one provider"));
    }
    if matches!(cell.fault.place, Place::Provider(_)) {
        let failed = receipt.attempts.iter().filter(|it| it.result != AttemptResult::Ok).count() as u64;
        claim(
            struck >= failed && struck <= receipt.attempts.len() as u64,
            format!("the provider saw {struck} calls, the receipt names {failed} that failed"),
        );
    }
}

/// An error as the client's dialect has it.
fn error(
    cell: &Cell,
    format: Format,
    got: &Got,
    read: &Read_,
    receipt: &Receipt,
    law: Law,
    claim: &mut impl FnMut(bool, String),
) {
    // What the caller did wrong keeps the provider's own status and words.
    let own = law.help == Help::Nobody;
    let words = words(law.kind);
    let (status, kind) = match format {
        Format::Messages => (words.anthropic_status, words.anthropic_type),
        Format::Generate => (law.kind.status(), words.gemini_status),
        Format::Chat | Format::Responses => (law.kind.status(), words.openai_type),
    };
    claim(own && got.status / 100 == 4 || got.status == status, format!("status {}, not {status}", got.status));
    claim(read.error.as_deref() == Some(kind), format!("error {:?}, not {kind}", read.error));
    if format == Format::Chat && law.kind == FaultKind::ContextLength {
        claim(read.code.as_deref() == words.openai_code, format!("code {:?}", read.code));
    }
    if !own {
        // Where nothing was tried again, the client's own try is the first one more.
        let repeated = receipt.attempts.len() > 1;
        let expected = law.should_retry || law.again && !repeated;
        let told = got.header("x-should-retry");
        claim(
            told == Some(if expected { "true" } else { "false" }),
            format!("x-should-retry {told:?}, not {expected}"),
        );
        let wait = got.header("retry-after");
        claim(
            law.kind != FaultKind::UpstreamRateLimited || !law.should_retry || wait.is_some(),
            "no retry-after".into(),
        );
    }
    claim(receipt.fault == Some(law.kind), format!("fault {:?}, not {:?}", receipt.fault, law.kind));
    claim(receipt.end == law.end, format!("end {:?}, not {:?}", receipt.end, law.end));
    claim(cell.stream || !got.is_stream(), "an error came as a stream".to_owned());
}
