//! Where a secret is found: in Supabase Vault, else in a file. First hit wins.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use pgrx::pg_sys;
use zeroize::Zeroizing;

use crate::error::{self, Result};
use crate::pg::spi::{self, Arg, Snapshot};
use crate::pg::{file, relation, roles, transaction};
use crate::schema::owner;
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
    /// Two rows at most, to tell one from several.
    FROM_VAULT = "SELECT decrypted_secret::pg_catalog.text FROM vault.decrypted_secrets \
        WHERE name OPERATOR(pg_catalog.=) $1 LIMIT 2";
}

/// Vault's secret, read with the rights of the view's owner: nobody else needs
/// a right on Vault, the schema's owner least of all.
fn from_vault(which: Which) -> Result<Option<Secret>> {
    // Locked first, then looked at: nobody can put another view in its place
    // before it is read with these rights.
    let Some(view) = relation::lock(c"vault", c"decrypted_secrets") else {
        return Ok(None);
    };
    if !is_trusted(view.owner)? || !is_trusted(view.schema_owner)? {
        return Err(error::phi_vault_untrusted());
    }
    let read = || roles::acting_as(view.owner, || read_vault(which));
    transaction::rename_errors(read, error::phi_vault_failed)
}

/// Whether the view of this owner is believed. Checked at each look-up: owners change.
fn is_trusted(role: pg_sys::Oid) -> Result<bool> {
    if roles::is_superuser(role)
        || roles::owns_database(role)
        || roles::has_one_of_the_names(role, &guc::trusted_owners())
    {
        return Ok(true);
    }
    let schema = spi::connected(owner::of_schema);
    Ok(schema.is_ok_and(|schema| roles::has_rights_of_role(role, schema)))
}

fn read_vault(which: Which) -> Result<Option<Secret>> {
    // As it is now, whatever the transaction's snapshot shows: after a
    // rotation nobody may begin to write with the previous secret. Where
    // workers run in parallel nothing is written.
    let snapshot = if transaction::is_parallel() { Snapshot::Caller } else { Snapshot::Latest };
    spi::connected(|spi| {
        let name = Arg::from(which.name_in_vault());
        let found = spi.query(&FROM_VAULT, snapshot, &[name])?;
        if found.len() > 1 {
            return Err(error::phi_key_refused(which.in_vault(), "exists more than once"));
        }
        match found.first() {
            // Some versions of Vault give NULL for a secret that they cannot
            // decrypt.
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
    let mut file =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).map_err(|error| {
            match error.kind() {
                std::io::ErrorKind::NotFound => "does not exist",
                _ => "cannot be opened by the server",
            }
        })?;
    let metadata = file.metadata().map_err(|_| "cannot be read")?;
    if !metadata.is_file() {
        return Err("is not a regular file");
    }
    refuse_wider_access(metadata.uid(), metadata.mode(), account)?;
    let mut secret = first_line(&mut file)?;
    if secret.last() == Some(&b'\r') {
        secret.pop();
    }
    if secret.len() < SHORTEST {
        return Err("has a first line that is too short");
    }
    // Random bytes would end at the first that happens to be a line feed.
    let printable = std::str::from_utf8(&secret).is_ok_and(|line| !line.chars().any(char::is_control));
    if !printable {
        return Err("has a first line that is not text");
    }
    Ok(secret)
}

/// The rule that PostgreSQL has for `ssl_key_file`: the server's account owns the file, and nobody
/// else has any right; or root owns it, and the group may read it, as containers mount secrets.
fn refuse_wider_access(owner: u32, mode: u32, account: u32) -> Result<(), &'static str> {
    const ROOT: u32 = 0;
    if owner != account && owner != ROOT {
        return Err("belongs neither to the account the server runs as nor to root");
    }
    let forbidden = if owner == ROOT { 0o037 } else { 0o077 };
    if mode & forbidden == 0 {
        Ok(())
    } else if owner == ROOT {
        Err("belongs to root, and more is allowed than that its group reads it")
    } else {
        Err("can be read or written by others than its owner")
    }
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
