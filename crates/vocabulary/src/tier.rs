//! How fast a provider serves a call, and so at what price.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How fast, and so at what price, a provider served a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Tier {
    /// As everybody.
    #[default]
    Standard = 0,
    /// In a batch, within hours.
    Batch = 1,
    /// When there was room.
    Flex = 2,
    /// Before others.
    Priority = 3,
}

impl Tier {
    /// All tiers.
    pub const ALL: [Self; 4] = [Self::Standard, Self::Batch, Self::Flex, Self::Priority];

    /// The word used in price lists and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Batch => "batch",
            Self::Flex => "flex",
            Self::Priority => "priority",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a service tier: standard, batch, flex or priority")]
pub struct ParseTierError;

/// Reads a provider's word for a tier: OpenAI's `default`, `flex`, `priority`, Anthropic's `standard`, `priority`,
/// `batch`, `fast`, Gemini's `ON_DEMAND_PRIORITY`.
impl FromStr for Tier {
    type Err = ParseTierError;

    fn from_str(text: &str) -> Result<Self, ParseTierError> {
        const WORDS: [(&str, Tier); 10] = [
            ("standard", Tier::Standard),
            ("default", Tier::Standard),
            ("auto", Tier::Standard),
            ("on_demand", Tier::Standard),
            ("batch", Tier::Batch),
            ("flex", Tier::Flex),
            ("on_demand_flex", Tier::Flex),
            ("priority", Tier::Priority),
            ("fast", Tier::Priority),
            ("on_demand_priority", Tier::Priority),
        ];
        let found = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        found.map(|(_, tier)| *tier).ok_or(ParseTierError)
    }
}
