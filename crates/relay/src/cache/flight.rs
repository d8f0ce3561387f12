//! Identical calls that are under way at once.
//!
//! The first of them flies, the others watch for its landing. A flight that is dropped before it lands belonged to a
//! client that left; then its watchers see nothing, and the first of them to come back here flies in its place.

use super::Entry;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// How a flight ended.
#[derive(Clone)]
pub(super) enum Landing {
    /// With this answer.
    Answered(Arc<Entry>),
    /// With none that others could have.
    Failed,
}

type Told = Option<Landing>;

/// All that are under way, by what they ask for. As many as there are calls under way at most.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<u128, watch::Receiver<Told>>>);

impl std::fmt::Debug for Flights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Flights").field(&self.0.lock().len()).finish()
    }
}

/// Who comes first, and who after.
pub(super) enum Entered {
    /// He is the one who asks.
    First(Flight),
    /// Somebody else does.
    After(Watch),
}

/// Somebody's right and duty to ask.
pub(super) struct Flight {
    flights: Arc<Flights>,
    key: u128,
    tell: watch::Sender<Told>,
}

/// What becomes of somebody else's flight.
pub(super) struct Watch(watch::Receiver<Told>);

impl Flights {
    pub(super) fn enter(self: &Arc<Self>, key: u128) -> Entered {
        let mut flying = self.0.lock();
        if let Some(watch) = flying.get(&key) {
            return Entered::After(Watch(watch.clone()));
        }
        let (tell, watch) = watch::channel(None);
        flying.insert(key, watch);
        Entered::First(Flight { flights: Arc::clone(self), key, tell })
    }
}

impl Flight {
    pub(super) fn land(self, landing: Landing) {
        self.tell.send_replace(Some(landing));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Before the watchers hear of it, so that the first of them finds the place empty.
        self.flights.0.lock().remove(&self.key);
    }
}

impl Watch {
    /// How it ended; `None` when it never landed.
    pub(super) async fn landed(&mut self) -> Told {
        match self.0.wait_for(Option::is_some).await {
            Ok(landing) => landing.clone(),
            Err(_) => None,
        }
    }
}
