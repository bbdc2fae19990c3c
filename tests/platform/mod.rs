//! The platforms that it really runs on.

mod citus;
mod pgaudit;
mod supabase;
