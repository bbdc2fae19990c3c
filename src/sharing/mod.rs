//! Sharing by token. The RPCs are queries and nothing else, so they are SQL
//! (`sql/sharing.sql`); only the token's randomness needs native code.

use pgrx::prelude::*;

use crate::pg::random;

extension_sql_file!(
    "../../sql/sharing.sql",
    name = "sharing",
    requires = ["prepare_install"]
);

/// A new secret for a shared link: 64 hexadecimal characters from 32 bytes of
/// the system's random generator. The default of `shared_links.token`.
#[pg_extern(volatile, parallel_safe, requires = ["prepare_install"])]
#[search_path(pg_catalog, pg_temp)]
fn new_share_token() -> String {
    hex::encode(random::bytes::<32>())
}
