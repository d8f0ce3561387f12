//! Reading a provider's events.

use crate::translate::generate::{part, response};
use crate::translate::json::Object;
use crate::translate::neutral::{Delta, Part};
use crate::translate::notes::broken;
use crate::translate::upstream_fault;
use crate::usage::GenerateUsage;
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Fault, Format};

/// Reads a provider's events.
#[derive(Debug, Default)]
pub struct Reader {
    started: bool,
    ended: bool,
    usage: GenerateUsage,
    candidates: Vec<Candidate>,
}

/// What was seen of one candidate.
#[derive(Debug)]
struct Candidate {
    index: u32,
    calls: u32,
    /// The last reason given; a later piece may still bring content.
    finish: Option<String>,
}

impl Reader {
    /// Reads one event: its `event:` name if it had one, and its joined data. Steps are appended to `out`. A list of
    /// answers, which Gemini sends to those who do not ask for server-sent events, counts as that many events.
    ///
    /// # Errors
    /// `UpstreamBroken` for an event that is not of this format.
    pub fn read(&mut self, _event: Option<&str>, data: &str, out: &mut Vec<Delta>) -> Result<(), Fault> {
        // A `[DONE]` is not Gemini's, but some that speak like it send one.
        if self.ended || data.trim() == "[DONE]" {
            return Ok(());
        }
        if data.trim_start().starts_with('[') {
            let list: Vec<&RawValue> = serde_json::from_str(data)
                .map_err(|e| broken(format!("the provider's stream holds a list that is not JSON: {e}")))?;
            for raw in list {
                self.piece(raw.get(), out)?;
            }
            return Ok(());
        }
        self.piece(data, out)
    }

    /// The provider closed the stream: appends [`Delta::End`] if that was a proper end and none was emitted before.
    pub fn close(&mut self, out: &mut Vec<Delta>) {
        let complete = !self.candidates.is_empty() && self.candidates.iter().all(|one| one.finish.is_some());
        if std::mem::replace(&mut self.ended, true) || !complete {
            return;
        }
        for candidate in &self.candidates {
            if let Some(reason) = &candidate.finish {
                let finish = part::finish(reason, candidate.calls > 0);
                out.push(Delta::Finish { choice: candidate.index, finish });
            }
        }
        out.push(Delta::End);
    }

    fn piece(&mut self, text: &str, out: &mut Vec<Delta>) -> Result<(), Fault> {
        if self.ended {
            return Ok(());
        }
        let mut top = Object::answer(text.as_bytes())?.camel_case();
        if top.has("error") {
            self.ended = true;
            out.push(Delta::Error { fault: upstream_fault(text.as_bytes(), Format::Generate) });
            return Ok(());
        }
        if !std::mem::replace(&mut self.started, true) {
            out.push(Delta::Start {
                id: top.string("responseId")?.unwrap_or_default(),
                model: top.string("modelVersion")?.unwrap_or_default(),
                usage: None,
            });
        }
        let candidates = top.objects("candidates")?.unwrap_or_default();
        if candidates.is_empty() && self.candidates.is_empty() && top.has("promptFeedback") {
            response::blocked(&mut top)?;
            self.candidates.push(Candidate { index: 0, calls: 0, finish: Some("SAFETY".to_owned()) });
        }
        for candidate in candidates {
            self.candidate(candidate.camel_case(), out)?;
        }
        if let Some(usage) = top.raw("usageMetadata")
            && let Some(later) = GenerateUsage::read(usage.get().as_bytes())
        {
            self.usage.absorb(&later);
            out.extend(self.usage.usage().map(Delta::Usage));
        }
        Ok(())
    }

    fn candidate(&mut self, mut candidate: Object<'_>, out: &mut Vec<Delta>) -> Result<(), Fault> {
        let index = candidate.u64("index")?.and_then(|index| u32::try_from(index).ok()).unwrap_or(0);
        let at = match self.candidates.iter().position(|known| known.index == index) {
            Some(at) => at,
            None => {
                self.candidates.push(Candidate { index, calls: 0, finish: None });
                self.candidates.len().saturating_sub(1)
            }
        };
        let Some(known) = self.candidates.get_mut(at) else { return Ok(()) };
        let mut parts = Vec::new();
        if let Some(mut content) = candidate.object("content")? {
            for piece in content.objects("parts")?.unwrap_or_default() {
                part::read(piece, &mut parts)?;
            }
        }
        for part in parts {
            known.step(part, out);
        }
        if let Some(reason) = candidate.string("finishReason")?.filter(|reason| reason != "FINISH_REASON_UNSPECIFIED") {
            known.finish = Some(reason);
        }
        Ok(())
    }
}

impl Candidate {
    fn step(&mut self, part: Part, out: &mut Vec<Delta>) {
        let choice = self.index;
        match part {
            Part::Text(text) => out.push(Delta::Text { choice, text }),
            Part::Thinking { text, signature } => {
                if !text.is_empty() {
                    out.push(Delta::Thinking { choice, text });
                }
                out.extend(signature.map(|signature| Delta::ThinkingSignature { choice, signature }));
            }
            Part::ToolCall(whole) => {
                let call = self.calls;
                self.calls += 1;
                out.push(Delta::ToolStart { choice, call, id: whole.id, name: whole.name, signature: whole.signature });
                out.push(Delta::ToolArguments { choice, call, fragment: whole.arguments });
            }
            // Text was asked for; no format streams anything else.
            _ => {}
        }
    }
}
