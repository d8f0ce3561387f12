//! The command line. The help texts are where most people learn what there is, so they say what a thing is for and show
//! how it is typed.

use crate::command::{AUDIT_EXAMPLES, AuditArguments, KEYS_EXAMPLES, KeysCommand, VERIFY_EXAMPLES, VerifyArguments};
use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use sluicegate_config::Period;
use sluicegate_simulate::lab::{ByClass, Shape, Size as LabSize};
use sluicegate_vocabulary::Mode;
use std::net::SocketAddr;
use std::path::PathBuf;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0 done · 1 failed · 2 wrong usage · 3 ran, and the answer is no · 69 server not reachable
  77 not allowed · 78 configuration wrong · 130 interrupted";

/// A self-hosted relay for AI APIs.
///
/// Applications point their OpenAI, Anthropic or Gemini client at it; it holds the providers' keys.
#[derive(Debug, Parser)]
#[command(name = "sluicegate", version, styles = STYLES, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// When to use colours: auto, always or never. NO_COLOR is honoured.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_possible_values = true,
        display_order = 100
    )]
    pub(crate) color: Color,

    /// Say more: -v what happens, -vv what happens inside.
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 101)]
    pub(crate) verbose: u8,
}

/// When to use colours: auto, always or never.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    pub(crate) fn write_global(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the relay.
    ///
    /// Without a file it uses the providers whose keys are in the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY,
    /// GEMINI_API_KEY and others), and without any key a simulated model, so that it always answers.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArguments),

    /// Run a program whose AI clients go through a relay.
    ///
    /// Uses the relay that is running here, or starts one for as long as the program runs. The program gets
    /// OPENAI_BASE_URL, OPENAI_API_KEY, ANTHROPIC_BASE_URL, ANTHROPIC_API_KEY, GOOGLE_GEMINI_BASE_URL and
    /// GEMINI_API_KEY, and its exit code becomes this command's.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArguments),

    /// See it work: a relay with simulated providers, and a story of a burst, a storm of 429s and a canary that goes back.
    ///
    /// Everything happens on this machine, in a folder that is removed. Exit 3 when a client saw an error.
    #[command(after_help = crate::command::DEMO_EXAMPLES)]
    Demo(crate::command::DemoArguments),

    /// Check a configuration file and say what its numbers mean.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArguments),

    /// Make, show or describe the configuration file.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },

    /// Explain the code of an error or a warning; all codes when none is given.
    #[command(after_help = "Example:\n  sluicegate explain E012")]
    Explain {
        /// The code, such as E012.
        code: Option<String>,
    },

    /// Make the running relay read its configuration again, and say what came of it.
    ///
    /// All or nothing: a file that is wrong changes nothing (exit 78). Exit 3: in force, but some changes need a restart.
    Reload(RemoteArguments),

    /// Show the running relay at a glance.
    Status(RemoteArguments),

    /// Show every limit as it is now: what is used, when it refills, who waits.
    ///
    /// The fullest come first. A limit that nobody has used lately is not listed, because nothing of it is in use.
    #[command(after_help = QUOTA_EXAMPLES)]
    Quota(QuotaArguments),

    /// Show who answers and how they are, and say what is to be done with them.
    ///
    /// Providers with their keys: whether calls go, how many are under way, how many fail, what is left of their quotas.
    /// What is said here holds until something else is said or the relay stops. Calls under way are never cut off.
    #[command(after_help = PROVIDERS_EXAMPLES, args_conflicts_with_subcommands = true)]
    Providers {
        #[command(subcommand)]
        command: Option<ProvidersCommand>,
        #[command(flatten)]
        arguments: ProvidersArguments,
    },

    /// Make clients' keys, show them, switch them off and on, rotate and delete them.
    ///
    /// What is done is in force at once on a running relay; with the relay stopped it is done in its data directory. Keys
    /// under `keys:` in the configuration file are shown too, and are changed there only.
    #[command(after_help = KEYS_EXAMPLES)]
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },

    /// Move a model's calls to another target while they run, and back.
    ///
    /// What is moved and by which steps is in the configuration (`migrations:`). What is said here is carried out at once,
    /// and kept with who said it and why.
    #[command(after_help = crate::command::MIGRATE_EXAMPLES)]
    Migrate {
        #[command(subcommand)]
        command: crate::command::MigrateCommand,
    },

    /// Show what calls have used and cost, by day, hour, key, tenant, model, provider or label.
    #[command(after_help = USAGE_EXAMPLES)]
    Usage(UsageArguments),

    /// Show what models cost, or make a price list out of somebody else's.
    #[command(after_help = PRICES_EXAMPLES)]
    Prices {
        #[command(subcommand)]
        command: PricesCommand,
    },

    /// Show accounts and budgets as they are now, prove that the books add up, or list what moved money.
    #[command(after_help = LEDGER_EXAMPLES)]
    Ledger {
        #[command(subcommand)]
        command: LedgerCommand,
    },

    /// Enter what an account is topped up by, or corrected; orders; make and redeem codes.
    #[command(after_help = CREDITS_EXAMPLES)]
    Credits {
        #[command(subcommand)]
        command: CreditsCommand,
    },

    /// Copy the books, of one moment, into a folder. The relay may go on.
    ///
    /// Asks the relay that runs with the data directory; where none runs, the copy is made here.
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(BackupArguments),

    /// Put a backup into a data directory that has no books, while no relay runs with it.
    ///
    /// Every file is compared with its hash, and the books are added up, before anything is put in place.
    #[command(after_help = BACKUP_EXAMPLES)]
    Restore(RestoreArguments),

    /// Show what the cache holds, or throw answers out of it.
    #[command(after_help = CACHE_EXAMPLES)]
    Cache {
        #[command(subcommand)]
        command: CacheCommand,
    },

    /// Say which model a choice leads a request to, and why.
    #[command(after_help = ROUTE_EXAMPLES)]
    Route {
        #[command(subcommand)]
        command: RouteCommand,
    },

    /// Watch flow control live: limits, who waits and for how long, callers, refusals.
    #[command(after_help = TOP_EXAMPLES)]
    Top(TopArguments),

    /// Find out what an endpoint really is: conformance, model, counts of tokens, speed, limits.
    ///
    /// For whoever is about to move traffic there. Sends real, billed calls within the bounds given, and reports what it
    /// found as text, JSON or Markdown, with what to write into a configuration. With --from-log it reads a log instead.
    #[command(after_help = AUDIT_EXAMPLES)]
    Audit(Box<AuditArguments>),

    /// Say whether a URL and a key are right, and if not, what is wrong with them.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArguments),

    /// Try the limits of a configuration on traffic, in virtual time.
    ///
    /// Says who waits and for how long, who is refused, which limit binds, and what would be enough. An hour takes a
    /// fraction of a second, and nothing is sent anywhere: limits, queues and classes are the relay's own code, driven by
    /// a virtual clock. Exit 3 when anybody was refused.
    #[command(after_help = LAB_EXAMPLES, args_conflicts_with_subcommands = true)]
    Simulate {
        #[command(subcommand)]
        command: Option<SimulateCommand>,
        #[command(flatten)]
        arguments: Box<LabArguments>,
    },

    /// Print a completion script for a shell.
    #[command(
        after_help = "Example:\n  sluicegate completions bash > ~/.local/share/bash-completion/completions/sluicegate"
    )]
    Completions {
        /// bash, zsh, fish, powershell or elvish.
        #[arg(value_enum, hide_possible_values = true)]
        shell: clap_complete::Shell,
    },

    /// Print the manual page, or write the pages of all commands into a folder.
    #[command(after_help = "Example:\n  sluicegate man ~/.local/share/man/man1")]
    Man {
        /// The folder.
        #[arg(value_hint = ValueHint::DirPath)]
        folder: Option<PathBuf>,
    },

    /// Print the version.
    Version {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

const SERVE_EXAMPLES: &str = "\
Examples:
  sluicegate serve                        sluicegate.yaml, else keys in the environment
  sluicegate serve -c relay.yaml          this file
  OPENAI_API_KEY=... sluicegate serve     this provider, without a file
  sluicegate serve --sim --listen 127.0.0.1:9000

Signals:
  SIGHUP              reads the configuration again
  SIGTERM, Ctrl-C     let open calls finish within server.shutdown_grace
  a second Ctrl-C     ends at once (exit 130)";

const RUN_EXAMPLES: &str = "\
Examples:
  sluicegate run -- python app.py
  sluicegate run --model fast -- claude";

const CHECK_EXAMPLES: &str = "\
Examples:
  sluicegate check
  sluicegate check relay.yaml --deny-warnings
  sluicegate check --format github              annotations in a pull request
  sluicegate check - < relay.yaml";

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) config: ConfigArguments,

    /// Address to listen on, instead of server.listen. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,

    /// Add the simulated provider, whatever else is configured.
    #[arg(long)]
    pub(crate) sim: bool,

    /// Accept calls from other machines without any client key. Whoever reaches the port spends your money.
    #[arg(long)]
    pub(crate) insecure_open: bool,

    /// How lines on standard error look: human on a terminal, else JSON.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) log_format: LogStyle,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigArguments {
    /// The configuration file. Without this: sluicegate.yaml, if it is here.
    #[arg(short = 'c', long = "config", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogStyle {
    #[default]
    Auto,
    Human,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) config: ConfigArguments,

    /// The model the program should ask for: sets OPENAI_MODEL, ANTHROPIC_MODEL and GEMINI_MODEL.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,

    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The file, or - for standard input.
    #[arg(default_value = crate::source::DEFAULT_FILE, value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    /// The form of the report.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ReportFormat,

    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,

    /// Warnings count as errors.
    #[arg(long)]
    pub(crate) deny_warnings: bool,

    /// Do not ask for keys, to check a file on a machine that does not have them.
    #[arg(long)]
    pub(crate) without_secrets: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON document.
    Json,
    /// Annotations of a GitHub workflow.
    Github,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print a commented file to start from.
    #[command(after_help = "Example:\n  sluicegate config init > sluicegate.yaml")]
    Init,
    /// Print the JSON schema of the file, for editors.
    #[command(after_help = "Example:\n  sluicegate config schema > config.schema.json")]
    Schema,
    /// Show what is set and where each value comes from. Secrets are never shown.
    Show {
        #[command(flatten)]
        config: ConfigArguments,
        /// Everything in effect, defaults too.
        #[arg(long)]
        effective: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RemoteArguments {
    #[command(flatten)]
    pub(crate) config: ConfigArguments,

    /// The relay's data directory, where its socket is. Without this: what the configuration says.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,

    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

const QUOTA_EXAMPLES: &str = "\
Examples:
  sluicegate quota
  sluicegate quota --key web-app              the limits of one key
  sluicegate quota --json | jq '.limits[] | select(.fill_percent < 20) | .name'";

#[derive(Debug, Args)]
pub(crate) struct QuotaArguments {
    #[command(flatten)]
    pub(crate) remote: RemoteArguments,

    /// Only the limits of this key.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
}

const PROVIDERS_EXAMPLES: &str = "\
Examples:
  sluicegate providers                        everybody, with their keys
  sluicegate providers show openai            its models, quotas, and what its breaker did
  sluicegate providers test openai/org-a      whether it takes this key
  sluicegate providers drain openai           no new calls, and wait until the last has ended
  sluicegate providers resume openai          calls again
  sluicegate providers promote openai/spare   a key that stood by is used from now on";

#[derive(Debug, Args)]
pub(crate) struct ProvidersArguments {
    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProvidersCommand {
    /// Show all providers and their keys.
    List(ProvidersArguments),
    /// Show one provider and all that is known of it.
    Show(TargetArguments),
    /// Ask a provider for its models, which is free, with each of its keys or with one. Exit 3 unless all work.
    Test(TargetArguments),
    /// Send no new calls. What is under way ends.
    Hold(TargetArguments),
    /// Send no new calls, and wait until nothing is under way. Exit 3 when the time was too short.
    Drain(DrainArguments),
    /// Send calls again. Whatever was held against it is forgotten: its failures, its refusals.
    Resume(TargetArguments),
    /// Use a key that stood by, or was taken out of use, like the others.
    Promote(TargetArguments),
    /// Use a key only when no other can be.
    Demote(TargetArguments),
    /// Take a key out of use, and wait until nothing is under way with it. Then it can go from the configuration.
    Retire(DrainArguments),
}

#[derive(Debug, Args)]
pub(crate) struct TargetArguments {
    /// The provider, or one of its keys as PROVIDER/KEY.
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DrainArguments {
    /// The provider, or one of its keys as PROVIDER/KEY.
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,

    /// How long to wait for what is under way, at most 10m.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(crate) timeout: Period,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

const CACHE_EXAMPLES: &str = "\
Examples:
  sluicegate cache show
  sluicegate cache purge                      everything
  sluicegate cache purge --tenant acme --model gpt-4.1-mini";

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Show what it holds, and how many calls it has answered since the start.
    Show(RemoteArguments),
    /// Throw answers out: all, or those that fit everything that is given.
    Purge(PurgeArguments),
}

#[derive(Debug, Args)]
pub(crate) struct PurgeArguments {
    /// Only this tenant's.
    #[arg(long, value_name = "NAME", conflicts_with = "key")]
    pub(crate) tenant: Option<String>,

    /// Only those of this key, where it shares with nobody.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,

    /// Only those of this model, by its provider's own name of it.
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

const ROUTE_EXAMPLES: &str = "\
Examples:
  sluicegate route explain request.json
  sluicegate route explain --class low - < request.json
  sluicegate route explain request.json --json | jq -r .model";

#[derive(Debug, Subcommand)]
pub(crate) enum RouteCommand {
    /// Read a request, and print what shows on its surface and what each rule says to that. Nothing is sent.
    Explain(RouteArguments),
}

#[derive(Debug, Args)]
pub(crate) struct RouteArguments {
    /// The body of a request, or - for standard input.
    #[arg(value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    pub(crate) request: PathBuf,

    /// The choice. Without this: the model that the request names, or the only choice there is.
    #[arg(long, value_name = "NAME")]
    pub(crate) choice: Option<String>,

    /// The class of the call: low, normal, high or critical.
    #[arg(long, value_name = "CLASS", default_value = "normal")]
    pub(crate) class: sluicegate_vocabulary::Priority,

    #[command(flatten)]
    pub(crate) config: ConfigArguments,

    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

const USAGE_EXAMPLES: &str = "\
Examples:
  sluicegate usage                            the last seven days
  sluicegate usage --by key --days 30
  sluicegate usage --plot calls --days 60     a plot above the table
  sluicegate usage --key web-app --by model   what one key asks for
  sluicegate usage --by model --csv > usage.csv";

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

const PRICES_EXAMPLES: &str = "\
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

const LEDGER_EXAMPLES: &str = "\
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

const BACKUP_EXAMPLES: &str = "\
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

const CREDITS_EXAMPLES: &str = "\
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

const TOP_EXAMPLES: &str = "\
Examples:
  sluicegate top
  sluicegate top --interval 250ms
  sluicegate top --once                       one picture, for a log or a mail

Keys:
  q, Esc, Ctrl-C      quit";

#[derive(Debug, Args)]
pub(crate) struct TopArguments {
    #[command(flatten)]
    pub(crate) remote: RemoteArguments,

    /// Time between two looks, at least 100ms.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Period,

    /// Print one picture and end.
    #[arg(long)]
    pub(crate) once: bool,
}

/// The shortest time between two looks of `top`.
const SHORTEST: Period = Period::from_millis(100);

fn interval(text: &str) -> Result<Period, String> {
    let interval: Period = text.parse().map_err(|error: sluicegate_config::ParseQuantityError| error.to_string())?;
    if interval < SHORTEST { Err("too short: at least 100ms".to_owned()) } else { Ok(interval) }
}

const LAB_EXAMPLES: &str = "\
Examples:
  sluicegate simulate                                  traffic that follows from the limits, with spikes
  sluicegate simulate --traffic spike:30/s,factor=3.4,length=8s,every=2m --for 1h
  sluicegate simulate --traffic steady:400/min --mix high=20,normal=60,low=20 --tokens 1200:400
  sluicegate simulate --traffic closed:40 --mode strict    forty clients that never pause
  sluicegate simulate --log data/requests.log              what was logged, under these limits

Traffic:
  steady:RATE                                   always at this rate
  spike:RATE,factor=3.4,length=8s,every=2m      a base rate, and spikes of so many times as much
  diurnal:RATE,swing=0.8,period=24h             a day, highest at noon
  edge:CALLS,window=60s                         so many on each side of each turn of the window
  closed:CLIENTS,think=0ms                      clients that send the next call when the last has ended
  A RATE is 30/s, 1800/min or 100000/h.";

#[derive(Debug, Args)]
pub(crate) struct LabArguments {
    #[command(flatten)]
    pub(crate) config: ConfigArguments,

    /// How calls come; see below. Without this, --trace or --log: 60 % of what the limits allow, with spikes.
    #[arg(long, value_name = "SPEC", value_parser = crate::command::shape, group = "calls")]
    pub(crate) traffic: Option<Shape>,

    /// Calls from a file: counts by second as CSV, or a JSON object a line with at_ms and perhaps class, key, model,
    /// endpoint, tokens_in, tokens_out, deadline_ms.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, group = "calls")]
    pub(crate) trace: Option<PathBuf>,

    /// Calls from a request log that a relay has written.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, group = "calls")]
    pub(crate) log: Option<PathBuf>,

    /// How long calls keep coming; ten minutes when not given.
    #[arg(long = "for", value_name = "TIME", conflicts_with_all = ["trace", "log"])]
    pub(crate) duration: Option<Period>,

    /// Shares of the classes. Without this, the highest class that key and endpoint allow.
    #[arg(long, value_name = "CLASS=SHARE,...", value_parser = crate::command::mix)]
    pub(crate) mix: Option<ByClass<f64>>,

    /// Tokens of input and output of each call; with a tilde (~600:~150) the middle of sizes that vary as real ones do.
    #[arg(long, value_name = "IN:OUT", value_parser = crate::command::tokens)]
    pub(crate) tokens: Option<(LabSize, LabSize)>,

    /// Calls follow one another like a clock, not like those of independent users.
    #[arg(long)]
    pub(crate) even: bool,

    /// What is done with calls that find no room, instead of what the file says: strict, adaptive or graceful.
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<Mode>,

    /// Instances of the relay, each with its share of every limit.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) instances: u32,

    /// How long the provider takes to the first token.
    #[arg(long, value_name = "TIME", default_value = "400ms")]
    pub(crate) ttft: Period,

    /// How fast the provider writes after it.
    #[arg(long, value_name = "NUMBER", default_value_t = 80.0, value_parser = pace)]
    pub(crate) tokens_per_second: f64,

    /// What everything that looks like chance is drawn from.
    #[arg(long, value_name = "NUMBER", default_value_t = 42)]
    pub(crate) seed: u64,

    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn pace(text: &str) -> Result<f64, String> {
    let pace: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1e6).contains(&pace) { Ok(pace) } else { Err("a pace is from 0.001 to a million".to_owned()) }
}

#[derive(Debug, Subcommand)]
pub(crate) enum SimulateCommand {
    /// A provider that answers like the real ones, alone, until Ctrl-C.
    ///
    /// It speaks OpenAI, Anthropic and Gemini. Its address is the first line of standard output.
    #[command(after_help = PROVIDER_EXAMPLES)]
    Provider(ProviderArguments),
}

const PROVIDER_EXAMPLES: &str = "\
Examples:
  sluicegate simulate provider --listen 127.0.0.1:9100
  sluicegate simulate provider --ttft 300ms --tokens-per-second 60
  sluicegate simulate provider --error-rate 0.01 --fault stall=0.005";

#[derive(Debug, Args)]
pub(crate) struct ProviderArguments {
    /// Address to listen on. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,

    /// What every word, call and fault is drawn from.
    #[arg(long, value_name = "NUMBER", default_value_t = 42)]
    pub(crate) seed: u64,

    /// Time before every answer, refusals too.
    #[arg(long, value_name = "TIME", default_value = "0ms")]
    pub(crate) latency: Period,

    /// Time to the first token.
    #[arg(long, value_name = "TIME", default_value = "0ms")]
    pub(crate) ttft: Period,

    /// Pace of the tokens after the first; 0 sends them at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) tokens_per_second: u32,

    /// Tokens in an answer; by the request's content when not given.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) answer_tokens: Option<u32>,

    /// Share of requests (0 to 1) answered with a server error.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(crate) error_rate: f64,

    /// Share of requests that break in one way: reset, stall, truncate, error_in_stream, empty, slow_headers or
    /// malformed_chunk. May be given several times.
    #[arg(long = "fault", value_name = "NAME=SHARE", value_parser = fault)]
    pub(crate) faults: Vec<(Fault, f64)>,

    /// Requests a minute for each key before it answers 429.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) requests_per_minute: Option<u32>,

    /// Tokens a minute for each key before it answers 429.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) tokens_per_minute: Option<u32>,

    /// The names of models it answers to; any name when not given.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) models: Vec<String>,

    /// Environment variable with the key that every request must bring.
    #[arg(long, value_name = "NAME")]
    pub(crate) key_env: Option<String>,

    /// Call the model of every answer sim/NAME, as inside `serve`.
    #[arg(long)]
    pub(crate) label: bool,

    /// Count what repeats in prompts as read from a cache. Usage then depends on what came before.
    #[arg(long)]
    pub(crate) prompt_cache: bool,
}

/// The faults that can be ordered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Reset,
    Stall,
    Truncate,
    ErrorInStream,
    Empty,
    SlowHeaders,
    MalformedChunk,
}

const FAULTS: [(&str, Fault); 7] = [
    ("reset", Fault::Reset),
    ("stall", Fault::Stall),
    ("truncate", Fault::Truncate),
    ("error_in_stream", Fault::ErrorInStream),
    ("empty", Fault::Empty),
    ("slow_headers", Fault::SlowHeaders),
    ("malformed_chunk", Fault::MalformedChunk),
];

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share is between 0 and 1".to_owned()) }
}

fn fault(text: &str) -> Result<(Fault, f64), String> {
    let (name, amount) = text.split_once('=').ok_or_else(|| "write it as NAME=SHARE, such as stall=0.01".to_owned())?;
    let wanted = name.replace('-', "_");
    let found = FAULTS.iter().find(|(name, _)| *name == wanted).map(|(_, fault)| *fault);
    let found = found.ok_or_else(|| format!("no such fault; known: {}", FAULTS.map(|(name, _)| name).join(", ")))?;
    Ok((found, share(amount)?))
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
