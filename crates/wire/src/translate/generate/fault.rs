//! Errors inside a Gemini body or stream.

use crate::translate::json::Object;
use sluicegate_vocabulary::{Fault, FaultKind};

/// What Google's status words mean. What is not listed is the provider's own trouble.
const STATUSES: [(&str, FaultKind); 10] = [
    ("RESOURCE_EXHAUSTED", FaultKind::UpstreamRateLimited),
    ("UNAVAILABLE", FaultKind::UpstreamOverloaded),
    ("DEADLINE_EXCEEDED", FaultKind::Timeout),
    ("INVALID_ARGUMENT", FaultKind::BadRequest),
    ("FAILED_PRECONDITION", FaultKind::BadRequest),
    ("OUT_OF_RANGE", FaultKind::BadRequest),
    ("NOT_FOUND", FaultKind::UnknownModel),
    ("UNAUTHENTICATED", FaultKind::UpstreamAuth),
    ("PERMISSION_DENIED", FaultKind::UpstreamAuth),
    ("INTERNAL", FaultKind::UpstreamBroken),
];

/// The fault that an error object (`code`, `message`, `status`, `details`) tells of.
pub(super) fn read(mut error: Object<'_>) -> Result<Fault, Fault> {
    let status = error.string("status")?;
    let message = error.string("message")?.filter(|text| !text.is_empty());
    let kind = STATUSES
        .iter()
        .find(|(listed, _)| status.as_deref() == Some(listed))
        .map_or(FaultKind::UpstreamBroken, |(_, kind)| *kind);
    let mut fault =
        Fault::new(kind, message.unwrap_or_else(|| "the provider reported an error without saying which".to_owned()));
    if let Some(status) = status {
        fault = fault.code(status);
    }
    for mut detail in error.objects("details")?.unwrap_or_default() {
        if let Some(delay) = detail.string("retryDelay")?.as_deref().and_then(milliseconds) {
            fault = fault.retry_after_ms(delay);
        }
    }
    Ok(fault)
}

/// `46s` or `46.9s` in milliseconds.
fn milliseconds(delay: &str) -> Option<u64> {
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked: from zero to a day")]
    (0.0..=86_400.0).contains(&seconds).then(|| (seconds * 1000.0).ceil() as u64)
}

/// Google's word for each kind of fault, with its number.
pub(super) fn status(kind: FaultKind) -> (u16, &'static str) {
    match kind.status() {
        400 => (400, "INVALID_ARGUMENT"),
        401 => (401, "UNAUTHENTICATED"),
        403 => (403, "PERMISSION_DENIED"),
        404 => (404, "NOT_FOUND"),
        402 | 429 => (429, "RESOURCE_EXHAUSTED"),
        503 => (503, "UNAVAILABLE"),
        504 => (504, "DEADLINE_EXCEEDED"),
        _ => (500, "INTERNAL"),
    }
}
