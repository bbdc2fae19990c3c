//! Advisory locks by which transactions say what they use.

use pgrx::pg_sys;

/// What a lock of this database says of the transaction that holds it.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    /// It is looking up the PHI key.
    LookingUpTheKey,
    /// It uses the PHI key with this mark.
    UsingTheKey(u32),
}

/// The class of [`Says::UsingTheKey`] in `pg_locks.classid`: "AUKU".
pub const KEYS_IN_USE: u32 = 0x4155_4b55;

const SHARE: pg_sys::LOCKMODE = pg_sys::ShareLock as pg_sys::LOCKMODE;

impl Says {
    fn tag(self) -> pg_sys::LOCKTAG {
        let (class, key) = match self {
            Says::LookingUpTheKey => (0x4155_4b4c, 0), // "AUKL"
            Says::UsingTheKey(mark) => (KEYS_IN_USE, mark),
        };
        pg_sys::LOCKTAG {
            // SAFETY: reads a global of the backend.
            locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
            locktag_field2: class,
            locktag_field3: key,
            // No function of SQL makes one like this (theirs are 1 and 2): a
            // client cannot pretend to use a key.
            locktag_field4: 3,
            locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
            locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
        }
    }
}

/// Says it while `work` runs.
pub fn while_saying<T>(says: Says, work: impl FnOnce() -> T) -> T {
    let tag = says.tag();
    // SAFETY: a complete lock tag. It is released below; an error that unwinds
    // leaves that to the abort of the (sub)transaction.
    unsafe { pg_sys::LockAcquire(&tag, SHARE, false, false) };
    let outcome = work();
    // SAFETY: acquired above, by the same resource owner.
    unsafe { pg_sys::LockRelease(&tag, SHARE, false) };
    outcome
}

/// Says it until the transaction ends, whatever becomes of the subtransaction
/// that is running.
pub fn say_until_the_end(says: Says) {
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
        pg_sys::LockAcquire(&says.tag(), SHARE, false, false);
    }
}

/// Waits for the transactions that say it by now to end; those that say it
/// later are not waited for. Can be cancelled, and takes no lock that another
/// transaction could wait for.
pub fn wait_for(says: Says) {
    // SAFETY: a complete lock tag, whose lock this transaction does not hold.
    unsafe { pg_sys::WaitForLockers(says.tag(), pg_sys::ExclusiveLock as pg_sys::LOCKMODE, false) }
}
