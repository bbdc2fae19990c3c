//! Buckets of a file store whose table has no column `public` yet, as Supabase's had at first: migration 002 names that
//! column. The rows are made without it, and get its values once it is there.

use super::run::Run;
use super::target::owner_of;
use super::warnings;
use crate::args;
use crate::error::Result;
use crate::pg::roles;
use crate::pg::spi::Spi;

/// The table, as a section of a migration names it.
pub const TABLE: &str = "storage.buckets";

/// The migration that makes the buckets.
const MIGRATION: i32 = 2;

const WARNING: &str = "storage.buckets has no column \"public\" yet, so bucket avatars is not public: when the file store \
                       has made the column, run SELECT * FROM auria.migrate()";

/// The statements that make the buckets: those of the migration, or those for a table without the column.
pub fn statements<'a>(spi: &Spi, of_the_migration: &'a str) -> Result<&'a str> {
    if can_be_public(spi)? {
        return Ok(of_the_migration);
    }
    warnings::warn(WARNING.to_owned());
    Ok("INSERT INTO storage.buckets (id, name) \
        SELECT id, id FROM pg_catalog.unnest(ARRAY['clinical-photos', 'dsd-simulations', 'avatars']) AS bucket (id) \
            ON CONFLICT DO NOTHING")
}

/// Makes the bucket public that was to be, if the migration warned that it could not.
pub fn publish(run: &mut Run<'_>) -> Result<()> {
    let spi = run.spi;
    let is_due = "SELECT FROM auria.migrations WHERE number = $1 AND pg_catalog.strpos(warnings, $2) > 0";
    if !run.owner.act(|| spi.exists(is_due, args![MIGRATION, WARNING]))? || !can_be_public(spi)? {
        return Ok(());
    }
    let owner = owner_of(spi, TABLE)?;
    roles::acting_as(owner, || spi.execute("UPDATE storage.buckets SET public = true WHERE id = 'avatars'", &[]))?;
    run.owner.act(|| {
        let forget = "UPDATE auria.migrations \
                         SET warnings = NULLIF(pg_catalog.btrim(pg_catalog.replace(warnings, $2, ''), E'\\n'), '') \
                       WHERE number = $1";
        spi.execute(forget, args![MIGRATION, WARNING])
    })?;
    run.report.inform("bucket avatars is public now");
    Ok(())
}

fn can_be_public(spi: &Spi) -> Result<bool> {
    spi.exists(
        "SELECT FROM pg_catalog.pg_attribute \
          WHERE attrelid = pg_catalog.to_regclass($1) AND attname = 'public' AND NOT attisdropped",
        args![TABLE],
    )
}
