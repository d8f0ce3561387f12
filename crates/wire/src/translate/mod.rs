//! Translation between formats, through the neutral form.

pub mod neutral;
