//! What `audit` and `verify` are told.

use clap::{Args, ValueEnum, ValueHint};
use sluicegate_audit::{KeyForm, Objective, Target};
use sluicegate_config::Period;
use sluicegate_vocabulary::{Dialect, Money};
use std::path::PathBuf;

pub(crate) const AUDIT_EXAMPLES: &str = "\
Examples:
  sluicegate audit https://api.example.com/v1 --model gpt-x --key-env EXAMPLE_KEY
  sluicegate audit URL --model M --find-limit --slo 'ttft_p95<1s' --max-cost 0.50
  sluicegate audit URL --model M --rate 5 --for 1m --max-cost 2 --yes --json
  sluicegate audit --from-log requests.jsonl --model gpt-x --compare openai/gpt-5.4-mini

Sends real, billed calls, and never more than --max-cost and --max-requests allow.
Exit 3: the audit ran, and a check failed or an objective was missed.";

pub(crate) const VERIFY_EXAMPLES: &str = "\
Examples:
  sluicegate verify https://api.example.com/v1 --key-env EXAMPLE_KEY
  sluicegate verify https://api.anthropic.com/v1 --dialect anthropic --key-file key

Asks for the list of models, which is free. Exit 3: something is wrong, and the answer says what. Exit 69: nobody answers.";

/// Which endpoint, and how to speak to it.
#[derive(Debug, Clone, Args)]
pub(crate) struct EndpointArguments {
    /// The model to ask for.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,

    /// What the endpoint speaks: openai or anthropic.
    #[arg(long, value_name = "DIALECT", value_enum, default_value_t, hide_possible_values = true)]
    pub(crate) dialect: Speaks,

    /// File with the key.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "key_env")]
    pub(crate) key_file: Option<PathBuf>,

    /// Environment variable with the key.
    #[arg(long, value_name = "NAME")]
    pub(crate) key_env: Option<String>,

    /// Header the key goes in: authorization, x-api-key, api-key or x-goog-api-key. The dialect's own when not given.
    #[arg(long, value_name = "HEADER", value_parser = form)]
    pub(crate) key_header: Option<KeyForm>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Speaks {
    #[default]
    Openai,
    Anthropic,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    /// Where the API begins, such as https://api.example.com/v1.
    #[arg(required_unless_present = "from_log", value_hint = ValueHint::Url)]
    pub(crate) url: Option<String>,

    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,

    /// Look for limits: calls at once, calls a minute, tokens a minute. Takes minutes and calls until refused.
    #[arg(long)]
    pub(crate) find_limit: bool,

    /// What must hold, such as 'ttft_p95<1s' or 'error_rate<1%'. Load stops where it does not. May be given several times.
    #[arg(long = "slo", value_name = "OBJECTIVE")]
    pub(crate) objectives: Vec<Objective>,

    /// Calls at once, step by step; 0 for no load.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,4,8,16")]
    pub(crate) concurrency: Vec<usize>,

    /// Calls of each caller in a step.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub(crate) calls: u64,

    /// Instead of steps: calls a second, due at even moments whatever is answered.
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    pub(crate) rate: Option<f64>,

    /// How long calls are sent at that rate.
    #[arg(long = "for", value_name = "TIME", default_value = "30s")]
    pub(crate) lasting: Period,

    /// Words in a call's prompt.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub(crate) words: usize,

    /// Tokens in an answer, at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 64)]
    pub(crate) max_tokens: u32,

    /// The most it may cost, in dollars. Wanted where nobody can be asked.
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) max_cost: Option<Money>,

    /// The most calls it may send.
    #[arg(long, value_name = "NUMBER", default_value_t = 2_000)]
    pub(crate) max_requests: u64,

    /// Dollars per million tokens of input and of output, such as 0.25,2; else by the price book, where it knows the model.
    #[arg(long, value_name = "IN,OUT")]
    pub(crate) price: Option<String>,

    /// Read a log of calls instead of sending any: JSON lines or comma-separated values, - for standard input.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["url", "find_limit", "rate", "objectives"])]
    pub(crate) from_log: Option<PathBuf>,

    /// With --from-log: what the same traffic costs a month with this model, such as openai/gpt-5.4-mini.
    #[arg(long, value_name = "MODEL", requires = "from_log")]
    pub(crate) compare: Option<String>,

    /// The report as JSON.
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,

    /// The report as Markdown.
    #[arg(long)]
    pub(crate) markdown: bool,

    /// Write the report as JSON into a file as well.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) save: Option<PathBuf>,

    /// Do not ask before calls are sent.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// Where the API begins, such as https://api.example.com/v1.
    #[arg(value_hint = ValueHint::Url)]
    pub(crate) url: String,

    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,

    /// The answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn form(text: &str) -> Result<KeyForm, String> {
    let wanted = text.to_ascii_lowercase();
    let found = KeyForm::ALL.into_iter().find(|form| form.header() == wanted);
    found.ok_or_else(|| format!("known headers: {}", KeyForm::ALL.map(KeyForm::header).join(", ")))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if rate > 0.0 && rate <= 10_000.0 { Ok(rate) } else { Err("a rate is over 0 and at most 10000".to_owned()) }
}

impl EndpointArguments {
    /// The endpoint, with its key read.
    pub(crate) fn target(&self, url: &str) -> Result<Target, String> {
        let dialect = match self.dialect {
            Speaks::Openai => Dialect::OpenAi,
            Speaks::Anthropic => Dialect::Anthropic,
        };
        let key = match (&self.key_file, &self.key_env) {
            (Some(file), _) => {
                Some(std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?)
            }
            (None, Some(name)) => {
                Some(std::env::var(name).map_err(|_| format!("the environment variable {name} is not set"))?)
            }
            (None, None) => None,
        };
        let own = if dialect == Dialect::Anthropic { KeyForm::XApiKey } else { KeyForm::Bearer };
        Ok(Target {
            url: url.to_owned(),
            dialect,
            model: self.model.clone().unwrap_or_default(),
            key: key.map(|key| key.trim().to_owned()),
            form: self.key_header.unwrap_or(own),
        })
    }
}
