//! Audits over real sockets, of the simulated provider and of a server that lies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail, its helpers too"
)]

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use sluicegate_audit::{
    Allowance, Answer, Bound, Finding, KeyForm, Load, Order, Report, Search, Silent, Target, audit, verify,
};
use sluicegate_ledger::Price;
use sluicegate_simulate::{Options, Simulator};
use sluicegate_vocabulary::{Dialect, Money};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

fn target(address: SocketAddr) -> Target {
    Target {
        url: format!("http://{address}/v1"),
        dialect: Dialect::OpenAi,
        model: "gpt-x".to_owned(),
        key: None,
        form: KeyForm::Bearer,
    }
}

fn order(address: SocketAddr) -> Order {
    let price = Price::flat("1".parse().unwrap(), "2".parse().unwrap());
    let allowance = Allowance { cost: Some("20".parse().unwrap()), calls: 20_000, price: Some(price) };
    Order { target: target(address), allowance, load: None, search: None, objectives: Vec::new() }
}

/// A bucket has some room again after a part of a minute.
fn search() -> Search {
    let rest = Duration::from_secs(16);
    Search {
        rest,
        watch: Duration::from_secs(6),
        patience: Duration::from_secs(8),
        many: 300,
        callers: 4,
        most_at_once: 16,
    }
}

async fn done(order: &Order) -> Report {
    audit(order, Arc::new(Silent)).await.unwrap()
}

fn finding(report: &Report, name: &str) -> Finding {
    let found = report.checks.iter().find(|check| check.name == name);
    found.unwrap_or_else(|| panic!("no check {name} in {:?}", report.checks)).finding
}

/// What was spent is known, and no more than was allowed.
fn is_within(report: &Report, cap: &str) {
    let (cost, cap): (Money, Money) = (report.cost_usd.as_deref().unwrap().parse().unwrap(), cap.parse().unwrap());
    assert!(cost > Money::ZERO && cost <= cap && !report.cut_short, "{cost} of {cap}, cut short: {}", report.cut_short);
}

/// To the first token: calls of a burst must still be under way when the last of it is refused.
const LONG: Duration = Duration::from_millis(300);

/// An allowance of this much.
fn up_to(cap: &str, order: Order) -> Order {
    let allowance = Allowance { cost: Some(cap.parse().unwrap()), ..order.allowance.clone() };
    Order { allowance, ..order }
}

fn near(bound: Bound, expected: f64) {
    let found = bound.found().unwrap_or_else(|| panic!("{bound:?} instead of {expected}"));
    assert!((found / expected - 1.0).abs() <= 0.1, "{found} instead of {expected}");
}

/// A provider that does what is asked of it and nothing more.
#[derive(Debug, Clone, Copy)]
struct Liar {
    /// How many times as many tokens it counts.
    factor: f64,
    /// Which model it says it is.
    model: &'static str,
    /// Whether its streams say how many tokens they were.
    tells: bool,
}

impl Liar {
    async fn start(self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = hyper::service::service_fn(move |request| self.answer(request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        address
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let reply = |status: u16, kind: &str, body: String| {
            let response =
                Response::builder().status(StatusCode::from_u16(status).unwrap()).header("content-type", kind);
            Ok(response.body(Full::new(Bytes::from(body))).unwrap())
        };
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let Ok(asked) = serde_json::from_slice::<serde_json::Value>(&body) else {
            if let Some(unlisted @ ("an alias" | "up/x")) =
                path.strip_prefix("/v1/models/").map(|it| it.replace("%20", " ")).as_deref()
            {
                return reply(200, "application/json", format!(r#"{{"id":"{unlisted}"}}"#));
            }
            if path.ends_with("/completions") {
                return reply(400, "application/json", r#"{"error":{"message":"this is no JSON"}}"#.to_owned());
            }
            return reply(200, "application/json", r#"{"data":[{"id":"gpt-x"}]}"#.to_owned());
        };
        if asked["model"] != "gpt-x" {
            let known = "gpt-x ".repeat(100);
            return reply(404, "application/json", format!(r#"{{"error":{{"message":"known are {known}"}}}}"#));
        }
        let words = asked["messages"][0]["content"].as_str().unwrap().split_whitespace().count();
        let usage =
            format!(r#"{{"prompt_tokens":{},"completion_tokens":3}}"#, 7 + (words as f64 * self.factor).round() as u64);
        let model = self.model;
        if asked["stream"] == true {
            let usage = if self.tells { usage } else { "null".to_owned() };
            let events = format!(
                "data: {{\"model\":\"{model}\",\"choices\":[{{\"delta\":{{\"content\":\"one two three\"}}}}]}}\n\n\
                 data: {{\"model\":\"{model}\",\"choices\":[],\"usage\":{usage}}}\n\ndata: [DONE]\n\n"
            );
            return reply(200, "text/event-stream", events);
        }
        let message = r#"{"message":{"content":"one two three"},"finish_reason":"stop"}"#;
        reply(200, "application/json", format!(r#"{{"model":"{model}","choices":[{message}],"usage":{usage}}}"#))
    }
}

#[tokio::test]
async fn a_provider_that_answers_as_it_should_passes_every_check() {
    let (address, _simulator) = Simulator::start(Options { label: false, ..Options::default() }).unwrap();
    let report = done(&order(address)).await;
    let bad: Vec<_> = report.checks.iter().filter(|check| check.finding == Finding::Bad).collect();
    assert!(bad.is_empty() && report.checks.len() >= 11, "{:#?}", report.checks);
    assert!(report.is_good() && !report.cut_short);
    let anthropic =
        Target { dialect: Dialect::Anthropic, form: KeyForm::XApiKey, key: Some("k".into()), ..target(address) };
    let report = done(&Order { target: anthropic, ..order(address) }).await;
    let bad: Vec<_> = report.checks.iter().filter(|check| check.finding == Finding::Bad).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[tokio::test]
async fn a_provider_that_lies_about_its_model_and_its_counts_is_found_out() {
    let address = Liar { factor: 1.38, model: "gpt-x-mini", tells: true }.start().await;
    let report = done(&order(address)).await;
    assert_eq!(finding(&report, "identity"), Finding::Bad);
    assert_eq!(finding(&report, "input_count"), Finding::Bad);
    assert!(report.text().contains("reported model differs: asked gpt-x, got gpt-x-mini"), "{}", report.text());
    assert!(report.text().contains("38 % above our own"), "{}", report.text());
    let honest = Liar { factor: 1.0, model: "gpt-x", tells: true }.start().await;
    let report = done(&order(honest)).await;
    assert_eq!((finding(&report, "identity"), finding(&report, "input_count")), (Finding::Good, Finding::Good));
    // A reason of any length is one.
    assert_eq!(finding(&report, "errors"), Finding::Good, "{:?}", report.checks);
}

/// A stream that does not tell its tokens costs them all the same.
#[tokio::test]
async fn what_is_not_told_counts_as_the_most_it_can_have_cost() {
    let address = Liar { factor: 1.0, model: "gpt-x", tells: false }.start().await;
    let load = Load { steps: vec![4], calls_each: 100, ..Load::default() };
    let report = done(&up_to("0.02", Order { load: Some(load), ..order(address) })).await;
    let sent: u64 = report.steps.iter().map(|step| step.ok).sum();
    // A call of a hundred words, at a dollar a million.
    assert!(sent > 0 && sent as f64 * 100.0 / 1e6 <= 0.02, "{sent} calls for two cents");
    assert!(report.cut_short, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hidden_limit_of_requests_is_found_within_ten_percent() {
    let options = Options { label: false, requests_per_minute: Some(300), ..Options::default() };
    let (address, _simulator) = Simulator::start(options).unwrap();
    let report = done(&up_to("0.25", Order { search: Some(search()), ..order(address) })).await;
    is_within(&report, "0.25");
    let limits = report.limits.unwrap();
    near(limits.requests_per_minute, 300.0);
    assert!(report.calls < 700, "{} calls are more than it takes", report.calls);
    assert_eq!(limits.tokens_per_minute.found(), None, "{limits:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hidden_limit_of_tokens_is_found_within_ten_percent() {
    let options = Options { label: false, tokens_per_minute: Some(60_000), ..Options::default() };
    let (address, _simulator) = Simulator::start(options).unwrap();
    let report = done(&up_to("0.50", Order { search: Some(search()), ..order(address) })).await;
    is_within(&report, "0.50");
    let limits = report.limits.unwrap();
    near(limits.tokens_per_minute, 60_000.0);
    assert_eq!(limits.requests_per_minute.found(), None, "{limits:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hidden_limit_of_calls_at_once_is_found_within_ten_percent() {
    for hidden in [3, 23] {
        let options = Options { label: false, concurrency: Some(hidden), ttft: LONG, ..Options::default() };
        let (address, _simulator) = Simulator::start(options).unwrap();
        let quick = Search { most_at_once: 64, patience: Duration::from_millis(500), ..search() };
        let report = done(&up_to("0.25", Order { search: Some(quick), ..order(address) })).await;
        is_within(&report, "0.25");
        near(report.limits.unwrap().concurrency, f64::from(hidden));
        assert_eq!(report.suggested.max_concurrency, Some(u64::from(hidden)));
    }
}

/// After load that used up the calls of a minute, so that a limit by the minute refuses before the one at once can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hidden_limits_of_all_three_kinds_together_are_each_found_within_ten_percent() {
    let (address, _simulator) = Simulator::start(Options {
        label: false,
        requests_per_minute: Some(240),
        tokens_per_minute: Some(60_000),
        concurrency: Some(23),
        ttft: LONG,
        ..Options::default()
    })
    .unwrap();
    let load = Load { steps: vec![20], calls_each: 17, ..Load::default() };
    let search = Search { patience: Duration::from_secs(60), many: 1_200, callers: 16, most_at_once: 64, ..search() };
    let report = done(&up_to("0.50", Order { load: Some(load), search: Some(search), ..order(address) })).await;
    is_within(&report, "0.50");
    assert!(
        report.steps.iter().all(|step| step.limited > 0),
        "the load is to use up what there is: {:?}",
        report.steps
    );
    let limits = report.limits.unwrap();
    near(limits.concurrency, 23.0);
    near(limits.requests_per_minute, 240.0);
    near(limits.tokens_per_minute, 60_000.0);
}

#[tokio::test]
async fn nothing_is_sent_beyond_the_allowance() {
    let (address, simulator) = Simulator::start(Options { label: false, ..Options::default() }).unwrap();
    let cap: Money = "0.005".parse().unwrap();
    let order = order(address);
    let allowance = Allowance { cost: Some(cap), ..order.allowance.clone() };
    let report = done(&Order { allowance, load: Some(Load::default()), search: Some(search()), ..order.clone() }).await;
    assert!(report.cut_short);
    let cost: Money = report.cost_usd.unwrap().parse().unwrap();
    assert!(cost > Money::ZERO && cost <= cap, "{cost}");
    drop(simulator);

    let (address, simulator) = Simulator::start(Options { label: false, ..Options::default() }).unwrap();
    let allowance = Allowance { cost: None, calls: 5, price: None };
    let report = done(&Order { target: target(address), allowance, search: Some(search()), ..order }).await;
    assert_eq!((report.calls, report.cut_short, report.cost_usd), (5, true, None));
    // The list of models and a body that is no JSON cost nothing.
    assert!(simulator.stats().requests <= 7, "{:?}", simulator.stats());
}

#[tokio::test]
async fn load_goes_up_step_by_step_until_an_objective_breaks() {
    let options = Options { label: false, ttft: Duration::from_millis(30), ..Options::default() };
    let (address, _simulator) = Simulator::start(options).unwrap();
    let load = Load { steps: vec![1, 2, 4], calls_each: 3, ..Load::default() };
    let report = done(&Order { load: Some(load.clone()), ..order(address) }).await;
    assert_eq!(report.steps.iter().map(|step| step.ok).collect::<Vec<_>>(), [3, 6, 12]);
    assert!(report.steps.iter().all(|step| step.first_token.is_some_and(|times| times.p50 >= 29.0)));
    let objectives = vec!["ttft_p95<10ms".parse().unwrap()];
    let report = done(&Order { load: Some(load), objectives, ..order(address) }).await;
    assert_eq!((report.steps.len(), report.missed.as_slice()), (1, ["ttft_p95<10ms".to_owned()].as_slice()));
    assert!(!report.is_good());
    assert!(report.markdown().contains("## Load") && report.text().contains('█'));
}

#[tokio::test]
async fn at_a_rate_calls_are_due_at_even_moments_and_timed_from_then() {
    let (address, _simulator) = Simulator::start(Options { label: false, ..Options::default() }).unwrap();
    let load = Load { rate: Some((40.0, Duration::from_secs(1))), ..Load::default() };
    let report = done(&Order { load: Some(load), ..order(address) }).await;
    let step = &report.steps[0];
    assert_eq!((step.rate, step.ok), (Some(40.0), 40));
    assert!(step.seconds >= 0.97, "{}", step.seconds);
}

/// In made-up time, which passes while nothing comes.
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_never_answers_is_not_waited_for_long() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let order = order(silent.local_addr().unwrap());
    let report = tokio::time::timeout(Duration::from_secs(200), done(&order)).await.expect("an end");
    assert_eq!((finding(&report, "models"), finding(&report, "chat")), (Finding::Bad, Finding::Bad));
    assert_eq!(report.calls, 1);
}

#[tokio::test]
async fn verify_misses_a_model_that_is_neither_listed_nor_known() {
    let address = Liar { factor: 1.0, model: "gpt-x", tells: true }.start().await;
    let models = ["gpt-x", "an alias", "up/x"].map(|known| (known, Answer::Right));
    for (model, expected) in models.into_iter().chain([("other", Answer::WrongModel)]) {
        let target =
            Target { url: format!("http://{address}/v1"), key: None, model: model.to_owned(), ..target(address) };
        assert_eq!(verify(&target).await.unwrap().answer, expected, "{model}");
    }
}

/// A server that answers everything with one refusal.
async fn refusing(status: u16, body: &'static str) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = move |_: Request<Incoming>| async move {
                let refusal = Response::builder().status(status).header("content-type", "application/json");
                Ok::<_, Infallible>(refusal.body(Full::new(Bytes::from(body))).unwrap())
            };
            let service = hyper::service::service_fn(answer);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// The bodies are those of OpenAI, Gemini and Azure.
#[tokio::test]
async fn a_wrong_region_is_told_apart_from_a_wrong_key_and_from_a_place_that_is_not_served() {
    for (status, body, answer, says) in [
        (
            403,
            r#"{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported","param":null,"type":"request_forbidden"}}"#,
            Answer::WrongRegion,
            "another key does not help",
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}"#,
            Answer::WrongRegion,
            "the key of a project with billing may be served",
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio.","status":"FAILED_PRECONDITION"}}]"#,
            Answer::WrongRegion,
            "the key of a project with billing may be served",
        ),
        (
            401,
            r#"{"error":{"message":"Attempted to access resource with incorrect regional hostname. Please make your request to us.api.openai.com","type":"invalid_request_error","code":"incorrect_hostname","param":null},"status":401}"#,
            Answer::WrongRegion,
            "belongs to another region's address",
        ),
        (
            401,
            r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."}}"#,
            Answer::WrongRegion,
            "does not say which",
        ),
        (
            401,
            r#"{"error":{"message":"Incorrect API key provided: sk-x.","type":"invalid_request_error","code":"invalid_api_key"}}"#,
            Answer::WrongKey,
            "refuses the key (401)",
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
            Answer::WrongKey,
            "refuses the key (400)",
        ),
        (400, r#"{"error":{"message":"unexpected query"}}"#, Answer::NotAnApi, "not as such an API does"),
    ] {
        let address = refusing(status, body).await;
        let verified = verify(&Target { key: Some("k".to_owned()), ..target(address) }).await.unwrap();
        assert_eq!(verified.answer, answer, "{}", verified.told);
        assert!(verified.told.contains(says), "{}", verified.told);
    }
}

#[tokio::test]
async fn verify_says_what_is_wrong() {
    let options = Options { require_key: Some("secret".to_owned()), ..Options::default() };
    let (address, _simulator) = Simulator::start(options).unwrap();
    let with = |url: String, key: Option<&str>| Target {
        url,
        key: key.map(str::to_owned),
        model: String::new(),
        ..target(address)
    };
    let here = format!("http://{address}");
    for (url, key, expected) in [
        (format!("{here}/v1"), Some("secret"), Answer::Right),
        (format!("{here}/v1"), Some("wrong"), Answer::WrongKey),
        (format!("{here}/v1"), None, Answer::NoKey),
        (format!("{here}/nowhere"), Some("secret"), Answer::WrongPath),
        ("http://127.0.0.1:9".to_owned(), Some("secret"), Answer::Unreachable),
    ] {
        let verified = verify(&with(url.clone(), key)).await.unwrap();
        assert_eq!(verified.answer, expected, "{url} {key:?}: {}", verified.told);
        assert!(!verified.told.contains("secret"), "{}", verified.told);
    }
    let model = Target { model: "no-such".to_owned(), ..with(format!("{here}/v1"), Some("secret")) };
    assert_eq!(verify(&model).await.unwrap().answer, Answer::Right, "the simulator answers to any name");
    let options = Options { models: vec!["gpt-x".to_owned()], ..Options::default() };
    let (address, _simulator) = Simulator::start(options).unwrap();
    let model = Target { model: "no-such".to_owned(), ..target(address) };
    assert_eq!(verify(&model).await.unwrap().answer, Answer::WrongModel, "and where it has names only to those");
    assert!(verify(&with("ftp://x".to_owned(), None)).await.is_err());
}
