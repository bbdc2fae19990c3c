//! The digests that keep a dentist's names apart, also throughout a rotation of the key.

use uuid::Uuid;

use super::statement::run;
use crate::args;
use crate::error::{self, Result};
use crate::pg::spi::Spi;
use crate::pg::trigger::RowTrigger;
use crate::phi::columns::PATIENTS;
use crate::phi::{self, quiet};

/// The constraint over names, in either layout.
const NAMES: &str = "patients_user_id_name_key";

/// The longest name, in octets: what its index of the open layout holds.
const LONGEST_NAME: usize = 2680;

/// The digests of a name; none of NULL.
#[derive(Default)]
pub struct Digests {
    /// Under the current secret: the one that stays.
    current: Option<[u8; 16]>,
    /// Under the previous secret, for writers that know no other and the rows they wrote.
    previous: Option<[u8; 16]>,
}

impl Digests {
    /// Those of the name that is being written. Errors: 54000 where it is too
    /// long.
    pub fn of(row: &RowTrigger<'_>, owner: Uuid) -> Result<Self> {
        let name = row.column(c"name").map(|column| row.new_stored(column)).transpose()?.flatten();
        let Some(name) = name else {
            return Ok(Self::default());
        };
        let name = name.read();
        if name.len() > LONGEST_NAME {
            return Err(error::name_too_long(LONGEST_NAME, PATIENTS.name, NAMES));
        }
        Ok(Self { current: Some(phi::name_digest(owner, name)?), previous: phi::previous_name_digest(owner, name)? })
    }

    /// The digest that the row is written with first: during a rotation the
    /// previous one, so that the index compares it with those of writers that
    /// know no other.
    pub fn first(&self) -> Option<[u8; 16]> {
        self.previous.or(self.current)
    }

    /// Writes the row under the current digest, too, where it meets whoever has
    /// done so before. While somebody may still write who knows the previous
    /// secret alone, it then goes back to the previous one, for them to meet:
    /// `auria.phi_backfill()` settles it when they have ended.
    pub fn settle(&self, spi: &Spi, id: Uuid) -> Result<()> {
        let (Some(current), Some(previous)) = (&self.current, &self.previous) else {
            return Ok(());
        };
        let settle = "UPDATE auria_raw.patients_raw SET name_digest = $2 \
             WHERE id OPERATOR(pg_catalog.=) $1";
        let set_to = |digest: &[u8; 16]| {
            quiet::updating("auria_raw.patients_raw", || run(spi, settle, args![id, &digest[..]]).map(drop))
        };
        set_to(current)?;
        if phi::another_key_is_in_use(spi)? {
            set_to(previous)?;
        }
        Ok(())
    }
}
