//! Who may call what, and about whom; and a log of who read what.

use std::cell::RefCell;
use std::collections::HashSet;

use pgrx::pg_sys;
use uuid::Uuid;

use crate::error::{self, Result};
use crate::pg::procedure::{self, Called};
use crate::pg::spi::{self, Snapshot};
use crate::pg::{extension, log, roles, session, transaction};
use crate::{guc, statement};

statement! {
    SIGNED_IN_USER = "SELECT auth.uid()";
}

/// The roles of clients that no function of the backend answers. What a role of its own may
/// call is for the team to decide.
const CLIENTS: &[&str] = &["anon", "authenticated"];

/// Refuses `anon` and `authenticated` (42501), whatever was granted, in a function that is the
/// backend's alone: a restore under default privileges grants EXECUTE on everything.
///
/// Such a function calls it first, before it takes its owner's rights: until then the role in
/// force is the one that called, also where a team's SECURITY DEFINER function did.
pub fn for_the_backend_alone(fcinfo: pg_sys::FunctionCallInfo, function: &str) -> Result<Called> {
    let called = Called::by(fcinfo)?;
    let is_client = roles::has_one_of_the_names(called.caller(), CLIENTS);
    if is_client { Err(error::for_the_backend_alone(function)) } else { Ok(called) }
}

/// [`for_the_backend_alone`] for a function that a query calls for each row: asked again only
/// when the roles have changed, as it would take a quarter of the time of a decryption.
pub fn for_the_backend_alone_in_each_row(fcinfo: pg_sys::FunctionCallInfo, function: &str) -> Result<()> {
    let roles = (roles::caller(), roles::effective());
    let ask = || for_the_backend_alone(fcinfo, function).map(|_| roles);
    procedure::once_in_a_query(fcinfo, |asked| *asked == roles, ask).map(drop)
}

/// Runs `work`, which writes, of a function that is the backend's alone, with the rights of the
/// function's owner. The function is not declared SECURITY DEFINER, which would hide who calls.
pub fn as_owner_for_the_backend<T>(
    fcinfo: pg_sys::FunctionCallInfo,
    function: &str,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    for_the_backend_alone(fcinfo, function)?.writing_as_owner(work)
}

/// Whether the role in force may write ciphertexts that nobody checks to a table of this owner: the
/// backend, the owner and its members. A superuser has the rights of every role.
pub fn may_write_ciphertexts(table_owner: pg_sys::Oid) -> bool {
    let writer = roles::effective();
    roles::has_rights_of_role(writer, table_owner) || roles::has_rights_of(writer, c"service_role")
}

/// Lets service_role, superusers and the function's owner ask about anyone,
/// and everybody else about themselves only (42501).
pub fn may_ask_about(function: &str, user: Uuid) -> Result<()> {
    let caller = roles::caller();
    // Inside a SECURITY DEFINER function, the rights in force are its owner's.
    if caller == roles::effective() || roles::is_superuser(caller) || roles::has_rights_of(caller, c"service_role") {
        return Ok(());
    }
    if signed_in_user(caller)? == Some(user) { Ok(()) } else { Err(error::not_own_user(function)) }
}

/// Who is signed in, by `auth.uid()`, which is not managed: it gets no more rights than the caller
/// has.
fn signed_in_user(caller: pg_sys::Oid) -> Result<Option<Uuid>> {
    extension::with_fixed_path(|| {
        spi::connected(|spi| {
            roles::acting_as(caller, || spi.query(&SIGNED_IN_USER, Snapshot::Caller, &[])?.one::<Uuid>())
        })
    })
}

/// Whose values a statement has opened.
#[derive(Default)]
struct Opened {
    /// The transaction, the statement in it, and who runs it.
    by: Option<(u32, i64, pg_sys::Oid)>,
    dentists: HashSet<Option<Uuid>>,
}

thread_local! {
    /// Of the statement that opened values last.
    static OPENED: RefCell<Opened> = RefCell::default();
}

/// Logs that the caller reads patient data by this function, where `auria.log_reads` is on. To be
/// called before the data is handed out: an error here, or a cancel, keeps it back.
///
/// The log is the server's, which is written on a standby and in a read-only transaction too, and
/// stays when the transaction is rolled back. A line holds names of functions and roles and ids,
/// nothing else.
pub fn log_read(function: &str, read: &[(&str, &[Uuid])]) -> Result<()> {
    if !guc::log_reads() {
        return Ok(());
    }
    let caller = roles::caller();
    let user = signed_in_user(caller)?.map_or("none".to_owned(), |user| user.to_string());
    let mut line = format!("auria read: role={:?} user={user} function={function}", roles::name(caller));
    for (what, ids) in read {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        line.push_str(&format!(" {what}={}", if ids.is_empty() { "none".to_owned() } else { ids.join(",") }));
    }
    log::write(&line);
    Ok(())
}

/// [`log_read`] for a function that a query calls for each value: a line for each dentist whose
/// values a statement of the client's opens. A value of the open layout names nobody.
pub fn log_value_read(function: &str, dentist: Option<Uuid>) -> Result<()> {
    if !guc::log_reads() {
        return Ok(());
    }
    let by = Some((transaction::local_number(), session::statement(), roles::caller()));
    let is_first = OPENED.with_borrow_mut(|opened| {
        if opened.by != by {
            *opened = Opened { by, dentists: HashSet::new() };
        }
        opened.dentists.insert(dentist)
    });
    if is_first {
        log_read(function, &[("dentist", dentist.as_slice())])?;
    }
    Ok(())
}
