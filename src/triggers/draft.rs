//! `replace_draft()`.

use pgrx::{PgSqlErrorCode, pg_extern, pg_sys};
use uuid::Uuid;

use crate::args;
use crate::error::{Error, Result};
use crate::pg::advisory::{self, Lock};
use crate::pg::relation;
use crate::pg::spi::{self, Snapshot};
use crate::pg::trigger::{self, RowTrigger, TriggeredRow};
use crate::statement;

statement! {
    /// Locked as an UPDATE would, with the policies for it. Of a user's drafts there is one; an
    /// adopted database may have several.
    PREVIOUS = "SELECT id, created_at, ctid FROM public.evaluation_drafts WHERE user_id = $1 \
        ORDER BY created_at, id LIMIT 2 FOR UPDATE";
}

/// The number of advisory locks that serialise saves: a transaction takes no more, whatever the
/// number of its users.
const LOCKS: u32 = 2048;

/// Before an INSERT into `evaluation_drafts`: a second draft of a user replaces the first. The row
/// keeps its `id` and `created_at`; everything else is the new row's.
///
/// The stored row is taken away without a trigger, and the INSERT goes on: it returns the new row,
/// and what refers to the draft by its id is not touched. Only a plain INSERT replaces, not one with
/// ON CONFLICT, nor COPY; and only where the writer could change the stored row with an UPDATE:
/// elsewhere the unique constraint answers, as without this trigger.
///
/// It is the last BEFORE trigger: one after it could leave the new row out, and the stored one
/// would be gone.
///
/// Not SECURITY DEFINER: whose statement it is decides.
#[pg_extern(sql = false)]
fn replace_draft(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "replace_draft", |row| {
        if row.is_update() || !row.is_before() {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "replace_draft() must be a BEFORE INSERT trigger",
            )
            .hint("Drop the trigger, and run SELECT * FROM auria.migrate(again => true)."));
        }
        // In the sealed layout the stored table has another name, and its view replaces.
        if relation::find(c"public", c"evaluation_drafts") == Some(row.relation()) { replace(row) } else { Ok(()) }
    })
}

fn replace(row: &mut RowTrigger<'_>) -> Result<()> {
    let is_plain_insert = row.is_plain_insert();
    let columns = (row.column(c"id"), row.column(c"created_at"), row.column(c"user_id"));
    let (Some(id), Some(created_at), Some(user_id)) = columns else {
        return Ok(());
    };
    let Some(user) = row.new_value::<Uuid>(user_id)? else {
        return Ok(());
    };
    // An INSERT with ON CONFLICT waits as well: a plain one at the same time has to see its row.
    lock(user);
    if !is_plain_insert || !row.may_be_updated() {
        return Ok(());
    }
    spi::connected(|spi| {
        let previous = spi.query(&PREVIOUS, Snapshot::New, args![user])?;
        if let (1, Some(stored)) = (previous.len(), previous.first()) {
            row.take(id, &stored, 1)?;
            row.take(created_at, &stored, 2)?;
            row.supersede(&stored, 3)?;
        }
        Ok(())
    })
}

fn lock(user: Uuid) {
    let bytes = user.as_bytes();
    // The last bytes of an id are the random ones in every version.
    advisory::lock(Lock::Draft, u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]) % LOCKS);
}
