use super::*;
use crate::testing::World;

fn lines(text: &str) -> Vec<String> {
    let loaded = World::with(&[("OPENAI_API_KEY", "k")]).load(text).unwrap();
    loaded.meaning.iter().map(|line| format!("{}: {}", line.subject, line.text)).collect()
}

#[test]
fn the_worst_minute_is_said() {
    let text = include_str!("../tests/good/experience_a.yaml");
    assert_eq!(
        lines(text),
        [
            "global: 3 000 req/min · bucket 4 500 · +5 per 100 ms · worst minute 7 500",
            "global: 400 000 tok/min · bucket 600 000 · +667 per 100 ms · worst minute 1 000 000",
            "/chat/completions: 2 000 req/min (bucket 3 000, worst minute 5 000) · 300 000 tok/min (bucket 450 000, worst minute 750 000) · priority high",
            "/embeddings: 3 000 req/min (bucket 4 500, worst minute 7 500) · 400 000 tok/min (bucket 600 000, worst minute 1 000 000) · priority low",
            "/images/generations: no limit of its own (line 18)",
        ]
    );
}

#[test]
fn a_window_is_said_to_be_one() {
    assert_eq!(
        lines("rate_limits: { global: { rpm: 1000 } }"),
        [
            "global: 1 000 req/min · never more in any 60 s",
            "per endpoint: no limits of their own; the global ones apply",
        ]
    );
    assert_eq!(lines(""), ["global: no limit"]);
}

#[test]
fn thousands_are_grouped() {
    for (number, text) in [(0, "0"), (999, "999"), (1000, "1 000"), (1_234_567, "1 234 567")] {
        assert_eq!(grouped(number), text);
    }
}

#[test]
fn what_is_configured_is_counted() {
    let text = "providers: { a: { kind: simulated }, b: { kind: simulated } }\nmodels: { m: { to: a/x } }";
    assert_eq!(World::default().load(text).unwrap().config.summary(), "2 providers (2 simulated) · 1 model · 0 keys");
}
