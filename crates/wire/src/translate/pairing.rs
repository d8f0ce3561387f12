//! Tool calls and their results.
//!
//! Every provider wants each call answered in the turn after it, and refuses a conversation in which one is missing or
//! a result answers nothing; two of them say so in words that only their own users understand. So the check is made
//! here, before anything is sent, in the client's terms.
//!
//! The same walk gives ids where a format has none (Gemini matches by name and order) and makes all ids fit the
//! format that will be written. Ids depend only on the conversation before them, never on what follows.

use super::field::Field;
use super::ids;
use super::neutral::{Part, Prompt, Role, Turn};
use super::notes::{Notes, bad_request};
use sluicegate_vocabulary::{Fault, Format};
use std::collections::HashSet;

/// A call that waits for its result.
struct Pending {
    /// The id as the client spelled it; empty when it gave none.
    id: String,
    name: String,
    /// The id both will carry.
    fitted: String,
    answered: bool,
}

/// Matches every result with its call, completes ids and names, and moves results to the head of the turns that
/// answer.
///
/// # Errors
/// `BadRequest` for a call without a result, or a result without a call.
pub fn pair(prompt: &mut Prompt, format: Format, notes: &Notes) -> Result<(), Fault> {
    let mut walk = Walk { format, calls: 0, used: HashSet::new(), pending: Vec::new() };
    let path = Field::Turns.path(notes.client());
    let mut answering: Option<usize> = None;
    let mut emptied = HashSet::new();
    for index in 0..prompt.turns.len() {
        let (before, rest) = prompt.turns.split_at_mut(index);
        let Some(turn) = rest.first_mut() else { break };
        match turn.role {
            Role::System => {}
            Role::Assistant => {
                if answering.take().is_some() {
                    walk.settle(path)?;
                }
                walk.calls(turn);
            }
            Role::User => {
                let hoisted = walk.results(turn, path)?;
                match answering.and_then(|first| before.get_mut(first)) {
                    Some(first) => {
                        if !hoisted.is_empty() && turn.parts.is_empty() {
                            emptied.insert(index);
                        }
                        place(first, hoisted);
                    }
                    None => {
                        place(turn, hoisted);
                        answering = Some(index);
                    }
                }
            }
        }
    }
    walk.settle(path)?;
    let mut index = 0;
    prompt.turns.retain(|_| {
        index += 1;
        !emptied.contains(&(index - 1))
    });
    Ok(())
}

/// Puts results behind the results that already lead the turn.
fn place(turn: &mut Turn, results: Vec<Part>) {
    let at = turn.parts.iter().take_while(|p| matches!(p, Part::ToolResult(_))).count();
    turn.parts.splice(at..at, results);
}

struct Walk {
    format: Format,
    /// Calls seen so far in the conversation.
    calls: usize,
    /// Ids given out so far: some clients count their calls from zero in every turn.
    used: HashSet<String>,
    pending: Vec<Pending>,
}

impl Walk {
    fn calls(&mut self, turn: &mut Turn) {
        for part in &mut turn.parts {
            let Part::ToolCall(call) = part else { continue };
            let mut fitted = if call.id.is_empty() {
                ids::made_call_id(&call.name, self.calls, self.format)
            } else {
                ids::fit_call_id(&call.id, self.format).into_owned()
            };
            if self.used.contains(&fitted) {
                fitted = ids::made_call_id(&call.id, self.calls, self.format);
            }
            self.used.insert(fitted.clone());
            self.calls += 1;
            let id = std::mem::replace(&mut call.id, fitted.clone());
            self.pending.push(Pending { id, name: call.name.clone(), fitted, answered: false });
        }
    }

    /// Takes the turn's results out, each with its call's id and name.
    fn results(&mut self, turn: &mut Turn, path: &'static str) -> Result<Vec<Part>, Fault> {
        let mut results = Vec::new();
        for part in &mut turn.parts {
            let Part::ToolResult(result) = part else { continue };
            let found = self.pending.iter_mut().find(|call| {
                !call.answered
                    && if result.id.is_empty() || call.id.is_empty() {
                        result.name.as_ref().is_none_or(|name| *name == call.name)
                    } else {
                        result.id == call.id
                    }
            });
            let Some(call) = found else {
                let which =
                    if result.id.is_empty() { result.name.clone().unwrap_or_default() } else { result.id.clone() };
                return Err(bad_request(
                    path,
                    format!(
                        "a tool result for `{which}` answers no tool call of the assistant turn before it; send that \
                         assistant turn too, and each result once"
                    ),
                ));
            };
            call.answered = true;
            result.id.clone_from(&call.fitted);
            result.name = Some(call.name.clone());
        }
        turn.parts.retain_mut(|part| {
            let is_result = matches!(part, Part::ToolResult(_));
            if is_result {
                results.push(std::mem::replace(part, Part::Text(String::new())));
            }
            !is_result
        });
        Ok(results)
    }

    fn settle(&mut self, path: &'static str) -> Result<(), Fault> {
        if let Some(call) = self.pending.iter().find(|call| !call.answered) {
            let which = if call.id.is_empty() { &call.name } else { &call.id };
            return Err(bad_request(
                path,
                format!("the tool call `{which}` has no result; answer every call in the turn that follows it"),
            ));
        }
        self.pending.clear();
        Ok(())
    }
}

#[cfg(test)]
#[path = "pairing_tests.rs"]
mod tests;
