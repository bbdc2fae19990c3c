//! What a practice sees and leaves behind: the dashboard, and the clean-ups.

mod cleanup;
mod dashboard;
mod drafts;
