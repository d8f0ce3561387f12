//! The matrix of `examples/choices.yaml`, judged by a set of requests whose right answers were written down by hand.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

use serde_json::Value;
use sluicegate_config::{Choice, Config, Environment, Loader};
use sluicegate_ledger::PriceBook;
use sluicegate_vocabulary::{Money, Priority, Usage};
use sluicegate_wire::traits::{self, Traits};
use std::path::Path;

struct World;

impl Environment for World {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "OPENAI_API_KEY").then(|| "k".to_owned())
    }
    fn variables(&self, _: &str) -> Vec<(String, String)> {
        Vec::new()
    }
    fn read(&self, path: &Path) -> Result<String, String> {
        Err(format!("no file {}", path.display()))
    }
}

fn config() -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/choices.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    Loader::with_environment(&World).file(&text, "choices.yaml").unwrap().config
}

struct Labelled {
    label: String,
    rule: String,
    class: Priority,
    output: u64,
    traits: Traits,
}

fn requests(choice: &Choice) -> Vec<Labelled> {
    let lines = include_str!("choices/requests.jsonl").lines();
    lines
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let body = line["request"].to_string();
            Labelled {
                label: line["label"].as_str().unwrap().to_owned(),
                rule: line["rule"].as_str().unwrap().to_owned(),
                class: line["class"].as_str().unwrap().parse().unwrap(),
                output: line["output"].as_u64().unwrap(),
                traits: traits::read(body.as_bytes(), 64, &choice.reasoning_words),
            }
        })
        .collect()
}

/// What a request costs at a public name, by the price list in the program.
fn cost(config: &Config, name: &str, request: &Labelled) -> Money {
    let target = &config.models[name].to[0].model;
    let price = &PriceBook::bundled().entry(&target.provider, &target.model).unwrap().price;
    let usage = Usage { input: request.traits.tokens, output: request.output, ..Usage::default() };
    price.charge(&usage).unwrap().total
}

#[test]
fn every_request_of_the_set_goes_where_its_label_says_and_every_rule_says_why() {
    let config = config();
    let choice = &config.choices["auto"];
    let requests = requests(choice);
    assert!(requests.len() >= 40);
    for request in &requests {
        let (rule, model) = choice.decide(&request.traits, request.class);
        let verdicts = choice.verdicts(&request.traits, request.class);
        assert_eq!(rule, request.rule, "{}: {verdicts:#?}", request.label);
        assert_eq!(verdicts.len(), choice.rules.len() + 1);
        let chosen: Vec<_> = verdicts.iter().filter(|verdict| verdict.verdict == "chosen").collect();
        assert!(matches!(chosen[..], [only] if only.rule == rule && only.to == model), "{verdicts:#?}");
        assert!(verdicts.iter().all(|verdict| verdict.because.is_some() == (verdict.verdict == "no")), "{verdicts:#?}");
    }
    for rule in &choice.rules {
        assert!(requests.iter().any(|request| request.rule == rule.name), "no request of the set is for {}", rule.name);
    }
}

#[test]
fn the_matrix_saves_at_least_60_percent_of_sending_all_to_the_dearest() {
    let config = config();
    let choice = &config.choices["auto"];
    let requests = requests(choice);
    let total = |name: &dyn Fn(&Labelled) -> String| -> i128 {
        requests.iter().map(|request| i128::from(cost(&config, &name(request), request).nanos())).sum()
    };
    let dearest = ["small", "medium", "large"].map(|name| total(&|_| name.to_owned())).into_iter().max().unwrap();
    let chosen = total(&|request| choice.decide(&request.traits, request.class).1.to_owned());
    assert_eq!(dearest, total(&|_| choice.default.clone()), "the default is the dearest");
    let saved = 100 - chosen * 100 / dearest;
    println!("saved {saved} % of {dearest} nano-dollars over {} requests", requests.len());
    assert!(saved >= 60, "saved {saved} %");
}
