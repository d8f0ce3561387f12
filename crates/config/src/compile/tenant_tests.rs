use crate::testing::{World, printed};
use sluicegate_vocabulary::Mode;

/// Mode and consent of the first key.
fn first_key(mode: &str, tenant: &str, key: &str) -> (Mode, bool) {
    let text = format!(
        "{mode}\ntenants: {{ t: {{ {tenant} }} }}\nkeys: [{{ name: a, tenant: t, sha256: '{}', {key} }}]",
        "0".repeat(64)
    );
    let loaded = World::default().load(&text).map_err(|found| printed(&found)).unwrap();
    let key = &loaded.config.keys[0];
    assert_eq!(key.tenant.as_deref(), Some("t"));
    (key.mode, key.accept_lower_tier)
}

#[test]
fn a_key_has_its_mode_from_itself_else_its_tenant_else_the_file() {
    assert_eq!(first_key("", "", "").0, Mode::Adaptive);
    assert_eq!(first_key("mode: strict", "", "").0, Mode::Strict);
    assert_eq!(first_key("mode: strict", "mode: graceful", "").0, Mode::Graceful);
    assert_eq!(first_key("mode: strict", "mode: graceful", "mode: adaptive").0, Mode::Adaptive);
}

#[test]
fn nobody_is_given_a_lower_tier_without_having_agreed() {
    assert!(!first_key("mode: graceful", "", "").1);
    assert!(first_key("mode: graceful", "accept_lower_tier: true", "").1);
    assert!(first_key("mode: graceful", "", "accept_lower_tier: true").1);
    assert!(!first_key("mode: graceful", "accept_lower_tier: true", "accept_lower_tier: false").1);
}

#[test]
fn every_circle_of_lower_tiers_is_found_and_said_once() {
    let circles = |models: &[(&str, &str)]| {
        let lines: Vec<String> =
            models.iter().map(|(name, lower)| format!("  {name}: {{ to: sim/x, lower_tier: {lower} }}\n")).collect();
        let text =
            format!("providers: {{ sim: {{ kind: simulated }} }}\nmodels:\n  end: {{ to: sim/x }}\n{}", lines.concat());
        let found = World::default().load(&text).map_or_else(|found| found, |loaded| loaded.diagnostics);
        found.iter().filter(|diagnostic| diagnostic.code == "E049").count()
    };
    assert_eq!(circles(&[("a", "end"), ("b", "a"), ("c", "a")]), 0);
    assert_eq!(circles(&[("a", "a")]), 1);
    assert_eq!(circles(&[("a", "b"), ("b", "c"), ("c", "b")]), 1, "a leads into a circle and is none");
    assert_eq!(circles(&[("a", "b"), ("b", "a"), ("x", "y"), ("y", "x"), ("z", "end")]), 2);
}

#[test]
fn a_tenant_without_keys_is_warned_of_unless_one_misspells_it() {
    let codes = |text: &str| {
        let found = World::default().load(text).map_or_else(|found| found, |loaded| loaded.diagnostics);
        found.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>()
    };
    let key = format!("sha256: '{}'", "0".repeat(64));
    assert_eq!(codes("tenants: { acme: {} }"), ["W116"]);
    assert_eq!(codes(&format!("tenants: {{ acme: {{}} }}\nkeys: [{{ name: a, tenant: acme, {key} }}]")), [""; 0]);
    assert_eq!(codes(&format!("tenants: {{ acme: {{}} }}\nkeys: [{{ name: a, tenant: acne, {key} }}]")), ["E047"]);
}
