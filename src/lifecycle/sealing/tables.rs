//! From tables to stored tables with views.

use crate::args;
use crate::error::Result;
use crate::pg::spi::{Spi, quoted_identifier};
use crate::phi::columns::{self, Kind, PhiTable};
use crate::phi::layout::stored_name;
use crate::schema::owner::Owner;

/// Makes the schema of the stored tables. As a superuser: a dump writes it
/// before it can make the owner's role.
pub fn ensure_schema(spi: &Spi, owner: &Owner) -> Result<()> {
    spi.execute_script(&format!(
        "CREATE SCHEMA IF NOT EXISTS auria_raw; \
         REVOKE ALL ON SCHEMA auria_raw FROM PUBLIC, anon, authenticated, service_role; \
         GRANT USAGE ON SCHEMA auria_raw TO authenticated, service_role; \
         GRANT USAGE, CREATE ON SCHEMA auria_raw TO {}; \
         COMMENT ON SCHEMA auria_raw IS \
             'Stored tables of the sealed layout: patient data, encrypted. No API serves it'",
        owner.quoted()
    ))
}

/// What a table has that its view gets, too: as statements for the view.
struct ForTheView {
    order: Vec<String>,
    types: Vec<String>,
    statements: Vec<String>,
}

impl ForTheView {
    /// Read from the table while it has its plain columns.
    fn of(spi: &Spi, name: &str) -> Result<Self> {
        let mut statements = Vec::new();
        for query in [include_str!("defaults.sql"), include_str!("grants.sql"), include_str!("comments.sql")] {
            statements.extend(all_rows(spi, query, name)?);
        }
        Ok(Self {
            order: all_rows(
                spi,
                "SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a \
                  WHERE a.attrelid = pg_catalog.to_regclass('public.' || $1) AND a.attnum > 0 AND NOT a.attisdropped \
                    AND a.attname <> 'name_digest' \
                  ORDER BY a.attnum",
                name,
            )?,
            types: all_rows(
                spi,
                "SELECT pg_catalog.format('%s %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)) \
                   FROM pg_catalog.pg_attribute a \
                  WHERE a.attrelid = pg_catalog.to_regclass('public.' || $1) AND a.attnum > 0 AND NOT a.attisdropped",
                name,
            )?,
            statements,
        })
    }
}

/// Seals a table: its plain columns go with every octet of theirs, it moves to
/// `auria_raw`, and a view takes its place. Every plain value has to be
/// encrypted before. With the rights of the schema's owner, in one
/// transaction.
pub fn seal(spi: &Spi, table: &'static PhiTable) -> Result<()> {
    let name = table.name;
    let for_the_view = ForTheView::of(spi, name)?;
    let required = all_rows(
        spi,
        "SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a \
          WHERE a.attrelid = pg_catalog.to_regclass('public.' || $1) AND a.attnum > 0 AND a.attnotnull",
        name,
    )?;
    // One rewrite: the new table has no dropped column's octets, and every
    // value names its owner.
    let mut changes = Vec::new();
    for column in table.columns {
        let (plain, encrypted) = (text(column.plain), text(column.encrypted));
        changes.push(format!(
            "ALTER COLUMN {encrypted} TYPE pg_catalog.bytea USING auria.bound_value({encrypted}, user_id)"
        ));
        changes.push(format!("DROP COLUMN {plain}"));
    }
    let has_names = name == columns::PATIENTS.name;
    if has_names {
        spi.execute_script("ALTER TABLE public.patients ADD COLUMN name_digest pg_catalog.bytea")?;
        changes.push(
            "ALTER COLUMN name_digest TYPE pg_catalog.bytea USING auria.name_digest(user_id, name_encrypted)"
                .to_owned(),
        );
    }
    spi.execute_script(&format!(
        "DROP TRIGGER IF EXISTS encrypt_{name}_phi_trigger ON public.{name}; \
         ALTER TABLE public.{name} {}",
        changes.join(", ")
    ))?;
    for column in table.columns {
        let (plain, encrypted) = (text(column.plain), text(column.encrypted));
        let without = format!("SELECT FROM public.{name} WHERE {encrypted} IS NULL LIMIT 1");
        if required.contains(&plain) && !spi.exists(&without, &[])? {
            spi.execute_script(&format!("ALTER TABLE public.{name} ALTER COLUMN {encrypted} SET NOT NULL"))?;
        }
    }
    move_away(spi, table)?;
    if has_names {
        spi.execute_script(
            "COMMENT ON COLUMN auria_raw.patients_raw.name_digest IS \
                 'Keyed digest of user_id and name, for the unique constraint'",
        )?;
        ensure_unique_names(spi)?;
    }
    make_view(spi, table, &in_order(table, for_the_view.order), &for_the_view.types)?;
    spi.execute_script(&format!("REVOKE ALL ON TABLE public.{name} FROM PUBLIC, anon, authenticated, service_role"))?;
    for statement in &for_the_view.statements {
        spi.execute_script(statement)?;
    }
    Ok(())
}

/// The unique constraint over names, and what it is called meanwhile.
pub(super) const NAMES: &str = "patients_user_id_name_key";
pub(super) const DIGESTS: &str = "patients_user_id_name_digest_key";

pub(super) fn rename_key(spi: &Spi, table: &str, from: &str, to: &str) -> Result<()> {
    let exists = "SELECT FROM pg_catalog.pg_constraint \
        WHERE conrelid = pg_catalog.to_regclass('public.' || $1) AND conname = $2";
    if spi.exists(exists, args![table, from])? {
        spi.execute_script(&format!("ALTER TABLE public.{table} RENAME CONSTRAINT {from} TO {to}"))?;
    }
    Ok(())
}

/// Makes names unique by their digests, once the table is where it is stored:
/// the warning says where duplicates are.
pub(super) fn ensure_unique_names(spi: &Spi) -> Result<()> {
    spi.execute_script(
        "SELECT auria.ensure_unique('auria_raw.patients_raw', 'patients_user_id_name_key', '{user_id, name_digest}')",
    )
}

/// Moves a table without plain columns to `auria_raw`, where clients reach it
/// through the view alone.
pub(super) fn move_away(spi: &Spi, table: &PhiTable) -> Result<()> {
    let name = table.name;
    spi.execute_script(&format!(
        "ALTER TABLE public.{name} RENAME TO {name}_raw; \
         ALTER TABLE public.{name}_raw SET SCHEMA auria_raw; \
         REVOKE ALL ON TABLE auria_raw.{name}_raw FROM PUBLIC, anon, authenticated, service_role; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE auria_raw.{name}_raw TO authenticated, service_role; \
         CREATE OR REPLACE TRIGGER refuse_direct_write BEFORE INSERT OR UPDATE OR DELETE ON auria_raw.{name}_raw \
             FOR EACH ROW EXECUTE FUNCTION auria.refuse_direct_write(); \
         COMMENT ON TRIGGER refuse_direct_write ON auria_raw.{name}_raw IS \
             'API roles write through the view, which encrypts'"
    ))?;
    if name == columns::EVALUATIONS.name {
        spi.execute_script("GRANT SELECT ON TABLE auria_raw.evaluations_raw TO anon")?;
    }
    Ok(())
}

/// Makes the view of a stored table with these columns in this order, or gives
/// the one that is there the columns that it lacks, which come last.
pub(super) fn make_view(spi: &Spi, table: &PhiTable, order: &[String], types: &[String]) -> Result<()> {
    let name = table.name;
    let columns: Vec<String> = order.iter().map(|column| view_column(table, column, types)).collect();
    spi.execute_script(&format!(
        "CREATE OR REPLACE VIEW public.{name} WITH (security_invoker = true) AS \
             SELECT {} FROM {} AS s; \
         CREATE OR REPLACE TRIGGER insert_sealed INSTEAD OF INSERT ON public.{name} \
             FOR EACH ROW EXECUTE FUNCTION auria.sealed_insert(); \
         CREATE OR REPLACE TRIGGER update_sealed INSTEAD OF UPDATE ON public.{name} \
             FOR EACH ROW EXECUTE FUNCTION auria.sealed_update(); \
         CREATE OR REPLACE TRIGGER delete_sealed INSTEAD OF DELETE ON public.{name} \
             FOR EACH ROW EXECUTE FUNCTION auria.sealed_delete()",
        columns.join(", "),
        stored_name(table)
    ))
}

/// The columns with each plain one where a new database has it, if they come
/// last: in a table that got them back.
pub(super) fn in_order(table: &PhiTable, columns: Vec<String>) -> Vec<String> {
    let is_plain = |column: &String| table.columns.iter().any(|pair| text(pair.plain) == *column);
    let stored = columns.iter().filter(|column| !is_plain(column)).count();
    if columns[..stored].iter().any(is_plain) {
        return columns;
    }
    let mut columns = columns[..stored].to_vec();
    for pair in table.columns {
        let after = text(pair.after);
        let place = columns.iter().position(|name| *name == after).map_or(columns.len(), |place| place + 1);
        columns.insert(place, text(pair.plain));
    }
    columns
}

/// A column of the view: as it is stored, or opened.
fn view_column(table: &PhiTable, column: &str, types: &[String]) -> String {
    let mut pairs = table.columns.iter();
    let Some(pair) = pairs.find(|pair| text(pair.plain) == column) else {
        return format!("s.{}", quoted_identifier(column));
    };
    let opened = format!("auria.open_text(s.{})", text(pair.encrypted));
    let declared = types.iter().find_map(|entry| entry.strip_prefix(&format!("{column} ")));
    match (pair.kind, declared) {
        (Kind::Text, None | Some("text")) => format!("{opened} AS {column}"),
        (Kind::Text, Some(other)) => format!("{opened}::{other} AS {column}"),
        (Kind::Date, _) => format!("{opened}::pg_catalog.date AS {column}"),
        (Kind::Jsonb, _) => format!("{opened}::pg_catalog.jsonb AS {column}"),
    }
}

fn text(name: &std::ffi::CStr) -> String {
    name.to_string_lossy().into_owned()
}

pub(super) fn all_rows(spi: &Spi, query: &str, name: &str) -> Result<Vec<String>> {
    let rows = spi.query_once(query, args![name])?;
    rows.column()
}
