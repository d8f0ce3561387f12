use crate::program::{Running, read_until};
use std::time::{Duration, Instant};

/// Twenty tokens a second: time enough to stop in the middle.
fn slow(grace: &str) -> String {
    format!(
        "providers: {{ lab: {{ kind: simulated, ttft: 1ms, tokens_per_second: 20 }} }}\nserver: {{ shutdown_grace: {grace} }}\n"
    )
}

#[test]
fn a_stream_that_fits_the_grace_period_is_finished() {
    let mut relay = Running::serve(Some(&slow("20s")), &[], &[]);
    let mut stream = relay.stream("sim", "hi [[sim:tokens=30]]");
    assert!(read_until(&mut stream, "chat.completion.chunk"));
    relay.signal("TERM");
    relay.says("stopping (SIGTERM); 1 call");
    assert!(read_until(&mut stream, "data: [DONE]"), "{}", relay.err());
    assert_eq!(relay.ended(), 0);
    assert!(relay.err().contains("\"end\":\"done\""), "{}", relay.err());
}

#[test]
fn a_stream_over_the_grace_period_ends_with_an_error_event_and_a_line_that_says_so() {
    let mut relay = Running::serve(Some(&slow("300ms")), &[], &[]);
    let mut stream = relay.stream("sim", "hi [[sim:tokens=2000]]");
    assert!(read_until(&mut stream, "chat.completion.chunk"));
    relay.signal("TERM");
    assert!(read_until(&mut stream, "\"error\""), "{}", relay.err());
    assert!(!read_until(&mut stream, "[DONE]"));
    assert_eq!(relay.ended(), 0);
    assert!(relay.err().contains("\"end\":\"shutdown\""), "{}", relay.err());
}

#[test]
fn a_second_interrupt_ends_at_once_with_130() {
    let mut relay = Running::serve(Some(&slow("60s")), &[], &[]);
    let mut stream = relay.stream("sim", "hi [[sim:tokens=2000]]");
    assert!(read_until(&mut stream, "chat.completion.chunk"));
    relay.signal("INT");
    relay.says("stopping (Ctrl-C)");
    let begun = Instant::now();
    relay.signal("INT");
    assert_eq!(relay.ended(), 130);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(read_until(&mut stream, "\"error\""), "the client is told");
    crate::program::until("the call's line", || relay.err().contains("\"end\":\"shutdown\""));
}

#[test]
fn an_idle_relay_stops_at_once_and_takes_its_socket_with_it() {
    for signal in ["TERM", "INT"] {
        let mut relay = Running::serve(Some(&slow("60s")), &[], &[]);
        let begun = Instant::now();
        relay.signal(signal);
        assert_eq!(relay.ended(), 0, "{signal}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{signal}");
        assert!(!relay.folder.path().join("data/control.sock").exists());
    }
}
