//! Anthropic messages.

pub mod request;
pub mod response;
mod schema;
pub mod stream;

use super::neutral::Finish;

/// Reads `stop_reason`. A word that is not known means that the model was done.
fn read_finish(word: &str, stop_sequence: Option<String>) -> Finish {
    match word {
        "stop_sequence" => Finish::StopSequence(stop_sequence),
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::Filtered,
        "pause_turn" => Finish::Paused,
        _ => Finish::Stop,
    }
}

/// Writes `stop_reason`.
const fn write_finish(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Failed(_) => "end_turn",
        Finish::StopSequence(_) => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::Filtered => "refusal",
        Finish::Paused => "pause_turn",
    }
}

/// The stop string that was met, if that ended the answer and it is known.
fn stop_sequence(finish: &Finish) -> Option<&str> {
    match finish {
        Finish::StopSequence(which) => which.as_deref(),
        _ => None,
    }
}
