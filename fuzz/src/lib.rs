//! What the fuzz targets check. The same checks run over the kept seeds in `cargo test`, from `crates/wire/tests`.

pub mod checks;
