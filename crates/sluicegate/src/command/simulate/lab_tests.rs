use super::{calls_per, generated};
use crate::cli::{Cli, Command, LabArguments};
use crate::command::simulate::plan::Plan;
use clap::Parser as _;
use sluicegate_simulate::lab::{Offered, Shape};
use std::time::Duration;

fn arguments(line: &str) -> LabArguments {
    let cli = Cli::parse_from(["sluicegate", "simulate"].into_iter().chain(line.split_whitespace()));
    match cli.command {
        Some(Command::Simulate { command: None, arguments }) => *arguments,
        other => panic!("{other:?}"),
    }
}

fn plan(limits: &str) -> Plan {
    let text = format!("providers: {{ lab: {{ kind: simulated }} }}\nrate_limits: {{ global: {{ {limits} }} }}");
    Plan::new(&sluicegate_config::load(&text, "sluicegate.yaml").unwrap(), None)
}

/// The shape and the length of the traffic that is taken.
fn taken(line: &str, limits: &str) -> (Shape, Duration, String) {
    let plan = plan(limits);
    let capacity = plan.capacity(Duration::from_secs(1));
    let (offered, told) = generated(&arguments(line), &plan, capacity).unwrap();
    match offered {
        Offered::Generated(traffic) => (traffic.parts[0].shape, traffic.length(), told),
        Offered::Replayed(_) => panic!("nothing was to be replayed"),
    }
}

#[test]
fn traffic_that_nobody_gave_follows_from_the_limits_and_says_so() {
    let (shape, length, told) = taken("", "rpm: 600");
    assert!(matches!(shape, Shape::Spike { base, .. } if (base - 6.0).abs() < 1e-9), "{shape:?}");
    assert_eq!(length, Duration::from_secs(600));
    assert!(told.starts_with("no traffic given, so 60 % of what fits (10.0 calls/s)"), "{told}");
    let (shape, _, told) = taken("", "");
    assert_eq!(shape, Shape::Steady { rate: 10.0 });
    assert!(told.contains("nothing limited"), "{told}");
}

#[test]
fn a_large_limit_is_tried_for_a_shorter_time() {
    let (_, length, _) = taken("", "rpm: 60000");
    assert!(length < Duration::from_secs(600) && length >= Duration::from_secs(120), "{length:?}");
}

#[test]
fn more_calls_than_can_be_simulated_are_refused_with_a_way_out() {
    let plan = plan("rpm: 600");
    let error = generated(&arguments("--traffic steady:10000/s --for 1h"), &plan, Some(10.0)).unwrap_err();
    assert!(error.message.contains("36 000 000 calls") && error.message.contains("--for"), "{}", error.message);
}

#[test]
fn what_is_asked_for_goes_before_what_follows_from_the_file() {
    let mut plan = plan("rpm: 600");
    arguments("--mode strict --mix high=1 --tokens 7:3 --instances 4").apply(&mut plan);
    assert_eq!(plan.relay.mode.as_str(), "strict");
    assert_eq!(plan.relay.instances, 4);
    assert!((plan.kinds.mean_tokens() - 10.0).abs() < 1e-9);
    assert!(plan.kinds.highest_of_endpoint.is_empty());
}

#[test]
fn rates_are_written_so_that_they_can_be_read() {
    assert_eq!([calls_per(50.0), calls_per(0.25)], ["50.0 calls/s", "15.0 calls/min"]);
}
