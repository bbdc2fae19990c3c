//! Migrations in a sealed database.
//!
//! A migration names `public.patients` and its columns, as in the open layout.
//! While migrations run, each stored table has that name again, with its plain
//! columns, which are empty and are dropped afterwards: nothing is decrypted,
//! and no row is written. The view waits under another name, so that what a
//! team built on it stays.

use crate::args;
use crate::error::Result;
use crate::pg::spi::Spi;
use crate::phi::columns::{self, PhiTable};
use crate::phi::layout;
use crate::schema::owner::Owner;

use super::tables;

/// What a view is called meanwhile.
fn resting(table: &PhiTable) -> String {
    format!("{}_of_stored", table.name)
}

/// Gives the stored tables the names and columns of the open layout. Undone by
/// [`close`] in the same transaction.
pub fn open(spi: &Spi, owner: &Owner, sealed: &[&'static PhiTable]) -> Result<()> {
    owner.act(|| {
        for table in sealed {
            let name = table.name;
            if view_exists(spi, &format!("public.{name}"))? {
                spi.execute_script(&format!("ALTER VIEW public.{name} RENAME TO {}", resting(table)))?;
            }
            let plain: Vec<String> = table
                .columns
                .iter()
                .map(|column| format!("ADD COLUMN {} pg_catalog.{}", column.plain.to_string_lossy(), column.kind.sql()))
                .collect();
            // The migrations grant anew; what is left to grant to others is the view's.
            spi.execute_script(&format!(
                "ALTER TABLE auria_raw.{name}_raw SET SCHEMA public; \
                 ALTER TABLE public.{name}_raw RENAME TO {name}; \
                 REVOKE ALL ON TABLE public.{name} FROM PUBLIC, anon, authenticated, service_role; \
                 ALTER TABLE public.{name} {}",
                plain.join(", ")
            ))?;
            tables::rename_key(spi, name, tables::NAMES, tables::DIGESTS)?;
        }
        Ok(())
    })
}

/// Takes names and columns away again, and brings the views up to date: a
/// column that was added to a stored table appears. With `as_shipped`, the
/// view's grants to the API roles are those of the migrations that ran.
pub fn close(spi: &Spi, owner: &Owner, sealed: &[&'static PhiTable], as_shipped: bool) -> Result<()> {
    owner.act(|| {
        for table in sealed {
            let name = table.name;
            let grants = tables::all_rows(spi, include_str!("api_grants.sql"), name)?;
            let defaults = tables::all_rows(spi, include_str!("defaults.sql"), name)?;
            let comments = tables::all_rows(spi, include_str!("comments.sql"), name)?;
            let dropped: Vec<String> =
                table.columns.iter().map(|column| format!("DROP COLUMN {}", column.plain.to_string_lossy())).collect();
            spi.execute_script(&format!(
                "DROP TRIGGER IF EXISTS encrypt_{name}_phi_trigger ON public.{name}; \
                 ALTER TABLE public.{name} {}",
                dropped.join(", ")
            ))?;
            tables::rename_key(spi, name, tables::DIGESTS, tables::NAMES)?;
            tables::move_away(spi, table)?;
            if name == columns::PATIENTS.name {
                tables::ensure_unique_names(spi)?;
            }
            let view = format!("public.{}", resting(table));
            let order = if view_exists(spi, &view)? {
                spi.execute_script(&format!("ALTER VIEW {view} RENAME TO {name}"))?;
                columns_of(spi, &format!("public.{name}"))?
            } else {
                Vec::new()
            };
            tables::make_view(spi, table, &complete(spi, table, order)?, &[])?;
            if as_shipped {
                spi.execute_script(&format!(
                    "REVOKE ALL ON TABLE public.{name} FROM PUBLIC, anon, authenticated, service_role"
                ))?;
            }
            for statement in defaults.iter().chain(&grants).chain(&comments) {
                spi.execute_script(statement)?;
            }
        }
        Ok(())
    })
}

/// Brings the views up to date where no migration ran: a column that a team
/// added to a stored table appears.
pub fn refresh(spi: &Spi, owner: &Owner, sealed: &[&'static PhiTable]) -> Result<()> {
    owner.act(|| {
        for table in sealed {
            let view = format!("public.{}", table.name);
            if !view_exists(spi, &view)? {
                continue;
            }
            let order = columns_of(spi, &view)?;
            let complete = complete(spi, table, order.clone())?;
            if complete != order {
                tables::make_view(spi, table, &complete, &[])?;
                let stored = tables::all_rows(spi, include_str!("stored_defaults.sql"), table.name)?;
                for statement in stored {
                    spi.execute_script(&statement)?;
                }
            }
        }
        Ok(())
    })
}

/// The columns of a view: those it has, in their order, and after them those
/// of the stored table that it lacks. Where there is no view, each plain column
/// stands where a new database has it.
fn complete(spi: &Spi, table: &PhiTable, mut order: Vec<String>) -> Result<Vec<String>> {
    let is_new = order.is_empty();
    for column in columns_of(spi, &layout::stored_name(table))? {
        if column != "name_digest" && !order.contains(&column) {
            order.push(column);
        }
    }
    if is_new {
        order.extend(table.columns.iter().map(|column| column.plain.to_string_lossy().into_owned()));
        order = tables::in_order(table, order);
    }
    Ok(order)
}

fn columns_of(spi: &Spi, relation: &str) -> Result<Vec<String>> {
    let rows = spi.query_once(
        "SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a \
          WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped \
          ORDER BY a.attnum",
        args![relation],
    )?;
    rows.column()
}

fn view_exists(spi: &Spi, name: &str) -> Result<bool> {
    spi.exists(
        "SELECT FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind = 'v'",
        args![name],
    )
}
