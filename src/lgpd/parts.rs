//! Which rows of which table belong to a person. Derived from the catalogue, so
//! that a table that a team has added is found like one of the migrations:
//!
//! 1. A row belongs to a user by a column `user_id`, or by a foreign key to
//!    `auth.users` that would delete it with the user or keep the user from
//!    being deleted. A foreign key that would clear its column only mentions
//!    the user.
//! 2. A row belongs to a patient by a column `patient_id` or a foreign key to
//!    the patients; by the session of one of the patient's evaluations; an
//!    evaluation without `patient_id` and a draft also by the patient's name.
//! 3. A row that belongs to nobody directly belongs to whom the rows belong
//!    that it refers to.

use std::collections::{BTreeMap, BTreeSet};

use pgrx::pg_sys;

use crate::args;
use crate::error::Result;
use crate::pg::extension;
use crate::pg::spi::{Spi, quoted_identifier};
use crate::phi::columns::PhiColumn;
use crate::schema::trust;

/// The OID of a table, as a number that can be ordered.
type Id = i64;

/// Whom a request is about. In every condition their id is `$1`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// A dentist.
    User,
    /// A patient; without `by_name`, no encrypted name is compared.
    Patient {
        /// Whether rows that carry the patient's name alone are looked for.
        by_name: bool,
    },
}

impl Subject {
    /// As `tables.sql` and a report call them.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Patient { .. } => "patient",
        }
    }
}

/// A table with rows that belong to the subject.
pub struct Part {
    /// The stored table, quoted.
    pub stored: String,
    /// What it is read and written through, quoted: itself, or a view.
    pub relation: String,
    /// Which of its rows, called `t`, belong to the subject.
    pub condition: String,
    /// Whether they belong to the subject only because of other rows: then of
    /// which tables.
    pub through: BTreeSet<String>,
    /// Why its rows cannot be reached.
    pub out_of_reach: Option<String>,
    /// Tables of one number refer to each other, and their rows are deleted by
    /// one statement.
    pub cycle: usize,
    /// A team's triggers and rules for DELETE.
    pub keepers: Vec<String>,
    /// Whether it has rules for DELETE, which no statement in a WITH may have.
    pub has_rules: bool,
    /// The columns whose value is the id of whom the row belongs to.
    pub owned_by: Vec<String>,
    /// The columns, called `t.name`, by which a row is found again: the primary
    /// key, or those that say whose the row is.
    key: Vec<String>,
    /// The columns, and the types that they are stored as.
    columns: BTreeMap<String, pg_sys::Oid>,
}

impl Part {
    /// Whether it has a column of this name.
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// Whether it is stored without the plain values.
    pub fn is_sealed(&self) -> bool {
        self.stored != self.relation
    }

    /// Whether it has the encrypted column. A sealed table has all.
    pub fn stores_encrypted(&self, column: &PhiColumn) -> bool {
        self.is_sealed() || self.has(&column.encrypted.to_string_lossy())
    }

    /// What a row is found again by, as text.
    pub fn row_key(&self) -> String {
        format!("pg_catalog.format('%s', ROW({}))", self.key.join(", "))
    }

    /// A column of row `t` whose type is an id's, and whether that is uuid;
    /// `None` where there is no such column.
    fn id_column(&self, name: &str) -> Option<(String, bool)> {
        let oid = *self.columns.get(name)?;
        let is_id =
            [pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID, pg_sys::INT8OID].contains(&oid);
        is_id.then(|| (format!("t.{}", quoted_identifier(name)), oid == pg_sys::UUIDOID))
    }

    /// That a row has the id `$1` in one of these columns.
    fn has_id_in(&self, columns: &[String]) -> String {
        let comparisons: Vec<String> = columns
            .iter()
            .filter_map(|name| self.id_column(name))
            .map(|(column, is_uuid)| match is_uuid {
                true => format!("{column} = $1"),
                false => format!("{column}::pg_catalog.text = $1::pg_catalog.text"),
            })
            .collect();
        comparisons.join(" OR ")
    }

    /// The condition for the stored table's rows, where a view decrypts what
    /// the condition asks about.
    pub fn stored_condition(&self) -> String {
        if self.stored == self.relation {
            return self.condition.clone();
        }
        format!("t.id IN (SELECT t.id FROM {} AS t WHERE {})", self.relation, self.condition)
    }
}

/// What is stored about a subject.
pub struct Parts {
    /// The tables, those that refer before those that are referred to.
    pub tables: Vec<Part>,
    /// Tables whose rows mention the subject and belong to somebody else, with
    /// the columns.
    pub mentions: Vec<(String, String)>,
    /// Tables with a column by which nothing can be found, and why.
    pub unread: Vec<(String, String)>,
    /// Materialized views and foreign tables that may hold copies, and what to
    /// do with them.
    pub copies: Vec<(String, String)>,
}

impl Parts {
    /// What was not looked at, and why.
    pub fn not_reached(&self) -> impl Iterator<Item = (String, String)> {
        let tables = self.tables.iter().filter_map(|part| Some((part.relation.clone(), part.out_of_reach.clone()?)));
        tables.chain(self.unread.iter().cloned())
    }
}

/// Dependencies that no foreign key declares: the rows of the first are found
/// by those of the second.
type Found = Vec<(Id, Id)>;

struct ForeignKey {
    from: Id,
    to: Id,
    clears: bool,
    columns: String,
    referred: String,
    can_be_compared: bool,
}

struct Table {
    part: Part,
    mentions: Vec<String>,
}

type Tables = BTreeMap<Id, Table>;

/// Reads the catalogue with the rights in force, which must be those of the
/// schema's owner.
pub fn of(spi: &Spi, subject: Subject) -> Result<Parts> {
    let Catalogue { mut tables, mut unread, copies } = catalogue(spi, subject)?;
    let keys = foreign_keys(spi)?;
    let found = match subject {
        Subject::User => add_events(&mut tables),
        Subject::Patient { by_name } => add_sessions_and_names(&mut tables, by_name, &mut unread),
    };
    add_what_refers(&mut tables, &keys);

    let mut parts = Vec::new();
    for (cycle, oids) in referring_first(&tables, &keys, &found).into_iter().enumerate() {
        for oid in oids {
            parts.extend(tables.remove(&oid).map(|table| Part { cycle, ..table.part }));
        }
    }
    let mentions = tables
        .into_values()
        .filter(|table| !table.mentions.is_empty())
        .map(|table| (table.part.relation, table.mentions.join(", ")))
        .collect();
    Ok(Parts { tables: parts, mentions, unread, copies })
}

/// The tables there are, before it is known whose their rows are.
struct Catalogue {
    tables: Tables,
    unread: Vec<(String, String)>,
    copies: Vec<(String, String)>,
}

fn catalogue(spi: &Spi, subject: Subject) -> Result<Catalogue> {
    let trusted = trust::trusted_roles(spi)?;
    // The planner expects far more rows of the recursive parts than there are.
    let rows = extension::with_settings(&[(c"jit", c"off")], || {
        spi.read_once(include_str!("tables.sql"), args![subject.word(), trusted.as_slice()])
    })?;
    let mut found = Catalogue { tables: Tables::new(), unread: Vec::new(), copies: Vec::new() };
    for row in rows.iter() {
        let (stored, relation, kind): (String, String, String) = (row.expect(2)?, row.expect(3)?, row.expect(4)?);
        let (owned_by, unknown): (Vec<String>, Vec<String>) = (row.expect(5)?, row.expect(7)?);
        let names: Vec<String> = row.expect(8)?;
        if kind != "table" {
            let holds_ids =
                ["user_id", "patient_id", "session_id"].iter().any(|id| names.iter().any(|name| name == id));
            if holds_ids {
                let what = match kind.as_str() {
                    "foreign table" => "a foreign table: look there, and erase there what it holds of the person",
                    _ => "a materialized view: run REFRESH MATERIALIZED VIEW, it holds copies of what it selects",
                };
                found.copies.push((relation, what.to_owned()));
            }
            continue;
        }
        let out_of_reach: Option<String> = row.get(13)?;
        if !unknown.is_empty() && out_of_reach.is_none() {
            let reason = format!("{} cannot be compared with an id", unknown.join(", "));
            found.unread.push((relation.clone(), reason));
        }
        let quoted = |names: &[String]| names.iter().map(|name| format!("t.{}", quoted_identifier(name))).collect();
        let primary_key: Vec<String> = row.expect(10)?;
        let mut part = Part {
            stored,
            relation,
            condition: String::new(),
            through: BTreeSet::new(),
            out_of_reach,
            cycle: 0,
            keepers: row.expect(11)?,
            has_rules: row.expect(12)?,
            key: quoted(if primary_key.is_empty() { &owned_by } else { &primary_key }),
            owned_by,
            columns: names.into_iter().zip(row.expect::<Vec<pg_sys::Oid>>(9)?).collect(),
        };
        part.condition = part.has_id_in(&part.owned_by);
        found.tables.insert(row.expect(1)?, Table { part, mentions: row.expect(6)? });
    }
    Ok(found)
}

fn foreign_keys(spi: &Spi) -> Result<Vec<ForeignKey>> {
    let rows = spi.read_once(include_str!("foreign_keys.sql"), &[])?;
    rows.iter()
        .map(|row| {
            Ok(ForeignKey {
                from: row.expect(1)?,
                to: row.expect(2)?,
                clears: row.expect(3)?,
                columns: row.expect(4)?,
                referred: row.expect(5)?,
                can_be_compared: row.expect(6)?,
            })
        })
        .collect()
}

fn named(tables: &Tables, name: &str) -> Option<Id> {
    tables.iter().find(|(_, table)| table.part.relation == name).map(|(oid, _)| *oid)
}

/// What Stripe has sent about the user, where the webhook keeps it.
fn add_events(tables: &mut Tables) -> Found {
    let (Some(events), Some(subscriptions)) =
        (named(tables, "public.webhook_events"), named(tables, "public.subscriptions"))
    else {
        return Found::new();
    };
    if let Some(table) = tables.get_mut(&events) {
        table.part.condition = "EXISTS (SELECT \
              FROM pg_catalog.jsonb_path_query(t.payload, 'strict $.** ? (@.type() == \"string\")') AS said (value) \
             WHERE said.value #>> '{}' = $1::pg_catalog.text \
                OR said.value #>> '{}' IN (SELECT s.stripe_customer_id FROM public.subscriptions s \
                                            WHERE s.user_id = $1))"
            .to_owned();
    }
    vec![(events, subscriptions)]
}

/// Evaluations without `patient_id`, drafts, and what belongs to a session.
fn add_sessions_and_names(tables: &mut Tables, by_name: bool, unread: &mut Vec<(String, String)>) -> Found {
    let (Some(patients), Some(evaluations)) = (named(tables, "public.patients"), named(tables, "public.evaluations"))
    else {
        return Found::new();
    };
    let mut found = Found::new();
    let mut condition = tables[&evaluations].part.condition.clone();
    if by_name {
        condition = format!("({condition}) OR {NAMED_EVALUATION}");
        found.push((evaluations, patients));
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
            found.push((*oid, evaluations));
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
            found.push((*oid, patients));
            NAMED_DRAFT.to_owned()
        } else {
            continue;
        };
        part.condition = if part.condition.is_empty() { more } else { format!("{} OR {more}", part.condition) };
    }
    found
}

/// An evaluation that carries the patient's name and no `patient_id`: a dentist
/// has no two patients of one name.
pub const NAMED_EVALUATION: &str = "t.patient_id IS NULL \
     AND t.user_id = (SELECT p.user_id FROM public.patients p WHERE p.id = $1) \
     AND t.patient_name = (SELECT p.name FROM public.patients p WHERE p.id = $1)";

/// A draft in which the patient's id or name is written, the name as whole
/// words.
pub const NAMED_DRAFT: &str = "t.user_id = (SELECT p.user_id FROM public.patients p WHERE p.id = $1) \
     AND EXISTS (SELECT \
          FROM pg_catalog.jsonb_path_query(t.draft_data, 'strict $.** ? (@.type() == \"string\")') AS said (value) \
         WHERE said.value #>> '{}' = $1::pg_catalog.text \
            OR (said.value #>> '{}') ~* (SELECT '(^|\\W)' || pg_catalog.regexp_replace(p.name, '(\\W)', '\\\\\\1', 'g') \
                                                || '($|\\W)' \
                                           FROM public.patients p WHERE p.id = $1 AND p.name <> ''))";

/// A foreign key as a condition: the condition, the table it refers to, why it
/// cannot be used, its columns.
type Reference = (String, String, Option<String>, String);

/// Rows without a direct owner that refer to rows that have one, and what
/// refers to those.
fn add_what_refers(tables: &mut Tables, keys: &[ForeignKey]) {
    loop {
        let mut more: BTreeMap<Id, Vec<Reference>> = BTreeMap::new();
        for key in keys.iter().filter(|key| !key.clears) {
            let (Some(from), Some(to)) = (tables.get(&key.from), tables.get(&key.to)) else {
                continue;
            };
            if !from.part.condition.is_empty() || to.part.condition.is_empty() {
                continue;
            }
            more.entry(key.from).or_default().push((
                format!(
                    "({}) IN (SELECT {} FROM {} AS t WHERE {})",
                    key.columns, key.referred, to.part.relation, to.part.condition
                ),
                to.part.relation.clone(),
                match (&to.part.out_of_reach, key.can_be_compared) {
                    (Some(_), _) => Some(format!("it belongs to rows of {}, which cannot be read", to.part.relation)),
                    (None, false) => {
                        Some("its foreign key is compared by an operator outside of pg_catalog".to_owned())
                    }
                    (None, true) => None,
                },
                key.columns.clone(),
            ));
        }
        if more.is_empty() {
            return;
        }
        for (oid, clauses) in more {
            let Some(table) = tables.get_mut(&oid) else {
                continue;
            };
            let (mut conditions, has_key) = (Vec::new(), !table.part.key.is_empty());
            for (condition, through, out_of_reach, columns) in clauses {
                if table.part.out_of_reach.is_none() {
                    table.part.out_of_reach = out_of_reach;
                }
                if !has_key {
                    table.part.key.push(columns);
                }
                table.part.through.insert(through);
                conditions.push(condition);
            }
            table.part.condition = conditions.join(" OR ");
        }
    }
}

/// The tables with a condition, in an order in which their rows can be deleted:
/// what refers, or is found by others, first. Those that refer to each other
/// are one element.
fn referring_first(tables: &Tables, keys: &[ForeignKey], found: &Found) -> Vec<Vec<Id>> {
    /// Adds whatever `oid` has before it, and then itself.
    fn visit(oid: Id, before: &BTreeMap<Id, BTreeSet<Id>>, seen: &mut BTreeSet<Id>, order: &mut Vec<Id>) {
        if seen.insert(oid) {
            for first in before.get(&oid).into_iter().flatten() {
                visit(*first, before, seen, order);
            }
            order.push(oid);
        }
    }
    let has_rows = |oid: &Id| tables.get(oid).is_some_and(|table| !table.part.condition.is_empty());
    let mut before: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    for (from, to) in found.iter().copied().chain(keys.iter().map(|key| (key.from, key.to))) {
        if has_rows(&from) && has_rows(&to) {
            before.entry(to).or_default().insert(from);
        }
    }
    // What comes before a table, whatever the number of steps.
    let all_before: BTreeMap<Id, BTreeSet<Id>> = tables
        .keys()
        .map(|oid| {
            let mut seen = BTreeSet::new();
            for first in before.get(oid).into_iter().flatten() {
                visit(*first, &before, &mut seen, &mut Vec::new());
            }
            (*oid, seen)
        })
        .collect();
    let in_cycle = |one: Id, other: Id| all_before[&one].contains(&other) && all_before[&other].contains(&one);
    let (mut placed, mut order) = (BTreeSet::new(), Vec::new());
    let mut waiting: Vec<Id> = tables.keys().copied().filter(has_rows).collect();
    while !waiting.is_empty() {
        let ready = |oid: &Id| all_before[oid].iter().all(|first| placed.contains(first) || in_cycle(*oid, *first));
        // There is one: what keeps all others waiting would be in a cycle.
        let Some(next) = waiting.iter().copied().find(ready) else {
            break;
        };
        let (cycle, rest): (Vec<Id>, Vec<Id>) = waiting.iter().partition(|oid| **oid == next || in_cycle(next, **oid));
        placed.extend(cycle.iter().copied());
        order.push(cycle);
        waiting = rest;
    }
    order
}
