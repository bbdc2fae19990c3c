//! The documentation: every statement and command that it shows is run, and what it names and draws is so.
//!
//! | file | page |
//! |---|---|
//! | [`architecture`] | the diagram of docs/architecture.md |
//! | [`credits`] | the examples of docs/credits.md |
//! | [`faults`] | the table of faults in tools/faults |
//! | [`list_settings`] | no page, message or script replaces a list of libraries |
//! | [`names`] | files, sections and tests that any page names |
//! | [`phi`], [`readme`] | the SQL of docs/phi.md and README.md |
//! | [`reference`] | the tables of docs/reference.md |
//! | [`runbook`] | the commands of docs/install.md and docs/operations.md, pasted on one server as Debian makes it |
//! | [`security`] | the tests, locks and settings of docs/security.md |

mod architecture;
mod credits;
mod faults;
mod list_settings;
mod names;
mod phi;
mod readme;
mod reference;
pub mod runbook;
mod security;
