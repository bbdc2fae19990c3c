//! The secrets of this backend.
//!
//! Each transaction that needs one looks it up again, so that a rotation is
//! seen by the next; what was derived from a secret is kept for as long as the
//! secret stays the same, and wiped when it changes.

use std::cell::{Cell, RefCell};

use auria_openpgp::limits::MAX_MESSAGE;
use auria_openpgp::{NameKey, OpenError, Opener, Plaintext, SealError, Sealer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::secret::{self, Secret, Which};
use crate::error::{self, Error, Result};
use crate::pg::advisory::{self, KEYS_IN_USE, KeyUse};
use crate::pg::bytes::Stored;
use crate::pg::spi::{Arg, Snapshot, Spi};
use crate::pg::{extension, transaction};
use crate::statement;

thread_local! {
    static KEYRING: RefCell<Keyring> = const { RefCell::new(Keyring { current: Slot::EMPTY, previous: Slot::EMPTY }) };
}

struct Keyring {
    current: Slot,
    previous: Slot,
}

/// The place of one of the two secrets.
struct Slot {
    /// The transaction that looked the secret up.
    looked_up_in: Option<u32>,
    key: Option<Key>,
}

struct Key {
    secret: Secret,
    opener: Opener,
    /// Made at the first encryption.
    sealer: Option<Sealer>,
    /// Derived at the first name.
    name_key: Option<NameKey>,
}

/// How a stored value was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// Under the current secret, in the form that is written today.
    Currently,
    /// Under the current secret, by another writer.
    Otherwise,
    /// Under the previous secret.
    UnderPrevious,
}

/// What an opened message says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// How it was written.
    pub written: Written,
    /// Whose it is. Only [`encrypt`] names an owner; a value of pgcrypto's has none.
    pub owner: Option<Uuid>,
    /// Whether nobody without the secret can have made it, not even from pieces
    /// of other messages. Only a message without MDC may be such a piece.
    pub integrity_protected: bool,
}

impl Origin {
    /// Whether the value may become one of this owner's: it names them, or it names nobody and
    /// nobody without the secret can have made it of another dentist's.
    pub fn may_be_given_to(&self, owner: Uuid) -> bool {
        self.owner.map_or(self.integrity_protected, |named| named == owner)
    }

    /// Whether it is what would be written today for this owner, or for nobody.
    pub fn is_current_for(&self, owner: Option<Uuid>) -> bool {
        self.written == Written::Currently && self.owner == owner
    }
}

/// `plaintext` as an OpenPGP message under the current secret: one that names its owner, as the
/// sealed layout stores it, or nobody, as the open one does.
pub fn encrypt(plaintext: &[u8], owner: Option<Uuid>) -> Result<Vec<u8>> {
    with_keyring(Which::Current, |keyring| {
        let key = keyring.current.required()?;
        let plaintext = std::str::from_utf8(plaintext).map_err(|_| error::phi_not_text())?;
        let message = match owner {
            Some(owner) => key.sealer().seal_for(plaintext, owner.as_bytes()),
            None => key.sealer().seal(plaintext),
        };
        message.map_err(not_sealed)
    })
}

/// Whether a message has the salt of the owner's values: up to 0.3.1 each connection that wrote
/// drew its own. The message is one that the current secret opens.
pub fn has_key_of(message: &[u8], owner: Uuid) -> Result<bool> {
    with_keyring(Which::Current, |keyring| {
        keyring.current.required()?.sealer().has_key_of(message, owner.as_bytes()).map_err(not_sealed)
    })
}

/// The digest that a unique index over the names of a user's patients compares:
/// equal for equal names, and useless to anyone without the secret.
pub fn name_digest(user: Uuid, name: &[u8]) -> Result<[u8; 16]> {
    with_keyring(Which::Current, |keyring| keyring.current.required()?.name_digest(user, name))
}

/// The same under the previous secret, if there is one. A row that was last
/// written under it still has this digest: a name that is stored is compared by both.
///
/// A writer that began before a rotation knows the previous secret alone, and
/// its row is not yet visible: only an index entry or a lock that both writers
/// meet under the *previous* digest keeps the two apart.
pub fn previous_name_digest(user: Uuid, name: &[u8]) -> Result<Option<[u8; 16]>> {
    with_keyring(Which::Previous, |keyring| {
        let previous = keyring.previous.key.as_mut();
        previous.map(|key| key.name_digest(user, name)).transpose()
    })
}

/// Hands the text in an OpenPGP message, and what the message says of itself,
/// to `take`, which decides whether it may be seen. The previous secret is
/// tried where the current one does not fit.
pub fn decrypt<T>(message: &[u8], take: impl FnOnce(&str, Origin) -> T) -> Result<T> {
    let mut take = Some(take);
    let current = with_keyring(Which::Current, |keyring| {
        let opener = &mut keyring.current.required()?.opener;
        hand_over(opener.open(message, &mut go_on), None, &mut take)
    });
    if !matches!(&current, Err(error) if error.is_wrong_key_or_corrupt()) {
        return current;
    }
    with_keyring(Which::Previous, |keyring| match &mut keyring.previous.key {
        Some(previous) => {
            let opened = previous.opener.open(message, &mut go_on);
            hand_over(opened, Some(Written::UnderPrevious), &mut take)
        }
        None => Err(error::phi_wrong_key_or_corrupt()),
    })
}

/// [`decrypt`] for a stored value, which is fetched only if it is within what may be
/// encrypted; `None` where it is no message that a secret opens.
pub fn open<T>(stored: Stored<'_>, take: impl FnOnce(&str, Origin) -> T) -> Result<Option<T>> {
    if stored.len() > MAX_MESSAGE { Ok(None) } else { if_readable(decrypt(stored.read(), take)) }
}

/// `None` where the fault is the stored value's.
pub fn if_readable<T>(opened: Result<T>) -> Result<Option<T>> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.is_about_a_stored_value() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Asked by the opener on its way. A cancel unwinds from here: what was derived
/// and decrypted so far is wiped by the drops that it passes, and the keyring
/// is given back.
fn go_on() -> bool {
    transaction::check_for_interrupts();
    true
}

fn not_sealed(error: SealError) -> Error {
    match error {
        SealError::TooLarge => error::phi_too_large(),
        SealError::OutOfMemory => error::out_of_memory(),
    }
}

fn hand_over<T, F: FnOnce(&str, Origin) -> T>(
    opened: Result<Plaintext<'_>, OpenError>,
    written: Option<Written>,
    take: &mut Option<F>,
) -> Result<T> {
    let text = opened.map_err(refusal)?;
    let form = if text.is_current_form() { Written::Currently } else { Written::Otherwise };
    let origin = Origin {
        written: written.unwrap_or(form),
        owner: text.owner().copied().map(Uuid::from_bytes),
        integrity_protected: text.is_integrity_protected(),
    };
    match take.take() {
        Some(take) => Ok(take(&text, origin)),
        None => unreachable!("a message is opened by one secret only"),
    }
}

fn refusal(error: OpenError) -> Error {
    match error {
        OpenError::WrongKeyOrCorrupt => error::phi_wrong_key_or_corrupt(),
        OpenError::TooLarge => error::phi_too_large(),
        OpenError::TooDeep => error::phi_too_deep(),
        OpenError::TooCostly => error::phi_too_costly(),
        OpenError::OutOfMemory => error::out_of_memory(),
        OpenError::Stopped => unreachable!("a cancel unwinds"),
        OpenError::NotText => error::phi_not_text(),
    }
}

/// Looks the secret up if this transaction has not yet, then runs `work`.
///
/// The look-up runs outside of the borrow: it calls Vault's view, which may run
/// any code.
fn with_keyring<T>(which: Which, work: impl FnOnce(&mut Keyring) -> Result<T>) -> Result<T> {
    let transaction = transaction::local_number();
    let fresh = |keyring: &mut Keyring| keyring.slot(which).looked_up_in == Some(transaction);
    if !KEYRING.with_borrow_mut(fresh) {
        extension::require_utf8()?;
        let forget = ForgetUnlessFound(which);
        // Functions that are called for each value declare no search_path: that would cost more than the value.
        let found = extension::with_fixed_path(|| look_up(which))?;
        std::mem::forget(forget);
        KEYRING.with_borrow_mut(|keyring| {
            let slot = keyring.slot(which);
            slot.replace(found);
            slot.looked_up_in = Some(transaction);
        });
    }
    KEYRING.with_borrow_mut(work)
}

/// A secret that can no longer be had is no longer used, whether the look-up
/// returned an error or PostgreSQL raised one.
struct ForgetUnlessFound(Which);

impl Drop for ForgetUnlessFound {
    fn drop(&mut self) {
        KEYRING.with_borrow_mut(|keyring| *keyring.slot(self.0) = Slot::EMPTY);
    }
}

/// An advisory lock shows which key the transaction uses, for as long as it may
/// write with it, so that a rotation can wait for it. The lock around the look-up
/// closes the gap between reading the key and showing so.
fn look_up(which: Which) -> Result<Option<Secret>> {
    if which == Which::Previous || transaction::is_in_recovery() {
        return secret::look_up(which);
    }
    advisory::show_during(KeyUse::LookUp, || {
        let found = secret::look_up(which)?;
        if let Some(secret) = &found {
            advisory::show_until_the_end(KeyUse::Uses(mark(secret)));
        }
        Ok(found)
    })
}

/// Sixteen bits that distinguish transactions under different keys.
/// Everybody can see them in `pg_locks`: they are too few to recognise a
/// guessed secret by. Two keys with the same mark, one time in 65,536, are
/// taken for one, and their writers are waited for together.
fn mark(secret: &[u8]) -> u32 {
    let digest = Sha256::new().chain_update(b"auria: which PHI key a transaction uses").chain_update(secret).finalize();
    u32::from(u16::from_be_bytes([digest[0], digest[1]]))
}

statement! {
    MARKS_IN_USE = "SELECT DISTINCT l.objid FROM pg_catalog.pg_locks l \
        WHERE l.locktype = 'advisory' AND l.classid = $1 AND l.objsubid = 3 AND l.granted \
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d \
                             WHERE d.datname = pg_catalog.current_database())";
}

/// Which key is the current one, and which others running transactions use.
pub struct KeysInUse {
    /// `None` where there is no key.
    current: Option<u32>,
    others: Vec<u32>,
}

impl KeysInUse {
    /// The keys that are in use now. A transaction under another key than the
    /// current one that has ended is not counted: a snapshot taken after this
    /// sees its rows.
    pub fn look(spi: &Spi) -> Result<Self> {
        let current =
            with_keyring(Which::Current, |keyring| Ok(keyring.current.key.as_ref().map(|key| mark(&key.secret))))?;
        let mut keys = Self { current, others: Vec::new() };
        if transaction::is_in_recovery() {
            return Ok(keys);
        }
        // A transaction that has read the key shows in a moment that it uses it.
        advisory::wait_for(KeyUse::LookUp);
        let class = Arg::from(pgrx::pg_sys::Oid::from(KEYS_IN_USE));
        for row in spi.query(&MARKS_IN_USE, Snapshot::Caller, &[class])?.iter() {
            let mark = row.expect::<pgrx::pg_sys::Oid>(1)?.to_u32();
            if Some(mark) != current {
                keys.others.push(mark);
            }
        }
        Ok(keys)
    }

    /// Whether a running transaction may still write under another key.
    pub fn are_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// Whether the current key is the same as `earlier`.
    pub fn same_current(&self, earlier: &Self) -> bool {
        self.current == earlier.current
    }

    /// Waits for the transactions that use another key to end.
    pub fn wait_for_others(&self) {
        for mark in &self.others {
            advisory::wait_for(KeyUse::Uses(*mark));
        }
    }
}

thread_local! {
    /// The transaction that found nobody under another key: nobody begins under
    /// one while its own is the current one.
    static ALONE_IN: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Whether a running transaction may still write under another key than this
/// one does. For every row that is written during a rotation.
pub fn another_key_is_in_use(spi: &Spi) -> Result<bool> {
    let transaction = Some(transaction::local_number());
    if ALONE_IN.get() == transaction {
        return Ok(false);
    }
    let are_several = KeysInUse::look(spi)?.are_several();
    if !are_several {
        ALONE_IN.set(transaction);
    }
    Ok(are_several)
}

impl Keyring {
    fn slot(&mut self, which: Which) -> &mut Slot {
        match which {
            Which::Current => &mut self.current,
            Which::Previous => &mut self.previous,
        }
    }
}

impl Slot {
    const EMPTY: Self = Self { looked_up_in: None, key: None };

    fn replace(&mut self, found: Option<Secret>) {
        let unchanged = match (&self.key, &found) {
            (Some(key), Some(found)) => bool::from(key.secret.ct_eq(found)),
            _ => false,
        };
        if !unchanged {
            self.key = found.map(|secret| Key { opener: Opener::new(&secret), sealer: None, name_key: None, secret });
        }
    }

    fn required(&mut self) -> Result<&mut Key> {
        self.key.as_mut().ok_or_else(error::phi_key_missing)
    }
}

impl Key {
    fn sealer(&mut self) -> &mut Sealer {
        let Self { secret, sealer, .. } = self;
        sealer.get_or_insert_with(|| Sealer::new(secret))
    }

    fn name_digest(&mut self, user: Uuid, name: &[u8]) -> Result<[u8; 16]> {
        let name = std::str::from_utf8(name).map_err(|_| error::phi_not_text())?;
        let Self { secret, name_key, .. } = self;
        let key = name_key.get_or_insert_with(|| NameKey::new(secret));
        Ok(key.digest(user.as_bytes(), name))
    }
}
