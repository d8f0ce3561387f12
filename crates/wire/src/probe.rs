//! Words that matter, found without parsing.
//!
//! Most of what goes by says nothing that the relay needs, and a search for a word costs a hundredth of a parse. So a text
//! is searched first, and read only where the word stands.

use memchr::memmem::Finder;
use std::sync::LazyLock;

/// A member's name with its quotes, to be searched for.
pub(crate) type Name = LazyLock<Finder<'static>>;

/// Whether the text has this key with something other than null. Inside a string its quotes would be escaped, so the
/// probe cannot hit there; it can hit a nested key, and the parse that follows sorts that out.
pub(crate) fn says(data: &[u8], key: &Finder<'_>) -> bool {
    key.find_iter(data).any(|at| {
        let after = data.get(at + key.needle().len()..).unwrap_or_default().trim_ascii_start();
        let Some((b':', value)) = after.split_first() else { return false };
        !value.trim_ascii_start().starts_with(b"null")
    })
}
