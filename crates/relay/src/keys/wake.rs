//! Making a key ready that somebody comes with for the first time, or for the first time under a configuration.
//!
//! That is where its terms are read and its limits, its tenant and its payers found. It costs about as much as a call
//! does, once. For a key with a budget or an account it may have to ask the books what was used before; that is done on a
//! thread that may wait, and only this call waits for it.

use super::Entry;
use crate::server::Shared;
use crate::snapshot::{Key, Live, Snapshot, number};
use sluicegate_config::KeyHash;
use sluicegate_vocabulary::{Fault, FaultKind};
use std::sync::Arc;

/// The key of an entry, ready to be used under a configuration.
///
/// # Errors
/// It cannot be used under this configuration, or was taken away meanwhile.
pub(crate) async fn wake(shared: &Shared, snapshot: &Arc<Snapshot>, entry: Arc<Entry>) -> Result<Arc<Key>, Fault> {
    if snapshot.keys.has(&entry.name) {
        let message = "This key is out of force: the configuration file declares another key of its name.";
        return Err(Fault::new(FaultKind::Unauthenticated, message));
    }
    let unusable = |why: &dyn std::fmt::Display| {
        let message = format!("The key {} cannot be used under the present configuration: {why}.", entry.name);
        Fault::new(FaultKind::Forbidden, message)
    };
    let made = snapshot.config.key_with_terms(&entry.name, KeyHash(entry.hash), &entry.terms);
    let (spec, _) = made.map_err(|error| unusable(&error))?;
    let bounded = spec.is_bounded();
    if bounded && snapshot.books.is_none() {
        return Err(unusable(&"it has a budget or an account, and no books are kept"));
    }
    let live = shared.keys.table().live(&entry.hash).unwrap_or_else(Live::new);
    let make = {
        let snapshot = Arc::clone(snapshot);
        move || snapshot.keys.key(&spec, live, snapshot.books.as_deref(), number())
    };
    let made = if bounded { tokio::task::spawn_blocking(make).await } else { Ok(make()) };
    let key = made.map_err(|error| error.to_string()).and_then(|made| made.map_err(|error| error.to_string()));
    let mut key = key.map_err(|error| {
        tracing::error!(key = &*entry.name, error, "a key cannot be made ready: the books cannot be read");
        Fault::new(FaultKind::Overloaded, "What this key has left cannot be read at present; try again.")
    })?;
    key.expires_ms = entry.expires_ms();
    shared
        .keys
        .table()
        .keep(&entry, key, snapshot.revision)
        .ok_or_else(|| Fault::new(FaultKind::Unauthenticated, "This key has just been changed; try again."))
}
