//! Responses kept for `previous_response_id` and `GET /v1/responses/{id}`.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

/// Responses kept; the oldest go first.
const MOST: usize = 512;

/// One response and the conversation that led to it, its own output included.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) response: Value,
    pub(super) items: Vec<Value>,
}

/// The provider's memory of responses.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    by_id: HashMap<String, Kept>,
    order: VecDeque<String>,
}

impl Stored {
    pub(super) fn put(&mut self, id: String, kept: Kept) {
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        self.order.push_back(id.clone());
        self.by_id.insert(id, kept);
    }

    pub(super) fn get(&self, id: &str) -> Option<&Kept> {
        self.by_id.get(id)
    }

    pub(super) fn remove(&mut self, id: &str) -> bool {
        self.order.retain(|kept| kept != id);
        self.by_id.remove(id).is_some()
    }
}
