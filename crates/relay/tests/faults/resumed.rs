//! Streams that break and are gone on with: every fault of the matrix that breaks one, for clients of every format, before
//! providers that are asked in either way; once, twice, and more often than is borne.

use crate::client::{self, Got, Read_};
use crate::support::{self, Running, config, model, post};
use crate::table::{FAULTS, Looks, Place};
use sluicegate_config::{Period, ProviderKey, ProviderKind, Resume, Timeouts};
use sluicegate_simulate::{Handle, Options, Rule, Settings, Simulator};
use sluicegate_vocabulary::{AttemptResult, EndReason, FaultKind, Format, Receipt};
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::time::{Duration, Instant};

/// How often one stream is gone on with.
const MOST: usize = 2;
const KINDS: [ProviderKind; 2] = [ProviderKind::Anthropic, ProviderKind::OpenAiCompatible];

/// One provider that breaks its streams, and the public name that leads to it.
struct Case {
    name: String,
    kind: ProviderKind,
    /// Its own id of the model.
    model: &'static str,
    rules: Vec<Rule>,
    /// Whom else there is.
    other: Option<&'static str>,
    resume: Resume,
}

impl Case {
    fn new(name: &str, kind: ProviderKind, rules: Vec<Rule>) -> Self {
        Self { name: name.into(), kind, model: "m", rules, other: None, resume: Resume::Continue }
    }
}

/// The simulator, a relay before it, and a provider for each case; `good-KIND` never fails.
struct Stand {
    relay: Running,
    _handle: Handle,
    _folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

fn good(kind: ProviderKind) -> String {
    format!("good-{}", kind.as_str())
}

impl Stand {
    fn new(mut cases: Vec<Case>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let entered = runtime.enter();
        let options = Options { seed: 1, label: false, answer_tokens: Some(60), ..Options::default() };
        let (address, handle) = Simulator::start(options).unwrap();
        cases.extend(KINDS.map(|kind| Case::new(&good(kind), kind, Vec::new())));
        let rules = cases
            .iter()
            .flat_map(|case| case.rules.iter().map(|rule| rule.clone().for_keys(&format!("sk-{}-", case.name))));
        handle.order(Settings { rules: rules.collect(), ..Settings::default() }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let quirks = folder.path().join("quirks.json");
        // The model `deaf` is not asked as the simulator wants to be asked, and begins anew.
        let table = r#"[
            { "providers": ["openai_compatible"], "models": ["m"], "continues": "prefix" },
            { "models": ["deaf"], "continues": "last_message" }
        ]"#;
        std::fs::write(&quirks, table).unwrap();
        let mut all = config(Vec::new());
        all.quirks_file = Some(quirks);
        for case in &cases {
            let mut provider = support::provider(&case.name, case.kind, address);
            let long = Period::from_secs(20);
            provider.timeouts =
                Timeouts { connect: long, first_byte: long, stream_idle: Period::from_millis(1200), total: None };
            provider.max_retries = 2;
            provider.keys =
                vec![ProviderKey { secret: format!("sk-{}-", case.name).into(), ..provider.keys[0].clone() }];
            all.providers.insert(case.name.clone(), provider);
            let own = format!("{}/{}", case.name, case.model);
            let other = case.other.map(|other| format!("{other}/{}", case.model));
            let targets: Vec<&str> = [Some(&*own), other.as_deref()].into_iter().flatten().collect();
            let public = sluicegate_config::Model { resume: case.resume, ..model(&case.name, &targets) };
            all.models.insert(case.name.clone(), public);
        }
        let relay = Running::new(all);
        drop(entered);
        Self { relay, _handle: handle, _folder: folder, _runtime: runtime }
    }

    fn call(&self, format: Format, name: &str) -> (Got, Read_, Receipt) {
        let got = client::call(self.relay.address, format, true, name, "a-call").unwrap();
        let read = got.read(format);
        let receipt = self.relay.receipts(1).remove(0);
        (got, read, receipt)
    }
}

/// Breaks so, this often.
fn breaks(orders: &str, times: u64) -> Vec<Rule> {
    vec![Rule::always(orders).times(times)]
}

/// What is wrong with what came of a stream that broke so often.
fn judge(times: usize, (got, read, receipt): &(Got, Read_, Receipt), whole: &str, input: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut claim = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    let results: Vec<AttemptResult> = receipt.attempts.iter().map(|attempt| attempt.result).collect();
    let resumed = &receipt.resumed;
    claim(got.status == 200 && !read.garbage, got.shown());
    claim(
        resumed.is_sorted() && resumed.iter().all(|at| (1..whole.len() as u64).contains(at)),
        format!("at {resumed:?}"),
    );
    claim(resumed.len() == times.min(MOST), format!("resumed {} times", resumed.len()));
    claim(receipt.usage.total_input() > input * resumed.len() as u64, format!("{:?}", receipt.usage));
    let (last, broken) = results.split_last().unwrap();
    claim(broken.len() == times.min(MOST) && !broken.contains(&AttemptResult::Ok), format!("{results:?}"));
    if times <= MOST {
        claim(read.text == whole, format!("{:?} is not {whole:?}", read.text));
        claim(read.ended && read.error.is_none() && got.whole, format!("{:?}", read.error));
        claim(*last == AttemptResult::Ok && receipt.end == EndReason::Done, format!("{results:?} {:?}", receipt.end));
        claim(receipt.fault.is_none(), format!("{:?}", receipt.fault));
    } else {
        claim(whole.starts_with(&read.text) && read.text.len() < whole.len(), format!("{:?}", read.text));
        // A Responses client is told in an event of its own, not in an error object.
        claim(!read.ended && (read.error.is_some() || got.told_of_failure()), got.shown());
        claim(*last != AttemptResult::Ok && receipt.fault.is_some(), format!("{results:?} {:?}", receipt.fault));
        claim(matches!(receipt.end, EndReason::Truncated | EndReason::TimedOut), format!("{:?}", receipt.end));
    }
    wrong
}

fn every_break_is_mended(format: Format) {
    let faults = FAULTS.iter().filter_map(|fault| match (fault.place, fault.streamed) {
        (Place::Provider(orders), Looks::Within(_)) => Some((fault.name, orders)),
        _ => None,
    });
    let mut rows = Vec::new();
    for (fault, orders) in faults {
        for kind in KINDS {
            for times in [1, 2, 3] {
                rows.push((format!("r{}", rows.len()), fault, orders, kind, times));
            }
        }
    }
    assert!(rows.len() >= 36, "the matrix has lost its faults");
    let cases = rows.iter().map(|(name, _, orders, kind, times)| Case::new(name, *kind, breaks(orders, *times as u64)));
    let stand = Stand::new(cases.collect());
    let mut report = String::new();
    let whole = KINDS.map(|kind| {
        let (_, read, receipt) = stand.call(format, &good(kind));
        assert!(read.ended && receipt.resumed.is_empty(), "{read:?}");
        (kind, read.text, receipt.usage.total_input())
    });
    for (name, fault, _, kind, times) in &rows {
        let (_, text, input) = whole.iter().find(|(known, ..)| known == kind).unwrap();
        let wrong = judge(*times, &stand.call(format, name), text, *input);
        if !wrong.is_empty() {
            let _ = writeln!(report, "{fault} | {} | {times} times | {}", kind.as_str(), wrong.join("; "));
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn a_broken_stream_is_gone_on_with_for_openai_chat() {
    every_break_is_mended(Format::Chat);
}

#[test]
fn a_broken_stream_is_gone_on_with_for_openai_responses() {
    every_break_is_mended(Format::Responses);
}

#[test]
fn a_broken_stream_is_gone_on_with_for_anthropic() {
    every_break_is_mended(Format::Messages);
}

#[test]
fn a_broken_stream_is_gone_on_with_for_gemini() {
    every_break_is_mended(Format::Generate);
}

const CUT: &str = "[[sim:truncate=8]]";

/// It ends as a broken stream does, after one try that sent something.
fn ends_with_its_error((got, read, receipt): &(Got, Read_, Receipt), whole: &str) {
    assert!(!read.ended && read.error.is_some(), "{}", got.shown());
    assert!(!read.text.is_empty() && whole.starts_with(&read.text), "{}", read.text);
    assert_eq!(receipt.end, EndReason::Truncated);
    assert_eq!(receipt.fault, Some(FaultKind::UpstreamBroken));
}

#[test]
fn where_it_cannot_be_had_the_stream_ends_with_its_error_and_nothing_is_spliced_in() {
    let kind = ProviderKind::OpenAiCompatible;
    let mut cases = vec![
        Case { resume: Resume::Never, ..Case::new("off", kind, breaks(CUT, 9)) },
        Case { model: "deaf", ..Case::new("deaf", kind, breaks(CUT, 1)) },
        Case { model: "unknown", ..Case::new("unknown", kind, breaks(CUT, 1)) },
        Case::new("dead", kind, vec![Rule::always(CUT).times(1), Rule::always("[[sim:status=500]]")]),
        Case::new("tools", kind, breaks(CUT, 9)),
    ];
    cases.push(Case {
        other: Some("good-openai_compatible"),
        ..Case::new("helped", kind, vec![Rule::always(CUT).times(1), Rule::always("[[sim:status=500]]")])
    });
    let stand = Stand::new(cases);
    let whole = stand.call(Format::Chat, &good(kind)).1.text;
    for (name, tries) in [("off", 1), ("unknown", 1)] {
        let came = stand.call(Format::Chat, name);
        ends_with_its_error(&came, &whole);
        assert_eq!((came.2.attempts.len(), came.2.resumed.len()), (tries, 0), "{name}");
    }
    // It was asked to go on, and began anew.
    let came = stand.call(Format::Chat, "deaf");
    ends_with_its_error(&came, &whole);
    assert_eq!(came.2.attempts.len(), 2);
    // Nobody was there to go on.
    let came = stand.call(Format::Chat, "dead");
    ends_with_its_error(&came, &whole);
    let results: Vec<AttemptResult> = came.2.attempts.iter().map(|attempt| attempt.result).collect();
    assert_eq!(results[0], AttemptResult::Broken);
    assert!(results.len() <= 4 && results[1..].iter().all(|it| *it == AttemptResult::ServerError), "{results:?}");
    assert!(came.2.usage.total_output() > 0 && came.2.resumed.is_empty());
    // Another provider of the same model was.
    let (_, read, receipt) = stand.call(Format::Chat, "helped");
    assert_eq!((read.text, read.ended), (whole, true));
    assert_eq!(&*receipt.attempts.last().unwrap().provider, "good-openai_compatible");
    // Calls of tools are not gone on with.
    let body = r#"{"model":"tools","stream":true,"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}"#;
    let answer = stand.relay.post("/v1/chat/completions", "", body);
    assert!(answer.contains("\"error\"") && !answer.contains("[DONE]"), "{answer}");
    assert_eq!(stand.relay.receipts(1)[0].attempts.len(), 1);
}

#[test]
fn a_client_that_leaves_while_its_stream_is_asked_for_again_leaves_one_receipt_with_both_tries() {
    let kind = ProviderKind::Anthropic;
    let late = vec![Rule::always(CUT).times(1), Rule::always("[[sim:slow-headers=20s]]")];
    let stand = Stand::new(vec![Case::new("late", kind, late)]);
    let body = support::hi_streamed("late");
    let mut connection = stand.relay.connect();
    connection.write_all(post("/v1/chat/completions", "", &body).as_bytes()).unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    let mut bytes = Vec::new();
    let begun = Instant::now();
    let _ = connection.read_to_end(&mut bytes);
    assert!(begun.elapsed() < Duration::from_secs(5) && !bytes.is_empty());
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(!text.contains("\"error\""), "it is being asked for again: {text}");
    drop(connection);
    let receipt = stand.relay.receipts(1).remove(0);
    let results: Vec<AttemptResult> = receipt.attempts.iter().map(|attempt| attempt.result).collect();
    assert_eq!(results, [AttemptResult::Broken, AttemptResult::Cancelled]);
    assert_eq!(receipt.end, EndReason::ClientGone);
    assert!(receipt.usage.total_output() > 0, "what was sent is paid for");
}

#[test]
fn the_metric_counts_each_time_that_a_stream_is_gone_on_with_and_no_stream_that_is_not() {
    let kind = ProviderKind::OpenAiCompatible;
    let stand = Stand::new(vec![
        Case::new("once", kind, breaks(CUT, 1)),
        Case::new("twice", kind, breaks(CUT, 2)),
        Case { resume: Resume::Never, ..Case::new("off", kind, breaks(CUT, 9)) },
    ]);
    let counted = || {
        let text = stand.relay.relay.metrics().encode().unwrap();
        let lines = text.lines().filter(|line| line.starts_with("sluicegate_resumed_streams_total"));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let good = good(kind);
    for name in ["once", "once", "twice", "off", &good] {
        stand.call(Format::Chat, name);
    }
    let of = |name: &str, times: u64| format!("sluicegate_resumed_streams_total{{model=\"{name}\"}} {times}");
    assert_eq!(counted(), [of("once", 1), of("twice", 2)]);
}
