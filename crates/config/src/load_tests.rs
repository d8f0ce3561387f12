use super::*;
use crate::limits::{Limit, RateKind, Shape, Window};
use crate::testing::{World, printed};
use crate::{AdaptiveConcurrency, AlertMetric, Breaker, KeyRole, Period, Priorities, Share};
use crate::{EndpointPath, ModelRule, Target, keys_of_new_sides};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use sluicegate_vocabulary::ProviderKind;
use sluicegate_vocabulary::{Endpoint, Mode, Priority};
use std::path::Path;

const OLD: &str = include_str!("../../../examples/gateway.yaml");

fn from(loaded: &Loaded, path: &str) -> String {
    let setting = loaded.settings.iter().find(|setting| setting.path == path);
    setting.map_or_else(|| format!("no {path}"), |setting| format!("{} ({})", setting.value, setting.from))
}

fn codes_of(found: &[Diagnostic]) -> Vec<&'static str> {
    found.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn the_old_file_works_unchanged() {
    let config = World::with(&[("EXAMPLE_API_KEY", " key-1\n")]).load(OLD).unwrap().config;
    assert_eq!(config.name, "production-gateway");
    let provider = &config.providers["default"];
    assert_eq!(provider.kind, ProviderKind::OpenAiCompatible);
    assert_eq!(provider.base_url.as_deref(), Some("https://api.example.com/v1"));
    assert_eq!(provider.keys[0].secret.expose_secret(), "key-1");
    assert_eq!(provider.timeouts.first_byte.millis(), 30_000);
    assert_eq!(provider.max_retries, 3);
    let requests = config.limits.global.rate(RateKind::Requests, Window::Minute).unwrap();
    assert_eq!(requests.worst_minute(), 25_000);
    let chat = &config.limits.endpoints[&Endpoint::ChatCompletions];
    let Shape::TokenBucket { capacity, step } = chat.limit.rate(RateKind::Requests, Window::Minute).unwrap().shape
    else {
        panic!("not a bucket")
    };
    assert_eq!((capacity, step.unwrap().millis()), (7500, 50));
    assert_eq!(chat.priority, Some(Priority::High));
    assert_eq!(config.limits.endpoints[&Endpoint::Embeddings].priority, Some(Priority::Normal));
    let breaker = provider.breaker.unwrap();
    assert_eq!((breaker.failure_threshold, breaker.half_open_max_requests), (5, 10));
    assert_eq!(breaker.recovery_timeout, Some(Period::from_secs(30)));
    assert_eq!((breaker.success_rate, breaker.min_requests), (Share::from_percent(50), 20));
    assert_eq!(config.alerts[0].metric, AlertMetric::BucketFillPercentage);
    assert_eq!(config.alerts[0].threshold.to_string(), "<20%");
    assert_eq!(config.mode, Mode::Adaptive);
    assert_eq!(config.priorities, Priorities::default());
}

#[test]
fn a_providers_own_breaker_goes_over_the_one_of_all_and_that_over_the_defaults() {
    let text = "circuit_breaker: { failure_threshold: 3, recovery_timeout_seconds: 7 }
providers:
  a: { kind: simulated }
  b: { kind: simulated, breaker: { failure_threshold: 9, success_rate: 0.25, min_requests: 4 } }
  c: { kind: simulated, breaker: disabled }
";
    let loaded = World::default().load(text).unwrap();
    let breaker = |name: &str| loaded.config.providers[name].breaker;
    let seven = Some(Period::from_secs(7));
    let all = Breaker { failure_threshold: 3, recovery_timeout: seven, ..Breaker::default() };
    assert_eq!(breaker("a"), Some(all));
    let own = Breaker { failure_threshold: 9, success_rate: Share::from_percent(25), min_requests: 4, ..all };
    assert_eq!(breaker("b"), Some(own));
    assert_eq!(breaker("c"), None);
    assert_eq!(from(&loaded, "providers.a.breaker.failure_threshold"), "3 (sluicegate.yaml:1)");
    assert_eq!(from(&loaded, "providers.b.breaker.failure_threshold"), "9 (sluicegate.yaml:4)");
    assert_eq!(from(&loaded, "providers.b.breaker.recovery_timeout"), "7s (sluicegate.yaml:1)");
    assert_eq!(from(&loaded, "providers.b.breaker.half_open_max_requests"), "1 (default)");
    assert_eq!(from(&loaded, "providers.c.breaker"), "disabled (sluicegate.yaml:5)");
}

#[test]
fn keys_of_a_pool_say_what_they_are_for_and_whose_quota_they_use() {
    let text = "providers:
  openai:
    keys:
      - { name: a, env: A, quota_group: org, share: 3 }
      - { name: b, file: /keys/b, quota_group: org }
      - { name: c, file: /keys/c, role: standby }
";
    let mut world = World::with(&[("A", "sk-a")]);
    world.files = vec![("/keys/b", "sk-b\n"), ("/keys/c", "sk-c\n")];
    let loaded = world.load(text).map_err(|found| printed(&found)).unwrap();
    let keys = &loaded.config.providers["openai"].keys;
    let told: Vec<_> = keys.iter().map(|key| (key.role, key.quota_group.as_str(), key.share)).collect();
    assert_eq!(told, [(KeyRole::Primary, "org", 3), (KeyRole::Primary, "org", 1), (KeyRole::Standby, "c", 1)]);
    let keys = loaded.config.providers.values().flat_map(|provider| &provider.keys);
    let files: std::collections::BTreeSet<_> = keys.filter_map(|key| key.file.as_deref()).collect();
    assert!(files.into_iter().eq([Path::new("/keys/b"), Path::new("/keys/c")]));
    let mut meant = loaded.meaning.iter().map(|line| line.text.as_str());
    assert!(meant.any(|text| text == "calls are shared a 3 · b 1"), "{:?}", loaded.meaning);
    assert!(meant.any(|text| text == "c in reserve, for when no other key can be used"), "{:?}", loaded.meaning);
    assert!(meant.any(|text| text == "a, b share one quota (org)"), "{:?}", loaded.meaning);
}

#[test]
fn what_a_provider_bears_can_be_found_out_if_asked_for() {
    let text = "providers:
  a: { kind: simulated }
  b: { kind: simulated, adaptive_concurrency: true }
  c: { kind: simulated, adaptive_concurrency: { ceiling: 1 } }
  d: { kind: simulated, adaptive_concurrency: false }
";
    let world = World::with(&[("SLUICEGATE__PROVIDERS__D__ADAPTIVE_CONCURRENCY", "true")]);
    let config = world.load(text).map_err(|found| printed(&found)).unwrap().config;
    let adaptive = |name: &str| config.providers[name].adaptive_concurrency;
    assert_eq!(adaptive("a"), None);
    assert_eq!(adaptive("b"), Some(AdaptiveConcurrency::default()));
    assert_eq!(adaptive("c"), Some(AdaptiveConcurrency { floor: 1, ceiling: 1, ..AdaptiveConcurrency::default() }));
    assert_eq!(adaptive("d"), Some(AdaptiveConcurrency::default()));
}

#[test]
fn a_page_of_metrics_is_a_page_and_has_a_limit_to_keep_down() {
    let with = |more: &str| {
        let text = format!("providers: {{ a: {{ kind: simulated, {more} }} }}\nmodels: {{ m: {{ to: a/m }} }}\n");
        World::with(&[]).load(&text)
    };
    let loaded = with("adaptive_concurrency: true, metrics_url: 'http://10.0.0.5:8000/metrics'").unwrap();
    assert_eq!(loaded.config.providers["a"].metrics_url.as_deref(), Some("http://10.0.0.5:8000/metrics"));
    assert!(!printed(&loaded.diagnostics).contains("W125"), "{}", printed(&loaded.diagnostics));
    let loaded = with("metrics_url: 'http://10.0.0.5:8000/metrics'").unwrap();
    assert!(printed(&loaded.diagnostics).contains("W125"), "{}", printed(&loaded.diagnostics));
    for wrong in ["'http://10.0.0.5:8000'", "'10.0.0.5:8000/metrics'", "'http://u:p@10.0.0.5/metrics'"] {
        let found = with(&format!("adaptive_concurrency: true, metrics_url: {wrong}")).map(|_| ()).unwrap_err();
        assert!(printed(&found).contains("metrics_url"), "{}", printed(&found));
    }
}

#[test]
fn the_old_file_knows_its_provider_by_the_host() {
    let world = World::with(&[("K", "k")]);
    for (url, kind, vendor) in [
        ("https://api.openai.com/v1", ProviderKind::OpenAi, "openai"),
        ("https://api.anthropic.com/v1", ProviderKind::Anthropic, "anthropic"),
        ("https://api.holysheep.ai/v1", ProviderKind::OpenAiCompatible, "holysheep"),
    ] {
        let text = format!("gateway: {{ base_url: '{url}', api_key_env: K }}");
        let config = world.load(&text).unwrap().config;
        let provider = &config.providers["default"];
        assert_eq!((provider.kind, provider.vendor.as_deref()), (kind, Some(vendor)));
    }
}

#[test]
fn without_a_multiplier_the_limit_is_an_exact_window() {
    let text = "rate_limits: { global: { rpm: 10 }, per_endpoint: { /embeddings: { tpm: 5, burst_multiplier: 2 } } }";
    let limits = World::default().load(text).unwrap().config.limits;
    assert_eq!(limits.global.rate(RateKind::Requests, Window::Minute).unwrap().shape, Shape::SlidingWindow);
    assert_eq!(limits.global.rate(RateKind::Requests, Window::Minute).unwrap().worst_minute(), 10);
    assert_eq!(limits.endpoints[&Endpoint::Embeddings].limit.rates[0].worst_minute(), 15);
}

#[test]
fn disabled_means_no_limit_of_its_own() {
    let text = "rate_limits: { per_endpoint: disabled }";
    assert!(World::default().load(text).unwrap().config.limits.is_empty());
    let text = "rate_limits: { per_endpoint: { /v1/embeddings: disabled } }";
    let limits = World::default().load(text).unwrap().config.limits;
    assert_eq!(limits.endpoints[&Endpoint::Embeddings].limit, Limit::default());
}

#[test]
fn an_empty_file_in_any_form_is_the_simulated_provider_on_loopback() {
    for text in ["", "\n", "# nothing\n", "server:\n", "server: {}\nproviders:\nmodels:\nkeys:\n", "{}", "~", "---\n"] {
        let config = World::default().load(text).map_err(|found| printed(&found)).unwrap().config;
        assert_eq!(config.providers.keys().collect::<Vec<_>>(), ["sim"], "{text:?}");
        assert!(config.simulated_only());
        assert!(!config.server.beyond_loopback());
    }
}

#[test]
fn a_named_key_that_is_missing_never_becomes_simulation() {
    let found = World::default().load("providers: { openai: { kind: openai, api_key_env: NOPE } }").unwrap_err();
    assert_eq!(codes_of(&found), ["E030"]);
    assert_eq!(found[0].position.as_ref().map(|at| at.line), Some(1));
}

#[test]
fn flags_beat_variables_and_variables_beat_the_file() {
    let text = "server:\n  listen: 127.0.0.1:1111\n  workers: 1\n  http2: true\n";
    let world = World::with(&[
        ("SLUICEGATE__SERVER__LISTEN", "127.0.0.1:2222"),
        ("SLUICEGATE__SERVER__WORKERS", "2"),
        ("SLUICEGATE__SERVER__HTTP2", "false"),
        ("SLUICEGATE__SERVER__MAX_BODY", "1MiB"),
    ]);
    let loader = Loader::with_environment(&world).flag("server.listen", "127.0.0.1:3333", "--listen");
    let loaded = loader.file(text, "sluicegate.yaml").unwrap();
    assert_eq!(loaded.config.server.listen.addresses(), ["127.0.0.1:3333".parse().unwrap()]);
    assert_eq!(from(&loaded, "server.listen"), "127.0.0.1:3333 (flag --listen)");
    assert_eq!(from(&loaded, "server.workers"), "2 (env SLUICEGATE__SERVER__WORKERS)");
    assert_eq!(from(&loaded, "server.http2"), "false (env SLUICEGATE__SERVER__HTTP2)");
    assert_eq!(from(&loaded, "server.max_body"), "1MiB (env SLUICEGATE__SERVER__MAX_BODY)");
    assert_eq!(from(&loaded, "server.max_url"), "16KiB (default)");
}

#[test]
fn variables_find_names_whatever_their_spelling() {
    let text = "providers: { my-Lab.1: { kind: simulated } }";
    let world = World::with(&[("SLUICEGATE__PROVIDERS__MY_LAB_1__SEED", "7")]);
    let config = world.load(text).unwrap().config;
    assert_eq!(config.providers["my-Lab.1"].simulation.as_ref().unwrap().seed, 7);
}

#[test]
fn a_variable_that_sets_nothing_is_an_error_that_names_it() {
    for (name, code) in [
        ("SLUICEGATE__SERVER__LISSTEN", "E012"),
        ("SLUICEGATE__SERVER", "E018"),
        ("SLUICEGATE__", "E018"),
        ("SLUICEGATE__SERVER__LISTEN__X", "E018"),
        ("SLUICEGATE__SERVER__WORKERS", "E010"),
    ] {
        let found = World::with(&[(name, "x")]).load("server: { listen: 127.0.0.1:1 }").unwrap_err();
        assert_eq!(codes_of(&found), [code], "{name}");
        assert_eq!(found[0].from, Some(format!("environment variable {name}")));
    }
}

#[test]
fn the_data_directory_follows_its_variables() {
    let systemd = World::with(&[("STATE_DIRECTORY", "/var/lib/sluicegate:/other")]);
    assert_eq!(from(&systemd.load("").unwrap(), "server.data_dir"), "/var/lib/sluicegate (env STATE_DIRECTORY)");
    let stated = systemd.load("server: { data_dir: /srv }").unwrap();
    assert_eq!(from(&stated, "server.data_dir"), "/srv (sluicegate.yaml:1)");
    let ours = World::with(&[("SLUICEGATE_DATA", "/d"), ("STATE_DIRECTORY", "/var")]);
    assert_eq!(from(&ours.load("server: { data_dir: /srv }").unwrap(), "server.data_dir"), "/d (env SLUICEGATE_DATA)");
    assert_eq!(from(&World::default().load("").unwrap(), "server.data_dir"), "./data (default)");
}

#[test]
fn variables_of_the_vendors_sdks_become_providers() {
    let world = World::with(&[
        ("OPENAI_API_KEY", " sk-1 "),
        ("OPENAI_BASE_URL", "https://eu.api.openai.com"),
        ("GEMINI_API_KEY", "g"),
        ("ANTHROPIC_API_KEY", "  "),
        ("AZURE_OPENAI_API_KEY", "az"),
        ("HOLYSHEEP_API_KEY", "h"),
        ("XAI_API_KEY", "x"),
    ]);
    let loaded = Loader::with_environment(&world).environment_only().unwrap();
    let providers = &loaded.config.providers;
    assert_eq!(providers.keys().collect::<Vec<_>>(), ["gemini", "holysheep", "openai", "xai"]);
    assert_eq!(providers["openai"].base_url.as_deref(), Some("https://eu.api.openai.com/v1"));
    assert_eq!(providers["openai"].keys[0].source, "env OPENAI_API_KEY");
    assert_eq!(providers["openai"].keys[0].secret.expose_secret(), "sk-1");
    assert_eq!(providers["holysheep"].base_url.as_deref(), Some("https://api.holysheep.ai/v1"));
    assert_eq!(from(&loaded, "providers.openai.base_url"), "https://eu.api.openai.com/v1 (env OPENAI_BASE_URL)");
    assert_eq!(from(&loaded, "providers.gemini.keys.0.source"), "env GEMINI_API_KEY (env GEMINI_API_KEY)");
}

#[test]
fn a_kill_switch_that_names_no_migration_is_told_of() {
    let file = "providers: { a: { kind: simulated }, b: { kind: simulated } }
models: { m: { to: a/x } }
migrations: { move: { model: m, to: b/x, double_every: 1h } }";
    for (value, found, killed) in [
        ("move", 0, true),
        ("all", 0, true),
        ("0", 0, false),
        ("", 0, false),
        ("mvoe", 1, false),
        ("move, other", 1, true),
    ] {
        let loaded = World::with(&[("SLUICEGATE_MIGRATIONS_KILL", value)]).load(file).unwrap();
        let told: Vec<_> = loaded.diagnostics.iter().filter(|it| it.code == "W128").collect();
        assert_eq!(told.len(), found, "{value}: {told:?}");
        assert_eq!(loaded.config.migrations["move"].kill.environment, killed, "{value}");
    }
}

#[test]
fn a_side_names_keys_in_each_of_its_forms() {
    let file = "providers:
  a: { kind: openai, keys: [{ name: old, value: k-1 }, { name: new, value: k-2 }] }
models: { m: { to: a/x }, n: { to: a/y } }
migrations:
  one: { model: m, from: { model: a/x, keys: [old] }, to: { model: a/x, keys: [new] }, double_every: 1h }
  list: { model: n, to: [{ model: a/y, weight: 3, keys: [new] }], double_every: 1h }
  all: { from: a, to: { provider: a, keys: [new] }, models: { z: w }, double_every: 1h }";
    let migrations = World::default().load(file).unwrap().config.migrations;
    let sides = |name: &str| {
        let told = |side: &[sluicegate_migration::Target]| side.iter().map(ToString::to_string).collect::<Vec<_>>();
        let definition = &migrations[name].definition;
        (told(&definition.from), told(&definition.to))
    };
    let is = |from: &str, to: &str| (vec![from.to_owned()], vec![to.to_owned()]);
    assert_eq!(sides("one"), is("a/x[old]", "a/x[new]"));
    assert_eq!(sides("list"), is("a/y", "a/y[new]"));
    assert_eq!(sides("all"), is("a/z", "a/w[new]"));
    assert_eq!(migrations["list"].definition.to[0].weight, 3);
    assert_eq!(keys_of_new_sides(&migrations, "a").into_iter().collect::<Vec<_>>(), ["new"]);
    let printed = serde_json::to_value(&migrations["one"]).unwrap();
    assert_eq!(printed["to"], serde_json::json!([{ "model": "a/x", "weight": 1, "keys": ["new"] }]));
}

#[test]
fn azure_needs_its_endpoint_too() {
    let world = World::with(&[("AZURE_OPENAI_API_KEY", "a"), ("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com/")]);
    let config = Loader::with_environment(&world).environment_only().unwrap().config;
    assert_eq!(config.providers["azure"].base_url.as_deref(), Some("https://x.openai.azure.com"));
}

#[test]
fn a_variable_that_points_at_the_relay_itself_is_left_out_of_account() {
    for (listen, url, expected) in [
        (None, "http://127.0.0.1:8080/v1", "https://api.openai.com/v1"),
        (Some("127.0.0.1:9999"), "http://localhost:9999/v1", "https://api.openai.com/v1"),
        (Some("127.0.0.1:9999"), "http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
    ] {
        let world = World::with(&[("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", url)]);
        let mut loader = Loader::with_environment(&world);
        if let Some(listen) = listen {
            loader = loader.flag("server.listen", listen, "--listen");
        }
        let loaded = loader.environment_only().unwrap();
        assert_eq!(loaded.config.providers["openai"].base_url.as_deref(), Some(expected), "{url}");
        assert_eq!(codes_of(&loaded.diagnostics).contains(&"N203"), expected != url);
    }
}

#[test]
fn nothing_in_the_environment_is_the_simulated_provider_and_ollama_is_taken_when_found() {
    let config = from_environment(|_| None).unwrap();
    assert!(config.simulated_only());
    let world = World::default();
    let config = Loader::with_environment(&world).ollama(known::OLLAMA_URL).environment_only().unwrap().config;
    assert_eq!(config.providers.keys().collect::<Vec<_>>(), ["ollama"]);
    assert!(config.providers["ollama"].keys.is_empty());
    let config =
        Loader::with_environment(&world).ollama(known::OLLAMA_URL).simulate().environment_only().unwrap().config;
    assert_eq!(config.providers.keys().collect::<Vec<_>>(), ["ollama", "sim"]);
}

#[test]
fn a_known_name_needs_nothing_but_its_key() {
    let world = World::with(&[("MISTRAL_API_KEY", "m"), ("GOOGLE_API_KEY", "g"), ("GEMINI_API_KEY", "other")]);
    let config = world.load("providers: { mistral: {}, gemini: {}, ollama: {} }").unwrap().config;
    assert_eq!(config.providers["mistral"].base_url.as_deref(), Some("https://api.mistral.ai/v1"));
    assert_eq!(config.providers["gemini"].keys[0].source, "env GOOGLE_API_KEY");
    assert_eq!(config.providers["ollama"].base_url.as_deref(), Some("http://127.0.0.1:11434/v1"));
}

#[test]
fn another_address_under_a_known_name_is_not_given_the_usual_key() {
    let world = World::with(&[("MISTRAL_API_KEY", "m")]);
    let config = world.load("providers: { mistral: { base_url: 'https://proxy.example.com/v1' } }").unwrap().config;
    assert!(config.providers["mistral"].keys.is_empty());
    assert_eq!(config.providers["mistral"].vendor, None);
}

#[test]
fn listening_beyond_loopback_without_keys_is_refused_with_the_ways_out() {
    let world = World::with(&[("K", "sk-sg-x")]);
    let open = "providers: { lab: { kind: simulated } }\nserver: { listen: '0.0.0.0:8080' }\n";
    let config = world.load(open).unwrap().config;
    let refusal = config.refusal_to_listen().unwrap().to_string();
    assert!(refusal.contains("E040") && refusal.contains("--insecure-open") && refusal.contains("keys:"), "{refusal}");
    let with_keys = world.load(&format!("{open}keys: [{{ name: a, value_env: K }}]")).unwrap();
    assert_eq!(with_keys.config.refusal_to_listen(), None);
    assert_eq!(codes_of(&with_keys.diagnostics), ["W110"]);
    let loader = Loader::with_environment(&world).flag("server.insecure_open", "true", "--insecure-open");
    let on_purpose = loader.file(open, "f").unwrap();
    assert_eq!(on_purpose.config.refusal_to_listen(), None);
    assert_eq!(codes_of(&on_purpose.diagnostics), ["W105"]);
    for local in ["127.0.0.1:1", "'[::1]:1'", "'[::ffff:127.0.0.1]:1'", "localhost:1"] {
        let text = format!("server: {{ listen: {local} }}");
        assert_eq!(world.load(&text).unwrap().config.refusal_to_listen(), None, "{local}");
    }
}

#[test]
fn numbers_and_truth_values_may_come_from_the_environment() {
    let world = World::with(&[("RPM", "600"), ("H2", "false"), ("SIZE", "1MiB"), ("RATE", "0.5")]);
    let text = "server: { http2: '${H2}', max_body: '${SIZE}' }\n\
                rate_limits: { global: { rpm: '${RPM}' } }\n\
                providers: { lab: { kind: simulated, error_rate: '${RATE}', seed: '${SEED:-9}' } }\n";
    let config = world.load(text).unwrap().config;
    assert!(!config.server.http2);
    assert_eq!(config.server.max_body.bytes(), 1 << 20);
    assert_eq!(config.limits.global.rate(RateKind::Requests, Window::Minute).unwrap().amount, 600);
    assert_eq!(config.providers["lab"].simulation.as_ref().unwrap().seed, 9);
    // Written in the file, a number in quotes is text.
    assert_eq!(codes_of(&world.load("rate_limits: { global: { rpm: '600' } }").unwrap_err()), ["E010"]);
}

#[test]
fn a_variable_cannot_bring_yaml_of_its_own() {
    let world = World::with(&[("EVIL", "x }\nserver: { insecure_open: true }\n# ")]);
    let config = world.load("quirks_file: ${EVIL}").unwrap().config;
    assert!(!config.server.insecure_open);
}

#[test]
fn a_value_in_the_file_is_a_secret_only_when_it_is_written_there() {
    let world = World::with(&[("K", "sk-1")]);
    let text = "providers: { openai: { kind: openai, api_key: '${K}' } }";
    assert_eq!(codes_of(&world.load(text).unwrap().diagnostics), Vec::<&str>::new());
    let text = "providers: { openai: { kind: openai, api_key: sk-literal } }";
    assert_eq!(codes_of(&world.load(text).unwrap().diagnostics), ["W101"]);
}

#[test]
fn a_file_can_be_checked_where_its_secrets_are_not() {
    let text = "providers: { openai: { kind: openai, keys: [{ env: A }, { file: /x }] } }\nkeys: [{ name: a, value_env: B }, { name: b, value_env: C }]";
    let world = World::default();
    assert_eq!(codes_of(&world.load(text).unwrap_err()), ["E030", "E031", "E030", "E030"]);
    let loaded = Loader::with_environment(&world).without_secrets().file(text, "f");
    assert!(loaded.is_ok(), "{}", printed(&loaded.unwrap_err()));
}

#[test]
fn short_names_lead_where_a_provider_is_configured() {
    let world = World::with(&[("K", "k")]);
    let both = "providers: { anthropic: { api_key_env: K }, holysheep: { api_key_env: K } }";
    let config = world.load(both).unwrap().config;
    let target = |name: &str| config.models.get(name).map(|model| model.to[0].model.to_string());
    assert_eq!(target("claude-sonnet-4.5").as_deref(), Some("anthropic/claude-sonnet-4-5"));
    assert_eq!(target("deepseek-v3.2").as_deref(), Some("holysheep/deepseek-v3.2"));
    assert_eq!(target("gpt-4.1").as_deref(), Some("holysheep/gpt-4.1"));
    assert_eq!(target("grok-4"), None);
    assert!(config.models.values().all(|model| model.builtin));
}

#[test]
fn the_files_own_names_come_before_the_builtin_ones() {
    let world = World::with(&[("K", "k")]);
    let text = "providers:\n  openai: { api_key_env: K }\n  local: { kind: openai_compatible, base_url: 'http://127.0.0.1:1/v1', models: [gpt-4o] }\nmodels: { gpt-4.1: { to: local/mine } }\n";
    let config = world.load(text).unwrap().config;
    assert_eq!(config.models["gpt-4.1"].to[0].model, Target { provider: "local".into(), model: "mine".into() });
    assert!(!config.models.contains_key("gpt-4o"), "the provider that lists it keeps it");
    assert!(config.models.contains_key("gpt-5"));
}

#[test]
fn a_vendors_models_are_listed_from_the_price_book_until_the_file_lists_others() {
    let world = World::with(&[("K", "k")]);
    let config = world.load("providers: { openai: { api_key_env: K } }").unwrap().config;
    assert!(config.providers["openai"].models_bundled && config.providers["openai"].listed("gpt-4.1-mini").is_some());
    let config = world.load("providers: { openai: { api_key_env: K, models: [x] } }").unwrap().config;
    assert!(!config.providers["openai"].models_bundled && config.providers["openai"].listed("gpt-4.1-mini").is_none());
}

#[test]
fn keys_of_clients_are_hashed_and_know_what_they_may_do() {
    let world = World::with(&[("K", " sk-sg-1\n")]);
    let text = "providers: { lab: { kind: simulated } }\nmodels: { fast: { to: lab/a } }\nkeys: [{ name: a, value_env: K, models: [fast, lab/*], priority: medium }, { name: b, sha256: 'SHA256' }]";
    let text = text.replace("SHA256", &"Ab".repeat(32));
    let loaded = world.load(&text).map_err(|found| printed(&found)).unwrap();
    let [a, b] = loaded.config.keys.as_slice() else { panic!("two keys") };
    assert_eq!(a.hash, crate::KeyHash::of("sk-sg-1"));
    assert_eq!(a.models, Some(vec![ModelRule::Name("fast".into()), ModelRule::Provider("lab".into())]));
    assert!(a.may_use("fast", "lab") && a.may_use("anything", "lab") && !a.may_use("x", "other"));
    assert_eq!(a.priority, Priority::Normal);
    assert_eq!(b.hash.0, [0xab; 32]);
    assert!(b.may_use("x", "y"));
}

#[test]
fn a_fallback_that_takes_less_is_pointed_out() {
    let world = World::with(&[("K", "k")]);
    let text = "providers:\n  openai: { api_key_env: K }\n  local: { kind: openai_compatible, base_url: 'http://127.0.0.1:1/v1', models: [{ id: q, context_window: 8000 }] }\nmodels: { m: { to: openai/gpt-4.1, fallbacks: [local/q, openai/gpt-5.5] } }\n";
    let loaded = world.load(text).unwrap();
    assert_eq!(codes_of(&loaded.diagnostics), ["W104", "N201"]);
    assert!(loaded.diagnostics[1].message.ends_with("1 unpriced"));
}

#[test]
fn the_version_changes_with_what_is_in_effect_and_with_nothing_else() {
    let version = |text: &str, key: &'static str| World::with(&[("K", key)]).load(text).unwrap().version;
    let text = "providers: { openai: { kind: openai, api_key_env: K } }";
    let base = version(text, "one");
    assert_eq!(base, version(&format!("# comment\n{text}\nserver: {{ http2: true }}"), "one"));
    assert_ne!(base, version(text, "two"));
    assert_ne!(base, version(&format!("{text}\nserver: {{ http2: false }}"), "one"));
    assert_ne!(base, version(&text.replace("openai:", "other:"), "one"));
}

#[test]
fn paths_of_endpoints_are_read_however_they_are_written() {
    for text in ["/chat/completions", "chat/completions", "/v1/chat/completions", "/v1/chat/completions/"] {
        assert_eq!(EndpointPath::parse(text), Some(EndpointPath(Endpoint::ChatCompletions)), "{text}");
    }
    assert_eq!(EndpointPath::parse("/v2/chat/completions"), None);
    let config = World::default().load("server: { disabled_endpoints: [/v1/images/generations] }").unwrap().config;
    assert!(config.server.disables(Endpoint::Images) && !config.server.disables(Endpoint::Embeddings));
}

#[test]
fn hostile_files_are_refused_in_time() {
    let deep = "[".repeat(100_000);
    let maps = "{a: ".repeat(50_000);
    let blocks: String = (0..3_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &(1..12)
            .map(|n| {
                format!(
                    "b{n}: &b{n} [{}]\n",
                    vec![if n == 1 { "*a".to_owned() } else { format!("*b{}", n - 1) }; 9].join(", ")
                )
            })
            .collect::<String>();
    let large = "x".repeat(crate::document::MAX_BYTES + 1);
    let fields: String = (0..20_000).map(|n| format!("f{n}: 1\n")).collect();
    for text in
        [deep, maps, blocks, bomb, large, fields, "\0".to_owned(), "&a *a".to_owned(), "%YAML 9\n---\n".to_owned()]
    {
        let start = std::time::Instant::now();
        let found = World::default().load(&text).unwrap_err();
        assert!(!found.is_empty() && found.len() <= 60);
        assert!(printed(&found).len() < 100_000);
        assert!(start.elapsed().as_secs() < 20);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_loads_or_is_refused_without_panic(text in ".{0,200}") {
        if let Err(found) = World::default().load(&text) {
            prop_assert!(!printed(&found).is_empty());
        }
    }

    #[test]
    fn any_damage_to_a_good_file_is_refused_or_harmless(at in 0_usize..2000, with in "[ -~\\n\té]{0,4}", drop in 0_usize..30) {
        let mut text = include_str!("../../../examples/sluicegate.yaml").to_owned();
        let start = text.floor_char_boundary(at % text.len());
        let end = text.ceil_char_boundary((start + drop).min(text.len()));
        text.replace_range(start..end, &with);
        if let Err(found) = World::with(&[("OPENAI_API_KEY", "k")]).load(&text) {
            for diagnostic in &found {
                let _ = (diagnostic.github(), diagnostic.json());
            }
            prop_assert!(!printed(&found).is_empty());
        }
    }
}

#[test]
fn prices_are_read_digit_by_digit_and_whole() {
    let world = World::with(&[("K", "k")]);
    let file = "providers: { openai: { api_key_env: K } }
prices:
  models:
    openai/gpt-x: { input: 0.1, cached_input: 0.000001, output: '2.50', request: 0.000000001 }
  multiplier: 1.000001
  unpriced: reject
";
    let prices = world.load(file).unwrap().config.prices;
    let price = &prices.models["openai/gpt-x"];
    assert_eq!(price.rates.input.picos(), 100_000);
    assert_eq!(price.rates.cached_input.unwrap().picos(), 1);
    assert_eq!(price.rates.output.picos(), 2_500_000);
    assert_eq!(price.fees.request.unwrap().nanos(), 1);
    assert_eq!(prices.multiplier.millionths(), 1_000_001);
    assert_eq!(prices.unpriced, crate::Unpriced::Reject);
}
