//! What `top` draws: a picture of flow control on however much of a terminal there is.
//!
//! Limits have the first claim on room, since they are what one looks for; providers, classes and callers share what is
//! below. A
//! list that does not fit says how many more there are.

use crate::command::providers::{Row as Standing, is_well, percent, rows};
use crate::command::remote::raised;
use crate::command::words::{amount, bar, brief, bytes, counts, fitted, grouped, lasting, owner, used};
use ratatui::Frame;
use ratatui::backend::TestBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Row, Sparkline, Table};
use sluicegate_control::{Flow, FlowCaller, FlowClass, FlowLimit, ProvidersPage};
use sluicegate_relay::ProviderReport;
use std::collections::VecDeque;

const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const WARN: Style = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);

/// Looks at how many wait that are remembered.
const LOOKS: usize = 300;
/// Seconds over which the rates in the head are taken.
const RATE: usize = 5;
/// Cells of a limit's bar.
const BAR: usize = 20;
/// From this width on there is room for bars.
const WIDE: u16 = 100;
/// Width of the table of classes.
const CLASSES: u16 = 50;
/// Lines of a curve, its title included.
const CURVE: u16 = 5;
/// Limits on a picture that is as high as it needs to be.
const STILL: usize = 40;
/// Lines of providers and keys that are shown.
const STANDINGS: usize = 10;

/// What is drawn.
#[derive(Debug)]
pub(super) struct Picture {
    flow: Flow,
    providers: Vec<ProviderReport>,
    /// How many waited at each look, the latest last.
    waited: VecDeque<u64>,
    /// Why there is nothing newer.
    lost: Option<String>,
}

impl Picture {
    pub(super) fn new(flow: Flow) -> Self {
        let waited = VecDeque::from([flow.waiting.calls]);
        Self { flow, providers: Vec::new(), waited, lost: None }
    }

    /// A newer one.
    pub(super) fn show(&mut self, flow: Flow) {
        if self.waited.len() == LOOKS {
            self.waited.pop_front();
        }
        self.waited.push_back(flow.waiting.calls);
        self.flow = flow;
        self.lost = None;
    }

    /// Who answers, and how they are.
    pub(super) fn providers(&mut self, page: ProvidersPage) {
        self.providers = page.report.providers;
    }

    /// Providers and keys, those that are not well first where there is not room for all.
    fn standings(&self) -> Vec<Standing> {
        let mut all = rows(&self.providers);
        if all.len() > STANDINGS {
            all.sort_by_key(|row| is_well(&row.state).0);
            all.truncate(STANDINGS);
        }
        all
    }

    /// The relay does not answer.
    pub(super) fn lost(&mut self, why: &str) {
        self.lost = Some(why.lines().next().unwrap_or_default().to_owned());
    }
}

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, picture: &Picture) {
    let flow = &picture.flow;
    let notices = notices(picture);
    let below = below(flow);
    let standings = picture.standings();
    let [head, said, curves, limits, providers, rest, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(u16::try_from(notices.len()).unwrap_or(u16::MAX)),
        Constraint::Length(CURVE),
        Constraint::Min(4),
        Constraint::Length(lines(&standings)),
        Constraint::Length(below),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(header(flow), head);
    frame.render_widget(Paragraph::new(notices), said);
    let [calls, waiting] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(1).areas(curves);
    let ended = flow.last_minute.calls_by_second.split_last().map_or(&[][..], |(_, ended)| ended);
    curve(frame, calls, "calls a second", ended.iter().copied(), Color::Cyan);
    curve(frame, waiting, "waiting", picture.waited.iter().copied(), Color::Yellow);
    draw_limits(frame, limits, flow);
    draw_providers(frame, providers, &standings);
    let [classes, callers] =
        Layout::horizontal([Constraint::Length(CLASSES), Constraint::Fill(1)]).spacing(1).areas(rest);
    draw_classes(frame, classes, flow);
    draw_callers(frame, callers, flow);
    frame.render_widget(Line::styled("q quits", DIM), foot);
}

/// The picture as text, as high as it needs to be.
pub(super) fn still(picture: &Picture, width: u16) -> String {
    let limits = picture.flow.limits.len().clamp(2, STILL) + 2;
    let standings = lines(&picture.standings());
    let height =
        2 + CURVE + below(&picture.flow) + standings + u16::try_from(limits + notices(picture).len()).unwrap_or(CURVE);
    let Ok(mut terminal) = ratatui::Terminal::new(TestBackend::new(width.max(60), height));
    let Ok(_) = terminal.draw(|frame| draw(frame, picture));
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(buffer.area.width));
    let text: Vec<String> = lines.map(|cells| cells.iter().map(|cell| cell.symbol()).collect()).collect();
    // The last line says how to quit.
    text.iter().take(text.len().saturating_sub(1)).map(|line| format!("{}\n", line.trim_end())).collect()
}

fn below(flow: &Flow) -> u16 {
    u16::try_from(flow.waiting.classes.len().max(4)).unwrap_or(4) + 2
}

/// Lines of the table of providers, its title and heading included.
fn lines(standings: &[Standing]) -> u16 {
    if standings.is_empty() { 0 } else { u16::try_from(standings.len() + 2).unwrap_or(u16::MAX) }
}

/// The mean of the latest full seconds.
fn rate(by_second: &[u64], up: u64) -> f64 {
    let full = by_second.split_last().map_or(&[][..], |(_, full)| full);
    let seconds = RATE.min(usize::try_from(up).unwrap_or(RATE)).max(1);
    full.iter().rev().take(seconds).sum::<u64>() as f64 / seconds as f64
}

fn header(flow: &Flow) -> Line<'static> {
    let minute = &flow.last_minute;
    let state = if flow.ready { Span::raw("") } else { Span::styled(" · stopping", WARN) };
    let calls = rate(&minute.calls_by_second, flow.uptime_seconds);
    let refused = rate(&minute.refusals_by_second, flow.uptime_seconds);
    Line::from(vec![
        Span::styled(format!("sluicegate {}", flow.version), STRONG),
        state,
        Span::raw(format!(" · up {} · config {} · ", lasting(flow.uptime_seconds), flow.config)),
        Span::styled(format!("{} in flight", grouped(flow.in_flight)), STRONG),
        Span::raw(format!(" · {calls:.1} calls/s · ")),
        Span::styled(format!("{refused:.1} refused/s"), if refused > 0.0 { WARN } else { Style::new() }),
    ])
}

fn notices(picture: &Picture) -> Vec<Line<'static>> {
    let lost = picture.lost.iter().map(|why| format!("the relay does not answer, this is the last picture: {why}"));
    let alerts = picture.flow.alerts.iter().filter(|alert| alert.firing);
    let alerts = alerts.map(|alert| format!("alert: {}", raised(alert)));
    lost.chain(alerts).take(4).map(|line| Line::styled(line, WARN)).collect()
}

fn block(title: String) -> Block<'static> {
    Block::new().borders(Borders::TOP).border_style(DIM).title(Line::styled(title, STRONG))
}

/// The latest values of a curve, as many as there is room for, with the highest of them in the title.
fn curve(frame: &mut Frame<'_>, area: Rect, name: &str, values: impl DoubleEndedIterator<Item = u64>, colour: Color) {
    let mut latest: Vec<u64> = values.rev().take(usize::from(area.width.saturating_sub(1))).collect();
    latest.reverse();
    let now = latest.last().copied().unwrap_or_default();
    let most = latest.iter().max().copied().unwrap_or_default();
    let block = block(format!("{name}: {} (most {}) ", grouped(now), grouped(most)));
    frame.render_widget(Sparkline::default().data(latest).style(Style::new().fg(colour)).block(block), area);
}

fn draw_limits(frame: &mut Frame<'_>, area: Rect, flow: &Flow) {
    let room = usize::from(area.height.saturating_sub(2));
    let all = flow.limits.len() + flow.limits_left_out;
    // The line that says how many more there are takes one itself.
    let shown = if all > room { room.saturating_sub(1) } else { room };
    let more = all.saturating_sub(shown.min(flow.limits.len()));
    let note = match (all, more) {
        (0, _) => "no limit is in use".to_owned(),
        (_, 0) => String::new(),
        (_, more) => format!("and {} more that are less full", grouped(more as u64)),
    };
    let [area, last] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(u16::from(!note.is_empty()))]).areas(area);
    frame.render_widget(Line::styled(note, DIM), last);
    let wide = area.width >= WIDE;
    let cells = if wide { BAR } else { 0 };
    let rows: Vec<Row<'static>> = flow.limits.iter().take(shown).map(|limit| limit_row(limit, cells)).collect();
    let gauge = u16::try_from(cells).unwrap_or(0) + 5;
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(16),
        Constraint::Length(17),
        Constraint::Length(gauge),
        Constraint::Length(14),
        Constraint::Length(if wide { 7 } else { 0 }),
    ];
    let heading = ["limit", "counts", "used", "", "waiting", "refills"].map(Line::from);
    let heading = Row::new(heading.map(|cell| if cell.to_string() == "used" { cell.right_aligned() } else { cell }));
    let title = block(format!("limits: {} ", grouped(all as u64)));
    frame.render_widget(Table::new(rows, widths).header(heading.style(DIM)).block(title), area);
}

fn limit_row(limit: &FlowLimit, cells: usize) -> Row<'static> {
    let share = used(limit);
    let (full, rest) = bar(share, cells);
    let colour = match share {
        share if share >= 0.95 => Color::Red,
        share if share >= 0.8 => Color::Yellow,
        _ => Color::Green,
    };
    let gauge = Line::from(vec![
        Span::styled(full, Style::new().fg(colour)),
        Span::styled(rest, DIM),
        Span::styled(format!(" {:>3.0}%", share * 100.0), Style::new().fg(colour)),
    ]);
    let waiting = match (limit.waiting, limit.shadow) {
        (0, false) => String::new(),
        (0, true) => "shadow".to_owned(),
        (waiting, _) => format!("{}, {}", grouped(waiting.into()), brief(limit.oldest_wait_ms as f64)),
    };
    let refills = limit.refills_in_ms.map_or_else(|| "-".to_owned(), |ms| brief(ms as f64));
    let cells: [Line<'static>; 6] = [
        fitted(owner(limit), 60).into(),
        counts(limit).into(),
        Line::from(amount(limit)).right_aligned(),
        gauge,
        waiting.into(),
        refills.into(),
    ];
    Row::new(cells)
}

fn draw_providers(frame: &mut Frame<'_>, area: Rect, standings: &[Standing]) {
    let row = |standing: &Standing| {
        let colour = match is_well(&standing.state) {
            (true, _) => Color::Green,
            (_, true) => Color::Red,
            _ => Color::Yellow,
        };
        let cells: [Line<'static>; 6] = [
            fitted(&standing.name, 40).into(),
            Line::styled(standing.state.clone(), Style::new().fg(colour)),
            Line::from(standing.in_flight.to_string()).right_aligned(),
            Line::from(percent(standing.errors)).right_aligned(),
            Line::from(percent(standing.headroom)).right_aligned(),
            standing.rest.clone().into(),
        ];
        Row::new(cells)
    };
    let rows: Vec<Row<'static>> = standings.iter().map(row).collect();
    let widths = [
        Constraint::Fill(2),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(6),
        Constraint::Length(8),
        Constraint::Fill(3),
    ];
    let heading = Row::new(["provider/key", "state", "in flight", "errors", "headroom", ""]).style(DIM);
    frame.render_widget(Table::new(rows, widths).header(heading).block(block("providers ".to_owned())), area);
}

fn draw_classes(frame: &mut Frame<'_>, area: Rect, flow: &Flow) {
    let millis = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), brief);
    let row = |class: &FlowClass| {
        let waits = flow.last_minute.waits.iter().find(|wait| wait.class == class.class);
        let style = if class.waiting > 0 { STRONG } else { Style::new() };
        Row::new([
            class.class.clone(),
            grouped(class.waiting),
            if class.waiting > 0 { brief(class.oldest_wait_ms as f64) } else { String::new() },
            millis(waits.and_then(|waits| waits.p50_ms)),
            millis(waits.and_then(|waits| waits.p99_ms)),
            grouped(class.shed),
        ])
        .style(style)
    };
    let heading = Row::new(["class", "waiting", "oldest", "wait p50", "wait p99", "shed"]).style(DIM);
    let waiting = &flow.waiting;
    let title = if waiting.calls == 0 {
        "waiting: nobody ".to_owned()
    } else {
        let (oldest, size) = (brief(waiting.oldest_wait_ms as f64), bytes(waiting.bytes));
        format!("waiting: {}, oldest {oldest}, {size} ", grouped(waiting.calls))
    };
    let rows: Vec<Row<'static>> = waiting.classes.iter().map(row).collect();
    let widths = [8, 7, 7, 8, 8, 6].map(Constraint::Length);
    frame.render_widget(Table::new(rows, widths).header(heading).block(block(title)), area);
}

fn draw_callers(frame: &mut Frame<'_>, area: Rect, flow: &Flow) {
    let row = |caller: &FlowCaller| {
        Row::new([fitted(&caller.key, 40), grouped(caller.in_flight.into()), grouped(caller.waiting)])
    };
    let rows: Vec<Row<'static>> =
        flow.callers.iter().take(usize::from(area.height.saturating_sub(2))).map(row).collect();
    let widths = [Constraint::Fill(1), Constraint::Length(10), Constraint::Length(8)];
    let heading = Row::new(["key", "in flight", "waiting"]).style(DIM);
    let all = grouped((flow.callers.len() + flow.callers_left_out) as u64);
    frame.render_widget(Table::new(rows, widths).header(heading).block(block(format!("callers: {all} "))), area);
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
