//! OpenPGP messages under a passphrase, as pgcrypto and GnuPG write and read them.
//!
//! Plain Rust that knows nothing of PostgreSQL. [`Sealer`] writes one form (see [`write`](mod@write));
//! [`Opener`] reads everything `pgp_sym_encrypt` can write with any of its options, and what
//! `gpg --symmetric` writes with the same algorithms. Whatever the bytes are, reading stays
//! within the bounds of [`limits`], does not panic, does not abort where memory is short, and gives
//! the same error for a wrong key and for damaged data.
//!
//! [`NameKey`] makes names comparable that are stored in such messages alone.
//!
//! The cipher implementations are those of the `pgp` crate and the crates it is made of.

mod buffer;
mod cipher;
mod derived_keys;
mod error;
mod inflate;
mod keyed;
pub mod limits;
mod literal;
mod message;
mod name_key;
mod packet;
mod purpose;
mod read;
mod s2k;
mod session_key;
mod work;
mod write;

pub use cipher::Cipher;
pub use error::{OpenError, SealError};
pub use limits::MAX_PLAINTEXT;
pub use literal::Owner;
pub use message::{Description, describe};
pub use name_key::NameKey;
pub use read::{Opener, Plaintext};
pub use s2k::{Hash, S2k};
pub use work::KeepGoing;
pub use write::Sealer;
