//! What calls cost, as clients, receipts and metrics see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod support;

use sluicegate_config::{
    Budget, BudgetAmount, ClientKey, Config, Credits, Ledger, Model, OnExceed, Per, ProviderKind, Unpriced,
};
use sluicegate_ledger::{Fees, Kind, Price, Rate, Rates, Schedule, Tier};
use sluicegate_store::{By, Filter, Grain, UsageQuery};
use sluicegate_vocabulary::{EndReason, FaultKind, Mode, Money};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::*;

/// A model `m` that costs 2 and 8 dollars a million tokens and a cent a request.
fn priced(upstream: &Upstream) -> Config {
    let mut config = config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]);
    let price = Price {
        fees: Fees { request: Some("0.01".parse().unwrap()), ..Fees::default() },
        ..Price::flat("2".parse().unwrap(), "8".parse().unwrap())
    };
    config.prices.models.insert("up/m".into(), price);
    config
}

#[test]
fn a_whole_answer_tells_what_it_cost_and_the_receipt_what_the_provider_is_owed() {
    let upstream = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = priced(&upstream);
    config.prices.multiplier = "1.5".parse().unwrap();
    let relay = Running::new(config);
    let answer = relay.post(CHAT, "", &hi("up/m"));
    // 7 in at 2, 3 out at 8 and the request: 0.010038, of which half as much again is charged.
    assert!(answer.contains("\r\nx-sluicegate-cost-usd: 0.015057\r\n"), "{answer}");
    let receipt = relay.receipts(1).remove(0);
    assert_eq!(receipt.cost.unwrap().to_string(), "0.010038");
    let metrics = relay.relay.metrics().encode().unwrap();
    assert!(metrics.contains("sluicegate_cost_usd_total{model=\"other\"} 0.010038\n"), "{metrics}");
}

#[test]
fn a_call_whose_price_nobody_knows_has_no_cost_and_is_counted() {
    let upstream = Upstream::new(vec![json(200, ANSWER)]);
    let relay = Running::new(priced(&upstream));
    let answer = relay.post(CHAT, "", &hi("up/unknown"));
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("x-sluicegate-cost-usd"), "{answer}");
    assert_eq!(relay.receipts(1)[0].cost, None);
    let metrics = relay.relay.metrics().encode().unwrap();
    assert!(metrics.contains("sluicegate_unpriced_calls_total{model=\"other\"} 1\n"), "{metrics}");
}

#[test]
fn where_every_call_must_have_a_price_one_without_is_refused_and_a_fallback_with_one_is_asked() {
    let upstream = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = priced(&upstream);
    config.prices.unpriced = Unpriced::Reject;
    config.models.insert("mixed".into(), model("mixed", &["up/unknown", "up/m"]));
    let relay = Running::new(config);
    let refused = relay.post(CHAT, "", &hi("up/unknown"));
    assert!(refused.starts_with("HTTP/1.1 402") && refused.contains("\"code\":\"unpriced\""), "{refused}");
    let answer = relay.post(CHAT, "", &hi("mixed"));
    assert!(answer.contains("x-sluicegate-model: m\r\n"), "{answer}");
    let receipts = relay.receipts(2);
    let refused = receipts.iter().find(|receipt| receipt.attempts.is_empty()).unwrap();
    assert_eq!((refused.end, refused.fault), (EndReason::Refused, Some(FaultKind::PaymentRequired)));
}

fn dollars(text: &str) -> Money {
    text.parse().unwrap()
}

/// A model `m` that costs five cents a request and nothing else, books, and these keys.
fn with_books(upstream: &Upstream, keys: Vec<ClientKey>) -> Config {
    let mut config = config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]);
    let price = Price { fees: Fees { request: Some(dollars("0.05")), ..Fees::default() }, ..Price::default() };
    config.prices.models.insert("up/m".into(), price);
    config.ledger = Some(Ledger::default());
    config.keys = keys;
    config
}

fn prepaid(name: &str, value: &str, account: &str) -> ClientKey {
    let credits = Credits {
        account: account.to_owned(),
        low_balance_usd: Money::ZERO,
        allow_negative_usd: Money::ZERO,
        cut_streams: false,
    };
    ClientKey { credits: Some(credits), ..key(name, value) }
}

fn budgeted(name: &str, value: &str, amount: BudgetAmount) -> ClientKey {
    let budget =
        Budget { amount, per: Per::Total, timezone: "UTC".to_owned(), warn_at: vec![50], on_exceed: OnExceed::Reject };
    ClientKey { budgets: vec![budget], ..key(name, value) }
}

fn balance(relay: &Running, account: &str) -> (Money, Money) {
    let accounts = relay.relay.books().unwrap().accounts();
    let found = accounts.iter().find(|found| found.name == account).unwrap();
    (found.balance, found.held)
}

fn of_all_time() -> UsageQuery {
    let (filter, by) = (Filter::default(), vec![By::Key]);
    UsageQuery { grain: Grain::Minute, from_ms: 0, to_ms: i64::MAX, filter, by, limit: 100 }
}

/// The books add up, and have so many calls of a key.
fn assert_in_the_books(relay: &Running, key: &str, calls: i64, billed: &str) {
    let books = relay.relay.books().unwrap();
    books.store().catch_up(Duration::from_secs(10)).unwrap();
    let verdict = books.store().verify().unwrap();
    assert!(verdict.wrong.is_empty(), "{verdict:?}");
    let usage = books.store().usage(&of_all_time()).unwrap();
    let row = usage.iter().find(|row| row.by == [key]).unwrap();
    assert_eq!((row.calls, row.billed), (calls, dollars(billed)), "{usage:?}");
}

#[test]
fn sixty_four_clients_racing_on_an_account_for_a_hundred_calls_get_exactly_a_hundred_answers_and_leave_nothing() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 128]);
    let dir = tempfile::tempdir().unwrap();
    let keys = vec![prepaid("one", "sk-one", "shared"), prepaid("two", "sk-two", "shared")];
    let relay = Running::in_dir(with_books(&upstream, keys), dir.path());
    relay.relay.books().unwrap().credit(Kind::TopUp, "invoice 1", "shared", dollars("5")).unwrap();
    let (answered, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for client in 0..64 {
            let (relay, answered, refused) = (&relay, &answered, &refused);
            scope.spawn(move || {
                let header = format!("authorization: Bearer sk-{}\r\n", if client % 2 == 0 { "one" } else { "two" });
                for _ in 0..4 {
                    let answer = relay.post(CHAT, &header, &hi("up/m"));
                    match &answer[..12] {
                        "HTTP/1.1 200" => answered.fetch_add(1, Ordering::Relaxed),
                        "HTTP/1.1 402" => refused.fetch_add(1, Ordering::Relaxed),
                        _ => panic!("{answer}"),
                    };
                }
            });
        }
    });
    assert_eq!((answered.into_inner(), refused.into_inner()), (100, 156));
    relay.receipts(256);
    assert_eq!(balance(&relay, "shared"), (Money::ZERO, Money::ZERO));
    let books = relay.relay.books().unwrap();
    books.store().catch_up(Duration::from_secs(10)).unwrap();
    assert!(books.store().verify().unwrap().wrong.is_empty());
    assert_eq!(books.store().accounts().unwrap()[0].balance, Money::ZERO);
}

#[test]
fn a_refusal_for_want_of_money_says_what_is_left_and_a_call_that_fails_costs_nothing() {
    let upstream = Upstream::new(vec![json(500, "{}"), json(200, ANSWER)]);
    let dir = tempfile::tempdir().unwrap();
    let relay = Running::in_dir(with_books(&upstream, vec![prepaid("one", "sk-one", "one")]), dir.path());
    let header = "authorization: Bearer sk-one\r\n";
    relay.relay.books().unwrap().credit(Kind::TopUp, "a", "one", dollars("0.08")).unwrap();
    assert!(relay.post(CHAT, header, &hi("up/m")).starts_with("HTTP/1.1 502"));
    assert!(relay.post(CHAT, header, &hi("up/m")).starts_with("HTTP/1.1 200"));
    let refused = relay.post(CHAT, header, &hi("up/m"));
    assert!(refused.starts_with("HTTP/1.1 402"), "{refused}");
    assert!(refused.contains("the account one has $0.03 left, and this call may cost $0.05"), "{refused}");
    assert!(refused.contains("\r\nx-sluicegate-refused-by: account:one\r\n"), "{refused}");
    // What has no price cannot be taken from an account.
    let unpriced = relay.post(CHAT, header, &hi("up/unknown"));
    assert!(unpriced.starts_with("HTTP/1.1 402") && unpriced.contains("\"code\":\"unpriced\""), "{unpriced}");
    relay.receipts(4);
    assert_eq!(balance(&relay, "one"), (dollars("0.03"), Money::ZERO));
    assert_in_the_books(&relay, "one", 4, "0.05");
}

#[test]
fn a_call_that_asks_for_a_dearer_tier_has_to_be_covered_at_its_price() {
    let upstream = Upstream::new((0..3).map(|_| json(200, ANSWER)).collect());
    let dir = tempfile::tempdir().unwrap();
    let mut config = with_books(&upstream, vec![prepaid("one", "sk-one", "one")]);
    let dearer = Rates { input: rate("4"), output: rate("16"), ..Rates::default() };
    let tiers = vec![(Tier::Priority, Schedule { rates: dearer, long: None })];
    config.prices.models.insert("up/m".into(), Price { tiers, ..Price::flat(rate("2"), rate("8")) });
    let relay = Running::in_dir(config, dir.path());
    // 2000 tokens of output are 1.6 cents, and 3.2 in the dearer tier.
    relay.relay.books().unwrap().credit(Kind::TopUp, "a", "one", dollars("0.02")).unwrap();
    let asks = |tier: &str| {
        let body = format!(
            r#"{{"model":"up/m","max_tokens":2000,"messages":[{{"role":"user","content":"hi"}}],"service_tier":"{tier}"}}"#
        );
        relay.post(CHAT, "authorization: Bearer sk-one\r\n", &body)
    };
    for tier in ["default", "flex", "nonsense"] {
        let answer = asks(tier);
        assert!(answer.starts_with("HTTP/1.1 200"), "{tier}: {answer}");
    }
    let refused = asks("priority");
    assert!(refused.starts_with("HTTP/1.1 402") && refused.contains("insufficient_credits"), "{refused}");
}

#[test]
fn a_budget_of_three_calls_admits_three_of_any_number_at_once_and_keeps_its_count_over_a_restart() {
    let slow = || [vec![Act::Pause(Duration::from_millis(300))], json(200, ANSWER)].concat();
    let upstream = Upstream::new((0..8).map(|_| slow()).collect());
    let dir = tempfile::tempdir().unwrap();
    let config = with_books(&upstream, vec![budgeted("one", "sk-one", BudgetAmount::Usd(dollars("0.15")))]);
    let header = "authorization: Bearer sk-one\r\n";
    {
        let relay = Running::in_dir(config.clone(), dir.path());
        let answers: Vec<String> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| relay.post(CHAT, header, &hi("up/m")))).collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        });
        assert_eq!(answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 200")).count(), 3, "{answers:?}");
        let refused = answers.iter().find(|answer| answer.starts_with("HTTP/1.1 402")).unwrap();
        assert!(refused.contains("\"code\":\"budget_exceeded\""), "{refused}");
        assert!(refused.contains("\r\nx-sluicegate-refused-by: budget:key:one/total\r\n"), "{refused}");
        relay.receipts(8);
    }
    let relay = Running::in_dir(config, dir.path());
    let refused = relay.post(CHAT, header, &hi("up/m"));
    assert!(refused.starts_with("HTTP/1.1 402") && refused.contains("has $0 left"), "{refused}");
    assert_in_the_books(&relay, "one", 9, "0.15");
}

#[test]
fn tokens_are_a_budget_too_and_without_books_nothing_is_written() {
    let upstream = Upstream::new(vec![json(200, ANSWER), json(200, ANSWER)]);
    let dir = tempfile::tempdir().unwrap();
    let mut config = with_books(&upstream, vec![budgeted("one", "sk-one", BudgetAmount::Tokens(500))]);
    let header = "authorization: Bearer sk-one\r\n";
    let body = r#"{"model":"up/unknown","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}"#;
    let relay = Running::in_dir(config.clone(), dir.path());
    assert!(relay.post(CHAT, header, body).starts_with("HTTP/1.1 200"));
    relay.receipts(1);
    let refused = relay.post(CHAT, header, &body.replace("10,", "1000,"));
    assert!(refused.starts_with("HTTP/1.1 402") && refused.contains("has 490 tokens left"), "{refused}");
    drop(relay);
    let empty = tempfile::tempdir().unwrap();
    config.ledger = None;
    let relay = Running::in_dir(config, empty.path());
    assert!(relay.post(CHAT, header, &hi("up/m")).starts_with("HTTP/1.1 200"));
    assert_eq!(files(empty.path()), 0);
}

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[test]
fn beyond_a_budget_a_caller_who_agreed_to_it_steps_down_and_another_is_refused() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 2]);
    let dir = tempfile::tempdir().unwrap();
    let mut agreed = budgeted("agreed", "sk-agreed", BudgetAmount::Usd(dollars("0.05")));
    agreed.budgets[0].on_exceed = OnExceed::StepDown;
    (agreed.mode, agreed.accept_lower_tier) = (Mode::Graceful, true);
    let mut config = with_books(&upstream, vec![agreed]);
    config.prices.models.insert("up/cheap".into(), Price::default());
    config.models.insert("cheap".into(), model("cheap", &["up/cheap"]));
    config.models.insert("dear".into(), Model { lower_tier: Some("cheap".into()), ..model("dear", &["up/m"]) });
    let relay = Running::in_dir(config, dir.path());
    let header = "authorization: Bearer sk-agreed\r\n";
    assert!(relay.post(CHAT, header, &hi("dear")).contains("\r\nx-sluicegate-model: m\r\n"));
    let stepped = relay.post(CHAT, header, &hi("dear"));
    assert!(stepped.starts_with("HTTP/1.1 200") && stepped.contains("x-sluicegate-model: cheap\r\n"), "{stepped}");
    assert!(stepped.contains("\r\nx-sluicegate-degraded-from: dear\r\n"), "{stepped}");
    // Asked for by another name there is nothing to step down to.
    assert!(relay.post(CHAT, header, &hi("up/m")).starts_with("HTTP/1.1 402"));
    relay.receipts(3);
}

#[test]
fn a_stream_is_charged_at_its_end_and_one_whose_client_left_for_what_had_come() {
    const FIRST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"he\"},\"finish_reason\":null}]}\n\n";
    const USAGE: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\n";
    let whole = vec![stream_head(), chunk(FIRST), chunk(USAGE), chunk("data: [DONE]\n\n"), end()];
    let left = vec![stream_head(), chunk(FIRST), Act::Pause(Duration::from_millis(400)), Act::Close];
    let upstream = Upstream::new(vec![whole, left]);
    let dir = tempfile::tempdir().unwrap();
    let mut config = with_books(&upstream, vec![prepaid("one", "sk-one", "one")]);
    config.prices.models.insert("up/m".into(), Price::flat(rate("1"), rate("10")));
    let relay = Running::in_dir(config, dir.path());
    relay.relay.books().unwrap().credit(Kind::TopUp, "a", "one", dollars("1")).unwrap();
    let header = "authorization: Bearer sk-one\r\n";
    assert!(relay.post(CHAT, header, &hi_streamed("up/m")).contains("[DONE]"));
    relay.receipts(1);
    // 7 in at 1 and 3 out at 10 dollars a million.
    assert_eq!(balance(&relay, "one"), (dollars("0.999963"), Money::ZERO));
    let mut client = relay.connect();
    client.write_all(post(CHAT, header, &hi_streamed("up/m")).as_bytes()).unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("\"he\"") {
        let mut piece = [0; 512];
        let count = client.read(&mut piece).unwrap();
        assert!(count > 0);
        seen.extend_from_slice(&piece[..count]);
    }
    drop(client);
    let receipt = relay.receipts(1).remove(0);
    assert_eq!(receipt.end, EndReason::ClientGone);
    let cost = receipt.cost.unwrap();
    assert!(cost > Money::ZERO, "{receipt:?}");
    assert_eq!(balance(&relay, "one"), (dollars("0.999963") - cost, Money::ZERO));
    let books = relay.relay.books().unwrap();
    books.store().catch_up(Duration::from_secs(10)).unwrap();
    assert!(books.store().verify().unwrap().wrong.is_empty());
}

/// A price of a dollar and ten a million tokens, and this for searches.
fn searching(fees: Fees) -> Price {
    Price { fees, ..Price::flat(rate("1"), rate("10")) }
}

/// What one call costs whose provider answers so. A part of it may have no price: then it has no cost, and is counted.
fn cost_of(kind: ProviderKind, model: &str, fees: Fees, path: &str, body: &str, answer: Vec<Act>) -> Option<Money> {
    let upstream = Upstream::new(vec![answer]);
    let mut config = config(vec![provider("up", kind, upstream.address)]);
    config.prices.models.insert(format!("up/{model}"), searching(fees));
    let relay = Running::new(config);
    let answer = relay.post(path, "anthropic-version: 2023-06-01\r\n", body);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let cost = relay.receipts(1)[0].cost;
    let metrics = relay.relay.metrics().encode().unwrap();
    let unpriced = metrics.contains("sluicegate_unpriced_calls_total{model=\"other\"} 1\n");
    assert_eq!(cost.is_none(), unpriced, "{metrics}");
    cost
}

fn each_search(fee: &str) -> Fees {
    Fees { web_search: Some(dollars(fee)), ..Fees::default() }
}

fn streamed(events: &[&str]) -> Vec<Act> {
    let events = events.iter().map(|event| chunk(&format!("{event}\n\n")));
    std::iter::once(stream_head()).chain(events).chain([end()]).collect()
}

#[test]
fn what_gemini_searched_for_is_charged_whole_and_streamed_by_the_search_or_by_the_request() {
    const ASKED: &str = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"tools":[{"googleSearch":{}}]}"#;
    const FIRST: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]},"groundingMetadata":{"webSearchQueries":["one"]}}],"usageMetadata":{"promptTokenCount":7}}"#;
    const LAST: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"b"}]},"finishReason":"STOP","groundingMetadata":{"webSearchQueries":["one","two"]}}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"totalTokenCount":10}}"#;
    let by_request = Fees { search_request: Some(dollars("0.035")), ..Fees::default() };
    // 7 in at 1, 3 out at 10 dollars a million, and the searches.
    for (fees, cost) in
        [(each_search("0.014"), Some("0.028037")), (by_request, Some("0.035037")), (Fees::default(), None)]
    {
        let whole =
            cost_of(ProviderKind::Gemini, "g", fees, "/v1beta/models/up%2Fg:generateContent", ASKED, json(200, LAST));
        let cost = cost.map(dollars);
        assert_eq!(whole, cost);
        let events = streamed(&[&format!("data: {FIRST}"), &format!("data: {LAST}")]);
        let path = "/v1beta/models/up%2Fg:streamGenerateContent?alt=sse";
        assert_eq!(cost_of(ProviderKind::Gemini, "g", fees, path, ASKED, events), cost);
    }
}

#[test]
fn a_search_model_is_charged_one_search_an_answer_and_another_where_it_cites_pages() {
    const CHUNK: &str = r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}"#;
    const CITED: &str = r#"data: {"id":"c","choices":[{"index":0,"delta":{"annotations":[{"type":"url_citation","url_citation":{"url":"https://a.b"}}]},"finish_reason":null}]}"#;
    const STOP: &str = r#"data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    const USAGE: &str =
        r#"data: {"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#;
    let plain = [CHUNK, CHUNK, STOP, USAGE, "data: [DONE]"];
    let citing = [CHUNK, CHUNK, CITED, STOP, USAGE, "data: [DONE]"];
    let citing_whole = ANSWER.replace(
        r#""content":"hi""#,
        r#""content":"hi","annotations":[{"type":"url_citation","url_citation":{"url":"https://a.b"}}]"#,
    );
    let fee = each_search("0.01");
    let cost = |model: &str, fees, path: &str, body: String, answer| {
        cost_of(ProviderKind::OpenAi, model, fees, path, &body, answer)
    };
    let search = "gpt-4o-search-preview";
    let ask = format!("up/{search}");
    let paid = Some(dollars("0.010037"));
    assert_eq!(cost(search, fee, CHAT, hi(&ask), json(200, ANSWER)), paid);
    assert_eq!(cost(search, fee, CHAT, hi_streamed(&ask), streamed(&plain)), paid);
    assert_eq!(cost(search, fee, CHAT, hi(&ask), json(200, &citing_whole)), paid, "once");
    let message = format!(r#"{{"model":"{ask}","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}]}}"#);
    assert_eq!(cost(search, fee, "/v1/messages", message, json(200, ANSWER)), paid, "and in another dialect");
    assert_eq!(cost(search, Fees::default(), CHAT, hi(&ask), json(200, ANSWER)), None);
    // Of another model only an answer that cites pages has searched.
    let free = Some(dollars("0.000037"));
    assert_eq!(cost("m", fee, CHAT, hi("up/m"), json(200, &citing_whole)), paid);
    assert_eq!(cost("m", fee, CHAT, hi_streamed("up/m"), streamed(&citing)), paid);
    assert_eq!(cost("m", fee, CHAT, hi("up/m"), json(200, ANSWER)), free);
    assert_eq!(cost("m", fee, CHAT, hi_streamed("up/m"), streamed(&plain)), free);
}

#[test]
fn searches_of_a_stream_that_broke_are_charged() {
    const SEARCHED: &str = "event: response.web_search_call.completed\ndata: {\"type\":\"response.web_search_call.completed\",\"sequence_number\":0,\"output_index\":0,\"item_id\":\"ws\"}";
    const TEXT: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"delta\":\"hi\"}";
    let body = r#"{"model":"up/m","input":"hi","stream":true,"tools":[{"type":"web_search"}]}"#;
    let cost = |events: &[&str]| {
        cost_of(ProviderKind::OpenAi, "m", each_search("0.01"), "/v1/responses", body, streamed(events)).unwrap()
    };
    let searching = SEARCHED.replace("completed", "searching");
    assert_eq!(cost(&[SEARCHED, SEARCHED, TEXT]) - cost(&[&searching, &searching, TEXT]), dollars("0.02"));
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}
