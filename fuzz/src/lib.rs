//! What the fuzz targets check. The same checks run over the kept seeds in `cargo test`, from `crates/wire/tests`,
//! `crates/upstream/tests` and `crates/relay/tests`.

pub mod answers;
pub mod checks;
pub mod requests;
