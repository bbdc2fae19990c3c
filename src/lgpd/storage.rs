//! The files of a person, as `storage.objects` lists them.

use pgrx::pg_sys;
use uuid::Uuid;

use super::part::Subject;
use crate::error::Result;
use crate::pg::roles;
use crate::pg::spi::{Arg, Spi};

/// A user's files are in a folder of their own, or theirs by the owner that the
/// platform has noted.
const OF_A_USER: &str = "SELECT o.bucket_id, o.name FROM storage.objects o \
      WHERE pg_catalog.split_part(o.name, '/', 1) = $1::pg_catalog.text \
         OR $1::pg_catalog.text IN (pg_catalog.to_jsonb(o) ->> 'owner', pg_catalog.to_jsonb(o) ->> 'owner_id') \
      ORDER BY 1, 2";

/// The bucket and name of each file, read with the rights of service_role, who
/// calls. `rows` are the patient's, as jsonb.
pub fn objects(spi: &Spi, subject: Subject, id: Uuid, rows: Option<pg_sys::Datum>) -> Result<Vec<(String, String)>> {
    roles::acting_as(roles::named("service_role"), || {
        let found = match subject {
            Subject::User => spi.read_once(OF_A_USER, &[Arg::from(id)])?,
            Subject::Patient { .. } => spi
                .read_once(include_str!("files_of_rows.sql"), &[Arg::from(id), Arg::of_type(pg_sys::JSONBOID, rows)])?,
        };
        found.iter().map(|row| Ok((row.get(1)?.unwrap_or_default(), row.get(2)?.unwrap_or_default()))).collect()
    })
}
