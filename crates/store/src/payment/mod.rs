//! Payments: what payment services tell us, believed only if it is signed and matches an order.
//!
//! Anybody may post to the address that a payment service notifies. So a notification is first verified by the service's
//! own signature, and only then read; what it says was paid has to be an order of ours, for the same amount in the same
//! currency; and the credit is entered under the order's reference, so that a notification which comes twice, or is sent
//! again by somebody who recorded it, is entered once. A refund takes the same share of the credit off again that it is of
//! what was paid, each once, by an entry of its own. Nothing here does I/O or reads a clock.

mod alipay;
mod stripe;
mod wechat;

pub use alipay::Alipay;
pub use stripe::Stripe;
pub use wechat::WeChat;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sluicegate_vocabulary::Money;

/// A notification as it came.
#[derive(Debug, Clone, Copy)]
pub struct Notification<'a> {
    /// Its headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// Its body, byte for byte.
    pub body: &'a [u8],
}

impl<'a> Notification<'a> {
    fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// What a service says was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// Our reference of the order.
    pub order: String,
    /// The service's reference of the payment.
    pub payment: String,
    /// How much, in the currency's smallest unit.
    pub amount: u64,
    /// The currency, in three capital letters.
    pub currency: String,
    /// What the service calls the payment where it tells of a refund, if not by our reference of the order.
    pub transaction: Option<String>,
}

/// What a service says was given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refunded {
    /// Of which payment.
    pub of: Payment,
    /// The service's reference of the refund.
    pub refund: String,
    /// How much, in the currency's smallest unit.
    pub amount: u64,
    /// Whether that is the sum of all refunds of the payment so far, this one included.
    pub in_all: bool,
    /// The currency, in three capital letters.
    pub currency: String,
}

/// A payment, as a service names it when it tells of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payment {
    /// By our reference of the order.
    Order(String),
    /// By its own, which it told when it was paid ([`Paid::transaction`]).
    Transaction(String),
}

/// What a notification tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// An order was paid.
    Paid(Paid),
    /// A payment, or a part of one, was given back.
    Refunded(Refunded),
}

/// Why a notification is not acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header or a field that signs it is missing or cannot be read.
    #[error("the notification is not signed")]
    Unsigned,
    /// The signature is not the service's.
    #[error("the notification's signature is wrong")]
    Forged,
    /// It was signed too long ago, or in the future.
    #[error("the notification is too old")]
    Stale,
    /// It is signed, and yet cannot be read.
    #[error("the notification cannot be read")]
    Unreadable,
    /// It is meant for another merchant.
    #[error("the notification is for another merchant")]
    Foreign,
    /// There is no such order.
    #[error("there is no such order")]
    UnknownOrder,
    /// The order was for another amount, or less was paid than is given back.
    #[error("another amount was paid than was ordered")]
    WrongAmount,
    /// The order was in another currency.
    #[error("it was paid in another currency than was ordered")]
    WrongCurrency,
}

/// A payment service.
pub trait PaymentService: std::fmt::Debug + Send + Sync {
    /// The word for it in the books.
    fn name(&self) -> &'static str;

    /// Verifies a notification, and reads what was paid or given back: nothing, if it tells of something else.
    ///
    /// # Errors
    /// It is not the service's, or not for us.
    fn verify(&self, notification: &Notification<'_>, now_ms: i64) -> Result<Option<Told>, Refusal>;
}

/// An order that a customer is to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Our reference of it, which the payment service was given.
    pub reference: String,
    /// The account to be credited.
    pub account: String,
    /// How much is to be paid, in the currency's smallest unit.
    pub amount: u64,
    /// The currency, in three capital letters.
    pub currency: String,
    /// What the account is credited for it.
    pub credit: Money,
}

impl Order {
    /// Checks that what was paid is this order.
    ///
    /// # Errors
    /// Another order, amount or currency.
    pub fn matches(&self, paid: &Paid) -> Result<(), Refusal> {
        if self.reference != paid.order {
            return Err(Refusal::UnknownOrder);
        }
        if self.currency != paid.currency {
            return Err(Refusal::WrongCurrency);
        }
        if self.amount != paid.amount {
            return Err(Refusal::WrongAmount);
        }
        Ok(())
    }
}

/// How far a signed moment may lie from now, in milliseconds.
const WINDOW_MS: i64 = 300_000;

fn fresh(signed_s: &str, now_ms: i64) -> Result<(), Refusal> {
    let signed: i64 = signed_s.parse().map_err(|_| Refusal::Unsigned)?;
    let near = signed.checked_mul(1000).is_some_and(|signed| now_ms.abs_diff(signed) <= WINDOW_MS.unsigned_abs());
    if near { Ok(()) } else { Err(Refusal::Stale) }
}

/// Verifies an RSA signature with SHA-256, in base64, by a public key as DER.
fn rsa(key: &[u8], message: &[u8], signature: &str) -> Result<(), Refusal> {
    let signature = STANDARD.decode(signature).map_err(|_| Refusal::Unsigned)?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
    key.verify(message, &signature).map_err(|_| Refusal::Forged)
}

/// A key that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not a public key as PEM or base64.
    #[error("not a public key: give it as PEM (BEGIN PUBLIC KEY) or as the base64 between its lines")]
    NotAPublicKey,
    /// A secret of another length.
    #[error("the API v3 key has 32 characters")]
    NotASecret,
}

/// A public key as DER, from PEM or from the base64 inside it.
fn public_key(text: &str) -> Result<Vec<u8>, KeyError> {
    let inside: String =
        text.lines().filter(|line| !line.starts_with("-----")).flat_map(str::split_whitespace).collect();
    let der = STANDARD.decode(inside).map_err(|_| KeyError::NotAPublicKey)?;
    // What is no key verifies nothing; better to say so when it is configured.
    aws_lc_rs::signature::ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &der)
        .map_err(|_| KeyError::NotAPublicKey)?;
    Ok(der)
}

#[cfg(test)]
#[path = "payment_tests.rs"]
mod tests;
