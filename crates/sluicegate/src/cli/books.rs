//! What is asked of the books: usage, prices, accounts, budgets, credits, copies.

use super::{ConfigArguments, RemoteArguments};
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use sluicegate_config::Period;
use std::path::PathBuf;

pub(super) const USAGE_EXAMPLES: &str = "\
Examples:
  sluicegate usage                            the last seven days
  sluicegate usage --by key --days 30
  sluicegate usage --plot calls --days 60     a plot above the table
  sluicegate usage --key web-app --by model   what one key asks for
  sluicegate usage --by model --csv > usage.csv";

pub(super) const CALLS_EXAMPLES: &str = "\
Examples:
  sluicegate calls                            the last fifty
  sluicegate calls --request-id 0198c0de      the one with this x-request-id
  sluicegate calls --key web-app --status 429
  sluicegate calls --limit 1000 --json        a page for programs; its `next` is the --before of the one after";

#[derive(Debug, Args)]
pub(crate) struct CallsArguments {
    /// Only this key's calls.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,

    /// Only this tenant's.
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,

    /// Only calls to this model, as clients name it.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,

    /// Only calls with this label.
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,

    /// Only those whose clients saw this status.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(100..=999))]
    pub(crate) status: Option<u16>,

    /// Only the one with this x-request-id.
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,

    /// Only calls before this place, which the page before has told.
    #[arg(long, value_name = "PLACE")]
    pub(crate) before: Option<String>,

    /// How many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(crate) struct UsageArguments {
    /// By what it is told apart.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) by: UsageBy,

    /// How many days of UTC, today included.
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub(crate) days: u32,

    /// Only this key's calls.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,

    /// Only this tenant's.
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,

    /// Only calls to this model, as clients name it.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,

    /// Only calls of keys with this label.
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,

    /// Plot a figure above the table: by day, or by hour with --by hour.
    #[arg(long, value_enum, value_name = "FIGURE", num_args = 0..=1, default_missing_value = "billed",
        conflicts_with_all = ["csv", "json"])]
    pub(crate) plot: Option<Figure>,

    /// As CSV.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

/// What is plotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Figure {
    Billed,
    Calls,
    Tokens,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum UsageBy {
    #[default]
    Day,
    Hour,
    Key,
    Tenant,
    Model,
    Provider,
    Label,
}

impl UsageBy {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Key => "key",
            Self::Tenant => "tenant",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Label => "label",
        }
    }
}

pub(super) const PRICES_EXAMPLES: &str = "\
Examples:
  sluicegate prices list --vendor anthropic
  sluicegate prices show openai/gpt-4.1
  sluicegate prices import model_prices_and_context_window.json --format litellm > prices.csv";

#[derive(Debug, Subcommand)]
pub(crate) enum PricesCommand {
    /// Show the prices in force: dollars per million tokens.
    List {
        /// Only this vendor's.
        #[arg(long, value_name = "NAME")]
        vendor: Option<String>,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Show all that the lists say of one model.
    Show {
        /// The model, as VENDOR/MODEL.
        #[arg(value_name = "MODEL")]
        model: String,
        #[command(flatten)]
        config: ConfigArguments,
    },
    /// Make a list for `prices.file` out of a file of LiteLLM's or models.dev's, and print it.
    Import {
        /// The file.
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Whose form it has.
        #[arg(long, value_enum)]
        format: ListFormat,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// `model_prices_and_context_window.json`
    Litellm,
    /// `api.json`
    ModelsDev,
}

pub(super) const LEDGER_EXAMPLES: &str = "\
Examples:
  sluicegate ledger show                      what is left, for everybody
  sluicegate ledger verify                    exit 3 unless every entry balances and matches its call
  sluicegate ledger export --from 2026-11-01 --to 2026-12-01 > november.csv
  sluicegate ledger show --json | jq '.accounts[] | select(.name == \"customer-42\") | .left_usd'";

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Show every account and every budget: what there is, what is used, what is held for calls under way.
    Show(RemoteArguments),
    /// Add everything up once more. Exit 3 when something is wrong.
    Verify(RemoteArguments),
    /// List what moved money, one line each: calls with their arithmetic, then all other entries.
    Export(ExportArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The form; --json is the same as jsonl.
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) format: ExportForm,

    /// From this day of UTC on, such as 2026-11-01.
    #[arg(long, value_name = "DAY", value_parser = midnight)]
    pub(crate) from: Option<i64>,

    /// Until this day of UTC, which is not in it.
    #[arg(long, value_name = "DAY", value_parser = midnight)]
    pub(crate) to: Option<i64>,

    /// Of this account only.
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

/// When a day begins, in milliseconds since the Unix epoch.
fn midnight(text: &str) -> Result<i64, String> {
    let day = |text: &str| text.parse::<jiff::civil::Date>()?.to_zoned(jiff::tz::TimeZone::UTC);
    day(text).map(|at| at.timestamp().as_millisecond()).map_err(|_| "not a day such as 2026-11-01".to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ExportForm {
    /// Comma-separated values with a heading.
    #[default]
    Csv,
    /// A JSON object a line.
    Jsonl,
}

pub(super) const BACKUP_EXAMPLES: &str = "\
Examples:
  sluicegate backup /var/backups/sluicegate/2026-11-21
  sluicegate restore /var/backups/sluicegate/2026-11-21 --data-dir ./data";

#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    /// An empty folder; made if it is not there.
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) to: PathBuf,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// The backup.
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) from: PathBuf,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

pub(super) const CREDITS_EXAMPLES: &str = "\
Examples:
  sluicegate credits add customer-42 20 --reference 'invoice 118'
  sluicegate credits order customer-42 99 CNY --worth 14
  sluicegate credits issue 10 --count 5 --expires 90d > codes.txt
  sluicegate credits add customer-42 -0.02 --reference 'ticket 7' --kind correction";

#[derive(Debug, Subcommand)]
pub(crate) enum CreditsCommand {
    /// Add to an account. The same reference is entered once, however often it is said.
    Add {
        /// The account: the name under `credits`, or that of its key or tenant.
        #[arg(value_name = "ACCOUNT")]
        account: String,
        /// Dollars, with at most nine decimals; below zero for a refund, and where a correction takes off.
        #[arg(value_name = "DOLLARS", allow_negative_numbers = true)]
        amount: String,
        /// What it is for: an invoice, a ticket.
        #[arg(long, value_name = "TEXT")]
        reference: String,
        /// What kind of entry it is.
        #[arg(long, value_enum, default_value_t)]
        kind: CreditKind,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Make redemption codes, each worth an amount once. They are printed now and never again.
    Issue {
        /// Dollars each, with at most nine decimals.
        #[arg(value_name = "DOLLARS")]
        amount: String,
        /// How many.
        #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
        count: u32,
        /// What they are for.
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
        /// How long they are good, such as 90d. For ever when not given.
        #[arg(long, value_name = "TIME")]
        expires: Option<Period>,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Enter an order that a customer is to pay, and print its reference for the payment service.
    ///
    /// When the service notifies that it was paid, with this reference and this amount, the account is credited once.
    Order {
        /// The account to be credited.
        #[arg(value_name = "ACCOUNT")]
        account: String,
        /// What is to be paid, such as 9.90.
        #[arg(value_name = "AMOUNT")]
        amount: String,
        /// In which currency, such as CNY.
        #[arg(value_name = "CURRENCY")]
        currency: String,
        /// What it is worth in dollars. By the rate under payments.credit when not given.
        #[arg(long, value_name = "DOLLARS")]
        worth: Option<String>,
        /// The order's reference: 6 to 32 letters, digits, `_` and `-`. One is made when not given.
        #[arg(long, value_name = "TEXT")]
        reference: Option<String>,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// List the latest orders, and which of them were paid.
    Orders {
        /// Of this account only.
        #[arg(value_name = "ACCOUNT")]
        account: Option<String>,
        #[command(flatten)]
        remote: RemoteArguments,
    },
    /// Redeem a code for an account. Of any number at once, one wins.
    Redeem {
        /// The code.
        #[arg(value_name = "CODE")]
        code: String,
        /// The account.
        #[arg(value_name = "ACCOUNT")]
        account: String,
        #[command(flatten)]
        remote: RemoteArguments,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum CreditKind {
    /// Paid in.
    #[default]
    TopUp,
    /// Given back to who paid it: below zero, since the account has less.
    Refund,
    /// Put right.
    Correction,
}

impl CreditKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TopUp => "top_up",
            Self::Refund => "refund",
            Self::Correction => "correction",
        }
    }
}
