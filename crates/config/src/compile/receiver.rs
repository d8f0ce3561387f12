//! Who is told of what: addresses that can be reached, secrets read, names that are there.

use super::secret::{Found, Sources};
use super::{Compiler, usable_name};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::file;
use crate::near::nearest;
use crate::receiver::{EVENTS, Receiver, is_meant};
use crate::url::BaseUrl;
use secrecy::{ExposeSecret as _, SecretString};

impl Compiler<'_> {
    pub(super) fn receivers(&mut self, stated: &file::Alerts) -> Vec<Receiver> {
        for (at, rule) in stated.rules.iter().enumerate() {
            let at = at.to_string();
            if !EVENTS.iter().any(|event| is_meant(&rule.when, event)) {
                let what = format!("nothing that happens is called `{}`", rule.when);
                let mut diagnostic = Diagnostic::new(codes::UNKNOWN_WORD, what);
                if let Some(near) = nearest(&rule.when, EVENTS) {
                    diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
                }
                let known = format!("allowed here: alert, migration, {}", EVENTS.join(", "));
                self.say(diagnostic.note(known), &["alerts", "rules", &at, "when"]);
            }
            for (place, name) in rule.to.iter().enumerate().filter(|(_, name)| !stated.to.contains_key(*name)) {
                let diagnostic = Diagnostic::new(codes::UNKNOWN_WORD, format!("nobody under `to` is called `{name}`"));
                self.say(diagnostic, &["alerts", "rules", &at, "to", &place.to_string()]);
            }
        }
        stated.to.iter().filter_map(|(name, receiver)| self.receiver(name, receiver, &stated.rules)).collect()
    }

    fn receiver(&mut self, name: &str, stated: &file::Receiver, rules: &[file::Rule]) -> Option<Receiver> {
        let path = ["alerts", "to", name];
        let file::Kind::Webhook = stated.kind;
        if !usable_name(name) {
            let what = "the name of a receiver is letters, digits, `-`, `_` and `.`, at most 64";
            self.say_at_name(Diagnostic::new(codes::BAD_NAME, what), &path);
        }
        let sources = Sources {
            variable: ("url_env", stated.url_env.as_deref()),
            file: ("url_file", stated.url_file.as_deref()),
            value: ("url", None),
        };
        let (url, url_source) = match (&stated.url, sources.is_empty()) {
            (Some(url), true) => (SecretString::from(url.trim()), url.trim().to_owned()),
            (None, false) => self.secret(&sources, &path).map(|found| (found.secret, found.source))?,
            _ => {
                let what = "name one place of its address: url, url_env, url_file";
                self.say_at_name(Diagnostic::new(codes::MANY_SOURCES, what), &path);
                return None;
            }
        };
        if self.read_secrets || stated.url.is_some() {
            let address = url.expose_secret();
            let plain = address.split('?').next().unwrap_or_default();
            if let Err(why) = BaseUrl::parse(plain) {
                let why = why.replace("a base URL", "the address");
                self.say_at_name(Diagnostic::new(codes::BAD_VALUE, why), &path);
                return None;
            }
        }
        let Found { secret, source, .. } = self.needed(&stated.secret_env, &stated.secret_file, &path)?;
        let of = |rule: &&file::Rule| rule.to.iter().any(|to| to == name);
        let when = match rules {
            [] => vec!["alert".to_owned(), "migration".to_owned()],
            rules => rules.iter().filter(of).map(|rule| rule.when.clone()).collect(),
        };
        Some(Receiver { name: name.to_owned(), url_source, url, source, secret, when })
    }
}
