//! What the program says about itself: a welcome, its version, its manual, completions.

use crate::cli::Cli;
use crate::outcome::{Failure, Outcome, written};
use crate::terminal::{self, DIM, STRONG};
use crate::{COMMIT, VERSION};
use clap::CommandFactory as _;
use owo_colors::OwoColorize as _;
use std::path::Path;

/// The program alone: what it is, and what to try.
pub(crate) fn welcome() -> Outcome {
    let row = |command: &str, what: &str| format!("  {}{what}\n", format!("{command:<36}").style(STRONG));
    let mut text = format!("sluicegate {VERSION}: a self-hosted relay for AI APIs\n\n");
    text.push_str("Point an OpenAI, Anthropic or Gemini client at it; it holds the providers' keys.\n\n");
    text.push_str(&row("sluicegate serve", "start it; needs no key and no file to answer"));
    text.push_str(&row("sluicegate run -- python app.py", "run a program whose AI clients go through it"));
    text.push_str(&row("sluicegate config init", "print a configuration file to start from"));
    text.push_str(&row("sluicegate check", "check that file and say what its numbers mean"));
    text.push_str(&row("sluicegate status", "the running relay at a glance"));
    text.push_str(&row("sluicegate top", "its limits and who waits for them, live"));
    text.push_str(&format!("\n{}\n", "sluicegate --help lists every command.".style(DIM)));
    written(terminal::results(&text))
}

/// `version`
pub(crate) fn version(json: bool) -> Outcome {
    if json {
        let document = serde_json::json!({
            "schema": "sluicegate.version/v1",
            "name": "sluicegate",
            "version": VERSION,
            "commit": COMMIT,
            "target": format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        });
        return written(terminal::results(&format!("{document:#}\n")));
    }
    let commit = COMMIT.map(|commit| format!(" ({commit})")).unwrap_or_default();
    written(terminal::results(&format!("sluicegate {VERSION}{commit}\n")))
}

/// `completions SHELL`
pub(crate) fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sluicegate", &mut script);
    written(terminal::results(&String::from_utf8_lossy(&script)))
}

/// `man [FOLDER]`
pub(crate) fn man(folder: Option<&Path>) -> Outcome {
    let command = Cli::command();
    match folder {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page).map_err(|error| Failure::other(error.to_string()))?;
            written(terminal::results(&String::from_utf8_lossy(&page)))
        }
        Some(folder) => {
            let failed = |error: std::io::Error| Failure::other(format!("{}: {error}", folder.display()));
            std::fs::create_dir_all(folder).map_err(failed)?;
            clap_mangen::generate_to(command, folder).map_err(failed)?;
            terminal::tell(&format!("manual pages written to {}", folder.display()));
            Ok(crate::outcome::Code::Done)
        }
    }
}
