//! A small world for tests: variables and files of their own choosing.

use crate::diagnostic::Diagnostic;
use crate::environment::Environment;
use crate::load::{Loaded, Loader};
use std::path::Path;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) variables: Vec<(&'static str, &'static str)>,
    pub(crate) files: Vec<(&'static str, &'static str)>,
}

impl World {
    pub(crate) fn with(variables: &[(&'static str, &'static str)]) -> Self {
        Self { variables: variables.to_vec(), files: Vec::new() }
    }

    pub(crate) fn load(&self, text: &str) -> Result<Loaded, Vec<Diagnostic>> {
        Loader::with_environment(self).file(text, "sluicegate.yaml")
    }
}

impl Environment for World {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    fn variables(&self, prefix: &str) -> Vec<(String, String)> {
        let ours = self.variables.iter().filter(|(name, _)| name.starts_with(prefix));
        ours.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn read(&self, path: &Path) -> Result<String, String> {
        let found = self.files.iter().find(|(known, _)| Path::new(known) == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "No such file or directory (os error 2)".to_owned())
    }
}

/// All diagnostics as they are printed.
pub(crate) fn printed(found: &[Diagnostic]) -> String {
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    texts.join("\n\n")
}
