//! A provider that answers like the real ones, without a model.
//!
//! Three readers need one: the newcomer who has no key yet, the test that wants a 529 now and not some day, and the
//! benchmark that wants an upstream cheaper than what it measures. So this is a real HTTP server (HTTP/1.1 and HTTP/2
//! in clear text) that speaks OpenAI, Anthropic and Gemini in their own shapes, headers and errors, and nothing in
//! front of it can tell that it is not one of them, except that it always says so itself: in the text, in the model's
//! name and in the header `x-sluicegate-simulated`.
//!
//! It deliberately shares no code with the relay's own wire formats. An upstream that is written with the parser it is
//! meant to test agrees with that parser's mistakes.
//!
//! What it promises:
//! - **The same seed and the same request give the same words, calls, values and counts.** Only ids and times differ.
//! - **Usage is exact** by the rule in `tokens`, the same in every dialect.
//! - **It is as strict as the real ones**: what they refuse with a 400 is refused here with the same body.
//! - **Every failure can be ordered**: by probability ([`Faults`]) or by a marker in the last user message
//!   (the table in `markers`), or from beside while it runs, for all keys or one ([`Rule`]).
//!
//! The way of a call: `server` reads it, `route` says what it is, a format's module (`openai`, `anthropic`,
//! `gemini`) turns it into an `ask::Ask`, `answer` decides what to say, the format's module writes that down, and
//! `delivery` sends it at the ordered pace with the ordered faults.

mod answer;
mod anthropic;
mod ask;
mod body;
mod call;
mod delivery;
mod gemini;
mod json;
pub mod lab;
mod markers;
mod openai;
mod options;
mod picture;
mod prefixes;
mod quota;
mod refusal;
mod route;
mod rules;
mod schema;
mod seed;
mod server;
mod stats;
mod text;
mod throttling;
mod tokens;

pub use options::{Faults, Options};
pub use rules::{Rule, Settings};
pub use server::{Handle, Simulator, serve};
pub use stats::Stats;
