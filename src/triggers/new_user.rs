//! `handle_new_user()`.

use pgrx::{pg_extern, pg_sys, warning};
use uuid::Uuid;

use crate::error::{Result, sqlstate};
use crate::guc;
use crate::pg::direct::{Direct, End, IndexKey, Table, Writing, columns, or_by_sql};
use crate::pg::spi::{self, Arg, Snapshot, Spi};
use crate::pg::transaction;
use crate::pg::trigger::{self, TriggeredRow};
use crate::{args, statement};

statement! {
    /// A profile that exists stays as it is.
    CREATE_PROFILE = "INSERT INTO public.profiles (user_id, full_name, cro) VALUES ($1, $2, $3) \
            ON CONFLICT (user_id) DO NOTHING";

    /// Of a plan that is gone, nothing: no row is returned then.
    SUBSCRIBE = include_str!("subscribe.sql");

    DEFERRED_CONSTRAINTS = "SELECT pg_catalog.string_agg(DISTINCT pg_catalog.format('%I.%I', n.nspname, c.conname), ', ') \
           FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace \
          WHERE c.conrelid = 'public.profiles'::pg_catalog.regclass AND c.condeferred";
}

columns! { COLUMNS:
    USER = c"user_id" UUIDOID;
    FULL_NAME = c"full_name" TEXTOID;
    CRO = c"cro" TEXTOID;
}

const BY_USER: usize = 0;

thread_local! {
    static PROFILES: Table = const { Table::new(
        c"public",
        c"profiles",
        COLUMNS,
        &[],
        &[IndexKey { columns: &[USER], then: None }],
    ) };
}

/// The same as [`CREATE_PROFILE`], without SQL.
fn create_by_row(user: Uuid, full_name: Arg<'_>, cro: Arg<'_>) -> Direct<()> {
    let writing = Writing::begin()?;
    PROFILES.with(|table| {
        let profiles = table.open_to_write(&writing)?.for_insert()?;
        if profiles.find(BY_USER, args![user], End::First)?.is_none() {
            let profile = [(USER, user.into()), (FULL_NAME, full_name), (CRO, cro)];
            profiles.lock_references(&profile, None)?;
            profiles.insert(&profile);
        }
        Ok(())
    })
}

/// Makes a user's profile by SQL, if there is none, with the rights in force. Constraints that a
/// team defers to the commit are checked now: there, an error would make the sign-up fail.
pub fn create(spi: &Spi, user: Uuid, full_name: Arg<'_>, cro: Arg<'_>) -> Result<()> {
    let deferred = deferred_constraints(spi)?;
    let set = |when| match &deferred {
        Some(names) => spi.execute_script(&format!("SET CONSTRAINTS {names} {when}")),
        None => Ok(()),
    };
    set("IMMEDIATE")?;
    spi.query(&CREATE_PROFILE, Snapshot::New, &[user.into(), full_name, cro])?;
    set("DEFERRED")
}

/// The names of the constraints of `public.profiles` that wait for the commit.
fn deferred_constraints(spi: &Spi) -> Result<Option<String>> {
    spi.query(&DEFERRED_CONSTRAINTS, Snapshot::New, &[])?.one()
}

/// Makes the subscription that the settings give each new account, where the user has none. Like a profile, it never
/// makes a sign-up fail. With the rights in force.
pub fn subscribe(user: Uuid) {
    let Some(plan) = guc::sign_up_plan() else {
        return;
    };
    let subscribed = transaction::attempt_finally(|| {
        spi::connected(|spi| {
            let rows = spi.query(&SUBSCRIBE, Snapshot::New, args![user, plan.as_str(), guc::sign_up_bonus()])?;
            Ok(rows.one::<bool>()?.unwrap_or(false))
        })
    });
    match subscribed {
        Ok(true) => {}
        Ok(false) => warning!("auria: a new user has no subscription: the plan in auria.sign_up_plan does not exist"),
        Err(caught) => warning!("auria: no subscription was made for a new user (SQLSTATE {})", sqlstate(caught.code)),
    }
}

/// After an INSERT into `auth.users`: makes the profile from
/// `raw_user_meta_data` (`full_name`, `cro`). Metadata that is missing, or not a JSON string,
/// gives NULL. Where `auria.sign_up_plan` names a plan, it makes a subscription with it, too, and with
/// `auria.sign_up_bonus` credits.
///
/// An error that may not recur is raised, so that the client signs up again; no other error
/// makes a sign-up fail. A user who has no profile then gets one by
/// `auria.create_missing_profiles()`.
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
        let created = transaction::attempt_finally(|| {
            let (full_name, cro) = (text("full_name"), text("cro"));
            or_by_sql(create_by_row(id, full_name, cro), || spi::connected(|spi| create(spi, id, full_name, cro)))
        });
        if let Err(caught) = created {
            warning!("auria: no profile was made for a new user (SQLSTATE {})", sqlstate(caught.code));
        }
        subscribe(id);
        Ok(())
    })
}
