//! What `migrate` can be told.

use crate::cli::RemoteArguments;
use clap::{Args, Subcommand};
use sluicegate_config::Period;

pub(crate) const MIGRATE_EXAMPLES: &str = "\
Examples:
  sluicegate migrate start to-sonnet --why \"cheaper, and as good in our tests\"
  sluicegate migrate status to-sonnet
  sluicegate migrate status to-sonnet --wait --timeout 2h && ./announce.sh
  sluicegate migrate advance to-sonnet        approve the next step, or go there now
  sluicegate migrate rollback to-sonnet       all calls back, at once";

#[derive(Debug, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Show all migrations, a line each.
    List(ListArguments),
    /// Begin, or begin again after a rollback, with the same callers first.
    Start(OrderArguments),
    /// Show one, or all: where it stands, what its guards know, what comes next. Exit 3 when it was rolled back.
    Status(StatusArguments),
    /// Go on to the next step now, or approve it.
    Advance(OrderArguments),
    /// Stay at this step; guards still send calls back.
    Pause(OrderArguments),
    /// Go on with the step it was paused at.
    Resume(OrderArguments),
    /// Send all calls back, at once.
    Rollback(OrderArguments),
    /// Move all calls now.
    Promote(OrderArguments),
    /// Show what has happened: when, by whom, why, and what was known then.
    History(HistoryArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArguments {
    /// The migration.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The migration; all of them without a name.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Wait until it is over: exit 0 when everything has moved, 3 when it was rolled back.
    #[arg(long, requires = "name")]
    pub(crate) wait: bool,

    /// How long to wait at most; exit 3 after that.
    #[arg(long, value_name = "TIME", requires = "wait")]
    pub(crate) timeout: Option<Period>,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(crate) struct OrderArguments {
    /// The migration.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// Why, for the history.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) why: String,

    /// Who, for the history. The user of this machine when not given ($USER, $LOGNAME, else the number).
    #[arg(long, value_name = "NAME")]
    pub(crate) who: Option<String>,

    /// Go on although a guard says that the new side is worse (advance, promote).
    #[arg(long)]
    pub(crate) in_spite: bool,

    /// Wait until it is over, as `status --wait`.
    #[arg(long)]
    pub(crate) wait: bool,

    /// How long to wait at most; exit 3 after that.
    #[arg(long, value_name = "TIME", requires = "wait")]
    pub(crate) timeout: Option<Period>,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}
