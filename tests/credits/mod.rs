//! Credits: the functions, what they refuse, races, and the monthly reset.

mod free_tier;
pub mod functions;
mod ledger;
mod plan_change;
mod prices;
mod races;
mod refusals;
mod reset_in_batches;
mod retries;
mod settlement;
