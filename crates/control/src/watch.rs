//! Alerts, once a second: measure, decide, say what has changed.
//!
//! An alert is seen as a line among what the relay says of itself, in `sluicegate_alert_firing`, in `status` and `top`, and
//! whoever is named under `alerts` is told of it ([`crate::webhooks`]). There is one line when it is raised and one when it is over, so a threshold around which a
//! value hovers fills no log faster than one line a second; `for:` is there to make that rarer.

use crate::alerts::{Change, Down, Measured, Raised};
use crate::flow::rounded;
use crate::key_files::watch_key_files;
use crate::operator::{Figures, Operator};
use crate::webhooks::Event;
use sluicegate_config::AlertMetric;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// The target of what an operator must see whatever the level of the log is.
pub const NOTICE: &str = "notice";

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Watches what alerts are about, and the files that keys come from. Ends only when it is dropped.
pub async fn watch(operator: Arc<Operator>) {
    tokio::join!(
        watch_alerts(Arc::clone(&operator)),
        tell_of_migrations(Arc::clone(&operator)),
        watch_key_files(operator)
    );
}

/// Tells receivers what happens to migrations.
async fn tell_of_migrations(operator: Arc<Operator>) {
    let Some(mut events) = operator.relay().migration_events() else { return };
    while let Some((name, entry)) = events.recv().await {
        operator.tell(Event::migration(operator.relay(), &name, &entry));
    }
}

async fn watch_alerts(operator: Arc<Operator>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for change in look(&operator) {
            say(&change, &operator);
        }
    }
}

fn look(operator: &Operator) -> Vec<Change> {
    let (mut changes, idle) = operator.with_rules(|rules| rules.is_empty());
    if idle {
        return changes;
    }
    let figures = operator.figures();
    let minute = figures.last_minute();
    let report = operator.relay().flow_without_callers();
    let measured = Measured {
        limits: report.limits.iter().map(|limit| &limit.level),
        waiting: report.waiting.iter().map(|class| class.waiting).sum(),
        in_flight: operator.in_flight(),
        down: Down::of(&operator.relay().standing().report()),
        low: operator.relay().books().map_or(0, |books| books.low_accounts()),
        minute: &minute,
    };
    let (over, news) = operator.with_rules(|rules| rules.look(figures.now(), &measured));
    changes.extend(over);
    changes.extend(news);
    changes
}

fn say(change: &Change, operator: &Operator) {
    let (raised, is_over) = match change {
        Change::Raised(raised) => (raised, false),
        Change::Over(raised) => (raised, true),
    };
    let told = told(raised, operator.figures());
    if is_over {
        tracing::info!(target: NOTICE, "alert over: {told}");
    } else {
        tracing::warn!(target: NOTICE, "alert: {told}");
    }
    operator.tell(Event::alert(operator.relay(), raised, is_over, told));
}

/// `bucket_fill_percentage is 12% (<20% for 120 s): key:backend requests per 60 s, since 2026-11-21T05:21:39Z`
fn told(raised: &Raised, figures: &Figures) -> String {
    let Raised { alert, since, value, limit } = raised;
    let unit = if alert.metric.is_share() { "%" } else { "" };
    let hold = alert.hold.duration();
    let hold = if hold.is_zero() { String::new() } else { format!(" for {} s", hold.as_secs_f64()) };
    let whose = match limit {
        Some(limit) => format!(": {limit}"),
        None => String::new(),
    };
    let metric: AlertMetric = alert.metric;
    let since = figures.moment(*since);
    format!("{metric} is {}{unit} ({}{hold}){whose}, since {since}", rounded(*value), alert.threshold)
}
