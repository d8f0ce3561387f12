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
    Price { rates, ..Price::default() }
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

#[test]
fn a_cheaper_tier_without_rates_costs_the_standard_and_a_dearer_one_is_unpriced() {
    let model = Price::flat(rate("2"), rate("8"));
    let used = |tier| Usage { input: 10, tier, ..Usage::default() };
    for tier in [Tier::Standard, Tier::Batch, Tier::Flex] {
        assert_eq!(model.charge(&used(tier)).unwrap().total.to_string(), "0.00002");
    }
    assert_eq!(model.charge(&used(Tier::Priority)), Err(Unpriced::Tier(Tier::Priority)));
}

#[test]
fn pieces_without_a_price_are_unpriced_and_requests_without_one_are_free() {
    let mut model = Price::flat(rate("2"), rate("8"));
    let searched = Usage { web_searches: 3, ..Usage::default() };
    assert_eq!(model.charge(&searched), Err(Unpriced::Class(Class::WebSearch)));
    model.fees.web_search = Some("0.01".parse().unwrap());
    assert_eq!(model.charge(&searched).unwrap().total.to_string(), "0.03");
    model.fees.request = Some("0.005".parse().unwrap());
    assert_eq!(model.charge(&searched).unwrap().total.to_string(), "0.035");
}

#[test]
fn a_request_that_searched_costs_the_same_however_often_where_its_price_says_so() {
    let mut model = Price::flat(rate("2"), rate("8"));
    model.fees.search_request = Some("0.035".parse().unwrap());
    let total = |web_searches| {
        let used = Usage { web_searches, ..Usage::default() };
        assert_eq!(model.at_least(&used), model.charge(&used).unwrap());
        model.charge(&used).unwrap().total.to_string()
    };
    assert_eq!([total(0), total(1), total(4)], ["0", "0.035", "0.035"]);
}

#[test]
fn what_has_no_rate_is_charged_no_less_than_the_ordinary() {
    let mut model = Price::flat(rate("2"), rate("8"));
    let used = Usage { input: 10, output: 5, output_image: 100, web_searches: 2, ..Usage::default() };
    assert!(model.charge(&used).is_err());
    // 10 x 2 + 5 x 8 + 100 x 8
    assert_eq!(model.at_least(&used).total.to_string(), "0.00086");
    assert_eq!(model.at_least(&Usage { tier: Tier::Priority, ..used }).total.to_string(), "0.00086");
    model.fees.web_search = Some("0.01".parse().unwrap());
    model.rates.output_image = Some(rate("30"));
    assert_eq!(model.at_least(&used), model.charge(&used).unwrap());
}

#[test]
fn a_long_request_in_a_tier_costs_that_tiers_long_rates() {
    let standard = rates("2", "0.2", "2.5", "10");
    let long = rates("4", "0.4", "5", "15");
    let batch = standard.moved(Some(rate("1")), None, Some(rate("5")));
    assert_eq!((batch.cached_input, batch.cache_write), (Some(rate("0.1")), Some(rate("1.25"))));
    let schedule = Schedule { rates: batch, long: Some(batch.lengthened(&standard, &long)) };
    let model = Price {
        rates: standard,
        long_context: Some(LongContext { above: 1000, rates: long }),
        tiers: vec![(Tier::Batch, schedule)],
        ..Price::default()
    };
    let usage = Usage { input: 2000, cache_read: 1000, output: 100, ..Usage::default() };
    let used = Usage { tier: Tier::Batch, ..usage };
    // 2000 x 2 + 1000 x 0.2 + 100 x 7.5
    assert_eq!(model.charge(&used).unwrap().total.to_string(), "0.00495");
}

proptest! {
    #[test]
    fn no_call_within_its_sizes_costs_more_than_its_ceiling(
        parts in prop::array::uniform4(0..200_000_u64), out in prop::array::uniform2(0..50_000_u64), batch: bool,
    ) {
        let mut model = price(rates("2", "0.2", "2.5", "10"));
        model.rates.cache_write_long = Some(rate("4"));
        model.long_context = Some(LongContext { above: 272_000, rates: rates("4", "0.4", "5", "15") });
        model.fees.request = Some("0.001".parse().unwrap());
        let [input, cache_read, cache_write, cache_write_long] = parts;
        let [output, reasoning] = out;
        let usage = Usage { input, cache_read, cache_write, cache_write_long, output, reasoning, ..Usage::default() };
        let tier = if batch { Tier::Batch } else { Tier::Standard };
        let used = Usage { tier, ..usage };
        let ceiling = model.ceiling(usage.total_input(), usage.total_output(), tier);
        prop_assert!(model.charge(&used).unwrap().total <= ceiling);
    }
}
