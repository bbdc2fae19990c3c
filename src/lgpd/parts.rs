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

use crate::args;
use crate::error::Result;
use crate::pg::spi::Spi;

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
    columns: BTreeSet<String>,
}

impl Part {
    /// Whether it has a column of this name.
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains(column)
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
}

struct Table {
    part: Part,
    mentions: Option<String>,
}

type Tables = BTreeMap<Id, Table>;

/// Reads the catalogue with the rights in force, which must be those of the
/// schema's owner.
pub fn of(spi: &Spi, subject: Subject) -> Result<Parts> {
    let mut tables = tables(spi, subject)?;
    let keys = foreign_keys(spi)?;
    let found = match subject {
        Subject::User => add_events(&mut tables),
        Subject::Patient { by_name } => add_sessions_and_names(&mut tables, by_name),
    };
    add_what_refers(&mut tables, &keys);
    let order = referring_first(&tables, &keys, &found);

    let mut mentions = Vec::new();
    let mut parts = Vec::new();
    for oid in order {
        if let Some(table) = tables.remove(&oid) {
            parts.push(table.part);
        }
    }
    for table in tables.into_values() {
        if let Some(columns) = table.mentions {
            mentions.push((table.part.relation, columns));
        }
    }
    Ok(Parts { tables: parts, mentions })
}

fn tables(spi: &Spi, subject: Subject) -> Result<Tables> {
    let rows = spi.read_once(include_str!("tables.sql"), args![subject.word()])?;
    rows.iter()
        .map(|row| {
            let stored: String = row.expect(2)?;
            let out_of_reach = if row.expect::<bool>(7)? {
                Some("the owner of the AURIA schema may not read and delete its rows".to_owned())
            } else if row.expect::<bool>(8)? {
                Some("row-level security hides rows from the owner of the AURIA schema".to_owned())
            } else {
                None
            };
            let columns: Option<String> = row.get(6)?;
            let part = Part {
                stored,
                relation: row.expect(3)?,
                condition: row.get::<String>(4)?.unwrap_or_default(),
                through: BTreeSet::new(),
                out_of_reach,
                columns: columns.unwrap_or_default().split(',').map(str::to_owned).collect(),
            };
            let mentions = row.get(5)?;
            Ok((row.expect(1)?, Table { part, mentions }))
        })
        .collect()
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
fn add_sessions_and_names(tables: &mut Tables, by_name: bool) -> Found {
    let (Some(patients), Some(evaluations)) = (named(tables, "public.patients"), named(tables, "public.evaluations"))
    else {
        return Found::new();
    };
    let mut found = Found::new();
    let mut condition = tables[&evaluations].part.condition.clone();
    if by_name {
        condition = format!("{condition} OR {NAMED_EVALUATION}");
        found.push((evaluations, patients));
    }
    for (oid, table) in tables.iter_mut() {
        let part = &mut table.part;
        let more = if *oid == evaluations {
            part.condition.clone_from(&condition);
            continue;
        } else if part.has("session_id") {
            // Another dentist's row with the same number is another session.
            let columns = if part.has("user_id") { "t.session_id, t.user_id" } else { "t.session_id" };
            found.push((*oid, evaluations));
            format!("({columns}) IN (SELECT {columns} FROM public.evaluations AS t WHERE {condition})")
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

/// Rows without a direct owner that refer to rows that have one, and what
/// refers to those.
fn add_what_refers(tables: &mut Tables, keys: &[ForeignKey]) {
    loop {
        let mut more: BTreeMap<Id, Vec<(String, String, bool)>> = BTreeMap::new();
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
                to.part.out_of_reach.is_some(),
            ));
        }
        if more.is_empty() {
            return;
        }
        for (oid, clauses) in more {
            let Some(table) = tables.get_mut(&oid) else {
                continue;
            };
            let mut conditions = Vec::new();
            for (condition, through, out_of_reach) in clauses {
                if out_of_reach && table.part.out_of_reach.is_none() {
                    table.part.out_of_reach = Some(format!("it belongs to rows of {through}, which cannot be read"));
                }
                table.part.through.insert(through);
                conditions.push(condition);
            }
            table.part.condition = conditions.join(" OR ");
        }
    }
}

/// The tables with a condition, in an order in which their rows can be deleted:
/// what refers, or is found by others, first.
fn referring_first(tables: &Tables, keys: &[ForeignKey], found: &Found) -> Vec<Id> {
    fn visit(oid: Id, before: &[(Id, Id)], seen: &mut BTreeSet<Id>, order: &mut Vec<Id>) {
        if !seen.insert(oid) {
            return;
        }
        for (referring, _) in before.iter().filter(|(_, to)| *to == oid) {
            visit(*referring, before, seen, order);
        }
        order.push(oid);
    }
    let has_rows = |oid: &Id| tables.get(oid).is_some_and(|table| !table.part.condition.is_empty());
    // What is found by other rows first: a cycle is cut at a foreign key.
    let before: Vec<_> = found
        .iter()
        .copied()
        .chain(keys.iter().map(|key| (key.from, key.to)))
        .filter(|(from, to)| has_rows(from) && has_rows(to))
        .collect();
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for oid in tables.keys().filter(|oid| has_rows(oid)) {
        visit(*oid, &before, &mut seen, &mut order);
    }
    order
}
