//! The real program, started as people start it: its output, its exit codes, its signals, and what it answers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do; the lints know only functions marked as tests"
)]

mod audit;
mod books;
mod check;
mod demo;
mod documents;
mod flow;
mod kept;
mod keys;
mod load;
mod log;
mod made_keys;
mod migrate;
mod pages;
mod papers;
mod payments;
mod program;
mod providers;
mod refusals;
mod reload;
mod restart;
mod run;
mod serve;
mod simulate;
mod stop;
