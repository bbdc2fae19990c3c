//! The files of a person, as `storage.objects` lists them.

use pgrx::pg_sys;
use uuid::Uuid;

use super::parts::Subject;
use crate::error::Result;
use crate::pg::roles;
use crate::pg::spi::{Arg, Spi};

/// A user's files are in a folder of their own, or theirs by the owner that the
/// platform has noted.
const OF_A_USER: &str = "SELECT o.bucket_id, o.name FROM storage.objects o \
      WHERE pg_catalog.split_part(o.name, '/', 1) = $1::pg_catalog.text \
         OR $1::pg_catalog.text IN (pg_catalog.to_jsonb(o) ->> 'owner', pg_catalog.to_jsonb(o) ->> 'owner_id') \
      ORDER BY 1, 2";

/// A patient's files are in the dentist's folder: those that the patient's rows
/// name, as a path or at the end of a URL, and those in a folder named after
/// one of the rows or their session.
const OF_ROWS: &str = "WITH said AS MATERIALIZED ( \
          SELECT DISTINCT pg_catalog.split_part(value #>> '{}', '?', 1) AS text \
            FROM pg_catalog.jsonb_path_query($2, 'strict $.** ? (@.type() == \"string\")') AS value), \
     ids AS MATERIALIZED ( \
          SELECT pg_catalog.array_agg(text) AS all_of_them FROM said \
           WHERE text ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') \
     SELECT o.bucket_id, o.name FROM storage.objects o CROSS JOIN ids \
      WHERE pg_catalog.split_part(o.name, '/', 1) = ANY (ids.all_of_them) \
        AND ((pg_catalog.string_to_array(o.name, '/'))[2:] && (ids.all_of_them || $1::pg_catalog.text) \
             OR EXISTS (SELECT FROM said \
                         WHERE said.text = o.name \
                            OR pg_catalog.right(said.text, pg_catalog.length(o.name) + 1) = '/' || o.name)) \
      ORDER BY 1, 2";

/// The bucket and name of each file, read with the rights of service_role, who
/// calls. `rows` are the patient's, as jsonb.
pub fn objects(spi: &Spi, subject: Subject, id: Uuid, rows: Option<pg_sys::Datum>) -> Result<Vec<(String, String)>> {
    roles::acting_as(roles::named("service_role"), || {
        let found = match subject {
            Subject::User => spi.read_once(OF_A_USER, &[Arg::from(id)])?,
            Subject::Patient { .. } => {
                spi.read_once(OF_ROWS, &[Arg::from(id), Arg::of_type(pg_sys::JSONBOID, rows)])?
            }
        };
        found.iter().map(|row| Ok((row.get(1)?.unwrap_or_default(), row.get(2)?.unwrap_or_default()))).collect()
    })
}
