use super::*;
use crate::Rate;
use sluicegate_vocabulary::Usage;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

#[test]
fn the_bundled_list_parses_and_every_row_is_dated() {
    let book = PriceBook::parse(BUNDLED).unwrap();
    let rows: usize = book.vendors.values().flat_map(BTreeMap::values).map(Vec::len).sum();
    assert_eq!(rows, BUNDLED.lines().filter(|line| !line.starts_with('#')).count() - 1);
    assert!(book.vendors.values().flat_map(BTreeMap::values).flatten().all(|entry| entry.as_of.len() == 10));
}

#[test]
fn the_holysheep_list_is_in_the_book() {
    let book = PriceBook::bundled();
    for (model, input, output) in [
        ("gpt-4.1", "2", "8"),
        ("claude-sonnet-4.5", "3", "15"),
        ("gemini-2.5-flash", "0.3", "2.5"),
        ("deepseek-v3.2", "0.1", "0.42"),
    ] {
        let price = book.price("holysheep", model).unwrap();
        assert_eq!((price.rates.input, price.rates.output), (rate(input), rate(output)), "{model}");
    }
}

#[test]
fn a_model_that_is_not_in_the_book_is_unpriced() {
    let book = PriceBook::bundled();
    assert_eq!(book.price("openai", "gpt-0"), None);
    assert_eq!(book.price("nobody", "gpt-4.1"), None);
}

#[test]
fn a_snapshot_without_a_line_is_priced_as_its_model() {
    let book = PriceBook::bundled();
    let model = book.price("anthropic", "claude-sonnet-4-6").unwrap();
    assert_eq!(book.price("anthropic", "claude-sonnet-4-6-20260101"), Some(model));
    assert_eq!(book.price("openai", "gpt-5.5-2026-12-24"), book.price("openai", "gpt-5.5"));
    assert_eq!(book.price("openai", "gpt-5.5-2026-1-24"), None);
    assert_eq!(book.price("openai", "-2026-01-24"), None);
    assert_eq!(book.price("openai", "gpt-5.5é2026-01-24"), None);
}

#[test]
fn long_requests_cost_more_as_a_whole_and_cache_writes_grow_with_input() {
    let price = PriceBook::bundled().price("openai", "gpt-5.6-sol").unwrap();
    let long = price.long_context.unwrap();
    assert_eq!(long.above, 272_000);
    assert_eq!(long.rates.input, rate("8"));
    assert_eq!(long.rates.cached_input, Some(rate("0.8")));
    assert_eq!(long.rates.cache_write, Some(rate("10")));
    let usage = Usage { input: 300_000, output: 1_000, ..Usage::default() };
    assert_eq!(price.cost(&usage).unwrap().to_string(), "2.43");
}

const HEADING: &str = "vendor,model,mode,input,output,long_context_above,long_input,long_output,batch_input,from,as_of";

#[test]
fn bad_lists_are_refused_with_their_line() {
    let cases = [
        ("", 1, "heading"),
        ("vendor,model\n", 1, "needs input"),
        ("vendor,model,input,input,as_of\n", 1, "twice"),
        ("vendor,model,input,price,as_of\n", 1, "`price`"),
        (&format!("{HEADING}\na,b\n"), 2, "11 fields"),
        (&format!("{HEADING}\n# a comment\na,b,chat,x,1,,,,,,2026-01-01\n"), 3, "input"),
        (&format!("{HEADING}\na,b,chat,,1,,,,,,2026-01-01\n"), 2, "input price"),
        (&format!("{HEADING}\na,b,chat,1,,,,,,,2026-01-01\n"), 2, "output price"),
        (&format!("{HEADING}\na,b,chat,1,1,1000,,,,,2026-01-01\n"), 2, "long_input"),
        (&format!("{HEADING}\na,b,chat,1,1,,,,0.5,,2026-01-01\n"), 2, "batch_output"),
        (&format!("{HEADING}\na,b,chat,1,1,,,,,,\n"), 2, "as_of"),
        (&format!("{HEADING}\na,b,chat,1,1,,,,,,21.11.2026\n"), 2, "YYYY-MM-DD"),
        (&format!("{HEADING}\na,b,chat,1,1,,,,,,2026-01-01\na,b,chat,1,1,,,,,,2026-01-01\n"), 3, "twice"),
    ];
    for (text, line, needle) in cases {
        let error = PriceBook::parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text:?}");
        assert!(error.what.contains(needle), "{error}");
    }
}

#[test]
fn a_price_holds_from_its_day_on() {
    let lines = ["1,1,,,,,,2026-01-01", "2,2,,,,,2026-06-01,2026-07-01", "3,3,,,,,2027-01-01,2026-07-01"];
    let text = lines.map(|line| format!("a,b,chat,{line}")).join("\n");
    let book = PriceBook::parse(&format!("{HEADING}\n{text}\n")).unwrap();
    let on = |day| book.entry_on("a", "b", day).unwrap().price.rates.input;
    assert_eq!([on("2026-05-31"), on("2026-06-01"), on("2027-01-01")], [rate("1"), rate("2"), rate("3")]);
    assert_eq!(book.price("a", "b").unwrap().rates.input, rate("2"));
}

#[test]
fn an_own_list_speaks_alone_for_the_models_it_has() {
    let mut book = PriceBook::bundled().clone();
    book.overlay(PriceBook::parse("vendor,model,input,output,as_of\nopenai,gpt-4.1,1.5,6,2026-11-01\n").unwrap());
    assert_eq!(book.price("openai", "gpt-4.1").unwrap().rates, Price::flat(rate("1.5"), rate("6")).rates);
    assert_eq!(book.price("anthropic", "claude-opus-5-5"), PriceBook::bundled().price("anthropic", "claude-opus-5-5"));
}

#[test]
fn versions_tell_prices_apart_and_do_not_depend_on_the_release() {
    let book = PriceBook::bundled();
    let [one, other] = ["gpt-4.1", "gpt-4.1-mini"].map(|model| book.entry("openai", model).unwrap());
    assert_ne!(one.version(), other.version());
    let parsed = PriceBook::parse("vendor,model,input,output,as_of\na,b,2,8,2026-11-21\n").unwrap();
    assert_eq!(parsed.entry("a", "b").unwrap().version().to_string(), "a2e1b4eb637a9796");
}

#[test]
fn the_bundled_list_survives_being_written_and_read() {
    let book = PriceBook::bundled();
    let again = PriceBook::parse(&book.to_csv()).unwrap();
    assert_eq!(format!("{again:?}"), format!("{book:?}"));
}
