//! Who may see and write what: the access matrix, share tokens, storage, sign-up.

mod created_at;
mod foreign_code;
pub mod matrix;
mod second_line;
mod share_rpcs;
mod share_token;
mod sign_up;
mod storage;
