//! What a call used.
//!
//! Providers count in overlapping ways: some put cached tokens inside the prompt, some beside it; some put thinking
//! inside the output, some outside. Here the classes are *disjoint*, so a price can be applied to each and a sum is a
//! sum. The `wire` crate maps every provider's form to this one and back. What is billed beside tokens of text, and the
//! tier in which the provider served the call, belong to it too: a price needs all of them.

use crate::tier::Tier;
use serde::{Deserialize, Serialize};

/// Where a usage figure came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// The provider said so.
    Reported,
    /// We counted with the model's own tokenizer.
    Counted,
    /// We estimated from the length of the text.
    Estimated,
    /// Nothing is known: no provider was asked.
    #[default]
    None,
}

impl UsageSource {
    /// The word used in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Counted => "counted",
            Self::Estimated => "estimated",
            Self::None => "none",
        }
    }
}

/// Tokens by disjoint class, and what is billed beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Usage {
    /// Input that no cache served, text.
    pub input: u64,
    /// Input read from the provider's prompt cache.
    pub cache_read: u64,
    /// Input written to the provider's prompt cache for minutes (5 or 30).
    pub cache_write: u64,
    /// Input written to the provider's prompt cache for hours (1 or 12).
    pub cache_write_long: u64,
    /// Audio input.
    pub input_audio: u64,
    /// Output that is neither reasoning nor audio.
    pub output: u64,
    /// Reasoning or thinking, billed as output.
    pub reasoning: u64,
    /// Audio output.
    pub output_audio: u64,
    /// Input tokens of pictures, where the provider counts them apart.
    #[serde(default, skip_serializing_if = "nothing")]
    pub input_image: u64,
    /// Output tokens of pictures, where the provider counts them apart.
    #[serde(default, skip_serializing_if = "nothing")]
    pub output_image: u64,
    /// Pictures made.
    #[serde(default, skip_serializing_if = "nothing")]
    pub images: u64,
    /// Searches in the web.
    #[serde(default, skip_serializing_if = "nothing")]
    pub web_searches: u64,
    /// Searches in files.
    #[serde(default, skip_serializing_if = "nothing")]
    pub file_searches: u64,
    /// Sessions in which code was run.
    #[serde(default, skip_serializing_if = "nothing")]
    pub code_sessions: u64,
    /// The tier that served it, as the *answer* says: a call may be served, and is billed, in another than it asked for.
    #[serde(default, skip_serializing_if = "standard")]
    pub tier: Tier,
    /// Where the figures came from.
    pub source: UsageSource,
}

const fn nothing(count: &u64) -> bool {
    *count == 0
}

const fn standard(tier: &Tier) -> bool {
    matches!(tier, Tier::Standard)
}

impl Usage {
    /// Both together. The source is the less certain of the two; one of which nothing is known adds nothing.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_write_long: self.cache_write_long.saturating_add(other.cache_write_long),
            input_audio: self.input_audio.saturating_add(other.input_audio),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            output_audio: self.output_audio.saturating_add(other.output_audio),
            input_image: self.input_image.saturating_add(other.input_image),
            output_image: self.output_image.saturating_add(other.output_image),
            images: self.images.saturating_add(other.images),
            web_searches: self.web_searches.saturating_add(other.web_searches),
            file_searches: self.file_searches.saturating_add(other.file_searches),
            code_sessions: self.code_sessions.saturating_add(other.code_sessions),
            tier: other.tier,
            source: match (self.source, other.source) {
                (UsageSource::None, source) | (source, UsageSource::None) => source,
                (UsageSource::Estimated, _) | (_, UsageSource::Estimated) => UsageSource::Estimated,
                (UsageSource::Counted, _) | (_, UsageSource::Counted) => UsageSource::Counted,
                (UsageSource::Reported, UsageSource::Reported) => UsageSource::Reported,
            },
        }
    }

    /// Everything that went in.
    #[must_use]
    pub const fn total_input(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_write_long)
            .saturating_add(self.input_audio)
            .saturating_add(self.input_image)
    }

    /// Everything that came out.
    #[must_use]
    pub const fn total_output(&self) -> u64 {
        self.output.saturating_add(self.reasoning).saturating_add(self.output_audio).saturating_add(self.output_image)
    }

    /// Input and output together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total_input().saturating_add(self.total_output())
    }
}
