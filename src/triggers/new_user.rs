//! `handle_new_user()`.

use pgrx::{pg_extern, pg_sys, warning};
use uuid::Uuid;

use crate::error::{Result, sqlstate};
use crate::pg::direct::{End, Key, Table, Writing, columns};
use crate::pg::spi::{self, Arg, Snapshot};
use crate::pg::transaction;
use crate::pg::trigger::{self, TriggeredRow};
use crate::{args, statement};

statement! {
    /// A profile that exists stays as it is.
    CREATE_PROFILE = "INSERT INTO public.profiles (user_id, full_name, cro) VALUES ($1, $2, $3) \
            ON CONFLICT (user_id) DO NOTHING";
}

columns! { COLUMNS:
    USER = c"user_id" UUIDOID;
    FULL_NAME = c"full_name" TEXTOID;
    CRO = c"cro" TEXTOID;
}

thread_local! {
    static PROFILES: Table = const { Table::new(
        c"public",
        c"profiles",
        COLUMNS,
        &[],
        &[Key { columns: &[USER], then: None }],
    ) };
}

/// The same as [`CREATE_PROFILE`], without SQL; false where SQL has to.
fn create_by_row(user: Uuid, full_name: Arg<'_>, cro: Arg<'_>) -> Result<bool> {
    let Some(writing) = Writing::begin() else {
        return Ok(false);
    };
    PROFILES.with(|table| {
        let Some(profiles) = table.open_to_write(&writing) else {
            return Ok(false);
        };
        if !profiles.can_insert() {
            return Ok(false);
        }
        if profiles.find(0, args![user], End::First)?.is_some() {
            return Ok(true);
        }
        let profile = [(USER, user.into()), (FULL_NAME, full_name), (CRO, cro)];
        let holds = profiles.hold_references(&profile, None);
        if holds {
            profiles.insert(&profile);
        }
        Ok(holds)
    })
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
            let (full_name, cro) = (text("full_name"), text("cro"));
            if create_by_row(id, full_name, cro)? {
                return Ok(());
            }
            spi::connected(|spi| {
                spi.query(&CREATE_PROFILE, Snapshot::New, &[id.into(), full_name, cro])?;
                Ok(())
            })
        });
        if let Err(caught) = created {
            warning!("auria: no profile was made for a new user (SQLSTATE {})", sqlstate(caught.code));
        }
        Ok(())
    })
}
