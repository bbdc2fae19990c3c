//! The life cycle: install, adopt, dump and restore, replicate, schedule, diagnose, package.

mod adoption;
mod adoption_raw;
mod adoption_refusals;
mod adoption_states;
mod adoption_today;
mod constraints;
mod default_privileges;
pub mod doctor;
pub mod dump_restore;
mod expected;
mod install;
mod metrics;
mod metrics_cost;
mod packaging;
mod partitions;
mod refused_charges;
mod released;
mod replicas;
mod rights;
mod schedule;
mod schema;
mod settings;
mod shape;
mod subscriber;
mod team;
mod under_load;
mod way_back;
