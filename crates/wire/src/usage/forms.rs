//! The usage objects of the four formats, field by field, and their arithmetic.

use super::read::{self, Unread, count, list, members, object, once, skip, string, tier};
use crate::scan::Scanner;
use serde::Serialize;
use sluicegate_vocabulary::{Tier, Usage, UsageSource};

/// What all forms can do.
pub(super) trait Form: Default {
    /// Takes the next value of a text, which must be an object.
    fn take(scanner: &mut Scanner<'_>) -> Result<Self, Unread>;

    /// Takes over every figure that `later` gives and keeps the others.
    fn merge(&mut self, later: &Self);
}

/// Declares a usage object: its counts (absent when not said), then its nested objects.
macro_rules! form {
    ($(#[$doc:meta])* $vis:vis $name:ident {
        $($count:ident),* $(,)? $(; $($nested:ident : $ty:ty),* $(,)? $(; $tier:ident)?)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
        $vis struct $name {
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                $count: Option<u64>,
            )*
            $($(
                #[serde(skip_serializing_if = "Option::is_none")]
                $nested: Option<$ty>,
            )*
            $(
                #[serde(skip)]
                $tier: Option<Tier>,
            )?)?
        }

        impl Form for $name {
            fn take(scanner: &mut Scanner<'_>) -> Result<Self, Unread> {
                $(let mut $count = None;)*
                $($(let mut $nested = None;)* $(let mut $tier = None;)?)?
                members(scanner, |scanner, name| {
                    $(if name == stringify!($count).as_bytes() {
                        return once(&mut $count, count(scanner)?);
                    })*
                    $($(if name == stringify!($nested).as_bytes() {
                        return once(&mut $nested, object(scanner, <$ty>::take)?);
                    })* $(if name == stringify!($tier).as_bytes() {
                        return once(&mut $tier, tier(scanner)?);
                    })?)?
                    skip(scanner)
                })?;
                Ok(Self {
                    $($count: $count.flatten(),)*
                    $($($nested: $nested.flatten(),)* $($tier: $tier.flatten(),)?)?
                })
            }

            fn merge(&mut self, later: &Self) {
                $(self.$count = later.$count.or(self.$count);)*
                $($(if let Some(later) = &later.$nested {
                    self.$nested.get_or_insert_default().merge(later);
                })* $(self.$tier = later.$tier.or(self.$tier);)?)?
            }
        }
    };
}

/// The public methods of a whole form; `$said` are the counts of which one makes it say something.
macro_rules! whole {
    ($name:ident, $($said:ident)|+) => {
        impl $name {
            /// Reads the object; `None` if it is none, or gives a field twice.
            #[must_use]
            pub fn read(json: &[u8]) -> Option<Self> {
                read::whole(json, Self::take).ok()
            }

            /// Takes over every figure that `later` gives and keeps the others: figures in a stream are cumulative.
            pub fn absorb(&mut self, later: &Self) {
                self.merge(later);
            }

            /// The disjoint classes; `None` if no figure was given.
            #[must_use]
            pub fn usage(&self) -> Option<Usage> {
                ($(self.$said.is_some())||+).then(|| self.classes())
            }
        }
    };
}

form! {
    /// The `usage` object of chat completions, legacy completions and embeddings, in the spelling of OpenAI and its
    /// copies (DeepSeek's `prompt_cache_*`, Moonshot's `cached_tokens`).
    pub ChatUsage {
        prompt_tokens, completion_tokens, total_tokens,
        prompt_cache_hit_tokens, prompt_cache_miss_tokens, cached_tokens;
        prompt_tokens_details: InputDetails, completion_tokens_details: OutputDetails,
    }
}
whole!(ChatUsage, prompt_tokens | completion_tokens | total_tokens | prompt_cache_hit_tokens);

form! {
    /// The `usage` object of Responses and of images.
    pub ResponsesUsage {
        input_tokens, output_tokens, total_tokens;
        input_tokens_details: InputDetails, output_tokens_details: OutputDetails,
    }
}
whole!(ResponsesUsage, input_tokens | output_tokens | total_tokens);

form! {
    /// The parts of an OpenAI prompt.
    InputDetails { cached_tokens, cache_write_tokens, audio_tokens, image_tokens; cache_write_tokens_details: WriteDetails }
}

form! {
    /// OpenAI's cache writes by lifetime.
    WriteDetails { ttl_30m_tokens, ttl_12h_tokens }
}

form! {
    /// The parts of an OpenAI completion.
    OutputDetails { reasoning_tokens, audio_tokens }
}

form! {
    /// The `usage` object of Anthropic messages.
    pub MessagesUsage {
        input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens;
        cache_creation: CacheCreation, output_tokens_details: ThinkingDetails, server_tool_use: ServerTools;
        service_tier
    }
}
whole!(MessagesUsage, input_tokens | output_tokens | cache_creation_input_tokens | cache_read_input_tokens);

form! {
    /// What Anthropic has done beside answering.
    ServerTools { web_search_requests }
}

form! {
    /// Anthropic's cache writes by lifetime.
    CacheCreation { ephemeral_5m_input_tokens, ephemeral_1h_input_tokens }
}

form! {
    /// The part of Anthropic's output that was thinking.
    ThinkingDetails { thinking_tokens }
}

/// Gemini's `usageMetadata` object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerateUsage {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_content_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thoughts_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_token_count: Option<u64>,
    #[serde(skip)]
    service_tier: Option<Tier>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prompt_tokens_details: Vec<Modality>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cache_tokens_details: Vec<Modality>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates_tokens_details: Vec<Modality>,
}
whole!(GenerateUsage, prompt_token_count | candidates_token_count | thoughts_token_count | total_token_count);

/// Gemini's count of one modality.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Modality {
    modality: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_count: Option<u64>,
}

impl Modality {
    /// Takes the next value; one without a modality says nothing.
    fn take(scanner: &mut Scanner<'_>) -> Result<Option<Self>, Unread> {
        let (mut modality, mut token_count) = (None, None);
        let read = object(scanner, |scanner| {
            members(scanner, |scanner, name| {
                match name {
                    b"modality" => modality = string(scanner)?,
                    b"tokenCount" => token_count = count(scanner)?,
                    _ => skip(scanner)?,
                }
                Ok(())
            })
        })?;
        Ok(read.and(modality).map(|modality| Self { modality, token_count }))
    }
}

impl Form for GenerateUsage {
    fn take(scanner: &mut Scanner<'_>) -> Result<Self, Unread> {
        let mut counts = [None; 6];
        let mut lists = [const { None }; 3];
        let mut served = None;
        members(scanner, |scanner, name| {
            let [prompt, cached, candidates, thoughts, tool_use, total] = &mut counts;
            let [of_prompt, of_cache, of_candidates] = &mut lists;
            match name {
                b"promptTokenCount" => once(prompt, count(scanner)?),
                b"cachedContentTokenCount" => once(cached, count(scanner)?),
                b"candidatesTokenCount" => once(candidates, count(scanner)?),
                b"thoughtsTokenCount" => once(thoughts, count(scanner)?),
                b"toolUsePromptTokenCount" => once(tool_use, count(scanner)?),
                b"totalTokenCount" => once(total, count(scanner)?),
                b"serviceTier" | b"trafficType" => {
                    served = tier(scanner)?.or(served);
                    Ok(())
                }
                b"promptTokensDetails" => once(of_prompt, list(scanner, Modality::take)?),
                b"cacheTokensDetails" => once(of_cache, list(scanner, Modality::take)?),
                b"candidatesTokensDetails" => once(of_candidates, list(scanner, Modality::take)?),
                _ => skip(scanner),
            }
        })?;
        let [prompt, cached, candidates, thoughts, tool_use, total] = counts.map(Option::flatten);
        let [of_prompt, of_cache, of_candidates] = lists.map(Option::unwrap_or_default);
        Ok(Self {
            prompt_token_count: prompt,
            cached_content_token_count: cached,
            candidates_token_count: candidates,
            thoughts_token_count: thoughts,
            tool_use_prompt_token_count: tool_use,
            total_token_count: total,
            service_tier: served,
            prompt_tokens_details: of_prompt,
            cache_tokens_details: of_cache,
            candidates_tokens_details: of_candidates,
        })
    }

    fn merge(&mut self, later: &Self) {
        self.prompt_token_count = later.prompt_token_count.or(self.prompt_token_count);
        self.cached_content_token_count = later.cached_content_token_count.or(self.cached_content_token_count);
        self.candidates_token_count = later.candidates_token_count.or(self.candidates_token_count);
        self.thoughts_token_count = later.thoughts_token_count.or(self.thoughts_token_count);
        self.tool_use_prompt_token_count = later.tool_use_prompt_token_count.or(self.tool_use_prompt_token_count);
        self.total_token_count = later.total_token_count.or(self.total_token_count);
        self.service_tier = later.service_tier.or(self.service_tier);
        for (kept, later) in [
            (&mut self.prompt_tokens_details, &later.prompt_tokens_details),
            (&mut self.cache_tokens_details, &later.cache_tokens_details),
            (&mut self.candidates_tokens_details, &later.candidates_tokens_details),
        ] {
            if !later.is_empty() {
                kept.clone_from(later);
            }
        }
    }
}

/// Tokens of one modality in a Gemini list.
fn of(details: &[Modality], modality: &str) -> u64 {
    let counts = details.iter().filter(|entry| entry.modality == modality).filter_map(|entry| entry.token_count);
    counts.fold(0, u64::saturating_add)
}

/// Splits a prompt in which caches and audio are counted along.
fn inclusive_input(prompt: u64, read: u64, details: &InputDetails) -> Usage {
    let short = details.cache_write_tokens_details.as_ref().and_then(|ttl| ttl.ttl_30m_tokens);
    let long = details.cache_write_tokens_details.as_ref().and_then(|ttl| ttl.ttl_12h_tokens).unwrap_or(0);
    let written = details.cache_write_tokens.unwrap_or_else(|| short.unwrap_or(0).saturating_add(long));
    let audio = details.audio_tokens.unwrap_or(0);
    let elsewhere = read.saturating_add(written).saturating_add(audio);
    Usage {
        input: prompt.saturating_sub(elsewhere),
        cache_read: read,
        cache_write: written.saturating_sub(long),
        cache_write_long: long.min(written),
        input_audio: audio,
        source: UsageSource::Reported,
        ..Usage::default()
    }
}

/// Splits an output in which reasoning and audio are counted along. `beside` is the part of the billable output that
/// the completion does not count and the total does; it can only be reasoning.
fn inclusive_output(mut usage: Usage, billable: u64, beside: u64, details: Option<&OutputDetails>) -> Usage {
    let reasoning = details.and_then(|details| details.reasoning_tokens).unwrap_or(0);
    let audio = details.and_then(|details| details.audio_tokens).unwrap_or(0);
    usage.reasoning = reasoning.max(beside).min(billable);
    usage.output_audio = audio.min(billable - usage.reasoning);
    usage.output = billable - usage.reasoning - usage.output_audio;
    usage
}

impl ChatUsage {
    fn classes(&self) -> Usage {
        let none = InputDetails::default();
        let details = self.prompt_tokens_details.as_ref().unwrap_or(&none);
        let read = details.cached_tokens.or(self.prompt_cache_hit_tokens).or(self.cached_tokens).unwrap_or(0);
        let prompt =
            self.prompt_tokens.unwrap_or_else(|| read.saturating_add(self.prompt_cache_miss_tokens.unwrap_or(0)));
        let completion = self.completion_tokens.unwrap_or(0);
        // Gemini behind OpenAI's format, and xAI, leave thinking out of the completion and count it in the total only.
        let billable = self.total_tokens.unwrap_or(0).saturating_sub(prompt).max(completion);
        let beside = billable - completion;
        inclusive_output(
            inclusive_input(prompt, read, details),
            billable,
            beside,
            self.completion_tokens_details.as_ref(),
        )
    }
}

impl ResponsesUsage {
    /// What pictures used that were made: all of the output, and the part of the input that was pictures.
    pub(super) fn of_pictures(&self) -> Option<Usage> {
        let usage = self.usage()?;
        let seen = self.input_tokens_details.as_ref().and_then(|details| details.image_tokens).unwrap_or(0);
        let seen = seen.min(usage.input);
        let (input, made) = (usage.input - seen, usage.output);
        Some(Usage { input, input_image: seen, output: 0, output_image: made, ..usage })
    }

    fn classes(&self) -> Usage {
        let none = InputDetails::default();
        let details = self.input_tokens_details.as_ref().unwrap_or(&none);
        let input = inclusive_input(self.input_tokens.unwrap_or(0), details.cached_tokens.unwrap_or(0), details);
        inclusive_output(input, self.output_tokens.unwrap_or(0), 0, self.output_tokens_details.as_ref())
    }
}

impl MessagesUsage {
    /// Whether a cache was named: no other format puts caches beside the input.
    pub(super) const fn names_caches(&self) -> bool {
        self.cache_creation_input_tokens.is_some() || self.cache_read_input_tokens.is_some()
    }

    fn classes(&self) -> Usage {
        let ttl = self.cache_creation.as_ref();
        let long = ttl.and_then(|ttl| ttl.ephemeral_1h_input_tokens).unwrap_or(0);
        let short = ttl.and_then(|ttl| ttl.ephemeral_5m_input_tokens).unwrap_or(0);
        let output = self.output_tokens.unwrap_or(0);
        let thinking = self.output_tokens_details.as_ref().and_then(|details| details.thinking_tokens);
        let reasoning = thinking.unwrap_or(0).min(output);
        Usage {
            input: self.input_tokens.unwrap_or(0),
            cache_read: self.cache_read_input_tokens.unwrap_or(0),
            // What the sum has over the split was written for the default lifetime, the short one.
            cache_write: self.cache_creation_input_tokens.unwrap_or(0).saturating_sub(long).max(short),
            cache_write_long: long,
            output: output - reasoning,
            reasoning,
            web_searches: self.server_tool_use.as_ref().and_then(|tools| tools.web_search_requests).unwrap_or(0),
            tier: self.service_tier.unwrap_or_default(),
            source: UsageSource::Reported,
            ..Usage::default()
        }
    }
}

impl GenerateUsage {
    fn classes(&self) -> Usage {
        let read = self.cached_content_token_count.unwrap_or(0);
        let prompt = self.prompt_token_count.unwrap_or(0).saturating_add(self.tool_use_prompt_token_count.unwrap_or(0));
        let fresh = prompt.saturating_sub(read);
        let heard =
            of(&self.prompt_tokens_details, "AUDIO").saturating_sub(of(&self.cache_tokens_details, "AUDIO")).min(fresh);
        let candidates = self.candidates_token_count.unwrap_or(0);
        let spoken = of(&self.candidates_tokens_details, "AUDIO").min(candidates);
        let drawn = of(&self.candidates_tokens_details, "IMAGE").min(candidates - spoken);
        Usage {
            input: fresh - heard,
            cache_read: read,
            input_audio: heard,
            output: candidates - spoken - drawn,
            reasoning: self.thoughts_token_count.unwrap_or(0),
            output_audio: spoken,
            output_image: drawn,
            tier: self.service_tier.unwrap_or_default(),
            source: UsageSource::Reported,
            ..Usage::default()
        }
    }
}

/// `Some` of a count that is not zero.
const fn some(count: u64) -> Option<u64> {
    if count == 0 { None } else { Some(count) }
}

fn input_details(usage: &Usage) -> InputDetails {
    InputDetails {
        cached_tokens: Some(usage.cache_read),
        cache_write_tokens: some(usage.cache_write.saturating_add(usage.cache_write_long)),
        audio_tokens: some(usage.input_audio),
        image_tokens: some(usage.input_image),
        cache_write_tokens_details: (usage.cache_write_long > 0).then_some(WriteDetails {
            ttl_30m_tokens: Some(usage.cache_write),
            ttl_12h_tokens: Some(usage.cache_write_long),
        }),
    }
}

fn output_details(usage: &Usage) -> OutputDetails {
    OutputDetails { reasoning_tokens: Some(usage.reasoning), audio_tokens: some(usage.output_audio) }
}

impl From<&Usage> for ChatUsage {
    fn from(usage: &Usage) -> Self {
        Self {
            prompt_tokens: Some(usage.total_input()),
            completion_tokens: Some(usage.total_output()),
            total_tokens: Some(usage.total()),
            prompt_tokens_details: Some(input_details(usage)),
            completion_tokens_details: Some(output_details(usage)),
            ..Self::default()
        }
    }
}

impl From<&Usage> for ResponsesUsage {
    fn from(usage: &Usage) -> Self {
        Self {
            input_tokens: Some(usage.total_input()),
            output_tokens: Some(usage.total_output()),
            total_tokens: Some(usage.total()),
            // Here, unlike in chat completions, official clients' types insist on the figure.
            input_tokens_details: Some(InputDetails {
                cache_write_tokens: Some(usage.cache_write.saturating_add(usage.cache_write_long)),
                ..input_details(usage)
            }),
            output_tokens_details: Some(output_details(usage)),
        }
    }
}

impl From<&Usage> for MessagesUsage {
    fn from(usage: &Usage) -> Self {
        Self {
            // Anthropic has no class for audio: it is input like any other.
            input_tokens: Some(usage.input.saturating_add(usage.input_audio).saturating_add(usage.input_image)),
            output_tokens: Some(usage.total_output()),
            cache_creation_input_tokens: Some(usage.cache_write.saturating_add(usage.cache_write_long)),
            cache_read_input_tokens: Some(usage.cache_read),
            cache_creation: (usage.cache_write_long > 0).then_some(CacheCreation {
                ephemeral_5m_input_tokens: Some(usage.cache_write),
                ephemeral_1h_input_tokens: Some(usage.cache_write_long),
            }),
            output_tokens_details: some(usage.reasoning)
                .map(|tokens| ThinkingDetails { thinking_tokens: Some(tokens) }),
            server_tool_use: some(usage.web_searches)
                .map(|searches| ServerTools { web_search_requests: Some(searches) }),
            service_tier: None,
        }
    }
}

impl From<&Usage> for GenerateUsage {
    fn from(usage: &Usage) -> Self {
        let modality = |audio, image| {
            let named = |(modality, count): (&str, u64)| {
                some(count).map(|count| Modality { modality: modality.to_owned(), token_count: Some(count) })
            };
            [("AUDIO", audio), ("IMAGE", image)].into_iter().filter_map(named).collect()
        };
        Self {
            prompt_token_count: Some(usage.total_input()),
            cached_content_token_count: some(usage.cache_read),
            candidates_token_count: Some(
                usage.output.saturating_add(usage.output_audio).saturating_add(usage.output_image),
            ),
            thoughts_token_count: some(usage.reasoning),
            tool_use_prompt_token_count: None,
            total_token_count: Some(usage.total()),
            service_tier: None,
            prompt_tokens_details: modality(usage.input_audio, usage.input_image),
            cache_tokens_details: Vec::new(),
            candidates_tokens_details: modality(usage.output_audio, usage.output_image),
        }
    }
}
