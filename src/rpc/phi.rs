//! Encryption of patient data. NULL is 22004. For service_role.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::error::required;
use crate::pg::bytes::Text;
use crate::phi;

/// `plaintext` as an OpenPGP message under the current secret; never twice the
/// same.
///
/// Errors: 22004 NULL; 55000 no key, or one that is refused; 54000 more than
/// 16 MiB.
#[pg_extern(sql = false)]
fn phi_encrypt(plaintext: Option<&str>) -> Result<Vec<u8>, ErrorReport> {
    let plaintext = required(plaintext, "phi_encrypt", "plaintext")?;
    Ok(phi::encrypt(plaintext)?)
}

/// The text in an OpenPGP message that `phi_encrypt`, pgcrypto or GnuPG wrote
/// under the current or the previous secret. Works on a hot standby.
///
/// Errors: 22004 NULL; 39000 wrong key or corrupt data; 54000 over the limits;
/// 22021 not text; 55000 no key, or one that is refused.
#[pg_extern(sql = false)]
fn phi_decrypt(ciphertext: Option<&[u8]>) -> Result<Text, ErrorReport> {
    let ciphertext = required(ciphertext, "phi_decrypt", "ciphertext")?;
    let (text, _) = phi::decrypt(ciphertext, Text::copy_of)?;
    Ok(text)
}
