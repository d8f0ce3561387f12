//! WeChat Pay v3: an RSA signature over moment, nonce and body, and inside it the payment under a shared key.

use super::{KeyError, Notification, Paid, PaymentService, Refusal, fresh, public_key, rsa};
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

    fn verify(&self, notification: &Notification<'_>, now_ms: i64) -> Result<Option<Paid>, Refusal> {
        let header = |name| notification.header(name).ok_or(Refusal::Unsigned);
        let (at, nonce) = (header("wechatpay-timestamp")?, header("wechatpay-nonce")?);
        let serial = header("wechatpay-serial")?;
        let (_, key) = self.keys.iter().find(|(other, _)| other == serial).ok_or(Refusal::Forged)?;
        let message = [at.as_bytes(), b"\n", nonce.as_bytes(), b"\n", notification.body, b"\n"].concat();
        rsa(key, &message, header("wechatpay-signature")?)?;
        fresh(at, now_ms)?;
        let event: Event = serde_json::from_slice(notification.body).map_err(|_| Refusal::Unreadable)?;
        if event.event_type != "TRANSACTION.SUCCESS" {
            return Ok(None);
        }
        let paid: Transaction =
            serde_json::from_slice(&self.open(&event.resource)?).map_err(|_| Refusal::Unreadable)?;
        if paid.mchid != self.merchant {
            return Err(Refusal::Foreign);
        }
        if paid.trade_state != "SUCCESS" {
            return Ok(None);
        }
        let Transaction { out_trade_no: order, transaction_id: payment, amount, .. } = paid;
        Ok(Some(Paid { order, payment, amount: amount.total, currency: amount.currency }))
    }
}

impl WeChat {
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
