//! The documentation: every statement and command that it shows is run.

mod phi;
mod readme;
pub mod runbook;
mod security;
