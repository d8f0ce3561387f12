//! How each format spells the fields that the neutral form has in common.
//!
//! A writer notices that its format has no word for, say, several answers; the person who reads the refusal wrote `n`
//! or `generationConfig.candidateCount`. This table finds the word that the person used.

use sluicegate_vocabulary::Format;

/// A field of the neutral request that a format may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The conversation.
    Turns,
    /// Instructions before the conversation.
    System,
    /// A participant's name.
    ParticipantName,
    /// The tools.
    Tools,
    /// Which tool.
    ToolChoice,
    /// Whether several tools at once.
    ParallelToolCalls,
    /// Cap on output.
    MaxOutput,
    /// Stop strings.
    Stop,
    /// Temperature.
    Temperature,
    /// Nucleus sampling.
    TopP,
    /// Top k.
    TopK,
    /// Seed.
    Seed,
    /// Presence penalty.
    PresencePenalty,
    /// Frequency penalty.
    FrequencyPenalty,
    /// Bias on tokens.
    LogitBias,
    /// Number of answers.
    Answers,
    /// Log probabilities.
    Logprobs,
    /// How much to think.
    Reasoning,
    /// The shape of the output.
    Output,
    /// Verbosity.
    Verbosity,
    /// Service tier.
    ServiceTier,
}

impl Field {
    /// The path a client of this format wrote, or the nearest word where its format has none.
    #[must_use]
    pub const fn path(self, client: Format) -> &'static str {
        let [chat, responses, messages, generate] = match self {
            Self::Turns => ["messages", "input", "messages", "contents"],
            Self::System => ["messages", "instructions", "system", "systemInstruction"],
            Self::ParticipantName => ["messages.name", "input.name", "messages.name", "contents.name"],
            Self::Tools => ["tools", "tools", "tools", "tools"],
            Self::ToolChoice => ["tool_choice", "tool_choice", "tool_choice", "toolConfig.functionCallingConfig"],
            Self::ParallelToolCalls => [
                "parallel_tool_calls",
                "parallel_tool_calls",
                "tool_choice.disable_parallel_tool_use",
                "toolConfig.functionCallingConfig",
            ],
            Self::MaxOutput => {
                ["max_completion_tokens", "max_output_tokens", "max_tokens", "generationConfig.maxOutputTokens"]
            }
            Self::Stop => ["stop", "stop", "stop_sequences", "generationConfig.stopSequences"],
            Self::Temperature => ["temperature", "temperature", "temperature", "generationConfig.temperature"],
            Self::TopP => ["top_p", "top_p", "top_p", "generationConfig.topP"],
            Self::TopK => ["top_k", "top_k", "top_k", "generationConfig.topK"],
            Self::Seed => ["seed", "seed", "seed", "generationConfig.seed"],
            Self::PresencePenalty => {
                ["presence_penalty", "presence_penalty", "presence_penalty", "generationConfig.presencePenalty"]
            }
            Self::FrequencyPenalty => {
                ["frequency_penalty", "frequency_penalty", "frequency_penalty", "generationConfig.frequencyPenalty"]
            }
            Self::LogitBias => ["logit_bias", "logit_bias", "logit_bias", "logit_bias"],
            Self::Answers => ["n", "n", "n", "generationConfig.candidateCount"],
            Self::Logprobs => ["logprobs", "top_logprobs", "logprobs", "generationConfig.responseLogprobs"],
            Self::Reasoning => ["reasoning_effort", "reasoning", "thinking", "generationConfig.thinkingConfig"],
            Self::Output => {
                ["response_format", "text.format", "output_config.format", "generationConfig.responseSchema"]
            }
            Self::Verbosity => ["verbosity", "text.verbosity", "verbosity", "verbosity"],
            Self::ServiceTier => ["service_tier", "service_tier", "service_tier", "serviceTier"],
        };
        match client {
            Format::Chat => chat,
            Format::Responses => responses,
            Format::Messages => messages,
            Format::Generate => generate,
        }
    }
}
