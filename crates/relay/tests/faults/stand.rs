//! The stand: two simulated providers, one relay, and for each cell of the matrix providers and keys of its own.
//!
//! A cell must not feel what happened in another, and what the relay remembers of a provider it remembers by its name.
//! So each cell has its own names, all of them at the same two simulators, and the simulators know by the key whose
//! cell a call belongs to.

use crate::support::{Running, config, model, provider};
use crate::table::{Fault, Place};
use sluicegate_config::{Config, Period, Provider, ProviderKey, ProviderKind, Timeouts};
use sluicegate_simulate::{Handle, Options, Rule, Settings, Simulator};
use sluicegate_vocabulary::{Format, Receipt};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What there is to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// One provider with one key.
    One,
    /// One provider with two keys.
    Keys,
    /// Two providers of different kinds.
    Providers,
    /// Two providers, and both have the fault.
    AllFail,
}

impl Choice {
    pub(crate) const ALL: [Self; 4] = [Self::One, Self::Keys, Self::Providers, Self::AllFail];
}

/// One cell of the matrix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) number: usize,
    pub(crate) fault: &'static Fault,
    pub(crate) stream: bool,
    pub(crate) choice: Choice,
    /// The fault is the provider's and strikes all of its keys.
    pub(crate) all_keys: bool,
}

/// Tries at one candidate after the first.
pub(crate) const RETRIES: u32 = 2;
/// The limit on time where the fault is to be over it, and where it is not.
const SHORT: Duration = Duration::from_millis(1200);
const LONG: Duration = Duration::from_secs(20);

/// The stand of one format.
pub(crate) struct Stand {
    pub(crate) relay: Running,
    pub(crate) format: Format,
    first: Server,
    second: Server,
    receipts: Mutex<HashMap<String, Vec<Receipt>>>,
    _runtime: tokio::runtime::Runtime,
}

struct Server {
    address: SocketAddr,
    handle: Handle,
    /// Which rule belongs to which cell.
    rules: HashMap<usize, usize>,
}

impl Server {
    fn start(seed: u64) -> Self {
        let options = Options { seed, label: false, answer_tokens: Some(40), ..Options::default() };
        let (address, handle) = Simulator::start(options).unwrap();
        Self { address, handle, rules: HashMap::new() }
    }

    fn order(&mut self, rules: Vec<(usize, Rule)>) {
        let (cells, rules): (Vec<_>, Vec<_>) = rules.into_iter().unzip();
        self.rules = cells.into_iter().enumerate().map(|(rule, cell)| (cell, rule)).collect();
        self.handle.order(Settings { rules, ..Settings::default() }).unwrap();
    }

    fn struck(&self, cell: usize) -> u64 {
        self.rules.get(&cell).map_or(0, |rule| self.handle.struck()[*rule])
    }
}

/// The kind of provider that speaks a format, and another one.
const fn kinds(format: Format) -> [ProviderKind; 2] {
    match format {
        Format::Chat => [ProviderKind::OpenAi, ProviderKind::Anthropic],
        Format::Responses => [ProviderKind::OpenAi, ProviderKind::Gemini],
        Format::Messages => [ProviderKind::Anthropic, ProviderKind::OpenAi],
        Format::Generate => [ProviderKind::Gemini, ProviderKind::OpenAi],
    }
}

impl Stand {
    pub(crate) fn new(format: Format, cells: &[Cell]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let _entered = runtime.enter();
        let (mut first, mut second) = (Server::start(1), Server::start(2));
        let rule = |cell: &Cell, orders: &str| {
            let rule = Rule::always(orders).for_keys(&format!("sk-{}-", cell.number));
            if cell.choice == Choice::Keys && !cell.all_keys { rule.for_first_key() } else { rule }
        };
        let struck = cells.iter().filter_map(|cell| match cell.fault.place {
            Place::Provider(orders) => Some((cell.number, rule(cell, orders))),
            Place::Nobody | Place::NoTls => None,
        });
        let struck: Vec<_> = struck.collect();
        second.order(struck.iter().filter(|(cell, _)| cells[*cell].choice == Choice::AllFail).cloned().collect());
        first.order(struck);
        let [own, other] = kinds(format);
        let mut all = config(Vec::new());
        add(&mut all, "good-a", own, &first, None);
        add(&mut all, "good-b", other, &second, None);
        all.models.insert("good-a".into(), model("good-a", &["good-a/m"]));
        all.models.insert("good-b".into(), model("good-b", &["good-b/m"]));
        for cell in cells {
            let (a, b, public) = (format!("a{}", cell.number), format!("b{}", cell.number), name(cell));
            add(&mut all, &a, own, &first, Some(cell));
            let mut targets = vec![format!("{a}/m")];
            if matches!(cell.choice, Choice::Providers | Choice::AllFail) {
                add(&mut all, &b, other, &second, Some(cell).filter(|cell| cell.choice == Choice::AllFail));
                targets.push(format!("{b}/m"));
            }
            let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
            all.models.insert(public.clone(), model(&public, &targets));
        }
        let relay = Running::new(all);
        drop(_entered);
        Self { relay, format, first, second, receipts: Mutex::default(), _runtime: runtime }
    }

    /// How many calls the providers were struck with in this cell.
    pub(crate) fn struck(&self, cell: &Cell) -> u64 {
        self.first.struck(cell.number) + self.second.struck(cell.number)
    }

    /// The receipts of the call with this id, once there is one, and whatever more has come by then.
    pub(crate) fn receipts(&self, id: &str) -> Vec<Receipt> {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let mut receipts = self.receipts.lock().unwrap();
            for receipt in self.relay.relay.take_receipts() {
                receipts.entry(receipt.id.as_str().to_owned()).or_default().push(receipt);
            }
            if receipts.contains_key(id) || Instant::now() > until {
                return receipts.remove(id).unwrap_or_default();
            }
            drop(receipts);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Calls whose receipt came although it had been taken already.
    pub(crate) fn left_over(&self) -> Vec<String> {
        std::thread::sleep(Duration::from_millis(300));
        let late = self.relay.relay.take_receipts().into_iter().map(|receipt| receipt.id.as_str().to_owned());
        late.chain(self.receipts.lock().unwrap().keys().cloned()).collect()
    }
}

/// The public model of a cell.
pub(crate) fn name(cell: &Cell) -> String {
    format!("cell-{}", cell.number)
}

fn add(config: &mut Config, name: &str, kind: ProviderKind, server: &Server, cell: Option<&Cell>) {
    let mut provider: Provider = provider(name, kind, server.address);
    let place = cell.map(|cell| cell.fault.place);
    let version = if matches!(kind, ProviderKind::Anthropic | ProviderKind::Gemini) { "" } else { "/v1" };
    match place {
        Some(Place::Nobody) => provider.base_url = Some(format!("http://127.0.0.1:1{version}")),
        Some(Place::NoTls) => provider.base_url = Some(format!("https://{}{version}", server.address)),
        _ => {}
    }
    let late = matches!(place, Some(Place::Provider(orders)) if orders.contains("=60s"));
    let limit = if late { SHORT } else { LONG };
    let period = |time: Duration| Period::from_millis(u64::try_from(time.as_millis()).unwrap());
    let limits = Timeouts { first_byte: period(limit), stream_idle: period(limit), ..provider.timeouts };
    provider.timeouts = Timeouts { connect: period(LONG), ..limits };
    provider.max_retries = RETRIES;
    let number = cell.map_or(usize::MAX, |cell| cell.number);
    let keys = if cell.is_some_and(|cell| cell.choice == Choice::Keys) { 2 } else { 1 };
    let template = provider.keys.remove(0);
    provider.keys = (0..keys)
        .map(|key| ProviderKey {
            name: format!("key{key}"),
            quota_group: format!("key{key}"),
            secret: format!("sk-{number}-{key}").into(),
            ..template.clone()
        })
        .collect();
    config.providers.insert(name.to_owned(), provider);
}
