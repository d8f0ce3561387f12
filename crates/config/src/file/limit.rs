//! Limits, which are written the same way wherever they stand.
//!
//! `#[serde(flatten)]` would lose the places of mistakes, so the one list of fields is a macro: an entry that has more
//! than limits (an endpoint's class) names its further fields and gets the rest from here.

use super::Class;
use schemars::JsonSchema;
use serde::Deserialize;

macro_rules! with_limits {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$meta])*
        #[derive(Deserialize, JsonSchema, Default, Clone, Copy)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            /// Requests in any second.
            #[schemars(range(min = 1))]
            pub requests_per_second: Option<u64>,
            /// Requests in any 60 seconds.
            #[schemars(range(min = 1))]
            pub requests_per_minute: Option<u64>,
            /// The same as `requests_per_minute`.
            #[schemars(range(min = 1))]
            pub rpm: Option<u64>,
            /// Requests in any 60 minutes.
            #[schemars(range(min = 1))]
            pub requests_per_hour: Option<u64>,
            /// Requests in any 24 hours.
            #[schemars(range(min = 1))]
            pub requests_per_day: Option<u64>,
            /// Tokens in any 60 seconds, input and output together.
            #[schemars(range(min = 1))]
            pub tokens_per_minute: Option<u64>,
            /// The same as `tokens_per_minute`.
            #[schemars(range(min = 1))]
            pub tpm: Option<u64>,
            /// Tokens in any 60 minutes, input and output together.
            #[schemars(range(min = 1))]
            pub tokens_per_hour: Option<u64>,
            /// Tokens in any 24 hours, input and output together.
            #[schemars(range(min = 1))]
            pub tokens_per_day: Option<u64>,
            /// Calls at once.
            #[schemars(range(min = 1))]
            pub concurrency: Option<u64>,
            /// Makes every rate of this entry a token bucket that holds the rate times this. Without it: never more
            /// than the rate in any window.
            #[schemars(range(min = 0.001, max = 1000.0))]
            pub burst_multiplier: Option<f64>,
            /// Refill the buckets in steps of so many milliseconds instead of continuously.
            #[schemars(range(min = 1, max = 60_000))]
            pub refill_rate_ms: Option<u64>,
            /// Count and report what this limit would refuse, and refuse nothing.
            pub shadow: Option<bool>,
            $($(#[$field_meta])* pub $field: $kind,)*
        }

        /// The limits alone.
        impl From<&$name> for Limits {
            fn from(entry: &$name) -> Self {
                Self {
                    requests_per_second: entry.requests_per_second,
                    requests_per_minute: entry.requests_per_minute,
                    rpm: entry.rpm,
                    requests_per_hour: entry.requests_per_hour,
                    requests_per_day: entry.requests_per_day,
                    tokens_per_minute: entry.tokens_per_minute,
                    tpm: entry.tpm,
                    tokens_per_hour: entry.tokens_per_hour,
                    tokens_per_day: entry.tokens_per_day,
                    concurrency: entry.concurrency,
                    burst_multiplier: entry.burst_multiplier,
                    refill_rate_ms: entry.refill_rate_ms,
                    shadow: entry.shadow,
                }
            }
        }
    };
}

with_limits! {
    /// What one owner's calls are held to: rates and calls at once, all of them together. What is absent is not limited.
    Limits {}
}

with_limits! {
    /// One endpoint's own limits. The burst is inherited from the global limit, and what else is absent is not limited.
    EndpointLimit {
        /// Highest class of this endpoint's calls.
        priority: Option<Class>,
    }
}
