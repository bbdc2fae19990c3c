//! Encryption of patient data. NULL in, NULL out. For service_role.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::access;
use crate::pg::bytes::{Text, TextArg};
use crate::phi;

/// `plaintext` as an OpenPGP message under the current secret; never twice the
/// same.
///
/// Errors: 55000 no key, or one that is refused; 54000 more than 16 MiB.
#[pg_extern(sql = false)]
fn phi_encrypt(
    fcinfo: pg_sys::FunctionCallInfo,
    plaintext: Option<TextArg<'_>>,
) -> Result<Option<Vec<u8>>, ErrorReport> {
    access::for_the_backend_alone_in_each_row(fcinfo, "phi_encrypt")?;
    plaintext.map(|plaintext| Ok(phi::encrypt(plaintext.as_bytes(), None)?)).transpose()
}

/// The text in an OpenPGP message that `phi_encrypt`, pgcrypto or GnuPG wrote
/// under the current or the previous secret. Works on a hot standby.
///
/// Errors: 39000 wrong key or corrupt data; 54000 over the limits;
/// 22021 not text; 55000 no key, or one that is refused.
#[pg_extern(sql = false)]
fn phi_decrypt(fcinfo: pg_sys::FunctionCallInfo, ciphertext: Option<&[u8]>) -> Result<Option<Text>, ErrorReport> {
    access::for_the_backend_alone_in_each_row(fcinfo, "phi_decrypt")?;
    let Some(ciphertext) = ciphertext else {
        return Ok(None);
    };
    let (text, dentist) = phi::decrypt(ciphertext, |text, origin| (Text::copy_of(text), origin.owner))?;
    access::log_value_read("phi_decrypt", dentist)?;
    Ok(Some(text))
}
