//! Errors inside a Responses body or stream.

use crate::translate::json::Object;
use sluicegate_vocabulary::{Fault, FaultKind};

/// What the error codes of a failed response mean. What is not listed is the provider's own trouble.
const CODES: [(&str, FaultKind); 9] = [
    ("rate_limit_exceeded", FaultKind::UpstreamRateLimited),
    ("insufficient_quota", FaultKind::UpstreamAuth),
    ("invalid_api_key", FaultKind::UpstreamAuth),
    ("server_is_overloaded", FaultKind::UpstreamOverloaded),
    ("slow_down", FaultKind::UpstreamOverloaded),
    ("context_length_exceeded", FaultKind::ContextLength),
    ("invalid_prompt", FaultKind::BadRequest),
    ("invalid_image", FaultKind::BadRequest),
    ("invalid_request_error", FaultKind::BadRequest),
];

/// The fault that an error object (`code`, `type`, `message`, `param`) tells of.
pub(super) fn read(mut error: Object<'_>) -> Result<Fault, Fault> {
    let code = error.string("code")?;
    let kind = error.string("type")?;
    let message = error.string("message")?.filter(|text| !text.is_empty());
    let known = |word: &Option<String>| {
        CODES.iter().find(|(listed, _)| word.as_deref() == Some(listed)).map(|(_, fault_kind)| *fault_kind)
    };
    let fault_kind = known(&code).or_else(|| known(&kind)).unwrap_or(FaultKind::UpstreamBroken);
    let mut fault = Fault::new(
        fault_kind,
        message.unwrap_or_else(|| "the provider reported an error without saying which".to_owned()),
    );
    if let Some(code) = code {
        fault = fault.code(code);
    }
    if let Some(param) = error.string("param")? {
        fault = fault.param(param);
    }
    Ok(fault)
}
