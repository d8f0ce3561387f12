//! `top`: flow control and providers, live.
//!
//! A client of the same documents as `quota` and `providers`, asked for again and again. The relay is asked once before the screen is
//! touched, so that a relay that is not there is told of as every command tells it. A relay that goes away later leaves
//! the last picture standing, with a line that says so, because that picture is what somebody wants to see then.
//!
//! Keys are read by a thread of its own, since a terminal is read by blocking; it ends with the program.

mod view;

use super::providers::PROVIDERS;
use super::quota::FLOW;
use super::remote::{Place, asked, data_dir, runtime};
use crate::cli::TopArguments;
use crate::outcome::{Code, Failure, Outcome, written};
use crate::terminal;
use http::Method;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use sluicegate_control::{Flow, ProvidersPage};
use std::io::IsTerminal as _;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use view::Picture;

/// A relay that has not answered a question by then is said not to answer.
const LIMIT: Duration = Duration::from_secs(3);
/// Keys that may wait to be looked at.
const KEYS: usize = 16;
/// The width of a picture that is not shown on a terminal.
const WIDTH: u16 = 100;

pub(crate) fn top(arguments: &TopArguments) -> Outcome {
    let folder = data_dir(&arguments.remote);
    let runtime = runtime()?;
    let (body, flow) = runtime.block_on(fetch(&folder))?;
    if arguments.remote.json {
        return written(terminal::results(&format!("{body}\n")));
    }
    let mut picture = Picture::new(flow);
    picture.providers(runtime.block_on(providers(&folder))?);
    let live = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if arguments.once || !live {
        if !arguments.once {
            terminal::tell("this is not a terminal, so here is one picture; --once says that this is meant");
        }
        let width = ratatui::crossterm::terminal::size().map_or(WIDTH, |(width, _)| width);
        return written(terminal::results(&view::still(&picture, if live { width } else { WIDTH })));
    }
    let failed = |error: std::io::Error| Failure::other(format!("the terminal cannot be used: {error}"));
    let mut screen = ratatui::try_init().map_err(failed)?;
    let ended = runtime.block_on(show(&mut screen, &mut picture, &folder, arguments.interval.duration()));
    ratatui::restore();
    ended.map_err(failed)
}

async fn fetch(folder: &Place) -> Outcome<(String, Flow)> {
    asked(folder, Method::GET, FLOW, LIMIT).await
}

async fn providers(folder: &Place) -> Outcome<ProvidersPage> {
    Ok(asked(folder, Method::GET, PROVIDERS, LIMIT).await?.1)
}

/// Draws until somebody has seen enough.
async fn show(
    screen: &mut DefaultTerminal,
    picture: &mut Picture,
    folder: &Place,
    interval: Duration,
) -> std::io::Result<Code> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut keys = keys()?;
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        screen.draw(|frame| view::draw(frame, picture))?;
        tokio::select! {
            _ = terminate.recv() => return Ok(Code::Done),
            _ = interrupt.recv() => return Ok(Code::Done),
            _ = hangup.recv() => return Ok(Code::Done),
            event = keys.recv() => if event.is_none_or(|event| ends(&event)) {
                return Ok(Code::Done);
            },
            _ = ticks.tick() => {
                let asked = tokio::join!(fetch(folder), providers(folder));
                match asked {
                    (Ok((_, flow)), Ok(page)) => {
                        picture.show(flow);
                        picture.providers(page);
                    }
                    (Err(failure), _) | (_, Err(failure)) => picture.lost(&failure.message),
                }
            }
        }
    }
}

fn keys() -> std::io::Result<mpsc::Receiver<Event>> {
    let (sender, keys) = mpsc::channel(KEYS);
    std::thread::Builder::new().name("keys".into()).spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(keys)
}

fn ends(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press
        && matches!((key.code, control), (KeyCode::Char('q') | KeyCode::Esc, false) | (KeyCode::Char('c' | 'd'), true))
}

#[cfg(test)]
#[path = "top_tests.rs"]
mod tests;
