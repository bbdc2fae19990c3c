//! The dashboard of a practice, and the clean-ups.

mod cleanup;
mod dashboard;
mod drafts;
