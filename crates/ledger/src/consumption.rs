//! What a call used, as far as prices distinguish it.
//!
//! [`Usage`] counts the classes of tokens that every relayed call has. A bill knows more: tokens of pictures, fees for
//! the request itself or for searches, and the tier in which the provider served it. The tier is the one in the
//! *response*: a call that asked for a faster or cheaper tier may have been served, and is billed, in another.

use sluicegate_vocabulary::Usage;
use std::fmt;
use std::str::FromStr;

/// A class of things that are billed at one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// Input tokens that no cache served.
    Input = 0,
    /// Input tokens read from the provider's cache.
    CachedInput = 1,
    /// Input tokens written to the provider's cache for minutes.
    CacheWrite = 2,
    /// Input tokens written to the provider's cache for hours.
    CacheWriteLong = 3,
    /// Input tokens of audio.
    InputAudio = 4,
    /// Input tokens of pictures.
    InputImage = 5,
    /// Output tokens.
    Output = 6,
    /// Reasoning tokens.
    Reasoning = 7,
    /// Output tokens of audio.
    OutputAudio = 8,
    /// Output tokens of pictures.
    OutputImage = 9,
    /// The request itself.
    Request = 10,
    /// Pictures made, billed by the piece.
    Image = 11,
    /// Searches in the web.
    WebSearch = 12,
    /// Searches in files.
    FileSearch = 13,
    /// Sessions in which code was run.
    CodeSession = 14,
}

impl Class {
    /// All classes, in the order of a bill.
    pub const ALL: [Self; 15] = [
        Self::Input,
        Self::CachedInput,
        Self::CacheWrite,
        Self::CacheWriteLong,
        Self::InputAudio,
        Self::InputImage,
        Self::Output,
        Self::Reasoning,
        Self::OutputAudio,
        Self::OutputImage,
        Self::Request,
        Self::Image,
        Self::WebSearch,
        Self::FileSearch,
        Self::CodeSession,
    ];

    /// The word used in bills and price lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CachedInput => "cached_input",
            Self::CacheWrite => "cache_write",
            Self::CacheWriteLong => "cache_write_long",
            Self::InputAudio => "input_audio",
            Self::InputImage => "input_image",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::OutputAudio => "output_audio",
            Self::OutputImage => "output_image",
            Self::Request => "request",
            Self::Image => "image",
            Self::WebSearch => "web_search",
            Self::FileSearch => "file_search",
            Self::CodeSession => "code_session",
        }
    }

    /// Whether it is counted in tokens and priced by the million, rather than by the piece.
    #[must_use]
    pub const fn is_tokens(self) -> bool {
        (self as u8) < Self::Request as u8
    }
}

/// How fast, and so at what price, a provider served a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
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
/// `batch`, `fast`.
impl FromStr for Tier {
    type Err = ParseTierError;

    fn from_str(text: &str) -> Result<Self, ParseTierError> {
        match text {
            "standard" | "default" | "auto" | "on_demand" => Ok(Self::Standard),
            "batch" => Ok(Self::Batch),
            "flex" => Ok(Self::Flex),
            "priority" | "fast" => Ok(Self::Priority),
            _ => Err(ParseTierError),
        }
    }
}

/// All that a call used. `Consumption::from(usage)` is a call of tokens only, in the standard tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Consumption {
    /// Tokens by class.
    pub usage: Usage,
    /// Input tokens of pictures, where the provider counts them apart; they are not in `usage`.
    pub input_image: u64,
    /// Output tokens of pictures, where the provider counts them apart; they are not in `usage`.
    pub output_image: u64,
    /// Pictures made, where they are billed by the piece.
    pub images: u64,
    /// Searches in the web.
    pub web_searches: u64,
    /// Searches in files.
    pub file_searches: u64,
    /// Sessions in which code was run.
    pub code_sessions: u64,
    /// The tier that served it.
    pub tier: Tier,
}

impl From<Usage> for Consumption {
    fn from(usage: Usage) -> Self {
        Self { usage, ..Self::default() }
    }
}

impl Consumption {
    /// How much of a class was used. A call is one request.
    #[must_use]
    pub const fn of(&self, class: Class) -> u64 {
        match class {
            Class::Input => self.usage.input,
            Class::CachedInput => self.usage.cache_read,
            Class::CacheWrite => self.usage.cache_write,
            Class::CacheWriteLong => self.usage.cache_write_long,
            Class::InputAudio => self.usage.input_audio,
            Class::InputImage => self.input_image,
            Class::Output => self.usage.output,
            Class::Reasoning => self.usage.reasoning,
            Class::OutputAudio => self.usage.output_audio,
            Class::OutputImage => self.output_image,
            Class::Request => 1,
            Class::Image => self.images,
            Class::WebSearch => self.web_searches,
            Class::FileSearch => self.file_searches,
            Class::CodeSession => self.code_sessions,
        }
    }

    /// Everything that went in, in tokens: what decides whether a request is a long one.
    #[must_use]
    pub const fn total_input(&self) -> u64 {
        self.usage.total_input().saturating_add(self.input_image)
    }

    /// All tokens, in and out.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.usage.total().saturating_add(self.input_image).saturating_add(self.output_image)
    }
}
