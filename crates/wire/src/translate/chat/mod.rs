//! OpenAI chat completions, and the many servers that copy them.

pub mod request;
pub mod response;
pub mod stream;

use super::neutral::Finish;

/// Reads `finish_reason`. What a server invented means that it was done; an empty one says nothing.
fn read_finish(word: &str, has_calls: bool) -> Option<Finish> {
    Some(match word {
        "" => return None,
        "length" | "max_tokens" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" => Finish::Filtered,
        // DeepSeek ran out of room for it: nothing the model meant.
        "insufficient_system_resource" => Finish::Failed(word.to_owned()),
        "error" => Finish::Failed(word.to_owned()),
        // A forced tool ends with `stop` at OpenAI, and some servers say `stop` always.
        _ if has_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    })
}

/// Writes `finish_reason`.
const fn write_finish(finish: &Finish, legacy_functions: bool) -> &'static str {
    match finish {
        Finish::ToolCalls if legacy_functions => "function_call",
        Finish::Stop | Finish::StopSequence(_) | Finish::Paused | Finish::Failed(_) => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Filtered => "content_filter",
    }
}
