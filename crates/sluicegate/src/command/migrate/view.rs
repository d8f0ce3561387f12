//! How migrations look.

use super::super::words::{brief, grouped, lasting};
use crate::terminal::{BAD, DIM, GOOD, STRONG, WARN};
use owo_colors::{OwoColorize as _, Style};
use sluicegate_relay::{EntryReport, MigrationReport, MirrorReport, StepReport, WatchReport};

fn style(phase: &str) -> Style {
    match phase {
        "running" | "promoted" => GOOD,
        "rolled_back" => BAD,
        "awaiting_approval" | "paused" => WARN,
        _ => DIM,
    }
}

/// `running`, `rolled back`, padded before it is coloured.
fn phase(migration: &MigrationReport, width: usize) -> String {
    let words = migration.phase.replace('_', " ");
    format!("{words:<width$}").style(style(&migration.phase)).to_string()
}

/// `5 %`, `0.5 %`.
fn percent(share: f64) -> String {
    format!("{share} %")
}

fn way(migration: &MigrationReport) -> String {
    format!("{}: {} → {}", migration.model, migration.from.join(", "), migration.to.join(", "))
}

/// `to-b  running at 5 %, step 2 of 5`
pub(super) fn line(migration: &MigrationReport) -> String {
    let MigrationReport { name, step, steps, share_percent, .. } = migration;
    let share = percent(*share_percent);
    let where_it_is = match &*migration.phase {
        "running" | "paused" | "awaiting_approval" => format!(" at {share}, step {step} of {}", steps.len()),
        _ => String::new(),
    };
    format!("{}  {}{where_it_is} · {}", name.style(STRONG), phase(migration, 0), migration.next)
}

/// All of them, a line each.
pub(super) fn table(migrations: &[MigrationReport]) -> String {
    let width = |of: fn(&MigrationReport) -> usize| migrations.iter().map(of).max().unwrap_or_default();
    let (names, ways) = (width(|it| it.name.chars().count()).max(4), width(|it| way(it).chars().count()).max(5));
    let head = format!("{:<names$}  {:<ways$}  {:<17}  {:>7}  {:<5}  GUARDS", "NAME", "MOVES", "STATE", "NEW", "STEP");
    let mut text = format!("{}\n", head.style(DIM));
    for migration in migrations {
        let step = format!("{}/{}", migration.step, migration.steps.len());
        text.push_str(&format!(
            "{:<names$}  {:<ways$}  {}  {:>7}  {step:<5}  {}\n",
            migration.name,
            way(migration),
            phase(migration, 17),
            percent(migration.share_percent),
            migration.verdict.replace('_', " "),
        ));
    }
    text
}

/// One, with its steps and what its guards know.
pub(super) fn whole(migration: &MigrationReport) -> String {
    let under_way = matches!(&*migration.phase, "running" | "paused" | "awaiting_approval");
    let mut text = format!("{}   {}   {}", migration.name.style(STRONG), way(migration), phase(migration, 0));
    if under_way {
        let held = lasting(migration.held_ms / 1000);
        text.push_str(&format!(
            " · step {}/{} · {} · {held}",
            migration.step,
            migration.steps.len(),
            percent(migration.share_percent)
        ));
    }
    text.push_str(&format!(" · sticky by {}\n", migration.sticky_by));
    let steps: Vec<String> =
        migration.steps.iter().enumerate().map(|(at, step)| told(migration, at + 1, step)).collect();
    text.push_str(&format!("  {}\n", steps.join("    ")));
    if !migration.guards.is_empty() {
        let mut rows = vec![[
            String::new(),
            format!("old (n={})", grouped(migration.old_calls)),
            format!("new (n={})", grouped(migration.new_calls)),
            "difference".to_owned(),
            "certainly within".to_owned(),
            "limit".to_owned(),
            "verdict".to_owned(),
        ]];
        rows.extend(migration.guards.iter().map(row));
        let widths: Vec<usize> = (0..7)
            .map(|column| {
                rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for (at, row) in rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            let cells = cells.join("  ");
            let cells = cells.trim_end();
            text.push_str(&if at == 0 { format!("  {}\n", cells.style(DIM)) } else { format!("  {cells}\n") });
        }
    }
    if let Some(mirror) = &migration.mirror {
        text.push_str(&copies(mirror));
    }
    if let Some(last) = migration.last.as_ref().filter(|_| !under_way && migration.phase != "idle") {
        text.push_str(&format!("  {} {} by {}: {}\n", last.at, last.action.replace('_', " "), last.who, last.why));
    }
    text.push_str(&format!("  next: {}\n", migration.next));
    text
}

/// What copies have shown, in a line, and in what answers differ in another.
fn copies(mirror: &MirrorReport) -> String {
    let times =
        |name: &str, ratio: Option<f64>| ratio.map(|ratio| format!(" · {name} ×{ratio:.2}")).unwrap_or_default();
    let left_out =
        if mirror.left_out > 0 { format!(" ({} left out)", grouped(mirror.left_out)) } else { String::new() };
    let alike = mirror.similarity.map(|share| format!(" · texts {:.0} % alike", share * 100.0)).unwrap_or_default();
    let mut text = format!(
        "  mirror: {} compared{left_out}, {} differ{alike}{}{}{}{}\n",
        grouped(mirror.calls),
        grouped(mirror.differing),
        times("length", mirror.length),
        times("first token", mirror.first_token),
        times("time", mirror.total),
        times("cost", mirror.cost),
    );
    if !mirror.by_kind.is_empty() {
        let kinds: Vec<String> = mirror.by_kind.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        text.push_str(&format!("          they differ in: {}\n", kinds.join(", ")));
    }
    text
}

/// `5 % ▶`
fn told(migration: &MigrationReport, number: usize, step: &StepReport) -> String {
    let share = percent(step.share_percent);
    let mark = match (&*migration.phase, number.cmp(&migration.step)) {
        ("promoted", _) | ("running" | "paused" | "awaiting_approval", std::cmp::Ordering::Less) => " ✔",
        ("running", std::cmp::Ordering::Equal) => " ▶",
        ("paused" | "awaiting_approval", std::cmp::Ordering::Equal) => " ⏸",
        _ => "",
    };
    let approval = if step.approval { " then approval" } else { "" };
    let hold = if step.hold_ms > 0 { format!(" {}", brief(step.hold_ms as f64)) } else { String::new() };
    format!("{share}{hold}{approval}{mark}")
}

fn row(guard: &WatchReport) -> [String; 7] {
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    let verdict = match &*guard.verdict {
        "better_or_equal" => "ok",
        other => other,
    };
    [
        guard.title.clone(),
        or_dash(&guard.old),
        or_dash(&guard.new),
        or_dash(&guard.change),
        guard.interval.clone(),
        guard.limit.clone(),
        verdict.to_owned(),
    ]
}

/// Something that happened, with what was known then.
pub(super) fn entry(entry: &EntryReport) -> String {
    let why = if entry.why.is_empty() { String::new() } else { format!(": {}", entry.why) };
    let head = format!(
        "{}  {}  {} by {}{why}\n",
        entry.at,
        format!("{:>5}", percent(entry.share_percent)).style(STRONG),
        entry.action.replace('_', " "),
        entry.who
    );
    let evidence: String = entry.evidence.iter().map(|line| format!("      {}\n", line.style(DIM))).collect();
    head + &evidence
}
