//! Where a secret is found: in Supabase Vault, else in a file. First hit wins.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use pgrx::pg_sys;
use zeroize::Zeroizing;

use crate::error::{self, Result};
use crate::pg::spi::{self, Arg, Sees};
use crate::pg::{file, roles};
use crate::{guc, statement};

/// A secret, wiped when dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// Fewer bytes than this are no key.
const SHORTEST: usize = 16;

/// A first line longer than this is no key either, but some other file.
const LONGEST: usize = 4096;

/// Which of the two secrets is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// The one that encrypts.
    Current,
    /// The one before the last rotation, for reading.
    Previous,
}

impl Which {
    fn name_in_vault(self) -> &'static str {
        match self {
            Self::Current => "phi_encryption_key",
            Self::Previous => "phi_encryption_key_previous",
        }
    }

    fn file(self) -> Option<String> {
        match self {
            Self::Current => guc::phi_key_file(),
            Self::Previous => guc::phi_previous_key_file(),
        }
    }

    fn in_vault(self) -> &'static str {
        match self {
            Self::Current => "The Vault secret phi_encryption_key",
            Self::Previous => "The Vault secret phi_encryption_key_previous",
        }
    }

    fn in_file(self) -> &'static str {
        match self {
            Self::Current => "The file named by auria.phi_key_file",
            Self::Previous => "The file named by auria.phi_previous_key_file",
        }
    }
}

/// Looks the secret up; `None` when it is in neither place.
pub fn look_up(which: Which) -> Result<Option<Secret>> {
    if let Some(secret) = from_vault(which)? {
        if secret.len() < SHORTEST {
            return Err(error::phi_key_refused(which.in_vault(), "is too short"));
        }
        return Ok(Some(secret));
    }
    which.file().map(|path| from_file(which, &path)).transpose()
}

statement! {
    /// Who made Vault's view, if there is one.
    VAULT_OWNER = "SELECT c.relowner FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = 'vault' AND c.relname = 'decrypted_secrets'";

    /// Two rows at most, to tell one from several.
    FROM_VAULT = "SELECT decrypted_secret::pg_catalog.text FROM vault.decrypted_secrets \
        WHERE name OPERATOR(pg_catalog.=) $1 LIMIT 2";
}

fn from_vault(which: Which) -> Result<Option<Secret>> {
    if !roles::schema_exists(c"vault") {
        return Ok(None);
    }
    spi::connected(|spi| {
        let owner = match spi.query(&VAULT_OWNER, Sees::CallersSnapshot, &[])?.first() {
            Some(row) => row.expect::<pg_sys::Oid>(1)?,
            None => return Ok(None),
        };
        if !roles::is_superuser(owner) && owner != roles::effective() {
            return Err(error::phi_vault_untrusted());
        }
        let name = Arg::Text(Some(which.name_in_vault()));
        let found = spi.query(&FROM_VAULT, Sees::CallersSnapshot, &[name])?;
        if found.len() > 1 {
            return Err(error::phi_key_refused(
                which.in_vault(),
                "exists more than once",
            ));
        }
        match found.first() {
            // Vault gives NULL for a secret that it cannot decrypt.
            Some(row) => Ok(Some(row.take_secret(1)?.unwrap_or_default())),
            None => Ok(None),
        }
    })
}

fn from_file(which: Which, path: &str) -> Result<Secret> {
    read_key_file(Path::new(path), file::server_account())
        .map_err(|reason| error::phi_key_refused(which.in_file(), reason))
}

/// The first line of a key file, without its line ending. The error says what
/// is wrong with the file, and nothing of what is in it.
fn read_key_file(path: &Path, account: u32) -> Result<Secret, &'static str> {
    if !path.is_absolute() {
        return Err("must have an absolute path");
    }
    // Not blocking: a FIFO in its place must not hang the backend. What is
    // checked is the file that was opened, so it cannot be swapped in between.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "does not exist",
            _ => "cannot be opened by the server",
        })?;
    let metadata = file.metadata().map_err(|_| "cannot be read")?;
    if !metadata.is_file() {
        return Err("is not a regular file");
    }
    if metadata.mode() & 0o077 != 0 {
        return Err("can be read or written by others than its owner");
    }
    if metadata.uid() != account {
        return Err("does not belong to the account the server runs as");
    }
    let mut secret = first_line(&mut file)?;
    if secret.last() == Some(&b'\r') {
        secret.pop();
    }
    if secret.len() < SHORTEST {
        return Err("has a first line that is too short");
    }
    // Random bytes would end at the first that happens to be a line feed.
    let printable =
        std::str::from_utf8(&secret).is_ok_and(|line| !line.chars().any(char::is_control));
    if !printable {
        return Err("has a first line that is not text");
    }
    Ok(secret)
}

fn first_line(file: &mut File) -> Result<Secret, &'static str> {
    let mut buffer = Zeroizing::new([0; LONGEST + 1]);
    let mut filled = 0;
    loop {
        if let Some(end) = buffer[..filled].iter().position(|byte| *byte == b'\n') {
            return Ok(Zeroizing::new(buffer[..end].to_vec()));
        }
        if filled == buffer.len() {
            return Err("has a first line that is too long");
        }
        match file.read(&mut buffer[filled..]) {
            Ok(0) => return Ok(Zeroizing::new(buffer[..filled].to_vec())),
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Err("cannot be read"),
        }
    }
}
