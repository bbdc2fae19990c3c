//! Which rows of a table belong to the subject, beyond what its own columns say: the sessions
//! and names of a patient, the events of a user, and what refers to rows that belong to one.

use std::collections::BTreeMap;

use super::catalogue::{ForeignKey, StoredTable, StoredTables, TableId};
use super::part::{Part, Subject};

/// Dependencies that no foreign key declares: the rows of the first table are found
/// by those of the second.
type FoundBy = Vec<(TableId, TableId)>;

/// Completes the conditions of the tables. Tables that cannot be read are added to `unread`.
pub fn find(
    tables: &mut StoredTables,
    keys: &[ForeignKey],
    subject: Subject,
    unread: &mut Vec<(String, String)>,
) -> FoundBy {
    let found_by = match subject {
        Subject::User => add_events(tables),
        Subject::Patient { by_name } => add_sessions_and_names(tables, by_name, unread),
    };
    add_what_refers(tables, keys);
    found_by
}

fn named(tables: &StoredTables, name: &str) -> Option<TableId> {
    tables.iter().find(|(_, table)| table.part.relation == name).map(|(oid, _)| *oid)
}

/// Events that Stripe has sent about the user.
fn add_events(tables: &mut StoredTables) -> FoundBy {
    let (Some(events), Some(subscriptions)) =
        (named(tables, "public.webhook_events"), named(tables, "public.subscriptions"))
    else {
        return FoundBy::new();
    };
    if let Some(table) = tables.get_mut(&events) {
        table.part.condition = include_str!("event_of_user.sql").to_owned();
    }
    vec![(events, subscriptions)]
}

/// Evaluations without `patient_id`, drafts, and what belongs to a session.
fn add_sessions_and_names(tables: &mut StoredTables, by_name: bool, unread: &mut Vec<(String, String)>) -> FoundBy {
    let (Some(patients), Some(evaluations)) = (named(tables, "public.patients"), named(tables, "public.evaluations"))
    else {
        return FoundBy::new();
    };
    let mut found_by = FoundBy::new();
    let mut condition = tables[&evaluations].part.condition.clone();
    if by_name {
        condition = format!("({condition}) OR {NAMED_EVALUATION}");
        found_by.push((evaluations, patients));
    }
    for (oid, table) in tables.iter_mut() {
        let part = &mut table.part;
        let more = if *oid == evaluations {
            part.condition.clone_from(&condition);
            continue;
        } else if let Some(session) = part.id_column("session_id") {
            let mut columns = vec![(session, "t.session_id")];
            // Another dentist's row with the same number is another session.
            if part.has("user_id") {
                let Some(user) = part.id_column("user_id") else {
                    unread.push((part.relation.clone(), "user_id cannot be compared with an id".to_owned()));
                    continue;
                };
                columns.push((user, "t.user_id"));
            }
            found_by.push((*oid, evaluations));
            if part.key.is_empty() {
                part.key = columns.iter().map(|((column, _), _)| column.clone()).collect();
            }
            let (here, there): (Vec<String>, Vec<String>) = columns
                .into_iter()
                .map(|((here, is_uuid), there)| match is_uuid {
                    true => (here, there.to_owned()),
                    false => (format!("{here}::pg_catalog.text"), format!("{there}::pg_catalog.text")),
                })
                .unzip();
            format!(
                "({}) IN (SELECT {} FROM public.evaluations AS t WHERE {condition})",
                here.join(", "),
                there.join(", ")
            )
        } else if by_name && part.relation == "public.evaluation_drafts" {
            found_by.push((*oid, patients));
            NAMED_DRAFT.to_owned()
        } else {
            continue;
        };
        part.condition = if part.condition.is_empty() { more } else { format!("{} OR {more}", part.condition) };
    }
    found_by
}

/// An evaluation that carries the patient's name and no `patient_id`: a dentist
/// has no two patients of one name.
pub const NAMED_EVALUATION: &str = "t.patient_id IS NULL \
     AND t.user_id = (SELECT p.user_id FROM public.patients p WHERE p.id = $1) \
     AND t.patient_name = (SELECT p.name FROM public.patients p WHERE p.id = $1)";

/// A draft in which the patient's id or name is written, the name as whole
/// words.
pub const NAMED_DRAFT: &str = include_str!("named_draft.sql");

/// A foreign key as a condition.
struct Reference {
    condition: String,
    /// The table that it refers to.
    to: String,
    /// Why it cannot be used.
    out_of_reach: Option<String>,
    /// Its columns.
    columns: String,
}

impl Reference {
    /// The rows that refer by this key to rows of the subject's in another table.
    fn by(key: &ForeignKey, to: &Part) -> Self {
        let out_of_reach = if to.out_of_reach.is_some() {
            Some(format!("it belongs to rows of {}, which cannot be read", to.relation))
        } else if !key.can_be_compared {
            Some("its foreign key is compared by an operator outside of pg_catalog".to_owned())
        } else {
            None
        };
        Self {
            condition: format!(
                "({}) IN (SELECT {} FROM {} AS t WHERE {})",
                key.columns, key.referred, to.relation, to.condition
            ),
            to: to.relation.clone(),
            out_of_reach,
            columns: key.columns.clone(),
        }
    }
}

/// Rows without a direct owner that refer to rows that have one, and what
/// refers to those.
fn add_what_refers(tables: &mut StoredTables, keys: &[ForeignKey]) {
    loop {
        let mut found: BTreeMap<TableId, Vec<Reference>> = BTreeMap::new();
        for key in keys.iter().filter(|key| !key.clears) {
            if let (Some(from), Some(to)) = (tables.get(&key.from), tables.get(&key.to))
                && from.part.condition.is_empty()
                && !to.part.condition.is_empty()
            {
                found.entry(key.from).or_default().push(Reference::by(key, &to.part));
            }
        }
        if found.is_empty() {
            return;
        }
        for (oid, references) in found {
            let Some(StoredTable { part, .. }) = tables.get_mut(&oid) else {
                continue;
            };
            if part.key.is_empty() {
                part.key = references.iter().map(|reference| reference.columns.clone()).collect();
            }
            let conditions: Vec<&str> = references.iter().map(|reference| &*reference.condition).collect();
            part.condition = conditions.join(" OR ");
            for reference in references {
                part.out_of_reach = part.out_of_reach.take().or(reference.out_of_reach);
                part.through.insert(reference.to);
            }
        }
    }
}
