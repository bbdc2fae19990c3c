//! The extension from outside: a real server, real sessions, the API's roles. One folder per subject.

// A test that cannot do its work stops there.
#![allow(clippy::unwrap_used)]

mod access;
mod credits;
mod docs;
mod lgpd;
mod lifecycle;
#[cfg(feature = "matrix")]
mod matrix;
mod phi;
mod platform;
mod practice;
mod sealed;
mod server;
mod support;
