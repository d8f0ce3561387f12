//! Comparing the answers of two sides to the same call.
//!
//! A mirrored call is answered by the old side; the new side gets a copy whose answer nobody sees. That is the one way to
//! learn something of a provider without any caller bearing the risk, and it compares like with like, call by call,
//! which no canary can. It says nothing about how the new side bears the load.
//!
//! Two good answers of language models are rarely the same text, so a difference in words is a number to look at and not
//! a fault; a difference in status, in why the answer ended, in the tools called or in whether JSON is JSON is a
//! [`Difference`]. Of those, a bounded sample is kept, each as likely as any other however many there are.

mod similarity;
mod tally;

use crate::assign::{Arm, Seed};
use crate::share::Share;
use serde::{Deserialize, Serialize};
use sluicegate_vocabulary::Money;
use std::time::Duration;

use similarity::directions;
pub use similarity::similarity;
pub use tally::{Sample, Tally};

/// Keeps the choice of mirrored calls from depending on the choice of sides.
const MIRRORED: u64 = 0x6d69_7272_6f72_6564;

/// Whether a call is mirrored while `share` of them are. Calls that are marked as having effects never are: the new side
/// would have them a second time.
#[must_use]
pub fn is_mirrored(seed: Seed, call: &[u8], share: Share, has_effects: bool) -> bool {
    !has_effects && Seed(seed.0 ^ MIRRORED).arm(call, share) == Arm::New
}

/// An answer, as far as it is compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// HTTP status; 0 where none came.
    pub status: u16,
    /// Why it ended, in one dialect's words for both sides.
    pub finish: Option<String>,
    /// Its text.
    pub text: String,
    /// The tools it calls, in order: name and arguments.
    pub tools: Vec<(String, String)>,
    /// Its vectors, where it is an answer of embeddings.
    pub vectors: Vec<Vec<f32>>,
    /// Whether JSON was asked for.
    pub json: bool,
    /// Time to the first token.
    pub first_token: Option<Duration>,
    /// Time to its end.
    pub total: Option<Duration>,
    /// What it cost.
    pub cost: Option<Money>,
}

impl Answer {
    fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// In what two answers differ that ought to be alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// One succeeded and the other did not, or they failed in different ways.
    Status,
    /// They ended for different reasons.
    Finish,
    /// One has nothing in it.
    Empty,
    /// Other tools are called, or in another order.
    ToolNames,
    /// The same tools with other arguments.
    ToolArguments,
    /// The new side's arguments of a tool are no JSON where the old side's are.
    ToolJson,
    /// The new side's answer is no JSON where it was asked for and the old side's is.
    Json,
    /// The new side's answer is less than half or more than twice as long.
    Length,
    /// Another number of vectors, or of another dimension.
    Shape,
}

impl Difference {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Status,
        Self::Finish,
        Self::Empty,
        Self::ToolNames,
        Self::ToolArguments,
        Self::ToolJson,
        Self::Json,
        Self::Length,
        Self::Shape,
    ];

    /// The word used in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Finish => "finish",
            Self::Empty => "empty",
            Self::ToolNames => "tool_names",
            Self::ToolArguments => "tool_arguments",
            Self::ToolJson => "tool_json",
            Self::Json => "json",
            Self::Length => "length",
            Self::Shape => "shape",
        }
    }
}

/// Two answers side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What ought to be alike and is not, in the order of [`Difference::ALL`].
    pub differences: Vec<Difference>,
    /// How alike the texts are, 0 to 1, or the vectors' directions; `None` where either has none.
    pub similarity: Option<f64>,
    /// How many times as long as the old text the new one is.
    pub length: Option<f64>,
    /// How many times as long the new side took to its first token.
    pub first_token: Option<f64>,
    /// And to the end.
    pub total: Option<f64>,
    /// How many times as much it cost.
    pub cost: Option<f64>,
}

/// Compares two answers to the same call.
#[must_use]
pub fn compare(old: &Answer, new: &Answer) -> Comparison {
    let mut differences = Vec::new();
    let mut differ = |difference: Difference, is_so: bool| {
        if is_so {
            differences.push(difference);
        }
    };
    let both = old.succeeded() && new.succeeded();
    differ(Difference::Status, if both { false } else { old.status != new.status });
    let empty = |answer: &Answer| answer.text.trim().is_empty() && answer.tools.is_empty();
    let length =
        (both && !old.text.is_empty()).then(|| new.text.chars().count() as f64 / old.text.chars().count() as f64);
    if both {
        differ(Difference::Finish, old.finish != new.finish);
        differ(Difference::Empty, empty(old) != empty(new));
        let same_tools = old.tools.iter().map(|(name, _)| name).eq(new.tools.iter().map(|(name, _)| name));
        differ(Difference::ToolNames, !same_tools);
        let arguments = || old.tools.iter().zip(&new.tools).any(|((_, old), (_, new))| !same_json(old, new));
        differ(Difference::ToolArguments, same_tools && arguments());
        let valid = |answer: &Answer| answer.tools.iter().all(|(_, arguments)| parsed(arguments).is_some());
        differ(Difference::ToolJson, valid(old) && !valid(new));
        differ(Difference::Json, old.json && parsed(&old.text).is_some() && parsed(&new.text).is_none());
        differ(Difference::Length, length.is_some_and(|ratio| !(0.5..=2.0).contains(&ratio)) && !empty(new));
    }
    let shape = |answer: &Answer| answer.vectors.iter().map(Vec::len).collect::<Vec<_>>();
    if both && shape(old) != shape(new) {
        differences.push(Difference::Shape);
    }
    let seconds = |old: Option<Duration>, new: Option<Duration>| {
        ratio(old.map(|old| old.as_secs_f64()), new.map(|new| new.as_secs_f64()))
    };
    let dollars = |cost: Option<Money>| cost.map(|cost| cost.nanos() as f64);
    Comparison {
        differences,
        similarity: match (both, old.vectors.is_empty()) {
            (true, true) => (!old.text.is_empty() && !new.text.is_empty()).then(|| similarity(&old.text, &new.text)),
            (true, false) if shape(old) == shape(new) => Some(directions(&old.vectors, &new.vectors)),
            _ => None,
        },
        length,
        first_token: seconds(old.first_token, new.first_token),
        total: seconds(old.total, new.total),
        cost: ratio(dollars(old.cost), dollars(new.cost)),
    }
}

fn ratio(old: Option<f64>, new: Option<f64>) -> Option<f64> {
    old.zip(new).filter(|(old, _)| *old > 0.0).map(|(old, new)| new / old)
}

fn parsed(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text.trim()).ok()
}

/// Whether two texts are the same JSON, whatever their white space and the order of their fields; texts that are none are
/// compared as they are.
fn same_json(one: &str, other: &str) -> bool {
    match (parsed(one), parsed(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
#[path = "mirror_tests.rs"]
mod tests;
