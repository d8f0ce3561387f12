//! Payment services: their secrets read, their public keys found.

use super::Compiler;
use super::secret::{Found, Sources};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file;
use crate::payments::{Alipay, Payments, Stripe, WeChat};
use crate::units::Period;
use sluicegate_vocabulary::Money;
use std::path::{Path, PathBuf};

impl Compiler<'_> {
    pub(super) fn payments(&mut self, stated: Option<&file::Payments>) -> Option<Payments> {
        let stated = stated?;
        let mut payments = Payments::default();
        payments.orders_expire = stated.orders_expire.unwrap_or(payments.orders_expire);
        let (least, most) = (Period::from_secs(60), Period::from_secs(365 * 86_400));
        self.within(payments.orders_expire, least, most, &["payments", "orders_expire"]);
        for (currency, amount) in &stated.credit {
            if amount.0 <= Money::ZERO {
                let what = "a unit of a currency is worth more than nothing";
                self.say(Diagnostic::new(codes::OUT_OF_RANGE, what), &["payments", "credit", currency.as_str()]);
            }
            payments.credit.insert(currency.clone(), amount.0);
        }
        payments.stripe = stated.stripe.as_ref().and_then(|stripe| {
            let path = ["payments", "stripe"];
            let Found { secret, source, .. } = self.needed(&stripe.secret_env, &stripe.secret_file, &path)?;
            Some(Stripe { source, secret })
        });
        payments.wechat = stated.wechat.as_ref().and_then(|wechat| {
            let path = ["payments", "wechat"];
            let Found { secret, source, .. } = self.needed(&wechat.secret_env, &wechat.secret_file, &path)?;
            let read = |(id, file): (&String, &PathBuf)| {
                let text = self.public_key(file, &["payments", "wechat", "public_keys", id])?;
                Some((id.clone(), text))
            };
            let public_keys = wechat.public_keys.iter().filter_map(read).collect();
            Some(WeChat { merchant: wechat.merchant.clone(), source, secret, public_keys })
        });
        payments.alipay = stated.alipay.as_ref().and_then(|alipay| {
            let public_key = self.public_key(&alipay.public_key, &["payments", "alipay", "public_key"])?;
            Some(Alipay { app: alipay.app.clone(), public_key })
        });
        Some(payments)
    }

    pub(super) fn needed(&mut self, variable: &Option<String>, file: &Option<PathBuf>, path: &[&str]) -> Option<Found> {
        let sources = Sources {
            variable: ("secret_env", variable.as_deref()),
            file: ("secret_file", file.as_deref()),
            value: ("secret_file", None),
        };
        if sources.is_empty() {
            let what = "the secret is missing, without which nobody can be believed";
            self.say(Diagnostic::new(codes::NO_KEY, what).remedy("name it with secret_env or secret_file"), path);
        }
        self.secret(&sources, path)
    }

    /// The base64 inside a PEM file, in one line.
    fn public_key(&mut self, file: &Path, path: &[&str]) -> Option<String> {
        if !self.read_secrets {
            return Some(String::new());
        }
        let read = self.environment.read(file);
        if let Err(why) = &read {
            let what = format!("file {} cannot be read: {why}", file.display());
            self.say(Diagnostic::new(codes::UNREADABLE_SECRET, what), path);
        }
        let inside = |text: String| text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        read.ok().map(inside)
    }
}
