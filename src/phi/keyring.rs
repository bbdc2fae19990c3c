//! The secrets of this backend.
//!
//! Each transaction that needs one looks it up again, so that a rotation is
//! seen by the next; what was derived from a secret is kept for as long as the
//! secret stays the same, and wiped when it changes.

use std::cell::RefCell;

use auria_openpgp::{OpenError, Opener, Plaintext, Sealer};
use subtle::ConstantTimeEq;

use super::secret::{self, Secret, Which};
use crate::error::{self, Error, Result};
use crate::pg::{encoding, transaction};

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
    /// Made at the first encryption: it draws a salt and derives a key.
    sealer: Option<Sealer>,
}

/// How a stored value was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// Under the current secret, in the form that is written today.
    Currently,
    /// Under the previous secret or by another writer.
    Formerly,
}

/// `plaintext` as an OpenPGP message under the current secret.
pub fn encrypt(plaintext: &str) -> Result<Vec<u8>> {
    with_keyring(Which::Current, |keyring| {
        let key = keyring.current.required()?;
        let sealer = key.sealer.get_or_insert_with(|| Sealer::new(&key.secret));
        sealer.seal(plaintext).map_err(|_| error::phi_too_large())
    })
}

/// Hands the text in an OpenPGP message to `take`, and says how it was
/// written. The previous secret is tried where the current one does not fit.
pub fn decrypt<T>(message: &[u8], take: impl FnOnce(&str) -> T) -> Result<(T, Written)> {
    let mut take = Some(take);
    let current = with_keyring(Which::Current, |keyring| {
        let opened = keyring.current.required()?.opener.open(message);
        hand_over(opened, &mut take)
    });
    if !matches!(&current, Err(error) if error.is_wrong_key_or_corrupt()) {
        return current;
    }
    with_keyring(Which::Previous, |keyring| match &mut keyring.previous.key {
        Some(previous) => {
            let (taken, _) = hand_over(previous.opener.open(message), &mut take)?;
            Ok((taken, Written::Formerly))
        }
        None => Err(error::phi_wrong_key_or_corrupt()),
    })
}

fn hand_over<T, F: FnOnce(&str) -> T>(
    opened: Result<Plaintext<'_>, OpenError>,
    take: &mut Option<F>,
) -> Result<(T, Written)> {
    let text = opened.map_err(refusal)?;
    let written = if text.is_current_form() {
        Written::Currently
    } else {
        Written::Formerly
    };
    match take.take() {
        Some(take) => Ok((take(&text), written)),
        None => unreachable!("a message is opened by one secret only"),
    }
}

fn refusal(error: OpenError) -> Error {
    match error {
        OpenError::WrongKeyOrCorrupt => error::phi_wrong_key_or_corrupt(),
        OpenError::TooLarge => error::phi_too_large(),
        OpenError::TooDeep => error::phi_too_deep(),
        OpenError::NotText => error::phi_not_text(),
    }
}

/// Looks the secret up if this transaction has not yet, then runs `work`.
///
/// The look-up runs outside of the borrow: it calls Vault's view, which is
/// not ours.
fn with_keyring<T>(which: Which, work: impl FnOnce(&mut Keyring) -> Result<T>) -> Result<T> {
    let transaction = transaction::local_number();
    let fresh = |keyring: &mut Keyring| keyring.slot(which).looked_up_in == Some(transaction);
    if !KEYRING.with_borrow_mut(fresh) {
        if !encoding::is_utf8() {
            return Err(error::phi_needs_utf8());
        }
        let found = secret::look_up(which);
        KEYRING.with_borrow_mut(|keyring| {
            let slot = keyring.slot(which);
            // A secret that can no longer be had is no longer used.
            if found.is_err() {
                *slot = Slot::EMPTY;
            }
            slot.replace(found?);
            slot.looked_up_in = Some(transaction);
            Ok::<_, Error>(())
        })?;
    }
    KEYRING.with_borrow_mut(work)
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
    const EMPTY: Self = Self {
        looked_up_in: None,
        key: None,
    };

    fn replace(&mut self, found: Option<Secret>) {
        let unchanged = match (&self.key, &found) {
            (Some(key), Some(found)) => bool::from(key.secret.ct_eq(found)),
            _ => false,
        };
        if !unchanged {
            self.key = found.map(|secret| Key {
                opener: Opener::new(&secret),
                sealer: None,
                secret,
            });
        }
    }

    fn required(&mut self) -> Result<&mut Key> {
        self.key.as_mut().ok_or_else(error::phi_key_missing)
    }
}
