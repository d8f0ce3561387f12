//! What a process settles once, before it serves.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Chooses the cryptography for every TLS connection of this process.
pub(crate) fn choose_cryptography() {
    // An error means that it has been chosen before, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Allows as many open files as the system lets us have: every client and every stream to a provider is one, and the
/// usual soft limit of 1,024 is there for programs that use `select`.
pub(crate) fn allow_many_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, "the limit on open files stays low; many connections at once will fail");
    }
}
