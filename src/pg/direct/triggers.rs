//! A table's triggers: which of them do nothing here.

use std::ffi::CStr;

use pgrx::pg_sys;

use crate::pg::procedure;
use crate::pg::relation::Relation;

/// Managed triggers that do nothing to an update of the columns that are changed here: one sets `updated_at`, as the
/// callers do, one acts where a month is over or the plan changes, one records what is no charge and no refund.
const HARMLESS: [&CStr; 3] =
    [c"update_updated_at_column_wrapper", c"settle_plan_change_wrapper", c"record_plan_change_wrapper"];

/// A trigger: a copy, as the relcache replaces its own whenever a catalogue is read.
pub(super) struct Trigger {
    pub name: String,
    function: pg_sys::Oid,
    events: u32,
    columns: Vec<pg_sys::AttrNumber>,
    is_internal: bool,
    pub is_deferrable: bool,
    pub constraint: pg_sys::Oid,
    /// The index of the referenced row.
    pub index: pg_sys::Oid,
}

/// The triggers that fire in a session of the usual `session_replication_role`.
pub(super) fn of(relation: &Relation) -> Vec<Trigger> {
    // SAFETY: the triggers belong to the entry, which is alive while it is open, and
    // nothing is looked up before all are copied; a trigger has a name, and as many
    // columns as it says.
    unsafe {
        let triggers = (*relation.0).trigdesc;
        if triggers.is_null() {
            return Vec::new();
        }
        let count = usize::try_from((*triggers).numtriggers).unwrap_or(0);
        std::slice::from_raw_parts((*triggers).triggers, count)
            .iter()
            .filter(|trigger| ![b'D', b'R'].contains(&(trigger.tgenabled as u8)))
            .map(|trigger| Trigger {
                name: CStr::from_ptr(trigger.tgname).to_string_lossy().into_owned(),
                function: trigger.tgfoid,
                events: trigger.tgtype as u32,
                columns: match usize::try_from(trigger.tgnattr).unwrap_or(0) {
                    0 => Vec::new(),
                    count => std::slice::from_raw_parts(trigger.tgattr, count).to_vec(),
                },
                is_internal: trigger.tgisinternal,
                is_deferrable: trigger.tgdeferrable,
                constraint: trigger.tgconstraint,
                index: trigger.tgconstrindid,
            })
            .collect()
    }
}

impl Trigger {
    /// Whether an INSERT does nothing more because of it than what `keys` does.
    pub fn leaves_inserts_alone(&self) -> bool {
        !self.fires(pg_sys::TRIGGER_TYPE_INSERT) || self.is_for_each_row() && self.is_of_key()
    }

    /// Whether an UPDATE of these columns, which are part of no key, does nothing more
    /// because of it.
    pub fn leaves_updates_alone(&self, changed: &[pg_sys::AttrNumber]) -> bool {
        !self.fires(pg_sys::TRIGGER_TYPE_UPDATE)
            || !self.is_fired_by(changed)
            || self.is_for_each_row() && (self.is_of_key() || self.is_harmless())
    }

    /// Whether it makes sure that what a new row references is there.
    pub fn checks_reference(&self) -> bool {
        self.kind_of_key() == pg_sys::RI_TRIGGER_FK as i32 && self.fires(pg_sys::TRIGGER_TYPE_INSERT)
    }

    fn fires(&self, event: u32) -> bool {
        self.events & event != 0
    }

    fn is_for_each_row(&self) -> bool {
        self.fires(pg_sys::TRIGGER_TYPE_ROW)
    }

    fn is_fired_by(&self, changed: &[pg_sys::AttrNumber]) -> bool {
        self.columns.is_empty() || self.columns.iter().any(|column| changed.contains(column))
    }

    /// Whether it is one of the triggers that PostgreSQL makes for a foreign key.
    fn is_of_key(&self) -> bool {
        self.is_internal && self.kind_of_key() != pg_sys::RI_TRIGGER_NONE as i32
    }

    fn kind_of_key(&self) -> i32 {
        // SAFETY: compares a number.
        unsafe { pg_sys::RI_FKey_trigger_type(self.function) }
    }

    fn is_harmless(&self) -> bool {
        HARMLESS.iter().any(|symbol| procedure::is_ours(self.function, symbol))
    }
}
