//! Whole answers.

use super::object::{Head, Item, Response, Status, ended, items};
use super::output;
use crate::translate::json::{Object, to_vec};
use crate::translate::neutral::{Answer, Choice, Finish, Part};
use crate::translate::notes::broken;
use crate::translate::{Context, upstream_fault};
use crate::usage;
use sluicegate_vocabulary::{Fault, Format};

/// Reads a provider's answer.
///
/// # Errors
/// `UpstreamBroken` when it is not one, and whatever a failed response says.
pub fn read(body: &[u8]) -> Result<Answer, Fault> {
    let mut top = Object::answer(body)?;
    if top.has("error") {
        return Err(upstream_fault(body, Format::Responses));
    }
    let Some(list) = top.objects("output")? else {
        return Err(broken("the provider's answer has no `output`"));
    };
    let mut parts = Vec::with_capacity(list.len());
    for item in list {
        output::read_item(item, &mut parts)?;
    }
    let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let finish = finish(&mut top, calls)?;
    Ok(Answer {
        id: top.string("id")?.unwrap_or_default(),
        model: top.string("model")?.unwrap_or_default(),
        created: top.u64("created_at")?,
        choices: vec![Choice { parts, finish: Some(finish) }],
        usage: top.raw("usage").and_then(|raw| usage::read_responses(raw.get())),
    })
}

/// Why a response ended, from its `status` and `incomplete_details`.
///
/// # Errors
/// A response that failed, was cancelled or has not ended.
pub(super) fn finish(response: &mut Object<'_>, calls: bool) -> Result<Finish, Fault> {
    match response.string("status")?.as_deref() {
        None | Some("completed") if calls => Ok(Finish::ToolCalls),
        None | Some("completed") => Ok(Finish::Stop),
        Some("incomplete") => {
            let details = response.object("incomplete_details")?;
            let reason = details.map(|mut details| details.string("reason")).transpose()?.flatten();
            Ok(match reason.as_deref() {
                Some("content_filter") => Finish::Filtered,
                None | Some("max_output_tokens") => Finish::Length,
                Some(_) => Finish::Stop,
            })
        }
        Some(other) => Err(broken(format!("the provider's response ended with the status `{other}`"))),
    }
}

/// Writes the answer a client gets.
///
/// # Errors
/// What this format cannot say.
pub fn write(answer: &Answer, context: &Context) -> Result<Vec<u8>, Fault> {
    let head = Head::new(&answer.id, &answer.model, answer.created, context);
    let choice = answer.choices.first();
    let mut output = items(choice.map(|choice| choice.parts.as_slice()).unwrap_or_default(), &head.id);
    let state = ended(choice.and_then(|choice| choice.finish.as_ref()), answer.usage.as_ref());
    settle(&mut output, state.status);
    to_vec(&Response::new(&head, &output, state))
}

/// Items of a whole response are complete; of one that was cut off, the last is not.
pub(super) fn settle(items: &mut [Item], status: Status) {
    for item in items.iter_mut() {
        item.set_status(Status::Completed);
    }
    if let Some(last) = items.last_mut() {
        last.set_status(if status == Status::Completed { Status::Completed } else { Status::Incomplete });
    }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
