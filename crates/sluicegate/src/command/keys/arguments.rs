//! What `keys` may be told: the fields of an entry under `keys:` as flags.

use crate::cli::RemoteArguments;
use clap::{Args, Subcommand, ValueHint};
use sluicegate_config::Period;
use sluicegate_vocabulary::Mode;
use std::path::PathBuf;

pub(crate) const KEYS_EXAMPLES: &str = "\
Examples:
  sluicegate keys create web-app --models fast,smart --rpm 600 --budget 50/day --expires 90d > key.txt
  sluicegate keys create customer-42 --prepaid --owner 'Ada Byron' --note plan=gold
  sluicegate keys rotate web-app --grace 24h > key.txt   both secrets work for a day
  sluicegate keys disable web-app                        401 from now on
  sluicegate keys import old-app --sha256 $(printf %s \"$KEY\" | sha256sum | cut -c1-64)";

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key. Its secret is printed now and never again.
    Create {
        /// Its name in metrics, logs and the books.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        terms: Box<KeyTerms>,
        /// Until when it is good: 90d, 2027-02-01 or 2027-02-01T12:00:00Z. For ever when not given.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Take over a secret that clients have already, known by its SHA-256.
    Import {
        /// Its name in metrics, logs and the books.
        #[arg(value_name = "NAME")]
        name: String,
        /// The SHA-256 of the secret as 64 hexadecimal digits.
        #[arg(long, value_name = "DIGITS")]
        sha256: String,
        #[command(flatten)]
        terms: Box<KeyTerms>,
        /// Until when it is good: 90d, 2027-02-01 or 2027-02-01T12:00:00Z. For ever when not given.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Show all keys.
    List(RemoteArguments),
    /// Show one key and what it may do.
    Show {
        /// The key.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Refuse a key from now on. Calls under way end.
    Disable {
        /// The key.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Take a key again that was disabled.
    Enable {
        /// The key.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Say until when a key is good; until now when nothing is said.
    Expire {
        /// The key.
        #[arg(value_name = "NAME")]
        name: String,
        /// Until when: 7d, 2027-02-01 or 2027-02-01T12:00:00Z.
        #[arg(long, value_name = "TIME", conflicts_with = "never")]
        at: Option<String>,
        /// It is good for ever.
        #[arg(long)]
        never: bool,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Give a key a new secret. The old one is good for the grace.
    Rotate {
        /// The key.
        #[arg(value_name = "NAME")]
        name: String,
        /// How long the old secret is good yet.
        #[arg(long, value_name = "TIME", default_value = "24h")]
        grace: Period,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Delete a key for good. What it used stays in the books.
    Delete {
        /// The key.
        #[arg(value_name = "NAME")]
        name: String,
        /// Without asking.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        remote: RemoteArguments,
    },
}

/// What a key may do. The same as the fields of an entry under `keys:` in the configuration file.
#[derive(Debug, Args)]
pub(crate) struct KeyTerms {
    /// Models it may ask for, as clients name them, or PROVIDER/*. All when not given.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) models: Vec<String>,

    /// Endpoints it may call, such as /chat/completions. All when not given.
    #[arg(long, value_name = "PATHS", value_delimiter = ',')]
    pub(crate) endpoints: Vec<String>,

    /// Class of its calls: critical, high, normal or low.
    #[arg(long, value_name = "CLASS")]
    pub(crate) priority: Option<String>,

    /// What is done with a call that finds no room: strict, adaptive or graceful.
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<Mode>,

    /// In graceful mode its calls may be answered by a lower tier.
    #[arg(long)]
    pub(crate) accept_lower_tier: bool,

    /// The tenant it belongs to.
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,

    /// Whose it is, for people.
    #[arg(long, value_name = "TEXT")]
    pub(crate) owner: Option<String>,

    /// By what its calls are told apart in usage, beside key and tenant.
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,

    /// Requests in a minute.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) rpm: Option<u64>,

    /// Tokens in a minute.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) tpm: Option<u64>,

    /// Calls at once.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) concurrency: Option<u64>,

    /// What may be spent: 50/day for dollars, 200000t/month for tokens; hour, day, week, month or total. May be given
    /// several times.
    #[arg(long, value_name = "AMOUNT/PERIOD")]
    pub(crate) budget: Vec<String>,

    /// Its calls are paid from an account of its name.
    #[arg(long, conflicts_with = "account")]
    pub(crate) prepaid: bool,

    /// Its calls are paid from this account, which other keys may share.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,

    /// What is noted about it, for people. May be given several times.
    #[arg(long, value_name = "NAME=TEXT", value_parser = note)]
    pub(crate) note: Vec<(String, String)>,

    /// A JSON file with more of its terms, or - for standard input; what flags say goes before it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) terms: Option<PathBuf>,
}

fn note(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "write it as NAME=TEXT".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}
