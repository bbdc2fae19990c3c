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
//! | `layout` | whether a table is open or sealed |
//! | `quiet` | updates that leave `updated_at` as it is |
//! | `page` | reading those columns, some rows at a time |
//! | `plain` | a plain value: its kind, its text, the ciphertext that it becomes |
//! | `inspect` | how a plain value and its encrypted one stand to each other |
//! | `status` | how far encryption has come |
//! | `verify` | the same in brief, table by table |
//! | `checks` | the doctor's checks |
//! | `leftovers` | plain values beside encrypted ones that are in use |
//! | `backfill` | encrypting what is not yet, rewriting what is old |

mod backfill;
pub mod checks;
pub mod columns;
mod inspect;
mod keyring;
pub mod layout;
pub mod leftovers;
mod page;
mod plain;
pub mod quiet;
mod secret;
mod status;
mod verify;

use crate::error::Result;
use crate::pg::caught::Caught;
use crate::pg::transaction;

pub use keyring::{
    KeysInUse, Origin, Written, another_key_is_in_use, decrypt, encrypt, if_readable, name_digest, open,
    previous_name_digest,
};
pub use page::sources;
pub use plain::Plain;
pub use status::{Count, count};

/// Whether a key for patient data is found and usable, and if not, why. What
/// Vault raises is caught: the statement goes on.
pub fn check_key() -> Result<()> {
    // To encrypt is the proof; what comes of it is thrown away.
    transaction::attempt(|| encrypt(b"", None).map(drop)).map_err(Caught::into_error)
}
