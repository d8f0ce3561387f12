//! Stripe: a keyed hash over the moment and the body.

use super::{Notification, Paid, Payment, PaymentService, Refunded, Refusal, Told, fresh};
use aws_lc_rs::hmac;
use serde::Deserialize;
use std::fmt;

/// Stripe's notifications of one endpoint.
pub struct Stripe {
    key: hmac::Key,
}

impl Stripe {
    /// With the endpoint's signing secret, `whsec_...`.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()) }
    }
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stripe")
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

/// A Checkout Session, or the charge that came of one.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Object {
    id: String,
    payment_intent: Option<String>,
    amount_refunded: Option<u64>,
    client_reference_id: Option<String>,
    amount_total: Option<u64>,
    currency: Option<String>,
    payment_status: Option<String>,
}

impl PaymentService for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn verify(&self, notification: &Notification<'_>, now_ms: i64) -> Result<Option<Told>, Refusal> {
        let header = notification.header("stripe-signature").ok_or(Refusal::Unsigned)?;
        let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
        let (_, at) = parts().find(|(name, _)| *name == "t").ok_or(Refusal::Unsigned)?;
        let message = [at.as_bytes(), b".", notification.body].concat();
        // Several, while a secret is being exchanged for another.
        let signed = parts().filter(|(name, _)| *name == "v1").filter_map(|(_, text)| from_hex(text));
        let mut any = false;
        for signature in signed {
            any |= hmac::verify(&self.key, &message, &signature).is_ok();
        }
        if !any {
            return Err(Refusal::Forged);
        }
        fresh(at, now_ms)?;
        let event: Event<'_> = serde_json::from_slice(notification.body).map_err(|_| Refusal::Unreadable)?;
        let session = event.data.object;
        if event.kind == "charge.refunded" {
            return session.refunded().map(|refunded| Some(Told::Refunded(refunded)));
        }
        let completed =
            ["checkout.session.completed", "checkout.session.async_payment_succeeded"].contains(&event.kind);
        if !completed || session.payment_status.as_deref() != Some("paid") {
            return Ok(None);
        }
        let (Some(order), Some(amount), Some(currency)) =
            (session.client_reference_id, session.amount_total, session.currency)
        else {
            return Err(Refusal::Unreadable);
        };
        let (payment, currency, transaction) = (session.id, currency.to_ascii_uppercase(), session.payment_intent);
        Ok(Some(Told::Paid(Paid { order, payment, amount, currency, transaction })))
    }
}

impl Object {
    /// A charge tells how much of it was given back in all.
    fn refunded(self) -> Result<Refunded, Refusal> {
        let (Some(of), Some(amount), Some(currency)) = (self.payment_intent, self.amount_refunded, self.currency)
        else {
            return Err(Refusal::Unreadable);
        };
        let currency = currency.to_ascii_uppercase();
        let refund = format!("{}:{amount}", self.id);
        Ok(Refunded { of: Payment::Transaction(of), refund, amount, in_all: true, currency })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}
