//! The server around it: crashes, memory, and the harness that starts it.

mod abuse;
mod abuse_at_random;
mod abuse_in_contexts;
mod backtraces;
mod crash;
mod encodings;
mod errors_of_others;
mod harness_works;
mod memory;
