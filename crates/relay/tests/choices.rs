//! Names that lead to one model or another by what a request looks like.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod support;

use sluicegate_config::{Choice, ChoiceRule, Config, ModelRule, Prices, ProviderKind, When};
use sluicegate_ledger::{Price, Rate, Rates};
use sluicegate_vocabulary::{CacheUse, Money};
use support::*;

fn rule(name: &str, when: When, to: &str) -> ChoiceRule {
    ChoiceRule { name: name.to_owned(), when, to: to.to_owned() }
}

/// `auto` leads to `small` where a request is short and holds no code, else to `large`, which costs ten times as much.
fn choosing(upstream: &Upstream) -> Config {
    let mut config = config(vec![provider("up", ProviderKind::OpenAi, upstream.address)]);
    config.models.insert("small".into(), model("small", &["up/s"]));
    config.models.insert("large".into(), model("large", &["up/l"]));
    let short = When { shorter_than: Some(100), code: Some(false), ..When::default() };
    let auto = Choice {
        name: "auto".into(),
        default: "large".into(),
        rules: vec![rule("short", short, "small")],
        reasoning_words: Vec::new(),
    };
    config.choices.insert("auto".into(), auto);
    let price = |input: &str, output: &str| Price {
        rates: Rates { input: input.parse::<Rate>().unwrap(), output: output.parse().unwrap(), ..Rates::default() },
        ..Price::default()
    };
    config.prices = Prices {
        models: [("up/s".to_owned(), price("1", "2")), ("up/l".to_owned(), price("10", "20"))].into(),
        ..Prices::default()
    };
    config
}

fn choice_of(answer: &str) -> Option<&str> {
    answer.lines().find_map(|line| line.strip_prefix("x-sluicegate-choice: "))
}

#[test]
fn a_request_goes_where_the_first_rule_that_holds_says_and_the_answer_says_why() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 3]);
    let relay = Running::new(choosing(&upstream));
    let short = relay.post(CHAT, "", &hi("auto"));
    assert!(upstream.request().contains("\"model\":\"s\""));
    assert_eq!(choice_of(&short), Some("small; rule=short; tokens=1; language=other; class=normal"));
    let code = relay.post(CHAT, "", &hi("auto").replace("\"hi\"", "\"```x```\""));
    assert!(upstream.request().contains("\"model\":\"l\""));
    assert_eq!(choice_of(&code), Some("large; rule=default; tokens=2; language=other; class=normal; code"));
    let named = relay.post(CHAT, "", &hi("small"));
    assert_eq!(choice_of(&named), None);
    let receipts = relay.receipts(3);
    let rules: Vec<_> = receipts.iter().map(|receipt| receipt.chosen.as_ref().map(|chosen| &*chosen.rule)).collect();
    assert_eq!(rules, [Some("short"), Some("default"), None]);
    // 7 tokens in and 3 out: 13 millionths of a dollar at the one, 130 at the other.
    let saved: Vec<_> = receipts.iter().map(|receipt| receipt.saved).collect();
    assert_eq!(saved, [Some(Money::from_nanos(117_000)), Some(Money::ZERO), None]);
    assert_eq!(receipts[0].cost, Some(Money::from_nanos(13_000)));
    let metrics = relay.relay.metrics().encode().unwrap();
    assert!(metrics.contains("sluicegate_choices_total{choice=\"auto\",rule=\"short\"} 1"), "{metrics}");
    assert!(metrics.contains("sluicegate_choice_saved_usd{choice=\"auto\",rule=\"short\"} 0.000117"), "{metrics}");
}

#[test]
fn a_key_that_may_use_a_choice_may_use_what_it_leads_to_and_nothing_else() {
    let upstream = Upstream::new(vec![json(200, ANSWER); 2]);
    let mut config = choosing(&upstream);
    let mut only_auto = key("a", "sk-a");
    only_auto.models = Some(vec![ModelRule::parse("auto")]);
    config.keys.push(only_auto);
    let relay = Running::new(config);
    let ask = |model: &str| relay.post(CHAT, "authorization: Bearer sk-a\r\n", &hi(model));
    assert!(ask("auto").starts_with("HTTP/1.1 200"));
    assert!(ask("small").starts_with("HTTP/1.1 403"));
    let listed =
        relay.raw(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-a\r\nconnection: close\r\n\r\n");
    assert!(listed.contains("\"id\":\"auto\"") && !listed.contains("\"id\":\"small\""), "{listed}");
}

#[test]
fn a_choice_and_its_model_share_what_is_kept() {
    let upstream = Upstream::new(vec![json(200, ANSWER)]);
    let mut config = choosing(&upstream);
    config.cache =
        Some(sluicegate_config::Cache { only_when: sluicegate_config::OnlyWhen::Always, ..Default::default() });
    let relay = Running::new(config);
    relay.post(CHAT, "", &hi("auto"));
    let again = relay.post(CHAT, "", &hi("small"));
    assert!(again.contains("x-sluicegate-cache: hit"), "{again}");
    relay.post(CHAT, "", &hi("auto"));
    let receipts = relay.receipts(3);
    let uses: Vec<_> = receipts.iter().map(|receipt| receipt.cache).collect();
    assert_eq!(uses, [CacheUse::Miss, CacheUse::Hit, CacheUse::Hit]);
    assert_eq!(receipts[2].saved, Some(Money::from_nanos(13_000)), "what the hit would have cost");
}
