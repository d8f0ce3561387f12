//! WeChat Pay v3: an RSA signature over moment, nonce and body, and inside it the payment under a shared key.

use super::{KeyError, Notification, Paid, Payment, PaymentService, Refunded, Refusal, Told, fresh, public_key, rsa};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::fmt;

/// WeChat Pay's notifications of one merchant.
pub struct WeChat {
    merchant: String,
    /// Public keys by their serial, as the header names them.
    keys: Vec<(String, Vec<u8>)>,
    secret: LessSafeKey,
}

impl WeChat {
    /// For a merchant, with WeChat Pay's public keys by their serial or id, and the merchant's API v3 key.
    ///
    /// # Errors
    /// A key cannot be read.
    pub fn new(merchant: &str, keys: &[(&str, &str)], secret: &str) -> Result<Self, KeyError> {
        let key = |(serial, text): &(&str, &str)| Ok(((*serial).to_owned(), public_key(text)?));
        let secret = UnboundKey::new(&AES_256_GCM, secret.as_bytes()).map_err(|_| KeyError::NotASecret)?;
        Ok(Self {
            merchant: merchant.to_owned(),
            keys: keys.iter().map(key).collect::<Result<_, _>>()?,
            secret: LessSafeKey::new(secret),
        })
    }
}

impl fmt::Debug for WeChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WeChat({})", self.merchant)
    }
}

#[derive(Deserialize)]
struct Event {
    event_type: String,
    resource: Resource,
}

#[derive(Deserialize)]
struct Resource {
    algorithm: String,
    ciphertext: String,
    nonce: String,
    #[serde(default)]
    associated_data: String,
}

#[derive(Deserialize)]
struct Transaction {
    mchid: String,
    out_trade_no: String,
    transaction_id: String,
    trade_state: String,
    amount: Total,
}

#[derive(Deserialize)]
struct Refund {
    mchid: String,
    out_trade_no: String,
    refund_id: String,
    refund_status: String,
    amount: Back,
}

#[derive(Deserialize)]
struct Back {
    refund: u64,
    #[serde(default = "yuan")]
    currency: String,
}

#[derive(Deserialize)]
struct Total {
    total: u64,
    #[serde(default = "yuan")]
    currency: String,
}

fn yuan() -> String {
    "CNY".to_owned()
}

impl PaymentService for WeChat {
    fn name(&self) -> &'static str {
        "wechat"
    }

    fn verify(&self, notification: &Notification<'_>, now_ms: i64) -> Result<Option<Told>, Refusal> {
        let header = |name| notification.header(name).ok_or(Refusal::Unsigned);
        let (at, nonce) = (header("wechatpay-timestamp")?, header("wechatpay-nonce")?);
        let serial = header("wechatpay-serial")?;
        let (_, key) = self.keys.iter().find(|(other, _)| other == serial).ok_or(Refusal::Forged)?;
        let message = [at.as_bytes(), b"\n", nonce.as_bytes(), b"\n", notification.body, b"\n"].concat();
        rsa(key, &message, header("wechatpay-signature")?)?;
        fresh(at, now_ms)?;
        let event: Event = serde_json::from_slice(notification.body).map_err(|_| Refusal::Unreadable)?;
        match event.event_type.as_str() {
            "TRANSACTION.SUCCESS" => self.paid(&self.open(&event.resource)?),
            "REFUND.SUCCESS" => self.refunded(&self.open(&event.resource)?),
            _ => Ok(None),
        }
    }
}

impl WeChat {
    fn paid(&self, opened: &[u8]) -> Result<Option<Told>, Refusal> {
        let paid: Transaction = serde_json::from_slice(opened).map_err(|_| Refusal::Unreadable)?;
        if paid.mchid != self.merchant {
            return Err(Refusal::Foreign);
        }
        if paid.trade_state != "SUCCESS" {
            return Ok(None);
        }
        let Transaction { out_trade_no: order, transaction_id: payment, amount, .. } = paid;
        let (amount, currency) = (amount.total, amount.currency);
        Ok(Some(Told::Paid(Paid { order, payment, amount, currency, transaction: None })))
    }

    fn refunded(&self, opened: &[u8]) -> Result<Option<Told>, Refusal> {
        let back: Refund = serde_json::from_slice(opened).map_err(|_| Refusal::Unreadable)?;
        if back.mchid != self.merchant {
            return Err(Refusal::Foreign);
        }
        if back.refund_status != "SUCCESS" {
            return Ok(None);
        }
        let (of, refund) = (Payment::Order(back.out_trade_no), back.refund_id);
        let (amount, currency) = (back.amount.refund, back.amount.currency);
        Ok(Some(Told::Refunded(Refunded { of, refund, amount, in_all: false, currency })))
    }

    fn open(&self, resource: &Resource) -> Result<Vec<u8>, Refusal> {
        if resource.algorithm != "AEAD_AES_256_GCM" {
            return Err(Refusal::Unreadable);
        }
        let mut sealed = STANDARD.decode(&resource.ciphertext).map_err(|_| Refusal::Unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(resource.nonce.as_bytes()).map_err(|_| Refusal::Unreadable)?;
        let aad = Aad::from(resource.associated_data.as_bytes());
        let opened = self.secret.open_in_place(nonce, aad, &mut sealed).map_err(|_| Refusal::Forged)?;
        Ok(opened.to_vec())
    }
}
