//! The JSON schema of the file, and a file to start from.

use crate::file::File;
use schemars::generate::SchemaSettings;

/// The JSON schema of the configuration file, for editors and for checking files without the program.
#[must_use]
pub fn schema() -> serde_json::Value {
    let settings = SchemaSettings::draft2020_12();
    settings.into_generator().into_root_schema_for::<File>().to_value()
}

/// A commented file to start from. Everything in it is valid as it stands.
#[must_use]
pub const fn starter() -> &'static str {
    include_str!("../data/starter.yaml")
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
