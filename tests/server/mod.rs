//! The server around it: crashes, memory, and the harness that starts it.

mod abuse;
mod backtraces;
mod crash;
mod encodings;
mod harness_works;
mod memory;
