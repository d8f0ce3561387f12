//! Payments in a running relay: orders, and the payment services that are believed about them.

use super::{Books, CreditError, now_ms};
use secrecy::ExposeSecret as _;
use sluicegate_config::{Currency, Payments as Configured};
use sluicegate_store::payment::{Alipay, KeyError, Notification, Order, PaymentService, Refusal, Stripe, Told, WeChat};
use sluicegate_store::{Code, Entered, PayError, Settled};
use sluicegate_vocabulary::Money;

/// The payment services that are configured.
#[derive(Debug)]
pub struct Payments {
    configured: Configured,
    services: Vec<Box<dyn PaymentService>>,
}

impl Payments {
    /// # Errors
    /// Tells of which service a key cannot be read.
    pub(crate) fn new(configured: &Configured) -> Result<Self, (&'static str, KeyError)> {
        let mut services: Vec<Box<dyn PaymentService>> = Vec::new();
        if let Some(stripe) = &configured.stripe {
            services.push(Box::new(Stripe::new(stripe.secret.expose_secret())));
        }
        if let Some(wechat) = &configured.wechat {
            let keys: Vec<(&str, &str)> =
                wechat.public_keys.iter().map(|(id, key)| (id.as_str(), key.as_str())).collect();
            let service = WeChat::new(&wechat.merchant, &keys, wechat.secret.expose_secret());
            services.push(Box::new(service.map_err(|error| ("wechat", error))?));
        }
        if let Some(alipay) = &configured.alipay {
            let service = Alipay::new(&alipay.app, &alipay.public_key);
            services.push(Box::new(service.map_err(|error| ("alipay", error))?));
        }
        Ok(Self { configured: configured.clone(), services })
    }

    /// The service of a name: `stripe`, `wechat` or `alipay`.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&dyn PaymentService> {
        self.services.iter().map(|service| &**service).find(|service| service.name() == name)
    }

    /// What an amount in a currency's smallest unit is worth, where a rate is set.
    #[must_use]
    pub fn credit(&self, currency: &Currency, amount: u64) -> Option<Money> {
        self.configured.credit(currency, amount)
    }

    /// How long an order is to be paid, in milliseconds.
    #[must_use]
    pub fn expire_after_ms(&self) -> i64 {
        i64::try_from(self.configured.orders_expire.millis()).unwrap_or(i64::MAX)
    }
}

impl Books {
    /// Enters an order, under a reference of its own where none is given, and tells whether it is new. Waits for the
    /// database.
    ///
    /// # Errors
    /// There is no such account, the amount is none, the reference was used for another order, or the store refused.
    pub fn order(
        &self,
        reference: Option<String>,
        account: &str,
        amount: u64,
        currency: &Currency,
        credit: Money,
        expires_ms: Option<i64>,
    ) -> Result<(Entered, Order), CreditError> {
        if self.accounts.get(account).is_none() {
            return Err(CreditError::NoAccount(account.to_owned()));
        }
        let made = || Code::new().map(|code| format!("SG{}", code.as_str().replace('-', "")));
        let reference = reference.map_or_else(made, Ok)?;
        let (account, currency) = (account.to_owned(), currency.as_str().to_owned());
        let order = Order { reference, account, amount, currency, credit };
        Ok((self.store.add_order(&order, now_ms(), expires_ms)?, order))
    }

    /// Acts on what a payment service notifies: verifies it, matches it with its order and credits that, or takes off again
    /// what was given back. Nothing comes of a notification of something else. Waits for the database.
    ///
    /// # Errors
    /// It is not the service's, not for us, or not what was ordered; or the store failed.
    pub fn notified(
        &self,
        service: &dyn PaymentService,
        notification: &Notification<'_>,
    ) -> Result<Option<Settled>, PayError> {
        let now = now_ms();
        let settled = match service.verify(notification, now)? {
            Some(Told::Paid(paid)) => self.store.pay(service.name(), &paid, now)?,
            Some(Told::Refunded(refunded)) => self.store.refund(service.name(), &refunded, now)?,
            None => return Ok(None),
        };
        let (order, change) = match &settled {
            Settled::New(order) | Settled::Late(order) => (order, order.credit),
            Settled::Refunded(order, back) => (order, -*back),
            Settled::Before(_) | Settled::Twice(_) => return Ok(Some(settled)),
        };
        if let Some(live) = self.accounts.get(&order.account) {
            live.credit(change);
        }
        Ok(Some(settled))
    }
}

/// The word for what came of a notification, by which it is counted.
#[must_use]
pub const fn outcome(settled: &Result<Option<Settled>, PayError>) -> &'static str {
    match settled {
        Ok(None) => "ignored",
        Ok(Some(Settled::New(_))) => "credited",
        Ok(Some(Settled::Late(_))) => "credited_late",
        Ok(Some(Settled::Refunded(..))) => "refunded",
        Ok(Some(Settled::Before(_))) => "repeated",
        Ok(Some(Settled::Twice(_))) => "paid_twice",
        Err(PayError::Store(_)) => "failed",
        Err(PayError::Refused(refusal)) => match refusal {
            Refusal::Unsigned => "unsigned",
            Refusal::Forged => "forged",
            Refusal::Stale => "stale",
            Refusal::Unreadable => "unreadable",
            Refusal::Foreign => "foreign",
            Refusal::UnknownOrder => "unknown_order",
            Refusal::WrongAmount => "wrong_amount",
            Refusal::WrongCurrency => "wrong_currency",
        },
    }
}
