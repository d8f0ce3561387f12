//! Traffic that moves while it runs, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod support;

use sluicegate_config::{Config, Migration, Mirror, ProviderKind, Start};
use sluicegate_migration::{
    Definition, Guard, KillSwitch, Limit, Metric, OnInconclusive, Plan, Share, Step, StickyBy, Target,
};
use sluicegate_relay::{MigrationOrder, MigrationReport};
use sluicegate_vocabulary::Arm;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::*;

/// A provider that answers every call, with this status from now on.
struct Target2 {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    /// How long it takes, in milliseconds.
    takes: Arc<AtomicU64>,
    /// What it answers where it does not fail.
    says: Arc<Mutex<String>>,
    calls: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    /// When it was called last, in milliseconds since the Unix epoch.
    last: Arc<AtomicU64>,
}

fn epoch_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl Target2 {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Self {
            address: listener.local_addr().unwrap(),
            status: Arc::new(AtomicU16::new(200)),
            takes: Arc::default(),
            says: Arc::new(Mutex::new(ANSWER.to_owned())),
            calls: Arc::default(),
            failed: Arc::default(),
            last: Arc::default(),
        };
        let (takes, says) = (Arc::clone(&target.takes), Arc::clone(&target.says));
        let (status, calls, failed, last) = (
            Arc::clone(&target.status),
            Arc::clone(&target.calls),
            Arc::clone(&target.failed),
            Arc::clone(&target.last),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (takes, says) = (Arc::clone(&takes), Arc::clone(&says));
                let (status, calls, failed, last) =
                    (Arc::clone(&status), Arc::clone(&calls), Arc::clone(&failed), Arc::clone(&last));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    stream.set_nodelay(true).unwrap();
                    while next_message(&mut stream).is_some() {
                        calls.fetch_add(1, Ordering::Relaxed);
                        last.store(epoch_ms(), Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(takes.load(Ordering::Relaxed)));
                        let status = status.load(Ordering::Relaxed);
                        failed.fetch_add(u64::from(status != 200), Ordering::Relaxed);
                        let refusal = r#"{"error":{"message":"no","type":"x","code":"x"}}"#;
                        let body = if status == 200 { says.lock().unwrap().clone() } else { refusal.to_owned() };
                        let kind = if body.starts_with("data:") { "text/event-stream" } else { "application/json" };
                        let answer = format!(
                            "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
                            body.len()
                        );
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        target
    }

    fn says(&self, body: &str) {
        body.clone_into(&mut self.says.lock().unwrap());
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

/// One message of HTTP/1.1 with a length: its head.
fn next_message(stream: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Some(head);
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

fn percent(share: f64) -> Share {
    Share::percent(share).unwrap()
}

fn moving(steps: Vec<Step>, guards: Vec<Guard>) -> Migration {
    let plan = Plan::new(steps).unwrap();
    let definition = Definition {
        guards,
        sticky_by: StickyBy::Header("x-session".to_owned()),
        on_inconclusive: OnInconclusive::Advance,
        ..Definition::new("a-to-b", "m", Target::new("old", "a"), Target::new("new", "b"), plan)
    };
    Migration { definition, mirror: None, start: Start::Manual, kill: KillSwitch::default() }
}

fn mirror(share: f64) -> Mirror {
    Mirror { share: percent(share), max_concurrency: 4, usd_per_day: None, keep_text: true }
}

fn doubled(hold_ms: u64, min_calls: u64) -> Vec<Step> {
    let step = |share| Step::new(percent(share)).hold(Duration::from_millis(hold_ms)).min_calls(min_calls);
    [5.0, 10.0, 20.0, 40.0].map(step).to_vec()
}

fn configured(old: SocketAddr, new: SocketAddr, migration: Migration) -> Config {
    configured_as(ProviderKind::OpenAi, old, new, migration)
}

fn configured_as(kind: ProviderKind, old: SocketAddr, new: SocketAddr, migration: Migration) -> Config {
    let mut config = config(vec![provider("old", kind, old), provider("new", kind, new)]);
    config.models.insert("m".into(), model("m", &["old/a"]));
    config.migrations.insert("a-to-b".into(), migration);
    config
}

fn order(relay: &Running, order: MigrationOrder) -> MigrationReport {
    relay.relay.order_migration("a-to-b", order, "ada", "because", false).unwrap()
}

fn report(relay: &Running) -> MigrationReport {
    relay.relay.migrations().remove(0)
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    calls: u64,
    errors: Vec<String>,
    /// Session, and the sides it was given, in order, without repetitions.
    arms: HashMap<u64, Vec<Arm>>,
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Calls of 400 sessions from four clients at once for as long as `meanwhile` takes.
fn under_load(relay: &Running, meanwhile: impl FnOnce()) -> Seen {
    let stop = AtomicBool::new(false);
    let client = |client: u64| {
        let mut seen = Seen::default();
        let mut stream = relay.connect();
        let mut call = 0;
        while !stop.load(Ordering::Relaxed) {
            call += 1;
            let session = client * 1000 + call % 100;
            let body = hi("m");
            let request = format!(
                "POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-session: s{session}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(request.as_bytes()).unwrap();
            let head = next_message(&mut stream).expect("an answer");
            seen.calls += 1;
            if !head.starts_with("HTTP/1.1 200") {
                seen.errors.push(head.clone());
            }
            let arm = match header(&head, "x-sluicegate-arm") {
                Some("new") => Arm::New,
                _ => Arm::Old,
            };
            let arms = seen.arms.entry(session).or_default();
            if arms.last() != Some(&arm) {
                arms.push(arm);
            }
        }
        seen
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|number| scope.spawn(move || client(number))).collect();
        meanwhile();
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).fold(Seen::default(), |mut all, seen| {
            all.calls += seen.calls;
            all.errors.extend(seen.errors);
            all.arms.extend(seen.arms);
            all
        })
    })
}

fn actions(relay: &Running) -> Vec<String> {
    relay.relay.migration_history("a-to-b").unwrap().into_iter().map(|entry| entry.action).collect()
}

#[test]
fn traffic_moves_step_by_step_under_load_and_no_client_sees_an_error() {
    let (old, new) = (Target2::new(), Target2::new());
    let folder = tempfile::tempdir().unwrap();
    let mut migration = moving(doubled(200, 20), Guard::defaults());
    migration.mirror = Some(mirror(50.0));
    let relay = Running::in_dir(configured(old.address, new.address, migration), folder.path());
    let mut shares = Vec::new();
    let seen = under_load(&relay, || {
        // First only copies, whose answers nobody sees.
        until("compared", || report(&relay).mirror.is_some_and(|mirror| mirror.calls >= 50));
        let now = report(&relay);
        assert_eq!((now.phase.as_str(), now.share_percent, now.new_calls), ("idle", 0.0, 0));
        assert_eq!(now.mirror.unwrap().differing, 0);
        order(&relay, MigrationOrder::Start);
        until("promoted", || {
            let now = report(&relay);
            if shares.last() != Some(&now.share_percent) {
                shares.push(now.share_percent);
            }
            assert_ne!(now.phase, "rolled_back", "{:?}", now.last);
            now.phase == "promoted"
        });
        let before = old.calls();
        std::thread::sleep(Duration::from_millis(200));
        assert!(old.calls() <= before + 4, "all calls go to the new side");
    });
    assert_eq!(shares, [5.0, 10.0, 20.0, 40.0, 100.0]);
    assert_eq!(seen.errors, Vec::<String>::new());
    assert!(seen.calls > 1000 && new.calls() > 500, "{} {}", seen.calls, new.calls());
    // Who has moved stays moved.
    let is_back = |arms: &&Vec<Arm>| arms.windows(2).any(|two| two == [Arm::New, Arm::Old]);
    assert_eq!(seen.arms.values().filter(is_back).count(), 0);
    assert_eq!(actions(&relay), ["started", "advanced", "advanced", "advanced", "advanced", "promoted"]);
}

#[test]
fn a_target_that_fails_at_a_fifth_is_left_at_once_and_the_old_side_answers_every_call() {
    let (old, new) = (Target2::new(), Target2::new());
    let folder = tempfile::tempdir().unwrap();
    let migration = moving(doubled(200, 20), Guard::defaults());
    let relay = Running::in_dir(configured(old.address, new.address, migration), folder.path());
    let seen = under_load(&relay, || {
        order(&relay, MigrationOrder::Start);
        until("a fifth", || report(&relay).share_percent >= 20.0);
        new.status.store(500, Ordering::Relaxed);
        until("rolled back", || report(&relay).phase == "rolled_back");
        std::thread::sleep(Duration::from_millis(1200));
    });
    assert_eq!(seen.errors, Vec::<String>::new());
    let entry = relay.relay.migration_history("a-to-b").unwrap().pop().unwrap();
    assert_eq!((entry.action.as_str(), entry.who.as_str()), ("rolled_back", "sluicegate"));
    assert!(entry.why.starts_with("error rate") && entry.why.contains("beyond the limit"), "{}", entry.why);
    let at = chrono_ms(&entry.at);
    let last = new.last.load(Ordering::Relaxed);
    assert!(last <= at + 1_000 + 999, "the last call at {last}, rolled back at {at}");
    let failed = new.failed.load(Ordering::Relaxed);
    assert!(failed <= 200, "{failed} calls failed before it was left");
    assert_eq!(report(&relay).share_percent, 0.0);
}

/// A moment to the second, as milliseconds since the Unix epoch.
fn chrono_ms(at: &str) -> u64 {
    let seconds: u64 = at[17..19].parse().unwrap();
    let minutes: u64 = at[14..16].parse().unwrap();
    let now = epoch_ms() / 1000;
    let hour = now - now % 3600;
    let moment = hour + minutes * 60 + seconds;
    (if moment > now { moment - 3600 } else { moment }) * 1000
}

/// Everything to the new side from the start, whatever it does.
fn all_new(old: &Target2, new: &Target2, folder: &Path) -> Running {
    let migration = moving(vec![Step::new(percent(100.0)).hold(Duration::from_secs(600))], Vec::new());
    let relay = Running::in_dir(configured(old.address, new.address, migration), folder);
    order(&relay, MigrationOrder::Start);
    relay
}

#[test]
fn whatever_a_new_side_answers_the_old_side_answers_that_very_call() {
    let (old, new) = (Target2::new(), Target2::new());
    let folder = tempfile::tempdir().unwrap();
    let relay = all_new(&old, &new, folder.path());
    for status in [400, 401, 404, 429, 500, 503] {
        new.status.store(status, Ordering::Relaxed);
        let answer = relay.post(CHAT, "x-session: one\r\n", &hi("m"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{status}: {answer}");
        assert!(answer.contains("x-sluicegate-provider: old") && answer.contains("x-sluicegate-arm: new"), "{answer}");
    }
    // A mistake of the caller's own is told in the old side's words.
    old.status.store(400, Ordering::Relaxed);
    new.status.store(400, Ordering::Relaxed);
    assert!(relay.post(CHAT, "", &hi("m")).starts_with("HTTP/1.1 400"));
    let receipts = relay.receipts(7);
    assert!(receipts.iter().all(|receipt| receipt.moved.as_ref().is_some_and(|moved| moved.arm == Arm::New)));
    until("read", || report(&relay).new_calls >= 6);
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(report(&relay).new_calls, 6, "the caller's own mistake says nothing");
}

#[test]
fn a_stopped_new_side_costs_no_client_an_error() {
    let (old, new) = (Target2::new(), Target2::new());
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let migration = moving(
        vec![Step::new(percent(50.0)).hold(Duration::from_secs(600))],
        vec![Guard::new(Metric::Errors, Limit::MaxIncrease(0.01))],
    );
    drop(new);
    let relay = Running::in_dir(configured(old.address, gone, migration), folder.path());
    let seen = under_load(&relay, || {
        order(&relay, MigrationOrder::Start);
        until("rolled back", || report(&relay).phase == "rolled_back");
    });
    assert_eq!(seen.errors, Vec::<String>::new());
    // Its breaker opens soon, and what it is not asked any more is what it cannot answer.
    assert_eq!(report(&relay).new_calls, 100);
}

#[test]
fn whoever_insists_on_a_provider_is_no_part_of_it_and_without_a_start_nobody_is() {
    let (old, new) = (Target2::new(), Target2::new());
    let folder = tempfile::tempdir().unwrap();
    let migration = moving(vec![Step::new(percent(100.0)).hold(Duration::from_secs(600))], Vec::new());
    let relay = Running::in_dir(configured(old.address, new.address, migration), folder.path());
    let before = relay.post(CHAT, "", &hi("m"));
    assert!(!before.contains("x-sluicegate-arm"), "{before}");
    order(&relay, MigrationOrder::Start);
    let insisting = relay.post(CHAT, "x-provider: old\r\n", &hi("m"));
    assert!(insisting.contains("x-sluicegate-provider: old") && !insisting.contains("x-sluicegate-arm"), "{insisting}");
    assert!(relay.post(CHAT, "", &hi("m")).contains("x-sluicegate-provider: new"));
    assert_eq!((old.calls(), new.calls()), (2, 1));
}

#[test]
fn several_models_move_at_once_each_to_its_own_name_at_the_other_provider() {
    let (old, new, third) = (Target2::new(), Target2::new(), Target2::new());
    let folder = tempfile::tempdir().unwrap();
    let one = moving(vec![Step::new(percent(100.0)).hold(Duration::from_secs(600))], Vec::new());
    let definition = Definition {
        model: "models of old".to_owned(),
        from: vec![Target::new("old", "a"), Target::new("old", Target::ANY)],
        to: vec![Target::new("new", "b"), Target::new("new", Target::ANY)],
        mapped: true,
        ..one.definition
    };
    let mut config = configured(old.address, new.address, Migration { definition, ..one });
    let other = provider("third", ProviderKind::OpenAi, third.address);
    config.providers.insert("third".to_owned(), other);
    let listed = sluicegate_config::ListedModel {
        id: "listed".to_owned(),
        context_window: None,
        max_output: None,
        deployment: None,
    };
    config.providers.get_mut("old").unwrap().models.push(listed);
    for (name, to) in [("small", "old/c"), ("apart", "third/a"), ("spread", "old/a")] {
        config.models.insert(name.into(), model(name, &[to]));
    }
    config.models.get_mut("spread").unwrap().to.push(model("x", &["third/a"]).to.remove(0));
    let relay = Running::in_dir(config, folder.path());
    let answered = |name: &str| {
        let answer = relay.post(CHAT, "", &hi(name));
        let told = |field: &str| header(&answer, field).unwrap_or_default().to_owned();
        (told("x-sluicegate-provider"), told("x-sluicegate-model"), told("x-sluicegate-arm"))
    };
    let is = |provider: &str, model: &str, arm: &str| (provider.to_owned(), model.to_owned(), arm.to_owned());
    assert_eq!(answered("m"), is("old", "a", ""));
    order(&relay, MigrationOrder::Start);
    assert_eq!(answered("m"), is("new", "b", "new"));
    assert_eq!(answered("small"), is("new", "c", "new"), "the others keep their names");
    assert_eq!(answered("listed"), is("new", "listed", "new"), "asked for by the provider's own name");
    assert_eq!(answered("apart"), is("third", "a", ""), "another provider's models stay");
    assert_eq!(answered("spread").2, "", "what leads to several providers stays");
    assert_eq!(answered("old/a"), is("old", "a", ""), "whoever names the provider means it");
    new.status.store(500, Ordering::Relaxed);
    assert_eq!(answered("small"), is("old", "c", "new"), "each falls back to its own old model");
    until("read", || report(&relay).new_calls >= 4);
    order(&relay, MigrationOrder::Rollback);
    assert_eq!(answered("listed"), is("old", "listed", ""));
}

#[test]
fn a_kill_switch_in_the_configuration_sends_every_call_back_with_the_reload() {
    let (old, new) = (Target2::new(), Target2::new());
    let folder = tempfile::tempdir().unwrap();
    let relay = all_new(&old, &new, folder.path());
    assert!(relay.post(CHAT, "", &hi("m")).contains("x-sluicegate-provider: new"));
    let mut config = relay.relay.config();
    config.migrations.get_mut("a-to-b").unwrap().kill.configuration = true;
    relay.relay.reload(config, Default::default()).unwrap();
    assert!(relay.post(CHAT, "", &hi("m")).contains("x-sluicegate-provider: old"));
    let refused = relay.relay.order_migration("a-to-b", MigrationOrder::Start, "ada", "", false);
    assert!(refused.unwrap_err().to_string().contains("kill switch"));
}

#[test]
fn a_restart_goes_on_at_the_step_with_everybody_on_the_same_side() {
    let (old, new) = (Target2::new(), Target2::new());
    let folder = tempfile::tempdir().unwrap();
    let migration = || moving(doubled(600_000, 0), Vec::new());
    let sides = |relay: &Running| -> Vec<bool> {
        let side = |session: usize| relay.post(CHAT, &format!("x-session: s{session}\r\n"), &hi("m"));
        (0..60).map(|session| side(session).contains("x-sluicegate-arm: new")).collect()
    };
    let relay = Running::in_dir(configured(old.address, new.address, migration()), folder.path());
    order(&relay, MigrationOrder::Start);
    order(&relay, MigrationOrder::Advance);
    order(&relay, MigrationOrder::Advance);
    let (before, seed) = (sides(&relay), report(&relay).seed);
    assert!(before.iter().any(|new| *new) && before.iter().any(|new| !*new), "{before:?}");
    drop(relay);
    let relay = Running::in_dir(configured(old.address, new.address, migration()), folder.path());
    let now = report(&relay);
    assert_eq!((now.phase.as_str(), now.step, now.share_percent, now.seed), ("running", 3, 20.0, seed));
    assert_eq!(sides(&relay), before);
    assert_eq!(order(&relay, MigrationOrder::Start).run, 1, "two starts are one");
}

fn mirrored(old: &Target2, new: &Target2, folder: &Path, rule: Mirror) -> Running {
    mirrored_as(ProviderKind::OpenAi, old, new, folder, rule)
}

fn mirrored_as(kind: ProviderKind, old: &Target2, new: &Target2, folder: &Path, rule: Mirror) -> Running {
    let mut migration = moving(doubled(600_000, 0), Vec::new());
    migration.mirror = Some(rule);
    Running::in_dir(configured_as(kind, old.address, new.address, migration), folder)
}

#[test]
fn copies_slow_nobody_and_show_in_what_answers_differ() {
    let (old, new) = (Target2::new(), Target2::new());
    new.takes.store(400, Ordering::Relaxed);
    new.status.store(500, Ordering::Relaxed);
    let folder = tempfile::tempdir().unwrap();
    let relay = mirrored(&old, &new, folder.path(), mirror(100.0));
    let began = Instant::now();
    for _ in 0..20 {
        assert!(relay.post(CHAT, "", &hi("m")).starts_with("HTTP/1.1 200"));
    }
    assert!(began.elapsed() < Duration::from_millis(20 * 400 / 2), "{:?}", began.elapsed());
    // Four at once: some are made, and those beyond are left out rather than kept.
    until("compared", || {
        let mirror = report(&relay).mirror.unwrap();
        mirror.calls + mirror.left_out == 20
    });
    let mirror = report(&relay).mirror.unwrap();
    assert!(mirror.calls >= 4 && mirror.left_out > 0, "{mirror:?}");
    assert_eq!((mirror.differing, mirror.by_kind.get("status")), (mirror.calls, Some(&mirror.calls)));
    assert_eq!((new.calls(), mirror.samples[0].old.as_str()), (mirror.calls, "hi"));
    // What copies show blames no provider, and makes no receipt.
    assert_eq!(relay.receipts(20).iter().filter(|receipt| receipt.attempts.len() == 1).count(), 20);
    drop(relay);
    let relay = mirrored(&old, &new, folder.path(), self::mirror(100.0));
    assert_eq!(report(&relay).mirror.unwrap().calls, mirror.calls, "kept over a restart");
}

#[test]
fn copies_are_counted_by_what_became_of_them() {
    let (old, new) = (Target2::new(), Target2::new());
    let folder = tempfile::tempdir().unwrap();
    let relay = mirrored(&old, &new, folder.path(), mirror(100.0));
    let counted = |outcome: &str| {
        let series = format!("sluicegate_migration_copies_total{{migration=\"a-to-b\",outcome=\"{outcome}\"}} ");
        let metrics = relay.relay.metrics().encode().unwrap();
        metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok()).unwrap_or(0)
    };
    relay.post(CHAT, "", &hi("m"));
    until("compared", || counted("alike") == 1);
    new.says(r#"{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"length"}]}"#);
    relay.post(CHAT, "", &hi("m"));
    until("differs", || counted("differs") == 1);
    drop(relay);
    let folder = tempfile::tempdir().unwrap();
    let relay = mirrored(&old, &new, folder.path(), Mirror { usd_per_day: Some(1.0), ..mirror(100.0) });
    relay.post(CHAT, "", &hi("m"));
    let unpriced = "sluicegate_migration_copies_total{migration=\"a-to-b\",outcome=\"left_out_unpriced\"} 1";
    until("left out", || relay.relay.metrics().encode().unwrap().lines().any(|line| line == unpriced));
}

#[test]
fn copies_are_made_of_responses_embeddings_and_older_completions_too() {
    let (old, new) = (Target2::new(), Target2::new());
    let folder = tempfile::tempdir().unwrap();
    let relay = mirrored(&old, &new, folder.path(), mirror(100.0));
    let text = |text: &str| {
        format!(
            r#"{{"object":"response","status":"completed","output":[{{"type":"message","content":[{{"type":"output_text","text":"{text}"}}]}}]}}"#
        )
    };
    let cases = [
        ("/v1/responses", r#"{"model":"m","input":"hi"}"#, text("hi"), text(""), "empty"),
        (
            "/v1/embeddings",
            r#"{"model":"m","input":"hi","encoding_format":"float"}"#,
            r#"{"data":[{"embedding":[1,0]}]}"#.to_owned(),
            r#"{"data":[{"embedding":[1,0,0]}]}"#.to_owned(),
            "shape",
        ),
        (
            "/v1/completions",
            r#"{"model":"m","prompt":"hi"}"#,
            r#"{"choices":[{"index":0,"text":"a b c","finish_reason":"stop"}]}"#.to_owned(),
            r#"{"choices":[{"index":0,"text":"a b c","finish_reason":"length"}]}"#.to_owned(),
            "finish",
        ),
    ];
    for (at, (path, body, said, differs, how)) in cases.into_iter().enumerate() {
        old.says(&said);
        new.says(&said);
        assert!(relay.post(path, "", body).starts_with("HTTP/1.1 200"));
        until("compared", || report(&relay).mirror.unwrap().calls == 2 * at as u64 + 1);
        assert_eq!(report(&relay).mirror.unwrap().differing, at as u64, "{path}");
        new.says(&differs);
        relay.post(path, "", body);
        until("differs", || report(&relay).mirror.unwrap().differing == at as u64 + 1);
        assert_eq!(report(&relay).mirror.unwrap().by_kind.get(how), Some(&1), "{path}");
    }
    // A response that goes on with one that only the old side has is copied to nobody.
    let before = new.calls();
    relay.post("/v1/responses", "", r#"{"model":"m","input":"and?","previous_response_id":"resp_1"}"#);
    old.says(ANSWER);
    new.says(ANSWER);
    relay.post(CHAT, "", &hi("m"));
    until("the next", || report(&relay).mirror.unwrap().calls == 7);
    assert_eq!(new.calls(), before + 1);
}

#[test]
fn copies_are_made_of_geminis_answers_buffered_and_streamed() {
    let (old, new) = (Target2::new(), Target2::new());
    let folder = tempfile::tempdir().unwrap();
    let relay = mirrored_as(ProviderKind::Gemini, &old, &new, folder.path(), mirror(100.0));
    let piece = |text: &str, end: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"role":"model","parts":[{{"text":"{text}"}}]}},"index":0{end}}}],"usageMetadata":{{"promptTokenCount":4,"candidatesTokenCount":2,"totalTokenCount":6}}}}"#
        )
    };
    let stop = r#","finishReason":"STOP""#;
    let streamed = |parts: &[String]| parts.iter().map(|part| format!("data: {part}\r\n\r\n")).collect::<String>();
    let cut = r#","finishReason":"MAX_TOKENS""#;
    let cases = [
        ("generateContent", piece("one two", stop), piece("one two", cut), "finish"),
        (
            "streamGenerateContent?alt=sse",
            streamed(&[piece("one ", ""), piece("two", stop)]),
            streamed(&[piece("", ""), piece("", stop)]),
            "empty",
        ),
    ];
    let body = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#;
    for (at, (method, said, differs, how)) in cases.into_iter().enumerate() {
        let path = format!("/v1beta/models/m:{method}");
        old.says(&said);
        new.says(&said);
        let answer = relay.post(&path, "", body);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("two"), "{answer}");
        until("compared", || report(&relay).mirror.unwrap().calls == 2 * at as u64 + 1);
        let seen = report(&relay).mirror.unwrap();
        assert_eq!((seen.differing, seen.similarity), (at as u64, Some(1.0)), "{method}: {seen:?}");
        new.says(&differs);
        relay.post(&path, "", body);
        until("differs", || report(&relay).mirror.unwrap().differing == at as u64 + 1);
        assert_eq!(report(&relay).mirror.unwrap().by_kind.get(how), Some(&1), "{method}");
    }
    assert_eq!((old.calls(), new.calls()), (4, 4));
}

#[test]
fn a_new_side_that_calls_tools_without_json_is_left() {
    let called = |arguments: &str| {
        let arguments = serde_json::Value::from(arguments);
        format!(
            r#"{{"choices":[{{"index":0,"finish_reason":"tool_calls","message":{{"tool_calls":[{{"id":"1","type":"function","function":{{"name":"find","arguments":{arguments}}}}}]}}}}],"usage":{{"prompt_tokens":1,"completion_tokens":2}}}}"#
        )
    };
    let (old, new) = (Target2::new(), Target2::new());
    old.says(&called("{\"q\":1}"));
    new.says(&called("{\"q\":1}"));
    let folder = tempfile::tempdir().unwrap();
    let migration = Migration {
        definition: Definition {
            sticky_by: StickyBy::Call,
            ..moving(
                vec![Step::new(percent(50.0)).hold(Duration::from_secs(600))],
                vec![Guard::new(Metric::InvalidToolCalls, Limit::Max(0.05))],
            )
            .definition
        },
        ..moving(doubled(1, 1), Vec::new())
    };
    let relay = Running::in_dir(configured(old.address, new.address, migration), folder.path());
    order(&relay, MigrationOrder::Start);
    let asked = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"find"}}]}"#;
    for _ in 0..120 {
        assert!(relay.post(CHAT, "", asked).starts_with("HTTP/1.1 200"));
        // What offers no tools says nothing about how they are called.
        relay.post(CHAT, "", &hi("m"));
    }
    until("both sides judged", || {
        let now = report(&relay);
        // The answer to a call that offered no tools calls one here, and is not looked at.
        now.guards[0].old_calls + now.guards[0].new_calls == 120 && now.old_calls + now.new_calls == 240
    });
    assert_eq!(
        (report(&relay).phase.as_str(), report(&relay).guards.remove(0).new),
        ("running", Some("0.0 %".to_owned()))
    );
    new.says(&called("{\"q\":"));
    until("rolled back", || {
        relay.post(CHAT, "", asked);
        report(&relay).phase == "rolled_back"
    });
    let why = relay.relay.migration_history("a-to-b").unwrap().pop().unwrap().why;
    assert!(why.starts_with("invalid tool calls"), "{why}");
}

#[test]
fn calls_that_have_effects_are_never_copied_and_neither_is_what_nobody_can_price_within_a_budget() {
    let (old, new) = (Target2::new(), Target2::new());
    let folder = tempfile::tempdir().unwrap();
    let relay = mirrored(&old, &new, folder.path(), mirror(100.0));
    let tools = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"mcp_servers":[]}"#;
    for (headers, body) in [("x-sluicegate-effects: true\r\n", hi("m")), ("", tools.to_owned())] {
        assert!(relay.post(CHAT, headers, &body).starts_with("HTTP/1.1 200"));
    }
    relay.post(CHAT, "", &hi("m"));
    until("compared", || report(&relay).mirror.unwrap().calls == 1);
    assert_eq!(new.calls(), 1);
    drop(relay);
    let folder = tempfile::tempdir().unwrap();
    let rule = Mirror { usd_per_day: Some(100.0), ..mirror(100.0) };
    let relay = mirrored(&old, &new, folder.path(), rule);
    relay.post(CHAT, "", &hi("m"));
    until("left out", || report(&relay).mirror.unwrap().left_out == 1);
    assert_eq!(new.calls(), 1);
}

#[test]
fn what_was_kept_and_cannot_be_read_starts_nothing_by_itself_and_is_not_written_over() {
    let (old, new) = (Target2::new(), Target2::new());
    let folder = tempfile::tempdir().unwrap();
    let mut migration = moving(vec![Step::new(percent(100.0)).hold(Duration::from_secs(600))], Vec::new());
    migration.start = Start::Auto;
    let relay = Running::in_dir(configured(old.address, new.address, migration.clone()), folder.path());
    assert_eq!(report(&relay).phase, "running", "it starts by itself where the configuration says so");
    drop(relay);
    let file = folder.path().join("migrations/a-to-b.json");
    let kept = std::fs::read(&file).unwrap();
    std::fs::write(&file, &kept[..kept.len() / 2]).unwrap();
    let relay = Running::in_dir(configured(old.address, new.address, migration), folder.path());
    assert_eq!(report(&relay).phase, "idle");
    assert_eq!(std::fs::read(file.with_extension("damaged")).unwrap(), kept[..kept.len() / 2]);
    order(&relay, MigrationOrder::Start);
    assert_eq!(report(&relay).phase, "running");
}
