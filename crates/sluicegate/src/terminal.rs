//! Writing to people. Colours are dropped where nobody would see them: anstream decides by the stream, `NO_COLOR` and
//! `--color`.

use owo_colors::{OwoColorize as _, Style};
use std::io::{self, Write as _};

pub(crate) const GOOD: Style = Style::new().green();
pub(crate) const BAD: Style = Style::new().red().bold();
pub(crate) const WARN: Style = Style::new().yellow().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const STRONG: Style = Style::new().bold();

/// Writes results.
pub(crate) fn results(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Tells a person something. That nobody may be listening is all right.
pub(crate) fn tell(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{text}");
    let _ = err.flush();
}

/// Tells a person what went wrong.
pub(crate) fn problem(text: &str) {
    let text = text.trim_end();
    // A diagnostic begins with its own severity.
    if text.starts_with("error[") { tell(&painted(text)) } else { tell(&format!("{} {text}", "error:".style(BAD))) }
}

/// A rendered diagnostic, its first word in the colour of its severity.
pub(crate) fn painted(diagnostic: &str) -> String {
    let (head, rest) = diagnostic.split_once(' ').unwrap_or((diagnostic, ""));
    let style = match head.split('[').next() {
        Some("error") => BAD,
        Some("warning") => WARN,
        _ => DIM,
    };
    format!("{} {rest}", head.style(style))
}

/// Whether standard error is a terminal that shows colours.
pub(crate) fn stderr_has_colour() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// A diagnostic on one line.
pub(crate) fn brief(diagnostic: &sluicegate_config::Diagnostic) -> String {
    let place = diagnostic.position.as_ref().map(|at| format!(" ({}:{})", at.file, at.line)).unwrap_or_default();
    format!("{}[{}] {}{place}", diagnostic.severity.as_str(), diagnostic.code, diagnostic.message)
}
