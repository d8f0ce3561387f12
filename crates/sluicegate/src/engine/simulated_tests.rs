use super::*;
use std::net::TcpStream;

fn config(text: &str) -> Config {
    sluicegate_config::load(text, "test.yaml").unwrap()
}

#[test]
fn a_simulated_provider_listens_before_it_is_asked() {
    let mut simulated = Simulated::default();
    let prepared = simulated.prepare(&config("providers: { lab: { kind: simulated } }")).unwrap();
    let address = prepared.addresses["lab"];
    assert!(address.ip().is_loopback());
    TcpStream::connect(address).unwrap();
}

#[test]
fn a_reload_keeps_what_stayed_and_replaces_what_changed() {
    let mut simulated = Simulated::default();
    let first = simulated
        .prepare(&config("providers: { a: { kind: simulated, seed: 1 }, b: { kind: simulated, seed: 1 } }"))
        .unwrap();
    let before = first.addresses.clone();
    simulated.settle(first);
    let second = simulated
        .prepare(&config("providers: { a: { kind: simulated, seed: 1 }, b: { kind: simulated, seed: 2 } }"))
        .unwrap();
    assert_eq!(second.addresses["a"], before["a"]);
    assert_ne!(second.addresses["b"], before["b"]);
    simulated.settle(second);
    TcpStream::connect(before["b"]).expect("calls on their way still arrive");
}

#[test]
fn a_refused_configuration_changes_nothing() {
    let mut simulated = Simulated::default();
    let old = config("providers: { a: { kind: simulated } }");
    let first = simulated.prepare(&old).unwrap();
    let before = first.addresses.clone();
    simulated.settle(first);
    drop(simulated.prepare(&config("providers: { a: { kind: simulated, seed: 9 } }")).unwrap());
    assert_eq!(simulated.prepare(&old).unwrap().addresses, before);
}

#[test]
fn a_slow_pace_is_not_taken_for_no_pace() {
    assert_eq!([0.0, -1.0, 0.2, 59.6, f64::INFINITY].map(pace), [0, 0, 1, 60, u32::MAX]);
}

#[test]
fn every_fault_of_the_configuration_reaches_the_simulator() {
    let config = config(
        "providers: { lab: { kind: simulated, faults: { reset: 0.01, stall: 0.02, truncate: 0.03, error_in_stream: 0.04, \
         empty: 0.05, slow_headers: 0.06, malformed_chunk: 0.07, rate_limited: 0.08, overloaded: 0.09 } } }",
    );
    let (_, simulation) = config.providers.values().find_map(wanted).unwrap();
    let wanted = Faults {
        reset: 0.01,
        stall: 0.02,
        truncate: 0.03,
        error_in_stream: 0.04,
        empty: 0.05,
        slow_headers: 0.06,
        malformed: 0.07,
        rate_limited: 0.08,
        overloaded: 0.09,
        ..Faults::default()
    };
    assert_eq!(options(simulation).faults, wanted);
}
