//! Patient data (PHI): encryption as OpenPGP messages.
//!
//! The format, and everything that happens to bytes, is in the crate
//! `auria_openpgp`; here is what needs a database around it.
//!
//! | file | what |
//! |---|---|
//! | `secret` | where a secret is found: Vault, then a file |
//! | `keyring` | the secrets of this backend, looked up once per transaction |
//! | `columns` | which columns hold patient data |
//! | `page` | reading those columns, some rows at a time |
//! | `status` | how far encryption has come |
//! | `backfill` | encrypting what is not yet, rewriting what is old |

mod backfill;
pub mod columns;
mod keyring;
mod page;
mod secret;
mod status;

pub use keyring::{decrypt, encrypt};
