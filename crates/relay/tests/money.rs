//! What calls cost, as clients, receipts and metrics see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these in tests, but not in what tests call"
)]

mod support;

use sluicegate_config::{Config, ProviderKind, Unpriced};
use sluicegate_ledger::{Fees, Price};
use sluicegate_vocabulary::{EndReason, FaultKind};
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
