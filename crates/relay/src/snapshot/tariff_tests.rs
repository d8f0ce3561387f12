use super::*;
use sluicegate_upstream::{ProviderSpec, Settings, Speaks, Timeouts};
use sluicegate_vocabulary::Endpoint;
use std::io::Write as _;
use std::time::Duration;

fn provider(name: &str, kind: ProviderKind) -> Provider {
    Provider::new(ProviderSpec {
        name: name.into(),
        kind,
        base_url: "http://127.0.0.1:1/v1".to_owned(),
        keys: Vec::new(),
        speaks: Speaks::of(&Endpoint::ALL),
        api_version: None,
        headers: Vec::new(),
        timeouts: Timeouts { first_byte: Duration::from_secs(1), stream_idle: Duration::from_secs(1) },
        max_retries: 0,
        stream_usage: true,
        settings: Settings::default(),
        proxy: None,
        ca_file: None,
    })
    .unwrap()
}

fn input_price(tariffs: &Tariffs, provider: &Provider, vendor: Option<&str>, model: &str) -> Option<String> {
    tariffs.find(provider, vendor, model).map(|tariff| tariff.price().rates.input.to_string())
}

#[test]
fn the_nearest_price_counts_own_then_list_by_name_then_list_by_vendor() {
    let mut list = tempfile::NamedTempFile::new().unwrap();
    list.write_all(b"vendor,model,input,output,as_of\nresold,gpt-4.1,3,9,2026-11-01\nresold,cheap,0.5,1,2026-11-01\n")
        .unwrap();
    let mut config = Config::default();
    config.prices.file = Some(list.path().to_owned());
    config.prices.models.insert("resold/cheap".into(), Price::flat("0.25".parse().unwrap(), Rate::default()));
    let tariffs = Tariffs::new(&config, PriceBook::bundled()).unwrap();
    let resold = provider("resold", ProviderKind::OpenAiCompatible);
    let direct = provider("mine", ProviderKind::OpenAi);
    let found = |provider, model| input_price(&tariffs, provider, Some("openai"), model);
    assert_eq!(found(&resold, "gpt-4.1").as_deref(), Some("3"));
    assert_eq!(found(&resold, "cheap").as_deref(), Some("0.25"));
    assert_eq!(found(&direct, "gpt-4.1").as_deref(), Some("2"));
    assert_eq!(found(&direct, "nobody-knows"), None);
}

#[test]
fn an_own_price_keeps_the_sizes_that_the_list_knows() {
    let mut config = Config::default();
    config.prices.models.insert("mine/gpt-4.1".into(), Price::flat("1".parse().unwrap(), "1".parse().unwrap()));
    let tariffs = Tariffs::new(&config, PriceBook::bundled()).unwrap();
    let found = tariffs.find(&provider("mine", ProviderKind::OpenAi), Some("openai"), "gpt-4.1").unwrap();
    let listed = PriceBook::bundled().price("openai", "gpt-4.1").unwrap();
    assert!(listed.context_window.is_some());
    assert_eq!(found.price().context_window, listed.context_window);
}

#[test]
fn what_is_simulated_costs_nothing_unless_it_is_said() {
    let simulated = provider("sim", ProviderKind::Simulated);
    let mut config = Config::default();
    let free = Tariffs::new(&config, PriceBook::bundled()).unwrap().find(&simulated, None, "any").unwrap();
    let usage = Usage { input: 1_000_000, output: 1_000_000, ..Usage::default() };
    assert_eq!(free.bill(&usage).billed, Money::ZERO);
    config.prices.models.insert("sim/any".into(), Price::flat("1".parse().unwrap(), "2".parse().unwrap()));
    config.prices.multiplier = "1.5".parse().unwrap();
    let dear = Tariffs::new(&config, PriceBook::bundled()).unwrap().find(&simulated, None, "any").unwrap();
    let bill = dear.bill(&usage);
    assert_eq!((bill.charge.total.to_string(), bill.billed.to_string()), ("3".to_owned(), "4.5".to_owned()));
}

#[test]
fn a_list_that_cannot_be_read_is_an_error_that_names_it() {
    let mut config = Config::default();
    config.prices.file = Some("/nowhere/prices.csv".into());
    let error = Tariffs::new(&config, PriceBook::bundled()).unwrap_err();
    assert!(error.to_string().starts_with("prices.file /nowhere/prices.csv: "), "{error}");
}
