//! peek.
