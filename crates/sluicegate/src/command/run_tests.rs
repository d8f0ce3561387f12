use super::*;

#[test]
fn an_address_for_every_interface_is_reached_by_loopback() {
    assert_eq!(reachable("http://0.0.0.0:8080"), "http://127.0.0.1:8080");
    assert_eq!(reachable("https://[::]:8443"), "https://[::1]:8443");
    assert_eq!(reachable("http://10.0.0.7:8080"), "http://10.0.0.7:8080");
}

#[test]
fn a_relay_that_wants_a_key_is_not_used_without_one() {
    let status: Status = serde_json::from_value(serde_json::json!({
        "schema": Status::SCHEMA, "version": "0", "pid": 1, "uptime_seconds": 0, "ready": true, "config": "000000",
        "config_source": "environment", "last_reload_ok": true, "addresses": ["http://127.0.0.1:1"],
        "keys_required": true, "in_flight": 0, "providers": [], "limits": []
    }))
    .unwrap();
    // The tests' own environment has no such variable.
    assert_eq!(existing(&status).unwrap_err().code, Code::NotAllowed);
    assert_eq!(existing(&Status { keys_required: false, ..status }).unwrap().1, ANY_KEY);
}

#[test]
fn a_program_ended_by_a_signal_is_told_as_a_shell_tells_it() {
    assert_eq!(code(ExitStatus::from_raw(15)), Code::Other(143));
    assert_eq!(code(ExitStatus::from_raw(7 << 8)), Code::Other(7));
}
