//! Alipay: an RSA signature over the form's own fields, sorted by name.

use super::{KeyError, Notification, Paid, Payment, PaymentService, Refunded, Refusal, Told, public_key, rsa};
use std::collections::BTreeMap;
use std::fmt;

/// Alipay's notifications of one application.
pub struct Alipay {
    app: String,
    key: Vec<u8>,
}

impl Alipay {
    /// For an application's id, with Alipay's public key.
    ///
    /// # Errors
    /// The key cannot be read.
    pub fn new(app: &str, key: &str) -> Result<Self, KeyError> {
        Ok(Self { app: app.to_owned(), key: public_key(key)? })
    }
}

impl fmt::Debug for Alipay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alipay({})", self.app)
    }
}

impl PaymentService for Alipay {
    fn name(&self) -> &'static str {
        "alipay"
    }

    /// A notification is sent again for a day with its first signature, so its age says nothing; that it counts once is
    /// the books' business.
    fn verify(&self, notification: &Notification<'_>, _now_ms: i64) -> Result<Option<Told>, Refusal> {
        let body = std::str::from_utf8(notification.body).map_err(|_| Refusal::Unsigned)?;
        let mut fields = form(body).ok_or(Refusal::Unsigned)?;
        let sign = fields.remove("sign").ok_or(Refusal::Unsigned)?;
        if fields.remove("sign_type").as_deref() != Some("RSA2") {
            return Err(Refusal::Unsigned);
        }
        let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        rsa(&self.key, pairs.join("&").as_bytes(), &sign)?;
        let mut field = |name| fields.remove(name).ok_or(Refusal::Unreadable);
        if field("app_id")? != self.app {
            return Err(Refusal::Foreign);
        }
        let (state, order, currency) = (field("trade_status")?, field("out_trade_no")?, "CNY".to_owned());
        // A payment of which a part was given back is told under the state of a success too, with the sum of all refunds;
        // one of which all was, as closed.
        if let Ok(sum) = field("refund_fee") {
            if !["TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"].contains(&state.as_str()) {
                return Ok(None);
            }
            let amount = fen(&sum).ok_or(Refusal::Unreadable)?;
            let refund = format!("{}:{amount}", field("trade_no")?);
            let of = Payment::Order(order);
            return Ok(Some(Told::Refunded(Refunded { of, refund, amount, in_all: true, currency })));
        }
        if !["TRADE_SUCCESS", "TRADE_FINISHED"].contains(&state.as_str()) {
            return Ok(None);
        }
        let amount = fen(&field("total_amount")?).ok_or(Refusal::Unreadable)?;
        let payment = field("trade_no")?;
        Ok(Some(Told::Paid(Paid { order, payment, amount, currency, transaction: None })))
    }
}

/// Hundredths of what is written with at most two decimals.
fn fen(text: &str) -> Option<u64> {
    let (yuan, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 2 || !part.bytes().chain(yuan.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: u64 = format!("{part:0<2}").parse().ok()?;
    yuan.parse::<u64>().ok()?.checked_mul(100)?.checked_add(part)
}

/// The fields of a form. A field that comes twice makes it none, since two readers must not see two payments.
fn form(body: &str) -> Option<BTreeMap<String, String>> {
    let mut fields = BTreeMap::new();
    for pair in body.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        if fields.insert(decoded(name)?, decoded(value)?).is_some() {
            return None;
        }
    }
    Some(fields)
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}
