//! `auria.phi_unseal()`.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{obstacles, tables};
use crate::error::Result;
use crate::lifecycle::migrate::{self, Scope};
use crate::pg::procedure::Call;
use crate::pg::roles::require_superuser;
use crate::pg::spi::Spi;
use crate::pg::{extension, roles, transaction};
use crate::phi::columns::{PATIENTS, PhiTable};
use crate::phi::layout;
use crate::schema::owner::Owner;
use crate::schema::{citus, locks};

/// Returns to the open layout: tables with plain columns in the place of the
/// views, in one transaction. The plain columns come last in their tables.
///
/// Errors: 42501 for others than superusers; 2D000 where it cannot commit; 2BP01
/// what a team built on a view; 55P03 as for `auria.phi_seal()`; 39000 a value that no key opens; 55000 no key:
/// nothing has changed then.
#[pg_extern(sql = false)]
fn phi_unseal(fcinfo: pg_sys::FunctionCallInfo) -> Result<(), ErrorReport> {
    let call = Call::of(fcinfo, "auria.phi_unseal")?;
    transaction::refuse_if_read_only(c"auria.phi_unseal()");
    require_superuser("auria.phi_unseal")?;
    // The migrations that make constraints and triggers need a superuser; the
    // tables are altered as their owner.
    let unsealed = call.transaction(
        |_| Ok(roles::effective()),
        |spi| {
            let owner = Owner::of(spi)?;
            let sealed = layout::sealed(spi)?;
            if !sealed.is_empty() {
                locks::lock_schema(spi)?;
            }
            obstacles::set_lock_timeout(spi)?;
            owner.act(|| {
                for table in &sealed {
                    obstacles::refuse_on_view(spi, table)?;
                    extension::with_settings(citus::settings(), || unseal(spi, table))?;
                }
                Ok(())
            })?;
            if !sealed.is_empty() {
                migrate::run(Scope::Layout)?;
            }
            Ok(sealed.len())
        },
    )?;
    pgrx::notice!("auria: {unsealed} tables with patient data are open again");
    Ok(())
}

fn unseal(spi: &Spi, table: &PhiTable) -> Result<()> {
    let name = table.name;
    let grants = tables::all_rows(spi, include_str!("grants.sql"), name)?;
    let comments = tables::all_rows(spi, include_str!("comments.sql"), name)?;
    spi.execute_script(&format!(
        "DROP VIEW IF EXISTS public.{name}; \
         DROP TRIGGER IF EXISTS refuse_direct_write ON auria_raw.{name}_raw; \
         ALTER TABLE auria_raw.{name}_raw SET SCHEMA public; \
         ALTER TABLE public.{name}_raw RENAME TO {name}"
    ))?;
    // One rewrite fills the plain columns, and takes the owner out of the values.
    let mut added = Vec::new();
    let mut filled = Vec::new();
    let mut required = Vec::new();
    for column in table.columns {
        let (plain, encrypted) = (column.plain.to_string_lossy(), column.encrypted.to_string_lossy());
        let kind = column.kind.sql();
        added.push(format!("ADD COLUMN {plain} pg_catalog.{kind}"));
        filled.push(format!(
            "ALTER COLUMN {plain} TYPE pg_catalog.{kind} USING auria.open_text({encrypted})::pg_catalog.{kind}"
        ));
        filled.push(format!(
            "ALTER COLUMN {encrypted} TYPE pg_catalog.bytea USING auria.unbound_value({encrypted}, user_id)"
        ));
        let is_required = "SELECT FROM pg_catalog.pg_attribute \
            WHERE attrelid = pg_catalog.to_regclass($1) AND attname = $2 AND attnotnull";
        if spi.exists(is_required, crate::args![&format!("public.{name}"), &*encrypted])? {
            required.push(format!("ALTER COLUMN {plain} SET NOT NULL"));
            required.push(format!("ALTER COLUMN {encrypted} DROP NOT NULL"));
        }
    }
    if name == PATIENTS.name {
        required.push("DROP COLUMN name_digest".to_owned());
    }
    for changes in [added, filled, required] {
        if !changes.is_empty() {
            spi.execute_script(&format!("ALTER TABLE public.{name} {}", changes.join(", ")))?;
        }
    }
    spi.execute_script(&format!("REVOKE ALL ON TABLE public.{name} FROM PUBLIC, anon, authenticated, service_role"))?;
    for statement in grants.iter().filter(|grant| !grant.contains(" auria_raw.")) {
        spi.execute_script(statement)?;
    }
    for statement in comments {
        let of_table = statement.replacen("COMMENT ON VIEW", "COMMENT ON TABLE", 1);
        spi.execute_script(&of_table)?;
    }
    Ok(())
}
