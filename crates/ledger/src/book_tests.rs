use super::*;
use sluicegate_vocabulary::Usage;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

#[test]
fn the_bundled_list_parses_and_every_row_is_dated() {
    let book = PriceBook::parse(BUNDLED).unwrap();
    let rows: usize = book.vendors.values().map(BTreeMap::len).sum();
    assert_eq!(rows, BUNDLED.lines().filter(|line| !line.starts_with('#')).count() - 1);
    assert!(book.vendors.values().flatten().all(|(_, entry)| entry.as_of.len() == 10));
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

#[test]
fn bad_lists_are_refused_with_their_line() {
    let cases = [
        ("", 1, "heading"),
        ("vendor,model\n", 1, "heading"),
        (&format!("{COLUMNS}\na,b\n"), 2, "17 fields"),
        (&format!("{COLUMNS}\n# a comment\na,b,chat,x,,,,1,,,,,,,,2026-01-01,\n"), 3, "input"),
        (&format!("{COLUMNS}\na,b,chat,,,,,1,,,,,,,,2026-01-01,\n"), 2, "input price"),
        (&format!("{COLUMNS}\na,b,chat,1,,,,,,,,,,,,2026-01-01,\n"), 2, "output price"),
        (&format!("{COLUMNS}\na,b,chat,1,,,,1,1000,,,,,,,2026-01-01,\n"), 2, "long_input"),
        (&format!("{COLUMNS}\na,b,chat,1,,,,1,,,,,,,,,\n"), 2, "as_of"),
        (&format!("{COLUMNS}\na,b,chat,1,,,,1,,,,,,,,2026-01-01,\na,b,chat,1,,,,1,,,,,,,,2026-01-01,\n"), 3, "twice"),
    ];
    for (text, line, needle) in cases {
        let error = PriceBook::parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text:?}");
        assert!(error.what.contains(needle), "{error}");
    }
}
