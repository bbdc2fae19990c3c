//! Credits: the functions, what they refuse, races, and the monthly reset.

pub mod functions;
mod races;
mod refusals;
mod reset_in_batches;
mod settlement;
