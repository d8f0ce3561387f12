//! The version of a configuration: a short hash of everything that is in effect.
//!
//! Two relays with the same version answer alike, and `x-sluicegate-config` on an answer says under which it was made.
//! Secrets count through their hash, so a rotated key is a new version, and none can be read back from 24 bits.

use crate::config::Config;
use crate::effective::canonical;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use sluicegate_vocabulary::ConfigVersion;

/// The first 24 bits of the SHA-256 of the canonical configuration.
pub(crate) fn of(config: &Config) -> ConfigVersion {
    let mut hash = Sha256::new();
    hash.update(canonical(config).to_string());
    for provider in config.providers.values() {
        let secrets = provider.keys.iter().map(|key| &key.secret).chain(provider.headers.values());
        for secret in secrets {
            hash.update(Sha256::digest(secret.expose_secret()));
        }
    }
    if let Some(payments) = &config.payments {
        let stripe = payments.stripe.as_ref().map(|stripe| &stripe.secret);
        for secret in stripe.into_iter().chain(payments.wechat.as_ref().map(|wechat| &wechat.secret)) {
            hash.update(Sha256::digest(secret.expose_secret()));
        }
    }
    for receiver in &config.receivers {
        for secret in [&receiver.url, &receiver.secret] {
            hash.update(Sha256::digest(secret.expose_secret()));
        }
    }
    for key in &config.keys {
        hash.update(key.hash.0);
    }
    let [a, b, c, ..] = <[u8; 32]>::from(hash.finalize());
    ConfigVersion(u32::from_be_bytes([0, a, b, c]))
}

impl Config {
    /// Which configuration this is: the first 24 bits of its canonical form's SHA-256.
    #[must_use]
    pub fn version(&self) -> ConfigVersion {
        of(self)
    }
}
