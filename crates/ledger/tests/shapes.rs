//! Recorded shapes of usage, priced against a table that was worked out by hand.
//!
//! `shapes/shapes.jsonl` has one a line: the provider's own usage object, what else was billed, the model, the arithmetic
//! written out (`1200 x 2 + 300 x 8`, dollars per million tokens, or dollars each) and its total. Where what is billed is
//! told beside the usage, the line has the provider's whole answer instead, or the events of its stream. The test checks
//! the table against itself, then the bill against the table, line by line and to the nano-dollar.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use serde::Deserialize;
use serde_json::value::RawValue;
use sluicegate_ledger::{Charge, PriceBook, Rate};
use sluicegate_vocabulary::{Endpoint, Money, Usage};
use sluicegate_wire::tap::{Out, StreamEnd, Tap};
use sluicegate_wire::usage::{cites, from_body, read_chat, read_generate, read_messages, read_responses};

#[derive(Deserialize)]
struct Shape {
    name: String,
    form: String,
    vendor: String,
    model: String,
    #[serde(default)]
    usage: Option<Box<RawValue>>,
    #[serde(default)]
    answer: Option<Box<RawValue>>,
    #[serde(default)]
    stream: Vec<Box<RawValue>>,
    #[serde(default)]
    tier: Option<String>,
    #[serde(default)]
    images: u64,
    #[serde(default)]
    input_image: u64,
    #[serde(default)]
    output_image: u64,
    #[serde(default)]
    web_searches: u64,
    #[serde(default)]
    file_searches: u64,
    #[serde(default)]
    code_sessions: u64,
    work: String,
    total: String,
}

impl Shape {
    fn usage(&self) -> Usage {
        let (endpoint, read): (Endpoint, fn(&str) -> Option<Usage>) = match self.form.as_str() {
            "chat" => (Endpoint::ChatCompletions, read_chat),
            "responses" => (Endpoint::Responses, read_responses),
            "messages" => (Endpoint::Messages, read_messages),
            "generate" => (Endpoint::Generate, read_generate),
            other => panic!("{other}"),
        };
        let usage = match (&self.usage, &self.answer) {
            (Some(usage), None) => read(usage.get()),
            (None, Some(answer)) => from_body(endpoint, answer.get().as_bytes()).map(|usage| Usage {
                web_searches: usage.web_searches.max(u64::from(cites(answer.get().as_bytes()))),
                ..usage
            }),
            (None, None) => self.streamed(endpoint),
            (Some(_), Some(_)) => panic!("{}: a usage and an answer", self.name),
        };
        usage.unwrap_or_else(|| panic!("{}: no usage", self.name))
    }

    /// What a stream's tap reads of it, which passes on all of it.
    fn streamed(&self, endpoint: Endpoint) -> Option<Usage> {
        let mut tap = Tap::new(endpoint, false).unwrap().citing();
        let (mut sent, mut out) = (String::new(), Out::new());
        for event in &self.stream {
            let kind = serde_json::from_str::<serde_json::Value>(event.get()).unwrap();
            let name = kind["type"].as_str().map(|name| format!("event: {name}\n")).unwrap_or_default();
            let event = format!("{name}data: {}\n\n", event.get());
            tap.feed(event.clone().into(), &mut out).unwrap();
            sent.push_str(&event);
        }
        if endpoint == Endpoint::ChatCompletions {
            tap.feed("data: [DONE]\n\n".into(), &mut out).unwrap();
            sent.push_str("data: [DONE]\n\n");
        }
        assert_eq!(tap.finish(&mut out), StreamEnd::Complete, "{}", self.name);
        assert_eq!(out.concat(), sent.as_bytes(), "{}", self.name);
        tap.usage()
    }

    fn used(&self) -> Usage {
        let read = self.usage();
        Usage {
            input_image: self.input_image.max(read.input_image),
            output_image: self.output_image.max(read.output_image),
            images: self.images.max(read.images),
            web_searches: self.web_searches.max(read.web_searches),
            file_searches: self.file_searches.max(read.file_searches),
            code_sessions: self.code_sessions.max(read.code_sessions),
            tier: self.tier.as_deref().map_or(Ok(read.tier), str::parse).unwrap(),
            ..read
        }
    }

    /// The arithmetic: pairs of a quantity and a price of one in pico-dollars.
    fn work(&self) -> Vec<(u64, u64)> {
        let term = |term: &str| {
            let (quantity, price) = term.split_once(" x ").unwrap();
            let unit = match price.strip_suffix(" each") {
                Some(each) => u64::try_from(each.parse::<Money>().unwrap().nanos()).unwrap() * 1000,
                None => price.parse::<Rate>().unwrap().picos(),
            };
            (quantity.parse().unwrap(), unit)
        };
        self.work.split(" + ").map(term).collect()
    }
}

fn shapes() -> Vec<Shape> {
    include_str!("shapes/shapes.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn book() -> PriceBook {
    let mut book = PriceBook::bundled().clone();
    book.overlay(PriceBook::parse(include_str!("shapes/prices.csv")).unwrap());
    book
}

fn bill(book: &PriceBook, shape: &Shape) -> Charge {
    let price = book.price(&shape.vendor, &shape.model).unwrap_or_else(|| panic!("{}: no price", shape.name));
    price.charge(&shape.used()).unwrap_or_else(|error| panic!("{}: {error}", shape.name))
}

#[test]
fn the_table_adds_up() {
    let shapes = shapes();
    assert!(shapes.len() >= 60, "{}", shapes.len());
    for shape in shapes {
        let picos: i128 = shape.work().iter().map(|(quantity, unit)| i128::from(*quantity) * i128::from(*unit)).sum();
        assert_eq!(Money::from_picos(picos).to_string(), shape.total, "{}", shape.name);
    }
}

#[test]
fn every_recorded_shape_costs_what_was_worked_out_by_hand_to_the_nano_dollar() {
    let book = book();
    for shape in shapes() {
        let charge = bill(&book, &shape);
        let lines: Vec<(u64, u64)> = charge.lines.iter().map(|line| (line.quantity, line.unit)).collect();
        assert_eq!(lines, shape.work(), "{}: {charge}", shape.name);
        assert_eq!(charge.total.to_string(), shape.total, "{}: {charge}", shape.name);
    }
}
