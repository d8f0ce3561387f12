use super::*;
use proptest::prelude::*;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn rates(input: &str, cached: &str, write: &str, output: &str) -> Rates {
    Rates {
        input: rate(input),
        cached_input: Some(rate(cached)),
        cache_write: Some(rate(write)),
        output: rate(output),
        ..Rates::default()
    }
}

fn price(rates: Rates) -> Price {
    Price { rates, long_context: None, context_window: None, max_output: None }
}

fn cost(price: &Price, usage: Usage) -> String {
    price.cost(&usage).unwrap().to_string()
}

#[test]
fn openai_cache_reads_and_writes_are_billed_once_each() {
    let usage = Usage { input: 14_000, cache_read: 155_000, cache_write: 3_000, ..Usage::default() };
    assert_eq!(usage.total_input(), 172_000);
    assert_eq!(cost(&price(rates("5", "0.5", "6.25", "0")), usage), "0.16625");
}

#[test]
fn anthropic_input_stands_beside_its_cache_classes() {
    let usage = Usage { input: 100, cache_write: 2_000, cache_read: 30_000, output: 500, ..Usage::default() };
    assert_eq!(usage.total_input(), 32_100);
    assert_eq!(cost(&price(rates("3", "0.3", "3.75", "15")), usage), "0.0243");
}

#[test]
fn gemini_thoughts_are_billed_as_output() {
    let usage = Usage { input: 200, cache_read: 800, output: 50, reasoning: 350, ..Usage::default() };
    assert_eq!(cost(&price(rates("0.3", "0.03", "0", "2.5")), usage), "0.001084");
}

#[test]
fn long_rates_apply_to_the_whole_request_and_only_above_the_threshold() {
    let mut model = price(rates("2", "0.2", "2.5", "10"));
    model.long_context = Some(LongContext { above: 1_000, rates: rates("4", "0.4", "5", "15") });
    let at = Usage { input: 600, cache_read: 400, output: 100, ..Usage::default() };
    let over = Usage { cache_read: 401, ..at };
    assert_eq!(cost(&model, at), "0.00228");
    // 600 x 4 + 401 x 0.4 + 100 x 15 = 4060.4 millionths.
    assert_eq!(cost(&model, over), "0.0040604");
}

#[test]
fn a_cache_class_without_a_rate_costs_what_input_costs() {
    let model = Price::flat(rate("2"), rate("8"));
    for usage in [
        Usage { cache_read: 10, ..Usage::default() },
        Usage { cache_write: 10, ..Usage::default() },
        Usage { cache_write_long: 10, ..Usage::default() },
    ] {
        assert_eq!(cost(&model, usage), "0.00002");
    }
}

#[test]
fn audio_without_a_rate_is_unpriced_and_not_free() {
    let model = Price::flat(rate("2"), rate("8"));
    assert_eq!(model.cost(&Usage { input: 5, input_audio: 1, ..Usage::default() }), None);
    assert_eq!(model.cost(&Usage { output_audio: 1, ..Usage::default() }), None);
    assert_eq!(model.cost(&Usage::default()), Some(Money::ZERO));
}

#[test]
fn the_sum_is_rounded_once() {
    // 400 picos for each of two classes: rounded apart they would vanish, together they are one nano-dollar.
    let model = Price::flat(Rate::from_picos(400), Rate::from_picos(400));
    assert_eq!(model.cost(&Usage { input: 1, output: 1, ..Usage::default() }), Some(Money::from_nanos(1)));
}

proptest! {
    #[test]
    fn no_usage_overflows_or_costs_less_than_nothing(
        input: u64, cache_read: u64, cache_write: u64, cache_write_long: u64, output: u64, reasoning: u64,
        picos in 0_u64..=1_000_000_000_000,
    ) {
        let model = Price::flat(Rate::from_picos(picos), Rate::from_picos(picos));
        let usage = Usage { input, cache_read, cache_write, cache_write_long, output, reasoning, ..Usage::default() };
        prop_assert!(model.cost(&usage).unwrap() >= Money::ZERO);
    }

    #[test]
    fn more_tokens_never_cost_less(a in 0_u64..1_000_000, b in 0_u64..1_000_000, more in 0_u64..1_000_000) {
        let mut model = price(rates("2", "0.2", "2.5", "10"));
        model.long_context = Some(LongContext { above: 272_000, rates: rates("4", "0.4", "5", "15") });
        let usage = Usage { input: a, output: b, ..Usage::default() };
        let larger = Usage { input: a + more, ..usage };
        prop_assert!(model.cost(&larger) >= model.cost(&usage));
    }
}
