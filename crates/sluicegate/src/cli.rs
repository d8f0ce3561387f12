//! The command line. The help texts are where most people learn what there is, so they say what a thing is for and show
//! how it is typed.

mod books;
mod lab;

pub(crate) use self::books::{
    BackupArguments, CallsArguments, CreditsCommand, ExportArguments, ExportForm, Figure, LedgerCommand, ListFormat,
    PricesCommand, RestoreArguments, UsageArguments, UsageBy,
};
pub(crate) use self::lab::{Fault, LabArguments, ProviderArguments, SimulateCommand};

use self::books::{
    BACKUP_EXAMPLES, CALLS_EXAMPLES, CREDITS_EXAMPLES, LEDGER_EXAMPLES, PRICES_EXAMPLES, USAGE_EXAMPLES,
};
use self::lab::LAB_EXAMPLES;
use crate::command::{AUDIT_EXAMPLES, AuditArguments, KEYS_EXAMPLES, KeysCommand, VERIFY_EXAMPLES, VerifyArguments};
use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use sluicegate_config::Period;
use std::path::{Path, PathBuf};

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

    /// Show single calls of the books, the newest first: whose, to which model, how they ended, what they cost.
    #[command(after_help = CALLS_EXAMPLES)]
    Calls(CallsArguments),

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
    /// The file, or - for standard input. Without this: sluicegate.yaml.
    #[arg(value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,

    /// The same, as other commands take it.
    #[arg(short = 'c', long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "file")]
    config: Option<PathBuf>,

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

impl CheckArguments {
    /// The file that is checked.
    pub(crate) fn file(&self) -> &Path {
        self.file.as_deref().or(self.config.as_deref()).unwrap_or(Path::new(crate::source::DEFAULT_FILE))
    }
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

    /// The `server.admin_listen` of a relay elsewhere, such as http://10.0.0.5:9080. $SLUICEGATE_ADMIN_URL when not given; the
    /// token is in $SLUICEGATE_ADMIN_TOKEN.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, conflicts_with = "data_dir")]
    pub(crate) admin_url: Option<String>,

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

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
