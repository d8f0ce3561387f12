//! The classes of what a call used, as far as prices distinguish it.
//!
//! [`Usage`] counts all of them; a bill has a line for each that was used and has a price.

use sluicegate_vocabulary::Usage;

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

    /// How much of it a call used. A call is one request.
    #[must_use]
    pub const fn of(self, used: &Usage) -> u64 {
        match self {
            Self::Input => used.input,
            Self::CachedInput => used.cache_read,
            Self::CacheWrite => used.cache_write,
            Self::CacheWriteLong => used.cache_write_long,
            Self::InputAudio => used.input_audio,
            Self::InputImage => used.input_image,
            Self::Output => used.output,
            Self::Reasoning => used.reasoning,
            Self::OutputAudio => used.output_audio,
            Self::OutputImage => used.output_image,
            Self::Request => 1,
            Self::Image => used.images,
            Self::WebSearch => used.web_searches,
            Self::FileSearch => used.file_searches,
            Self::CodeSession => used.code_sessions,
        }
    }
}
