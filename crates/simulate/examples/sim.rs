//! Runs a simulator on the address given as the first argument (`127.0.0.1:8099` without one), until it is stopped.

use std::net::TcpListener;

use sluicegate_simulate::{Options, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8099".to_owned());
    let options = Options {
        label: std::env::var_os("SIM_LABEL").is_some(),
        require_key: std::env::var("SIM_KEY").ok(),
        requests_per_minute: std::env::var("SIM_RPM").ok().and_then(|text| text.parse().ok()),
        ..Options::default()
    };
    serve(TcpListener::bind(address)?, options, std::future::pending()).await
}
