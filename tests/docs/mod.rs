//! The documentation: every statement and command that it shows is run, and what it draws is so.

mod architecture;
mod phi;
mod readme;
pub mod runbook;
mod security;
