//! Who pays: budgets, prepaid accounts, and how the books are kept.

use crate::units::{Period, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use sluicegate_vocabulary::Money;

/// How the books are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// What happens to new calls that are bounded while nothing can be written.
    pub when_failing: WhenFailing,
    /// What is charged for calls that were open when the process was killed.
    pub open_calls: OpenCalls,
    /// What a loss of power may take.
    pub sync_every: Period,
    /// How long single calls are kept.
    pub keep_calls: Period,
    /// How much disk they may take.
    pub keep_bytes: Size,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            when_failing: WhenFailing::Refuse,
            open_calls: OpenCalls::Expected,
            sync_every: Period::from_millis(100),
            keep_calls: Period::from_secs(30 * 86_400),
            keep_bytes: Size::from_bytes(20 << 30),
        }
    }
}

/// What happens to new calls that a budget or an account bounds while nothing can be written to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenFailing {
    /// They are refused with 503 until it can.
    Refuse,
    /// They go on until 64 MiB of records wait in memory, which a kill would lose.
    GoOn,
}

/// What is charged for calls that were being answered when the process was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpenCalls {
    /// What each was expected to cost.
    Expected,
    /// The most each may have cost.
    Held,
    /// Nothing.
    Free,
}

/// The length of a budget's period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// An hour of the clock.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday.
    Week,
    /// A month of the calendar.
    Month,
    /// For ever.
    Total,
}

/// What is done with a call that a budget does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnExceed {
    /// It is refused with 402, which says what is left and when the budget begins anew.
    #[default]
    Reject,
    /// It goes to the model's `lower_tier`, where its key accepts that in `graceful` mode; else it is refused.
    StepDown,
}

/// What a budget counts, and how much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BudgetAmount {
    /// Dollars.
    Usd(Money),
    /// Tokens, in and out.
    Tokens(u64),
}

impl Serialize for BudgetAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Usd(money) => serializer.collect_str(&format_args!("${money}")),
            Self::Tokens(tokens) => serializer.collect_str(&format_args!("{tokens} tokens")),
        }
    }
}

/// A budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// How much of what.
    pub amount: BudgetAmount,
    /// When it begins anew.
    pub per: Per,
    /// Where that is counted: the name of a time zone that this machine knows.
    pub timezone: String,
    /// At what parts of it a line says so, in percent and rising.
    pub warn_at: Vec<u8>,
    /// What is done with a call that it does not have.
    pub on_exceed: OnExceed,
}

/// A prepaid account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credits {
    /// Its name.
    pub account: String,
    /// Below what somebody is told; zero for never.
    #[serde(serialize_with = "dollars")]
    pub low_balance_usd: Money,
    /// By how much it may be overdrawn.
    #[serde(serialize_with = "dollars")]
    pub allow_negative_usd: Money,
    /// Whether a stream that needs more than was held ends where nothing is left.
    pub cut_streams: bool,
}

fn dollars<S: Serializer>(amount: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}
