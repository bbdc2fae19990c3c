//! The functions of schema `public` that a client or an Edge Function calls; those of share links are in `sharing`.
//! Each translates its arguments, calls the module that knows the rule, and
//! translates the result. Who may execute them is in `sql/functions/public`.

mod cases;
mod cleanup;
pub mod credits;
mod dashboard;
mod phi;
mod rate_limit;
mod retired;
