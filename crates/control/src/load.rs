//! Looking at what servers of one's own show of their load, once a second.
//!
//! What is seen, and what comes of it, is `relay`'s; here is when.

use sluicegate_relay::Relay;
use sluicegate_upstream::{Connector, Pool};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks at the load of all providers whose `metrics_url` is configured. Ends only when it is dropped.
pub async fn watch_load(relay: Arc<Relay>) {
    let pool = Pool::new(Arc::new(Connector::new()));
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        relay.standing().look_at_load(&pool, &relay.providers()).await;
        pool.sweep(Instant::now());
    }
}
