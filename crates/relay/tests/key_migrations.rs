//! Traffic that moves from some keys of a provider to others of its keys, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod support;

use sluicegate_config::{
    Config, ListedModel, Migration, ProviderKey, ProviderKind, Rate, RateKind, Shape, Start, Window, keys_of_new_sides,
};
use sluicegate_migration::{Definition, Guard, KillSwitch, Limit, Metric, Plan, Share, Step, StickyBy, Target};
use sluicegate_relay::MigrationOrder;
use sluicegate_simulate::{Handle, Options, Rule, Settings, Simulator};
use sluicegate_vocabulary::{Mode, Receipt};
use std::time::{Duration, Instant};
use support::*;

/// A simulated provider, whose keys a relay's traffic moves between.
struct Stand {
    simulator: Handle,
    address: std::net::SocketAddr,
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Stand {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let begun = runtime.block_on(async { Simulator::start(Options { label: false, ..Options::default() }) });
        let (address, simulator) = begun.unwrap();
        Self { simulator, address, folder: tempfile::tempdir().unwrap(), _runtime: runtime }
    }

    /// A provider of three keys, of which a migration has `c` for its new side.
    fn config(&self, migration: Migration) -> Config {
        let mut up = provider("up", ProviderKind::OpenAi, self.address);
        let key = |name: &&str| ProviderKey::new(name, "test", format!("secret-{name}").into());
        up.keys = ["a", "b", "c"].iter().map(key).collect();
        up.models.push(ListedModel { id: "x".to_owned(), context_window: None, max_output: None, deployment: None });
        let mut config = config(vec![up]);
        config.models.insert("m".into(), model("m", &["up/x"]));
        config.migrations.insert("keys".into(), migration);
        config
    }

    fn relay(&self, config: Config) -> Running {
        Running::in_dir(config, self.folder.path())
    }
}

fn keys(names: &[&str]) -> Target {
    let keys = names.iter().map(|&name| name.to_owned()).collect();
    Target { keys, ..Target::new("up", "x") }
}

/// Calls of `m` move from the keys of `from` to those of `to` in one step.
fn moving(from: Target, to: Target, share: f64) -> Migration {
    let step = Step::new(Share::percent(share).unwrap()).hold(Duration::from_secs(600));
    let definition = Definition {
        guards: Vec::new(),
        sticky_by: StickyBy::Header("x-session".to_owned()),
        ..Definition::new("keys", "m", from, to, Plan::new([step]).unwrap())
    };
    Migration { definition, mirror: None, start: Start::Manual, kill: KillSwitch::default() }
}

fn order(relay: &Running, order: MigrationOrder) {
    relay.relay.order_migration("keys", order, "ada", "because", false).unwrap();
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Asks for a name in so many sessions: of each call the side that it was given and the key that the provider saw.
fn asked(relay: &Running, path: &str, name: &str, sessions: usize) -> Vec<(String, String)> {
    let body = format!(r#"{{"model":"{name}","messages":[{{"role":"user","content":"[[sim:echo]]"}}]}}"#);
    let one = |session: usize| {
        let answer = relay.post(path, &format!("x-session: {session}\r\n"), &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let (_, key) = answer.split_once("Bearer secret-").unwrap_or_else(|| panic!("no key in {answer}"));
        let arm = answer.lines().find_map(|line| line.strip_prefix("x-sluicegate-arm: ")).unwrap_or_default();
        (arm.to_owned(), key[..1].to_owned())
    };
    (0..sessions).map(one).collect()
}

/// The keys among them, each once.
fn seen(asked: &[(String, String)]) -> Vec<&str> {
    let mut keys: Vec<&str> = asked.iter().map(|(_, key)| key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn tried(receipts: &[Receipt]) -> Vec<String> {
    receipts.iter().map(|receipt| receipt.attempts.iter().map(|it| &*it.credential).collect()).collect()
}

#[test]
fn each_side_uses_its_own_keys_and_nobody_else_uses_the_new_ones() {
    let stand = Stand::new();
    let relay = stand.relay(stand.config(moving(Target::new("up", "x"), keys(&["c"]), 50.0)));
    assert_eq!(relay.relay.migrations()[0].to, ["up/x[c]"]);
    for path in [CHAT, "/p/up/v1/chat/completions"] {
        assert_eq!(seen(&asked(&relay, path, "m", 40)), ["a", "b"], "it has not begun");
    }
    order(&relay, MigrationOrder::Start);
    let moved = asked(&relay, CHAT, "m", 60);
    for (arm, key) in &moved {
        assert_eq!(arm == "new", key == "c", "{arm} was asked with {key}");
    }
    assert_eq!(seen(&moved), ["a", "b", "c"]);
    for (path, name) in [(CHAT, "up/x"), (CHAT, "up/unlisted"), ("/p/up/v1/chat/completions", "m")] {
        assert_eq!(seen(&asked(&relay, path, name, 40)), ["a", "b"], "{name} is not moved");
    }
    order(&relay, MigrationOrder::Promote);
    assert_eq!(seen(&asked(&relay, CHAT, "m", 40)), ["c"]);
    let next = &relay.relay.migrations()[0].next;
    assert!(next.starts_with("over: take the old side's keys out"), "{next}");
    order(&relay, MigrationOrder::Rollback);
    assert_eq!(seen(&asked(&relay, CHAT, "m", 40)), ["a", "b"]);
}

#[test]
fn an_old_side_that_names_keys_uses_no_others() {
    let stand = Stand::new();
    let relay = stand.relay(stand.config(moving(keys(&["a"]), keys(&["c"]), 50.0)));
    assert_eq!(seen(&asked(&relay, CHAT, "m", 40)), ["a"]);
    order(&relay, MigrationOrder::Start);
    assert_eq!(seen(&asked(&relay, CHAT, "m", 60)), ["a", "c"]);
    assert_eq!(seen(&asked(&relay, CHAT, "up/x", 40)), ["a", "b"], "what is not moved has all but the new side's");
}

#[test]
fn all_models_of_a_provider_move_to_other_keys_of_it() {
    let stand = Stand::new();
    let all = |place: Target| Target { model: Target::ANY.to_owned(), ..place };
    let one = moving(all(keys(&[])), all(keys(&["c"])), 100.0);
    let definition = Definition { model: "models of up".to_owned(), mapped: true, ..one.definition };
    let relay = stand.relay(stand.config(Migration { definition, ..one }));
    for name in ["m", "x"] {
        assert_eq!(seen(&asked(&relay, CHAT, name, 40)), ["a", "b"], "{name}");
    }
    order(&relay, MigrationOrder::Start);
    for name in ["m", "x"] {
        assert_eq!(seen(&asked(&relay, CHAT, name, 20)), ["c"], "{name}");
    }
}

#[test]
fn what_a_new_key_fails_the_old_ones_answer_and_are_not_blamed_for() {
    let stand = Stand::new();
    let mut migration = moving(Target::new("up", "x"), keys(&["c"]), 100.0);
    migration.definition.guards = vec![Guard::new(Metric::Errors, Limit::Max(0.05))];
    migration.definition.min_calls_rollback = 40;
    let relay = stand.relay(stand.config(migration));
    order(&relay, MigrationOrder::Start);
    let rules = vec![Rule::always("[[sim:status=500]]").for_keys("secret-c")];
    stand.simulator.order(Settings { rules, ..Settings::default() }).unwrap();
    let answers = asked(&relay, CHAT, "m", 20);
    assert_eq!(seen(&answers), ["a", "b"]);
    assert!(answers.iter().all(|(arm, _)| arm == "new"), "{answers:?}");
    let tried = tried(&relay.receipts(20));
    assert!(tried[0].starts_with('c') && tried[0].len() == 2, "{tried:?}");
    // After enough failures the new side is left alone, and only it.
    assert!(tried[19] == "a" || tried[19] == "b", "{tried:?}");
    let standing = relay.relay.standing().report();
    let state = |name: &str| &*standing.providers.iter().find(|it| it.name == name).unwrap().breaker.state;
    assert_eq!((state("up"), state("up[c]")), ("closed", "open"));
    // A call that the new side could not even be asked for is its failure, although the same model of the same provider
    // has answered it.
    until("read", || relay.relay.migrations()[0].new_calls == 20);
    asked(&relay, CHAT, "m", 40);
    until("rolled back", || relay.relay.migrations()[0].phase == "rolled_back");
    assert!(relay.relay.standing().report().providers.iter().all(|it| it.name != "up" || it.breaker.failures == 0));
}

#[test]
fn each_side_is_held_to_the_limits_of_its_own_keys() {
    let stand = Stand::new();
    let mut config = stand.config(moving(Target::new("up", "x"), keys(&["c"]), 100.0));
    config.mode = Mode::Strict;
    let one = Rate { kind: RateKind::Requests, window: Window::Minute, amount: 2, shape: Shape::SlidingWindow };
    let up = config.providers.get_mut("up").unwrap();
    up.keys[2].limits.rates = vec![one];
    let relay = stand.relay(config);
    order(&relay, MigrationOrder::Start);
    let keys: Vec<String> = asked(&relay, CHAT, "m", 10).into_iter().map(|(_, key)| key).collect();
    assert_eq!(keys[..2], ["c", "c"]);
    assert!(keys[2..].iter().all(|key| key != "c"), "{keys:?}");
    assert_eq!(seen(&asked(&relay, CHAT, "up/x", 10)).len(), 2, "the others' keys have no such limit");
}

#[test]
fn a_reload_without_the_migration_gives_its_keys_to_everybody() {
    let stand = Stand::new();
    let config = stand.config(moving(Target::new("up", "x"), keys(&["c"]), 100.0));
    assert_eq!(keys_of_new_sides(&config.migrations, "up").into_iter().collect::<Vec<_>>(), ["c"]);
    let relay = stand.relay(config.clone());
    order(&relay, MigrationOrder::Start);
    assert_eq!(seen(&asked(&relay, CHAT, "m", 20)), ["c"]);
    let mut after = config;
    after.migrations.clear();
    relay.relay.reload(after, Default::default()).unwrap();
    assert_eq!(seen(&asked(&relay, CHAT, "m", 60)), ["a", "b", "c"]);
}
