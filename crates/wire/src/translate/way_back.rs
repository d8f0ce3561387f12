//! What happens to every answer between its reader and its writer.
//!
//! Names that were made to fit get their spelling back, ids that the provider did not give are filled in, an answer
//! that the provider broke off is an error unless something was said, and a schema that was asked for as a forced tool
//! is turned back into text. Whole answers and streams go through the same rules, so they end alike.

use super::deltas::MAX_CHOICES;
use super::ids::{self, Names};
use super::neutral::{Answer, Choice, Delta, Finish, Part};
use super::notes::broken;
use super::{Context, emulate};
use sluicegate_vocabulary::Fault;

/// The rules for whole answers.
///
/// # Errors
/// `UpstreamBroken` when the provider broke off before anything was said, or called a tool with arguments that are not
/// JSON.
pub fn answer(answer: &mut Answer, context: &Context) -> Result<(), Fault> {
    fill(&mut answer.id, &mut answer.model, context);
    let mut calls = 0;
    for choice in &mut answer.choices {
        if let Some(Finish::Failed(reason)) = &choice.finish {
            if choice.parts.is_empty() {
                return Err(gave_up(reason));
            }
            choice.finish = Some(Finish::Stop);
        }
        emulated(choice, context);
        for part in &mut choice.parts {
            let Part::ToolCall(call) = part else { continue };
            complete_call(&mut call.id, &mut call.name, calls, context);
            calls += 1;
        }
    }
    Ok(())
}

fn emulated(choice: &mut Choice, context: &Context) {
    if !context.emulated_schema {
        return;
    }
    for part in &mut choice.parts {
        if let Part::ToolCall(call) = part
            && call.name == emulate::TOOL
        {
            *part = Part::Text(std::mem::take(&mut call.arguments));
            if choice.finish == Some(Finish::ToolCalls) {
                choice.finish = Some(Finish::Stop);
            }
        }
    }
}

fn fill(id: &mut String, model: &mut String, context: &Context) {
    if id.is_empty() {
        id.clone_from(&context.call_id);
    }
    if model.is_empty() {
        model.clone_from(&context.model);
    }
}

fn complete_call(id: &mut String, name: &mut String, ordinal: usize, context: &Context) {
    if id.is_empty() {
        *id = ids::made_call_id(&context.call_id, ordinal, context.client);
    } else if let std::borrow::Cow::Owned(fitted) = ids::fit_call_id(id, context.client) {
        *id = fitted;
    }
    Names::restore(&context.names, name);
}

fn gave_up(reason: &str) -> Fault {
    broken(format!("the provider broke its answer off ({reason}) before it said anything; trying again may help"))
        .code(reason.to_owned())
}

/// The rules for streams.
#[derive(Debug, Default)]
pub struct WayBack {
    started: bool,
    calls: usize,
    choices: Vec<Progress>,
}

/// What was seen of one answer.
#[derive(Debug, Default)]
struct Progress {
    said_something: bool,
    finished: bool,
    /// The call that carries the schema's answer, if that was asked for as a tool.
    emulated: Option<u32>,
}

/// What becomes of one step.
#[derive(Debug)]
pub enum Outcome {
    /// It goes on to the writer.
    Pass(Delta),
    /// These two do, in this order: a provider began without saying so.
    Begin(Delta, Delta),
    /// It is left out.
    Drop,
}

impl WayBack {
    /// Applies the rules to one step.
    ///
    /// # Errors
    /// The provider's own error, or that it broke off before anything was said.
    pub fn step(&mut self, mut delta: Delta, context: &Context) -> Result<Outcome, Fault> {
        match &mut delta {
            Delta::Start { id, model, .. } => {
                if std::mem::replace(&mut self.started, true) {
                    return Ok(Outcome::Drop);
                }
                fill(id, model, context);
                return Ok(Outcome::Pass(delta));
            }
            Delta::Error { fault } => return Err(fault.clone()),
            Delta::Usage(_) | Delta::Ping | Delta::End => return Ok(Outcome::Pass(delta)),
            _ => {}
        }
        let Some(delta) = self.content(delta, context)? else { return Ok(Outcome::Drop) };
        if std::mem::replace(&mut self.started, true) {
            return Ok(Outcome::Pass(delta));
        }
        let (mut id, mut model) = (String::new(), String::new());
        fill(&mut id, &mut model, context);
        Ok(Outcome::Begin(Delta::Start { id, model, usage: None }, delta))
    }

    fn content(&mut self, mut delta: Delta, context: &Context) -> Result<Option<Delta>, Fault> {
        let Some(number) = delta.choice().filter(|choice| *choice < MAX_CHOICES) else { return Ok(None) };
        if self.choices.len() <= number as usize {
            self.choices.resize_with(number as usize + 1, Progress::default);
        }
        let Some(progress) = self.choices.get_mut(number as usize).filter(|progress| !progress.finished) else {
            return Ok(None);
        };
        match &mut delta {
            Delta::ToolStart { call, name, id, .. } => {
                progress.said_something = true;
                if context.emulated_schema && name == emulate::TOOL {
                    progress.emulated = Some(*call);
                    return Ok(None);
                }
                complete_call(id, name, self.calls, context);
                self.calls += 1;
            }
            Delta::ToolArguments { call, fragment, .. } if progress.emulated == Some(*call) => {
                let text = std::mem::take(fragment);
                return Ok(Some(Delta::Text { choice: number, text }));
            }
            Delta::Finish { finish, .. } => {
                progress.finished = true;
                match finish {
                    Finish::Failed(reason) if !progress.said_something => return Err(gave_up(reason)),
                    Finish::Failed(_) => *finish = Finish::Stop,
                    Finish::ToolCalls if progress.emulated.is_some() => *finish = Finish::Stop,
                    _ => {}
                }
            }
            _ => progress.said_something = true,
        }
        Ok(Some(delta))
    }
}
