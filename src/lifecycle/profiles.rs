//! Users who have no profile: `auria.create_missing_profiles()`, and what the doctor counts. A dentist who was erased is
//! none of them: the account stays where payments are kept, and a profile would bring the name back.
//!
//! `auth.users` is read with the rights of its owner, as Supabase hides its rows from everybody
//! else, and `public.profiles` with those of the schema's owner: neither may read the other.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use crate::args;
use crate::error::{Result, sqlstate};
use crate::pg::roles::require_superuser;
use crate::pg::spi::{self, Snapshot, Spi};
use crate::pg::transaction;
use crate::pg::{extension, relation, roles};
use crate::schema::owner;
use crate::statement;
use crate::triggers::new_user;

/// How many users are read at once.
const PAGE: usize = 1000;

statement! {
    /// One more than a page: where the next one begins.
    USERS = "SELECT id FROM auth.users WHERE id >= $1 ORDER BY id LIMIT 1001";

    WITHOUT_PROFILE = "SELECT u.id FROM pg_catalog.unnest($1) AS u (id) \
        WHERE NOT EXISTS (SELECT FROM public.profiles p WHERE p.user_id = u.id) ORDER BY u.id";

    /// Records older than version 0.4.0 have no digest.
    RECORD_HAS_DIGESTS = "SELECT FROM pg_catalog.pg_attribute \
        WHERE attrelid = pg_catalog.to_regclass('auria.erasures') AND attname = 'digest' AND NOT attisdropped";

    ERASED = "SELECT u.id FROM pg_catalog.unnest($1) AS u (id) JOIN auria.erasures e ON e.subject = 'user' \
        AND e.digest = pg_catalog.sha256(pg_catalog.convert_to(u.id::pg_catalog.text, 'UTF8'))";

    /// As `handle_new_user()` reads it: a value that is no JSON string counts as missing.
    METADATA = include_str!("profile_metadata.sql");
}

/// The roles that may read the two tables.
struct Readers {
    users: pg_sys::Oid,
    profiles: pg_sys::Oid,
}

impl Readers {
    /// `None` where there is no `auth.users`.
    fn of(profiles: pg_sys::Oid) -> Option<Self> {
        relation::lock(c"auth", c"users").map(|users| Self { users: users.owner, profiles })
    }

    /// Calls `visit` with the users without a profile, page by page.
    fn walk(&self, spi: &Spi, mut visit: impl FnMut(&[Uuid]) -> Result<()>) -> Result<()> {
        let mut next = Some(Uuid::nil());
        while let Some(first) = next {
            transaction::check_for_interrupts();
            let mut users: Vec<Uuid> =
                roles::acting_as(self.users, || spi.query(&USERS, Snapshot::Caller, args![first])?.column())?;
            next = if users.len() > PAGE { users.pop() } else { None };
            let mut missing: Vec<Uuid> = roles::acting_as(self.profiles, || {
                spi.query(&WITHOUT_PROFILE, Snapshot::Caller, args![users.as_slice()])?.column()
            })?;
            if !missing.is_empty() {
                let erased = erased(spi, &missing)?;
                missing.retain(|user| !erased.contains(user));
            }
            visit(&missing)?;
        }
        Ok(())
    }

    /// Makes a user's profile; false where the user is gone.
    fn create(&self, spi: &Spi, user: Uuid) -> Result<bool> {
        let metadata = roles::acting_as(self.users, || {
            let rows = spi.query(&METADATA, Snapshot::Caller, args![user])?;
            rows.first().map(|row| Ok((row.get::<String>(1)?, row.get::<String>(2)?))).transpose()
        })?;
        let Some((full_name, cro)) = metadata else {
            return Ok(false);
        };
        roles::acting_as(self.profiles, || {
            new_user::create(spi, user, full_name.as_deref().into(), cro.as_deref().into())?;
            new_user::subscribe(user);
            Ok(())
        })?;
        Ok(true)
    }
}

/// Who of these was erased.
fn erased(spi: &Spi, users: &[Uuid]) -> Result<Vec<Uuid>> {
    if spi.query(&RECORD_HAS_DIGESTS, Snapshot::Caller, &[])?.first().is_none() {
        return Ok(Vec::new());
    }
    owner::as_owner_of_record(spi, "auria.erasures", || spi.query(&ERASED, Snapshot::Caller, args![users])?.column())
}

/// How many users have no profile, for the doctor, which asks as the schema's owner.
pub fn missing(spi: &Spi) -> Result<usize> {
    let mut count = 0;
    if let Some(readers) = Readers::of(roles::effective()) {
        readers.walk(spi, |users| {
            count += users.len();
            Ok(())
        })?;
    }
    Ok(count)
}

/// Makes the profiles of users who have none, as `handle_new_user()` does, and returns how many.
/// A profile that cannot be made, because of a team's constraint for example, is counted in a
/// WARNING, and the others are made.
///
/// Superusers only (42501). An error that may not recur is raised.
#[pg_extern(sql = false)]
fn create_missing_profiles() -> Result<i32, ErrorReport> {
    transaction::refuse_if_read_only(c"auria.create_missing_profiles()");
    require_superuser("auria.create_missing_profiles")?;
    let (mut made, mut failed) = (0, Vec::new());
    spi::connected(|spi| {
        // A deferred trigger would run at the commit, with the caller's rights.
        transaction::check_constraints_now();
        let Some(readers) = Readers::of(owner::of_schema(spi)?) else {
            return Ok(());
        };
        readers.walk(spi, |users| {
            for user in users {
                match transaction::attempt_finally(|| spi::connected(|spi| readers.create(spi, *user))) {
                    Ok(is_made) => made += i32::from(is_made),
                    Err(caught) => failed.push(caught.code),
                }
            }
            Ok(())
        })
    })?;
    if let Some(code) = failed.first() {
        extension::warn(&format!(
            "no profile could be made for {} users; the first failed with SQLSTATE {}",
            failed.len(),
            sqlstate(*code)
        ));
    }
    Ok(made)
}
