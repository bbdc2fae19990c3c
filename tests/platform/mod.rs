//! The platforms that it really runs on.

mod pgaudit;
mod supabase;
