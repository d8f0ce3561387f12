use super::*;
use crate::testing::{World, printed};

#[test]
fn scratch() {
    let world = World::with(&[("EXAMPLE_API_KEY", " k1\n")]);
    let text = include_str!("../../../examples/gateway.yaml");
    let loaded = world.load(text).map_err(|e| printed(&e)).unwrap();
    println!("{}", printed(&loaded.diagnostics));
    for line in &loaded.meaning { println!("{:22} {}", line.subject, line.text); }
    for s in &loaded.settings { println!("{} = {} ({})", s.path, s.value, s.from); }
    println!("{} {}", loaded.version, loaded.config.summary());
    let bad = "\
gateway:
  name: x
  base_url: api.openai.com
  api_key_env: sk-abcdefghijkl
rate_limits:
  global:
    requests_per_minut: 3000
    tokens_per_minute: lots
  per_endpoint: { /chat/completion: { rpm: 5 }, /embeddings: off }
server: { listen: :8080, max_body: 32, workers: -1, http2: yes }
providers:
  openai: { kind: openia, keys: [{ name: a, value: sk-verysecret, env: X }] }
  foo:
";
    println!("{}", printed(&world.load(bad).unwrap_err()));
    let bad = "\
providers:
  openai: { kind: openai, keys: [{ name: a, value: sk-verysecret }, { file: /run/x }] }
  foo: { seed: 3 }
models:
  fast: { to: opnai/gpt-4, fallbacks: [xx] }
keys:
  - { name: a, value: '${KEY_A}' }
  - { name: a b, sha256: 12, models: [fats] }
";
    println!("{}", printed(&world.load(bad).unwrap_err()));
    println!("{}", printed(&world.load(&bad.replace("${KEY_A}", "x")).unwrap_err()));
    println!("{}", printed(&world.load("a: b: c\n").unwrap_err()));
    println!("{}", printed(&world.load("a: 1\na: 2\n").unwrap_err()));
    println!("{}", printed(&world.load("server:\n\tlisten: 1\n").unwrap_err()));
    println!("{}", printed(&world.load("- a\n").unwrap_err()));
    println!("{}", printed(&world.load("x: \"abc\n").unwrap_err()));
    assert!(world.load("").is_ok());
    assert!(world.load("# c\n").is_ok());
    assert!(world.load("server:\n").is_ok());
    panic!("see")
}
