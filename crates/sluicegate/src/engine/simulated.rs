//! Simulated providers, each a real HTTP server on a loopback port of its own.
//!
//! They share one thread that exists only when there is one of them. A reload keeps those whose settings stayed, since
//! their limits have a level, and starts others for those that are new or changed. What is no longer wanted goes on for
//! a while, because calls may still be on their way to it.

use sluicegate_config::{Config, Provider, ProviderKind, SimulatedFault, Simulation};
use sluicegate_relay::Simulators;
use sluicegate_simulate::{Faults, Options, Simulator};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long a server that is no longer wanted goes on.
const FAREWELL: Duration = Duration::from_secs(120);
/// What a simulated provider lists when the configuration says nothing.
pub(crate) const MODELS: [&str; 3] = ["sim", "sim-embedding", "sim-image"];

/// The simulated providers of a relay.
#[derive(Debug, Default)]
pub(crate) struct Simulated {
    running: BTreeMap<String, Running>,
    thread: Option<mpsc::UnboundedSender<Start>>,
}

#[derive(Debug)]
struct Running {
    simulation: Simulation,
    address: SocketAddr,
    /// Dropped, it ends the server after a while.
    _stop: oneshot::Sender<()>,
}

struct Start {
    listener: TcpListener,
    options: Options,
    stop: oneshot::Receiver<()>,
}

/// The servers that another configuration needs and the present one does not have.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    started: BTreeMap<String, Running>,
    /// Where every simulated provider of that configuration listens.
    pub(crate) addresses: Simulators,
}

impl Simulated {
    /// Starts what a configuration needs beside what runs. Nothing of what runs is touched, so the configuration may
    /// still be refused; then the result is dropped.
    ///
    /// # Errors
    /// A port or the thread cannot be had.
    pub(crate) fn prepare(&mut self, config: &Config) -> io::Result<Prepared> {
        let mut prepared = Prepared::default();
        for (name, simulation) in config.providers.values().filter_map(wanted) {
            let kept = self.running.get(name).filter(|running| running.simulation == *simulation);
            let address = match kept {
                Some(running) => running.address,
                None => {
                    let running = self.start(simulation)?;
                    let address = running.address;
                    prepared.started.insert(name.to_owned(), running);
                    address
                }
            };
            prepared.addresses.insert(name.to_owned(), address);
        }
        Ok(prepared)
    }

    /// The configuration is in force: what it does not name may go.
    pub(crate) fn settle(&mut self, prepared: Prepared) {
        let Prepared { started, addresses } = prepared;
        self.running.extend(started);
        self.running.retain(|name, _| addresses.contains_key(name));
    }

    fn start(&mut self, simulation: &Simulation) -> io::Result<Running> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (ours, stop) = oneshot::channel();
        let thread = match &self.thread {
            Some(thread) => thread,
            None => self.thread.insert(thread()?),
        };
        thread
            .send(Start { listener, options: options(simulation), stop })
            .map_err(|_| io::Error::other("the simulated providers' thread has ended"))?;
        Ok(Running { simulation: simulation.clone(), address, _stop: ours })
    }
}

/// A provider that we are to play. One with an address is played by somebody else.
fn wanted(provider: &Provider) -> Option<(&str, &Simulation)> {
    let ours = provider.kind == ProviderKind::Simulated && provider.base_url.is_none();
    provider.simulation.as_ref().filter(|_| ours).map(|simulation| (provider.name.as_str(), simulation))
}

fn thread() -> io::Result<mpsc::UnboundedSender<Start>> {
    let (orders, mut starts) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("simulated".into()).spawn(move || {
        runtime.block_on(async move {
            while let Some(Start { listener, options, stop }) = starts.recv().await {
                tokio::spawn(async move {
                    let farewell = async {
                        let _ = stop.await;
                        tokio::time::sleep(FAREWELL).await;
                    };
                    if let Err(error) = Simulator::new(options).serve(listener, farewell).await {
                        tracing::error!(%error, "a simulated provider stopped");
                    }
                });
            }
        });
    })?;
    Ok(orders)
}

fn options(simulation: &Simulation) -> Options {
    let share = |fault| simulation.faults.get(&fault).copied().unwrap_or_default();
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Options {
        seed: simulation.seed,
        ttft: simulation.ttft.duration(),
        tokens_per_second: pace(simulation.tokens_per_second),
        latency: simulation.latency.duration(),
        error_rate: simulation.error_rate,
        faults: Faults {
            reset: share(SimulatedFault::Reset),
            stall: share(SimulatedFault::Stall),
            truncate: share(SimulatedFault::Truncate),
            error_in_stream: share(SimulatedFault::ErrorInStream),
            empty: share(SimulatedFault::Empty),
            slow_headers: share(SimulatedFault::SlowHeaders),
            malformed: share(SimulatedFault::MalformedChunk),
            rate_limited: share(SimulatedFault::RateLimited),
            overloaded: share(SimulatedFault::Overloaded),
            ..Faults::default()
        },
        requests_per_minute: simulation.requests_per_minute.map(small),
        tokens_per_minute: simulation.tokens_per_minute.map(small),
        concurrency: simulation.concurrency.map(small),
        ..Options::default()
    }
}

/// Whole tokens per second; a pace below one is one, because 0 means no pace at all.
fn pace(tokens_per_second: f64) -> u32 {
    if tokens_per_second <= 0.0 {
        return 0;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as-casts from float saturate, and this is positive"
    )]
    let whole = tokens_per_second.round() as u32;
    whole.max(1)
}

#[cfg(test)]
#[path = "simulated_tests.rs"]
mod tests;
