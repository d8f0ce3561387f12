//! Limits on calls at once, over real sockets: what the provider sees, and what those are told who find none free.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails panics"
)]

mod support;

use sluicegate_config::{Config, Limit, ProviderKind};
use sluicegate_vocabulary::Mode;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::{ANSWER, Act, CHAT, Running, Upstream, config, hi, json, key, model, post, provider};

const CALLERS: u64 = 64;
const CALLS: u64 = 8;
const PERMITS: u64 = 7;

fn concurrency(most: u64) -> Limit {
    Limit { concurrency: Some(most), ..Limit::default() }
}

fn before(address: SocketAddr) -> Config {
    let mut config = config(vec![provider("up", ProviderKind::OpenAi, address)]);
    config.models = [("m".to_owned(), model("m", &["up/big"]))].into();
    config
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A provider that counts the calls it has at once. A call whose connection has been closed is there no more: whoever
/// closes it first and sends the next one afterwards has never had both there.
#[derive(Default)]
struct Counting {
    /// Connections on which a call is being answered.
    present: Vec<(u64, TcpStream)>,
    most: usize,
    calls: u64,
}

fn counting() -> (SocketAddr, Arc<Mutex<Counting>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, counting) = (listener.local_addr().unwrap(), Arc::default());
    let shared = Arc::clone(&counting);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let counting = Arc::clone(&shared);
            thread::spawn(move || answer(stream.unwrap(), &counting));
        }
    });
    (address, counting)
}

fn answer(mut stream: TcpStream, counting: &Mutex<Counting>) {
    let mut piece = [0; 4096];
    let Act::Send(answer) = json(200, ANSWER).remove(0) else { unreachable!() };
    // A request is smaller than a piece, and the relay writes it in one go.
    while stream.read(&mut piece).is_ok_and(|read| read > 0) {
        let number = {
            let mut counting = counting.lock().unwrap();
            counting.calls += 1;
            let number = counting.calls;
            counting.present.push((number, stream.try_clone().unwrap()));
            // This one may have been closed too before anybody here came to read it.
            counting.present.retain(|(_, stream)| is_open(stream));
            counting.most = counting.most.max(counting.present.len());
            number
        };
        thread::sleep(Duration::from_millis(5 + number % 7));
        // Once the answer is on its way the next one may come.
        counting.lock().unwrap().present.retain(|(other, _)| *other != number);
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

/// Whether the other side has not closed it. Nobody reads from it meanwhile.
fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let open = stream.peek(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    open
}

/// Callers that race for permits, every third of whose calls is given up after a few milliseconds.
fn race(running: &Running) {
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            scope.spawn(move || {
                for call in 0..CALLS {
                    if (caller + call) % 3 == 0 {
                        let mut leaving = running.connect();
                        leaving.write_all(post(CHAT, "", &hi("m")).as_bytes()).unwrap();
                        thread::sleep(Duration::from_millis((caller * 7 + call * 5) % 40));
                    } else {
                        let answer = running.post(CHAT, "", &hi("m"));
                        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                    }
                }
            });
        }
    });
}

fn never_more_than_its_permits(limit: impl Fn(&mut Config)) {
    let (address, counting) = counting();
    let mut config = before(address);
    limit(&mut config);
    let running = Running::new(config);
    race(&running);
    // The last to leave may still be on his way out.
    let deadline = Instant::now() + Duration::from_secs(5);
    while !running.relay.flow().callers.is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(counting.lock().unwrap().most as u64, PERMITS);
    let flow = running.relay.flow();
    assert!(flow.limits.iter().all(|limit| limit.level.left == PERMITS && limit.waiting == 0), "{flow:?}");
    assert!(flow.callers.is_empty(), "{flow:?}");
}

#[test]
fn a_provider_never_has_more_calls_at_once_than_its_permits_whoever_races_and_leaves() {
    never_more_than_its_permits(|config| config.providers.get_mut("up").unwrap().limits = concurrency(PERMITS));
}

#[test]
fn a_model_never_has_more_calls_at_once_than_its_permits_whoever_races_and_leaves() {
    never_more_than_its_permits(|config| config.models.get_mut("m").unwrap().limits = concurrency(PERMITS));
}

#[test]
fn who_finds_no_permit_is_told_when_one_commonly_comes_back() {
    let slow = [vec![Act::Pause(Duration::from_millis(400))], json(200, ANSWER)].concat();
    let upstream = Upstream::new(vec![slow; 2]);
    let mut config = before(upstream.address);
    config.limits.global = concurrency(1);
    config.keys = vec![key("patient", "sk-patient"), key("strict", "sk-strict")];
    config.keys[1].mode = Mode::Strict;
    let running = Running::new(config);
    let mut told = Vec::new();
    for _ in 0..2 {
        thread::scope(|scope| {
            scope.spawn(|| running.post(CHAT, "x-api-key: sk-patient\r\n", &hi("m")));
            upstream.request();
            let refused = running.post(CHAT, "x-api-key: sk-strict\r\n", &hi("m"));
            assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
            assert_eq!(header(&refused, "x-sluicegate-refused-by"), Some("overall:concurrency"));
            assert_eq!(header(&refused, "ratelimit"), Some("\"overall-concurrency\";r=0"));
            assert_eq!(header(&refused, "retry-after"), Some(if told.is_empty() { "2" } else { "1" }), "{refused}");
            told.push(header(&refused, "retry-after-ms").unwrap().parse::<u64>().unwrap());
        });
    }
    assert!((1000..=1100).contains(&told[0]), "nothing was known yet: {told:?}");
    assert!((400..=990).contains(&told[1]), "{told:?}");
}
