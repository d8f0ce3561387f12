//! Budgets, prepaid accounts, and how the books are kept, as a file says it.

use super::{Exact, either};
use crate::books::{OnExceed, OpenCalls, Per, WhenFailing};
use crate::units::{Period, Share, Size};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use sluicegate_vocabulary::Money;
use std::borrow::Cow;
use std::fmt;

/// How the books are kept: what every call cost and who pays. They are kept where this section is there, and where
/// anything has a budget or is prepaid.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ledger {
    /// What happens to new calls that a budget or an account bounds while nothing can be written to disk. `refuse` when
    /// absent.
    pub when_failing: Option<WhenFailing>,
    /// What is charged for calls that were being answered when the process was killed. `expected` when absent.
    pub open_calls: Option<OpenCalls>,
    /// How long what is written may stay unsynced: what a loss of power may take. A kill takes nothing. 100ms when absent.
    pub sync_every: Option<Period>,
    /// How long single calls are kept, in whole days. Sums are kept for longer. 30d when absent.
    pub keep_calls: Option<Period>,
    /// How much disk single calls may take. 20GiB when absent.
    pub keep_bytes: Option<Size>,
}

/// What accounts are given.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAccounts {
    /// So many dollars for an account that is opened for a key made at run time, once. Nothing when absent.
    pub signup: Option<Exact<Money>>,
}

/// What may be spent, or used, in a period. Name exactly one of `usd` and `tokens`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    /// So many dollars.
    pub usd: Option<Exact<Money>>,
    /// So many tokens, input and output together.
    #[schemars(range(min = 1))]
    pub tokens: Option<u64>,
    /// When it begins anew.
    pub per: Per,
    /// Where days, weeks and months are counted, such as `Europe/Berlin`. `UTC` when absent.
    pub timezone: Option<String>,
    /// At what parts of it a line says so in the log, once in each period. 50%, 80% and 95% when absent.
    pub warn_at: Option<Vec<Share>>,
    /// What is done with a call that it does not have. `reject` when absent.
    pub on_exceed: Option<OnExceed>,
}

/// A name that clients give their calls.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Label {
    /// What may be spent on calls of this name, whoever makes them.
    pub budget: Option<OneOrMore>,
}

/// A prepaid account.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credits {
    /// The account's name: several keys that name the same one pay from it. The key's or tenant's own name when absent.
    pub account: Option<String>,
    /// A line in the log says when less than so many dollars are left. None when absent.
    pub low_balance_usd: Option<Exact<Money>>,
    /// By how many dollars it may be overdrawn. Nothing when absent.
    pub allow_negative_usd: Option<Exact<Money>>,
    /// Whether a stream that turns out to need more than was held for it ends with an error once the account has nothing
    /// left; what came in one piece with its last covered token is still charged. Without it such a stream goes on, and
    /// what it uses is owed. `false` when absent.
    pub cut_streams: Option<bool>,
}

/// One budget or several.
pub(crate) enum OneOrMore {
    One(Box<Budget>),
    More(Vec<Budget>),
}

impl OneOrMore {
    pub(crate) fn list(&self) -> &[Budget] {
        match self {
            Self::One(budget) => std::slice::from_ref(budget),
            Self::More(budgets) => budgets,
        }
    }
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrList;
        impl<'de> Visitor<'de> for OneOrList {
            type Value = OneOrMore;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a budget, or a list of budgets")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMore, A::Error> {
                Budget::deserialize(MapAccessDeserializer::new(map)).map(|budget| OneOrMore::One(Box::new(budget)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMore, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMore::More)
            }
        }
        deserializer.deserialize_any(OneOrList)
    }
}

impl JsonSchema for OneOrMore {
    fn schema_name() -> Cow<'static, str> {
        "Budgets".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Budget>();
        either(one.clone(), json_schema!({ "type": "array", "items": one }))
    }
}
