//! The providers of the day: simulators on threads of their own, which can be killed and started again where they were.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use sluicegate_simulate::{Options, Settings, Simulator};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::script::{Fault, PROVIDERS};
use crate::Outcome;

/// Time to the first token, and tokens in an answer.
const TTFT: Duration = Duration::from_millis(20);
const TOKENS: u32 = 20;

/// All providers.
#[derive(Debug)]
pub(crate) struct Providers {
    /// Absent only while this is dropped.
    runtime: Option<Runtime>,
    all: Vec<Provider>,
}

struct Provider {
    simulator: Simulator,
    address: SocketAddr,
    serving: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Providers {
    pub(crate) fn start() -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let mut all = Vec::new();
        for seed in 0..PROVIDERS.len() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let options = Options {
                seed: seed as u64,
                ttft: TTFT,
                tokens_per_second: 400,
                label: false,
                strict: false,
                answer_tokens: Some(TOKENS),
                ..Options::default()
            };
            let mut provider =
                Provider { simulator: Simulator::new(options), address: listener.local_addr()?, serving: None };
            provider.serve(&runtime, listener);
            all.push(provider);
        }
        Ok(Self { runtime: Some(runtime), all })
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.all.iter().map(|provider| provider.address).collect()
    }

    /// Calls that they are answering now.
    pub(crate) fn in_flight(&self, provider: usize) -> u64 {
        self.all.get(provider).map_or(0, |it| it.simulator.stats().in_flight)
    }

    /// The fault comes. Says how many calls were under way at the provider.
    pub(crate) fn strike(&mut self, provider: usize, fault: &Fault) -> Outcome<u64> {
        let in_flight = self.in_flight(provider);
        let provider = self.all.get_mut(provider).ok_or("no such provider")?;
        match fault {
            Fault::Dead => {
                if let Some(serving) = provider.serving.take() {
                    serving.abort();
                }
            }
            Fault::Does(rules) => {
                provider.simulator.order(Settings { rules: rules.clone(), ..Settings::default() })?;
            }
        }
        Ok(in_flight)
    }

    /// All is well again with a provider.
    pub(crate) fn heal(&mut self, provider: usize) -> Outcome<()> {
        let provider = self.all.get_mut(provider).ok_or("no such provider")?;
        provider.simulator.order(Settings::default())?;
        if provider.serving.is_none() {
            let until = Instant::now() + Duration::from_secs(2);
            let listener = loop {
                match TcpListener::bind(provider.address) {
                    Ok(listener) => break listener,
                    // The one before may not be quite closed yet.
                    Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
                    Err(error) => return Err(error.into()),
                }
            };
            provider.serve(self.runtime.as_ref().ok_or("the providers are being stopped")?, listener);
        }
        Ok(())
    }
}

impl Drop for Providers {
    fn drop(&mut self) {
        // Waiting for its threads would hold up whoever drops this, which asynchronous code must not be.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Provider {
    fn serve(&mut self, runtime: &Runtime, listener: TcpListener) {
        let simulator = self.simulator.clone();
        self.serving = Some(runtime.spawn(async move {
            // It ends when it is killed; whoever calls it notices.
            let _ = simulator.serve(listener, std::future::pending()).await;
        }));
    }
}
