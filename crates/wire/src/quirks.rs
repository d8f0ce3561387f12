//! quirks.
