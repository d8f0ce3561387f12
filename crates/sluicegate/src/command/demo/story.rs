//! The chapters, and the configuration that each is played with.

use std::path::Path;
use std::time::Duration;

/// The name of the migration.
pub(super) const MIGRATION: &str = "demo-a-to-demo-b";

/// A part of the story.
#[derive(Debug)]
pub(super) struct Chapter {
    pub(super) title: &'static str,
    pub(super) what: &'static str,
    pub(super) lasts: Duration,
    /// Calls a second.
    pub(super) rate: u32,
    /// The provider answers 429 to one call in five.
    pub(super) storm: bool,
    /// The new target fails three calls in ten.
    pub(super) worse: bool,
    /// The migration is started.
    pub(super) starts: bool,
    /// It lasts until the migration has been judged.
    pub(super) until_judged: bool,
}

/// The story.
pub(super) const CHAPTERS: [Chapter; 6] = [
    Chapter::new("steady", "60 calls a second in two priorities, within a limit of 90", 10, 60),
    Chapter::new("burst", "200 calls a second: what the limit has no room for waits its turn", 3, 200),
    Chapter { storm: true, ..Chapter::new("storm", "the provider answers 429 to one call in five", 15, 60) },
    Chapter::new("calm", "the provider is well again, and the relay finds out", 20, 60),
    Chapter {
        starts: true,
        ..Chapter::new("canary", "1 %, then 5 % of the calls go to another target, which is as good", 12, 60)
    },
    Chapter {
        worse: true,
        until_judged: true,
        ..Chapter::new("regression", "the new target begins to fail three calls in ten", 1, 60)
    },
];

/// The configuration of a chapter.
pub(super) fn configuration(chapter: Option<&Chapter>, seed: u64, data: &Path) -> String {
    let is = |of: fn(&Chapter) -> bool| chapter.is_some_and(of);
    let storm = if is(|chapter| chapter.storm) { "{ rate_limited: 0.2 }" } else { "{}" };
    let error_rate = if is(|chapter| chapter.worse) { 0.3 } else { 0.0 };
    let data = data.display();
    format!(
        "\
server: {{ data_dir: \"{data}\", request_log: none }}
rate_limits: {{ global: {{ requests_per_second: 90 }} }}
providers:
  demo-a:
    kind: simulated
    seed: {seed}
    ttft: 60ms
    tokens_per_second: 400
    faults: {storm}
    keys: [{{ name: one, value: demo-1 }}, {{ name: two, value: demo-2 }}, {{ name: three, value: demo-3 }}]
  demo-b: {{ kind: simulated, seed: {seed}, ttft: 60ms, tokens_per_second: 400, error_rate: {error_rate} }}
  demo-c: {{ kind: simulated, seed: {seed}, ttft: 90ms, tokens_per_second: 400 }}
models:
  chat: {{ to: demo-a/sim, fallbacks: [demo-c/sim] }}
migrations:
  {MIGRATION}:
    model: chat
    to: demo-b/sim
    sticky_by: call
    steps:
      - {{ traffic: 1%, hold: 3s }}
      - {{ traffic: 5%, hold: 10m }}
    guards:
      - {{ metric: error_rate, max_increase: 1pp }}
    on_inconclusive: advance
    min_calls_rollback: 40
"
    )
}
