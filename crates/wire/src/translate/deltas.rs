//! An answer as steps, and steps as an answer.
//!
//! A provider may send a whole body where a stream was asked for, or a stream where a body was; then one form is
//! turned into the other here, in the neutral form, and the writers need not know. The two functions are each other's
//! inverse, which is also how the promise about streams is tested.

use super::neutral::{Answer, Choice, Delta, Part, ToolCall};

/// The steps a stream of this answer takes, [`Delta::End`] included.
#[must_use]
pub fn split(answer: Answer) -> Vec<Delta> {
    let mut deltas = vec![Delta::Start { id: answer.id, model: answer.model, usage: None }];
    for (choice, content) in (0u32..).zip(answer.choices) {
        let mut call = 0;
        for part in content.parts {
            match part {
                Part::Text(text) if !text.is_empty() => deltas.push(Delta::Text { choice, text }),
                Part::Refusal(text) if !text.is_empty() => deltas.push(Delta::Refusal { choice, text }),
                Part::Thinking { text, signature } => {
                    if !text.is_empty() {
                        deltas.push(Delta::Thinking { choice, text });
                    }
                    deltas.extend(signature.map(|signature| Delta::ThinkingSignature { choice, signature }));
                }
                Part::RedactedThinking(data) => deltas.push(Delta::RedactedThinking { choice, data }),
                Part::ToolCall(ToolCall { id, name, arguments, signature }) => {
                    deltas.push(Delta::ToolStart { choice, call, id, name, signature });
                    deltas.push(Delta::ToolArguments { choice, call, fragment: arguments });
                    call += 1;
                }
                // An answer holds no media: no format streams them.
                _ => {}
            }
        }
        deltas.extend(content.finish.map(|finish| Delta::Finish { choice, finish }));
    }
    deltas.extend(answer.usage.map(Delta::Usage));
    deltas.push(Delta::End);
    deltas
}

/// More answers than any provider gives: a stream that numbers one higher is not believed.
pub const MAX_CHOICES: u32 = 128;

/// An answer being joined.
#[derive(Default)]
struct Building {
    choice: Choice,
    /// Where among the parts each call is.
    calls: Vec<usize>,
}

/// The answer that these steps make together. Steps after [`Delta::End`] do not count; errors are the caller's.
#[must_use]
pub fn join(deltas: impl IntoIterator<Item = Delta>) -> Answer {
    let mut answer = Answer::default();
    let mut choices: Vec<Building> = Vec::new();
    for delta in deltas {
        match delta {
            Delta::Start { id, model, usage } => {
                answer.id = id;
                answer.model = model;
                answer.usage = usage.or(answer.usage);
            }
            Delta::Usage(usage) => answer.usage = Some(usage),
            Delta::Ping | Delta::Error { .. } => {}
            Delta::End => break,
            content => {
                let number = content.choice().unwrap_or(0).min(MAX_CHOICES - 1) as usize;
                if choices.len() <= number {
                    choices.resize_with(number + 1, Building::default);
                }
                if let Some(building) = choices.get_mut(number) {
                    building.add(content);
                }
            }
        }
    }
    answer.choices = choices.into_iter().map(|building| building.choice).collect();
    answer
}

impl Building {
    fn add(&mut self, delta: Delta) {
        let parts = &mut self.choice.parts;
        match (delta, parts.last_mut()) {
            (Delta::Text { text, .. }, Some(Part::Text(last))) => last.push_str(&text),
            (Delta::Text { text, .. }, _) => parts.push(Part::Text(text)),
            (Delta::Refusal { text, .. }, Some(Part::Refusal(last))) => last.push_str(&text),
            (Delta::Refusal { text, .. }, _) => parts.push(Part::Refusal(text)),
            (Delta::Thinking { text, .. }, Some(Part::Thinking { text: last, signature: None })) => {
                last.push_str(&text)
            }
            (Delta::Thinking { text, .. }, _) => parts.push(Part::Thinking { text, signature: None }),
            (Delta::ThinkingSignature { signature, .. }, Some(Part::Thinking { signature: last @ None, .. })) => {
                *last = Some(signature);
            }
            (Delta::ThinkingSignature { signature, .. }, _) => {
                parts.push(Part::Thinking { text: String::new(), signature: Some(signature) });
            }
            (Delta::RedactedThinking { data, .. }, _) => parts.push(Part::RedactedThinking(data)),
            (Delta::ToolStart { id, name, signature, .. }, _) => {
                self.calls.push(parts.len());
                parts.push(Part::ToolCall(ToolCall { id, name, arguments: String::new(), signature }));
            }
            (Delta::ToolArguments { call, fragment, .. }, _) => {
                let at = self.calls.get(call as usize).copied();
                if let Some(Part::ToolCall(call)) = at.and_then(|at| parts.get_mut(at)) {
                    call.arguments.push_str(&fragment);
                }
            }
            (Delta::Finish { finish, .. }, _) => self.choice.finish = Some(finish),
            _ => {}
        }
    }
}
