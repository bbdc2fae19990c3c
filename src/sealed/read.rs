//! Opening a value for whoever may see it.

use std::cell::{Cell, RefCell};
use std::ffi::CString;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{Internal, pg_sys};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::access;
use crate::error::{self, Result};
use crate::pg::bytes::Text;
use crate::pg::spi::{self, Snapshot};
use crate::pg::{extension, planner, procedure, relation, roles, session, transaction};
use crate::phi::columns::TABLES;
use crate::phi::{self, Origin};
use crate::schema::owner;
use crate::statement;

statement! {
    SIGNED_IN_USER = "SELECT auth.uid()";
}

/// Whose values a role may see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reader {
    /// The backend, the schema's owner, superusers: everybody's.
    Backend,
    /// A user who is signed in: their own.
    User(Uuid),
    /// Nobody's.
    Nobody,
}

impl Reader {
    /// Without an owner, a value may be a copy of anybody's.
    fn may_see(self, origin: &Origin) -> bool {
        match self {
            Self::Backend => true,
            Self::User(user) => origin.owner == Some(user),
            Self::Nobody => false,
        }
    }
}

/// The session's state when a [`Reader`] was found. As with a policy that asks for
/// the user by a sub-select, one statement has one reader.
#[derive(PartialEq, Eq)]
struct Asked {
    role: pg_sys::Oid,
    transaction: u32,
    statement: i64,
    claims: [Option<CString>; 2],
}

thread_local! {
    static READER: RefCell<Option<(Asked, Reader)>> = const { RefCell::new(None) };
    /// The dentist for whom [`for_dentist`] reads.
    static ON_BEHALF_OF: Cell<Option<Uuid>> = const { Cell::new(None) };
}

/// The text in a value of a stored table. A signed-in user sees values that
/// name them as the owner; service_role and the schema's owner see all; anon
/// and others none. NULL gives NULL. Works on a hot standby.
///
/// A value that cannot be read is an error where `strict` is true, as in the
/// views, and NULL elsewhere: 39000 wrong key, corrupt data, or somebody else's; 54000 over the
/// limits; 22021 not text; 55000 no key, or one that is refused.
#[pg_extern(sql = false)]
fn open_text(
    ciphertext: Option<&[u8]>,
    strict: Option<bool>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<Option<Text>, ErrorReport> {
    let Some(ciphertext) = ciphertext else {
        return Ok(None);
    };
    if let Some(dentist) = ON_BEHALF_OF.get() {
        return Ok(open_if(ciphertext, |origin| Reader::User(dentist).may_see(origin))?);
    }
    let role = roles::effective();
    // The claims are looked up once in a query, as the rows that it may see are chosen by a
    // sub-select: a look-up takes a tenth of opening a value.
    let (_, reader) = procedure::once_in_a_query(fcinfo, |(of, _)| *of == role, || Ok((role, reader(role)?)))?;
    let opened =
        phi::decrypt(ciphertext, |text, origin| reader.may_see(&origin).then(|| (Text::copy_of(text), origin.owner)));
    let text = opened.and_then(|opened| {
        let (text, dentist) = opened.ok_or_else(error::phi_wrong_key_or_corrupt)?;
        access::log_value_read("auria.open_text", dentist)?;
        Ok(text)
    });
    Ok(if strict == Some(false) { phi::if_readable(text)? } else { Some(text?) })
}

/// The text in a value whose origin satisfies `may_see`.
fn open_if(ciphertext: &[u8], may_see: impl FnOnce(&Origin) -> bool) -> Result<Option<Text>> {
    phi::decrypt(ciphertext, |text, origin| may_see(&origin).then(|| Text::copy_of(text)))
}

/// Reads through the views for whoever may see what this dentist may, whatever
/// rights are in force: a value of another dentist is NULL.
pub fn for_dentist<T>(dentist: Uuid, work: impl FnOnce() -> T) -> T {
    struct PutBack(Option<Uuid>);
    impl Drop for PutBack {
        fn drop(&mut self) {
            ON_BEHALF_OF.set(self.0);
        }
    }
    let _put_back = PutBack(ON_BEHALF_OF.replace(Some(dentist)));
    work()
}

/// The text in a value of a row that belongs to `owner`; NULL where the value
/// is somebody else's. In a sealed table a value names its dentist, in an open
/// one it may name nobody. Errors as in [`open_text`]. For the schema's owner.
#[pg_extern(sql = false)]
fn open_for_owner(
    ciphertext: Option<&[u8]>,
    owner: Option<pgrx::datum::Uuid>,
    sealed: Option<bool>,
) -> Result<Option<Text>, ErrorReport> {
    let (Some(ciphertext), Some(owner)) = (ciphertext, owner) else {
        return Ok(None);
    };
    let owner = Uuid::from_bytes(*owner.as_bytes());
    Ok(open_if(ciphertext, |origin| match origin.owner {
        Some(named) => named == owner,
        None => sealed == Some(false),
    })?)
}

/// For an UPDATE or DELETE of a view PostgreSQL makes the whole old row,
/// whatever the statement needs of it. An unreadable value must not keep the
/// row from being changed or erased: planned for such a statement,
/// [`open_text`] is not strict about what is in that old row alone. A value that
/// the statement uses, in a condition, an assignment or RETURNING, must be
/// readable.
#[pg_extern(sql = false)]
fn old_row_support(request: Internal) -> Internal {
    let views: Vec<pg_sys::Oid> =
        TABLES.iter().filter_map(|table| relation::find(c"public", &CString::new(table.name).ok()?)).collect();
    planner::second_argument_off_in_writes(request, &views)
}

fn reader(role: pg_sys::Oid) -> Result<Reader> {
    let (transaction, statement) = (transaction::local_number(), session::statement());
    let claims = [session::setting(c"request.jwt.claims"), session::setting(c"request.jwt.claim.sub")];
    let known = READER.with_borrow(|known| match known {
        Some((asked, reader))
            if asked.role == role
                && asked.transaction == transaction
                && asked.statement == statement
                && asked.claims[0].as_deref() == claims[0]
                && asked.claims[1].as_deref() == claims[1] =>
        {
            Some(*reader)
        }
        _ => None,
    });
    if let Some(reader) = known {
        return Ok(reader);
    }
    let asked = Asked { role, transaction, statement, claims: claims.map(|claim| claim.map(ToOwned::to_owned)) };
    let reader = find_reader(role)?;
    READER.set(Some((asked, reader)));
    Ok(reader)
}

fn find_reader(role: pg_sys::Oid) -> Result<Reader> {
    extension::with_fixed_path(|| {
        spi::connected(|spi| {
            if roles::has_rights_of(role, c"service_role") || roles::has_rights_of_role(role, owner::of_schema(spi)?) {
                return Ok(Reader::Backend);
            }
            if !roles::has_rights_of(role, c"authenticated") {
                return Ok(Reader::Nobody);
            }
            // The function is the platform's, and runs with the caller's rights.
            let rows = spi.query(&SIGNED_IN_USER, Snapshot::Caller, &[])?;
            Ok(rows.one()?.map_or(Reader::Nobody, Reader::User))
        })
    })
}

/// A value as the open layout stores it: naming nobody, under the current
/// secret. For the schema's owner.
///
/// # Errors
/// 39000 for what no secret opens, and for what may be another dentist's than this one's: beside
/// it the plain value is stored, for this one to read.
#[pg_extern(sql = false)]
fn unbound_value(ciphertext: Option<&[u8]>, owner: Option<pgrx::datum::Uuid>) -> Result<Option<Vec<u8>>, ErrorReport> {
    let Some(ciphertext) = ciphertext else {
        return Ok(None);
    };
    let owner = Uuid::from_bytes(*error::required(owner, "auria.unbound_value", "owner")?.as_bytes());
    let text = phi::decrypt(ciphertext, |text, origin| {
        origin.may_be_given_to(owner).then(|| Zeroizing::new(text.as_bytes().to_vec()))
    })?;
    let text = text.ok_or_else(error::phi_of_another)?;
    Ok(Some(phi::encrypt(&text, None)?))
}

/// A value as the sealed layout stores it: naming this owner, under the
/// current secret. One that is so already, that no secret opens, or that may be
/// another dentist's, stays as it is. For the schema's owner.
#[pg_extern(sql = false)]
fn bound_value(ciphertext: Option<&[u8]>, owner: Option<pgrx::datum::Uuid>) -> Result<Option<Vec<u8>>, ErrorReport> {
    let (Some(ciphertext), Some(owner)) = (ciphertext, owner) else {
        return Ok(ciphertext.map(<[u8]>::to_vec));
    };
    let owner = Uuid::from_bytes(*owner.as_bytes());
    let opened = phi::decrypt(ciphertext, |text, origin| {
        (origin.may_be_given_to(owner) && !origin.is_current_for(Some(owner)))
            .then(|| Zeroizing::new(text.as_bytes().to_vec()))
    });
    Ok(Some(match phi::if_readable(opened)?.flatten() {
        Some(text) => phi::encrypt(&text, Some(owner))?,
        None => ciphertext.to_vec(),
    }))
}

/// The digest that the unique constraint over names compares; NULL for a name that
/// no secret opens. For the schema's owner.
#[pg_extern(sql = false)]
fn name_digest(owner: Option<pgrx::datum::Uuid>, ciphertext: Option<&[u8]>) -> Result<Option<Vec<u8>>, ErrorReport> {
    let (Some(ciphertext), Some(owner)) = (ciphertext, owner) else {
        return Ok(None);
    };
    let owner = Uuid::from_bytes(*owner.as_bytes());
    let opened = phi::decrypt(ciphertext, |text, _| Zeroizing::new(text.as_bytes().to_vec()));
    let digest = phi::if_readable(opened)?.map(|name| phi::name_digest(owner, &name));
    Ok(digest.transpose()?.map(Vec::from))
}
