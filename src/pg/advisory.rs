//! The advisory locks of this extension: exclusive ones, of which one transaction waits for
//! another, and shared ones, which show which key a transaction uses.

use pgrx::pg_sys;

const EXCLUSIVE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;
const SHARE: pg_sys::LOCKMODE = pg_sys::ShareLock as pg_sys::LOCKMODE;

/// Marks locks that `pg_advisory_xact_lock(int4, int4)` could take as well.
const OF_TWO_KEYS: u16 = 2;

/// Marks locks that no function of SQL takes (theirs are 1 and 2): a client cannot pretend to
/// use a key.
const OF_THIS_LIBRARY: u16 = 3;

/// `class` marks this extension's locks among all advisory locks.
fn tag(class: u32, key: u32, kind: u16) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        // SAFETY: reads a global of the backend.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: class,
        locktag_field3: key,
        locktag_field4: kind,
        locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}

/// What an exclusive lock serialises.
#[derive(Clone, Copy, Debug)]
pub enum Lock {
    /// The free-tier operations and refunds of one user.
    FreeTier,
    /// The saves of one user's draft.
    Draft,
    /// Migrations of this database.
    Migration,
    /// Monthly resets of this database.
    Settlement,
    /// The registration of jobs in this database.
    Schedule,
}

/// Takes an exclusive lock that the transaction's end releases. Two users who share a `key` by
/// chance merely wait for each other.
pub fn lock(what: Lock, key: u32) {
    // "AUFT", "AUDR", "AUMI", "AUSE", "AUSC".
    let class = match what {
        Lock::FreeTier => 0x4155_4654,
        Lock::Draft => 0x4155_4452,
        Lock::Migration => 0x4155_4d49,
        Lock::Settlement => 0x4155_5345,
        Lock::Schedule => 0x4155_5343,
    };
    // SAFETY: a complete lock tag.
    unsafe { pg_sys::LockAcquire(&tag(class, key, OF_TWO_KEYS), EXCLUSIVE, false, false) };
}

/// What a shared lock shows of the transaction that holds it.
#[derive(Clone, Copy, Debug)]
pub enum KeyUse {
    /// It is looking up the PHI key.
    LookUp,
    /// It uses the PHI key with this mark.
    Uses(u32),
}

/// The class of [`KeyUse::Uses`] in `pg_locks.classid`: "AUKU".
pub const KEYS_IN_USE: u32 = 0x4155_4b55;

impl KeyUse {
    fn tag(self) -> pg_sys::LOCKTAG {
        match self {
            Self::LookUp => tag(0x4155_4b4c, 0, OF_THIS_LIBRARY), // "AUKL"
            Self::Uses(mark) => tag(KEYS_IN_USE, mark, OF_THIS_LIBRARY),
        }
    }
}

/// Holds the shared lock while `work` runs.
pub fn show_during<T>(key_use: KeyUse, work: impl FnOnce() -> T) -> T {
    let tag = key_use.tag();
    // SAFETY: a complete lock tag. It is released below; an error that unwinds
    // leaves that to the abort of the (sub)transaction.
    unsafe { pg_sys::LockAcquire(&tag, SHARE, false, false) };
    let outcome = work();
    // SAFETY: acquired above, by the same resource owner.
    unsafe { pg_sys::LockRelease(&tag, SHARE, false) };
    outcome
}

/// Holds the shared lock until the transaction ends, whatever becomes of the subtransaction
/// that is running.
pub fn show_until_the_end(key_use: KeyUse) {
    struct PutBack(pg_sys::ResourceOwner);
    impl Drop for PutBack {
        fn drop(&mut self) {
            // SAFETY: the owner that was current below.
            unsafe { pg_sys::CurrentResourceOwner = self.0 }
        }
    }
    // SAFETY: a complete lock tag. The resource owner of the transaction
    // outlives all of its subtransactions and releases the lock at its end.
    unsafe {
        let _put_back = PutBack(pg_sys::CurrentResourceOwner);
        pg_sys::CurrentResourceOwner = pg_sys::TopTransactionResourceOwner;
        pg_sys::LockAcquire(&key_use.tag(), SHARE, false, false);
    }
}

/// Waits until the transactions that hold the shared lock by now have ended, and not for those
/// that take it later. Can be cancelled, and takes no lock that another transaction could wait for.
pub fn wait_for(key_use: KeyUse) {
    // SAFETY: a complete lock tag, whose lock this transaction does not hold.
    unsafe { pg_sys::WaitForLockers(key_use.tag(), EXCLUSIVE, false) }
}
