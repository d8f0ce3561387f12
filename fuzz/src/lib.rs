//! What the fuzz targets check. The same checks run over the kept seeds in `cargo test`, from `crates/wire/tests`
//! and `crates/upstream/tests`.

pub mod answers;
pub mod checks;
