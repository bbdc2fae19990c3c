//! `handle_new_user()`.

use pgrx::{pg_extern, pg_sys, warning};
use uuid::Uuid;

use crate::error::sqlstate;
use crate::pg::spi::{self, Arg, Snapshot};
use crate::pg::transaction;
use crate::pg::trigger::{self, TriggeredRow};
use crate::{args, statement};

statement! {
    /// A profile that exists stays as it is.
    CREATE_PROFILE = "INSERT INTO public.profiles (user_id, full_name, cro) VALUES ($1, $2, $3) \
            ON CONFLICT (user_id) DO NOTHING";
}

/// After an INSERT into `auth.users`: makes the profile from
/// `raw_user_meta_data` (`full_name`, `cro`). It never makes a sign-up fail:
/// metadata that is missing, or not a JSON string, gives NULL.
///
/// It reads the row that fires it and never `auth.users`, whose rows Supabase
/// hides from the schema's owner.
///
/// SECURITY DEFINER: the role that signs users up has no right on profiles.
#[pg_extern(sql = false)]
fn handle_new_user(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "handle_new_user", |row| {
        let id = match row.column(c"id") {
            Some(column) => row.new_value::<Uuid>(column)?,
            None => None,
        };
        let Some(id) = id else {
            return Ok(());
        };
        let metadata = row.column(c"raw_user_meta_data");
        let text = |key| match metadata {
            Some(column) => row.new_json_string(column, key),
            None => Arg::of_type(pg_sys::TEXTOID, None),
        };
        let created = transaction::attempt(|| {
            spi::connected(|spi| {
                let args = args![id, text("full_name"), text("cro")];
                spi.query(&CREATE_PROFILE, Snapshot::New, args)?;
                Ok(())
            })
        });
        if let Err(caught) = created {
            warning!(
                "auria: no profile was made for a new user (SQLSTATE {})",
                sqlstate(caught.code)
            );
        }
        Ok(())
    })
}
