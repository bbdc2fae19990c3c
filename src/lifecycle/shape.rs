//! Columns, keys, CHECK constraints and indexes as they should be, compared
//! with those that are there. The list is written from a new database, open and
//! sealed, by `make expected`.

use std::fmt;

use crate::args;
use crate::error::Result;
use crate::pg::spi::{Rows, Spi};
use crate::phi::layout;
use crate::schema::check::Findings;
use crate::schema::{MIGRATIONS, TABLES, TRIGGERS};

/// Restores what a migration made.
const AGAIN: &str = "SELECT * FROM auria.migrate(again => true)";

/// One column, constraint or index.
pub struct Part {
    kind: String,
    /// Its table, with the schema.
    pub relation: String,
    pub name: String,
    /// What makes it the same as another: the type of a column, the columns of
    /// a key, an expression.
    pub content: String,
    /// As a statement takes it.
    definition: String,
}

impl Part {
    /// Whether a migration adds this column to a table that lacks it.
    pub fn is_added(&self) -> bool {
        let start = format!("ALTER TABLE {}", self.relation);
        let adds = format!("ADD COLUMN IF NOT EXISTS {} ", self.name);
        MIGRATIONS.iter().flat_map(|migration| migration.sql.split(';')).any(|statement| {
            let after = statement.find(&start).map(|place| &statement[place + start.len()..]);
            after.is_some_and(|rest| rest.starts_with(char::is_whitespace) && rest.contains(&adds))
        })
    }

    fn is_not_null(&self) -> bool {
        self.definition.starts_with("NOT NULL")
    }

    /// The expression of a column's default.
    fn default(&self) -> Option<&str> {
        self.definition.split_once(" DEFAULT ").map(|(_, expression)| expression)
    }
}

/// What a new database has, in the layout that this one has.
pub struct Shape {
    expected: Vec<Part>,
    actual: Vec<Part>,
}

/// A managed column that is not as it should be.
pub enum Deviation<'a> {
    Missing(&'a Part),
    /// Of a type that the functions do not work with.
    OtherType(&'a Part, &'a str),
    Nullable(&'a Part),
}

impl Deviation<'_> {
    /// The column.
    pub fn part(&self) -> &Part {
        match self {
            Self::Missing(part) | Self::OtherType(part, _) | Self::Nullable(part) => part,
        }
    }

    /// The statement that makes it as it should be.
    pub fn remedy(&self) -> String {
        let part = self.part();
        let (relation, name, type_name) = (&part.relation, &part.name, &part.content);
        match self {
            Self::Missing(_) if part.is_added() => AGAIN.to_owned(),
            Self::Missing(_) => format!("ALTER TABLE {relation} ADD COLUMN {name} {type_name}"),
            Self::OtherType(..) => {
                format!("ALTER TABLE {relation} ALTER COLUMN {name} TYPE {type_name} USING {name}::{type_name}")
            }
            Self::Nullable(_) => format!("ALTER TABLE {relation} ALTER COLUMN {name} SET NOT NULL"),
        }
    }

    /// Whether no migration makes it as it should be, so that those that need
    /// it would fail.
    pub fn stops_migrations(&self) -> bool {
        match self {
            Self::Missing(part) => !part.is_added(),
            Self::OtherType(..) => true,
            Self::Nullable(_) => false,
        }
    }

    /// What is wrong, without the table.
    pub fn what(&self) -> String {
        let (name, type_name) = (&self.part().name, &self.part().content);
        match self {
            Self::Missing(_) => format!("column {name}, of type {type_name}, is missing"),
            Self::OtherType(_, actual) => format!("column {name} is of type {actual} and must be {type_name}"),
            Self::Nullable(_) => format!("column {name} may be NULL and must not be"),
        }
    }
}

/// For the doctor.
impl fmt::Display for Deviation<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "table {}: {}: run {}", self.part().relation, self.what(), self.remedy())
    }
}

impl Shape {
    /// As the caller's snapshot shows it, on a standby too. Tables that are
    /// missing are left out.
    fn read(spi: &Spi) -> Result<Self> {
        Self::compared(spi, spi.read_once(ACTUAL, args![TABLES])?)
    }

    /// After what this command has changed.
    pub fn read_again(spi: &Spi) -> Result<Self> {
        Self::compared(spi, spi.query_once(ACTUAL, args![TABLES])?)
    }

    fn compared(spi: &Spi, rows: Rows<'_>) -> Result<Self> {
        let actual = actual(&rows)?;
        let sealed: Vec<String> =
            layout::sealed(spi)?.into_iter().map(|table| format!("public.{}", table.name)).collect();
        let is_there = |part: &Part| actual.iter().any(|one| one.relation == part.relation);
        let expected = expected().filter(|part| !sealed.contains(&part.relation) && is_there(part)).collect();
        Ok(Self { expected, actual })
    }

    /// The managed columns that are not as they should be.
    pub fn columns(&self) -> impl Iterator<Item = Deviation<'_>> {
        self.expected.iter().filter(|part| part.kind == "column").filter_map(|part| {
            let found = self.actual.iter().find(|one| one.is(part) && one.name == part.name);
            match found {
                None => Some(Deviation::Missing(part)),
                Some(found) if !works_as(&found.content, &part.content) => {
                    Some(Deviation::OtherType(part, &found.content))
                }
                Some(found) if part.is_not_null() && !found.is_not_null() => Some(Deviation::Nullable(part)),
                Some(_) => None,
            }
        })
    }

    /// The managed columns of a table that have lost their default, or never
    /// had one, as statements that set it.
    pub fn defaults(&self, relation: &str) -> Vec<String> {
        let columns = self.expected.iter().filter(|part| part.kind == "column" && part.relation == relation);
        columns
            .filter_map(|part| {
                let found = self.actual.iter().find(|one| one.is(part) && one.name == part.name)?;
                let (None, Some(default)) = (found.default(), part.default()) else {
                    return None;
                };
                Some(format!("ALTER TABLE {relation} ALTER COLUMN {} SET DEFAULT {default}", part.name))
            })
            .collect()
    }

    /// The managed constraints and indexes that are missing, and what brings
    /// each back.
    pub fn missing(&self) -> Vec<String> {
        let missing = self.expected.iter().filter(|part| part.kind != "column" && !self.has(part));
        missing.map(|part| format!("{} on {} is missing: run {}", part.name, part.relation, part.remedy())).collect()
    }

    /// Whether the part is there, or another that does the same.
    fn has(&self, part: &Part) -> bool {
        let mut of_table = self.actual.iter().filter(|one| one.relation == part.relation);
        match part.kind.as_str() {
            "primary" | "unique" => {
                let partition_key = self.partition_key(&part.relation);
                let columns = without(&part.content, partition_key);
                of_table.any(|one| {
                    (one.kind == part.kind || one.kind == "primary") && without(&one.content, partition_key) == columns
                })
            }
            "check" => {
                let stem: String = part.name.chars().take(56).collect();
                let is_rule = |event: &str| {
                    let trigger = format!("{stem}_{event}");
                    self.actual
                        .iter()
                        .any(|one| one.kind == "rule" && one.relation == part.relation && one.name == trigger)
                };
                of_table.any(|one| one.is(part) && (one.name == part.name || one.equals(part)))
                    || (is_rule("insert") && is_rule("update"))
            }
            "foreign" => of_table.any(|one| one.is(part) && one.equals(part)),
            _ => of_table.any(|one| one.is(part) && (one.name == part.name || one.equals(part))),
        }
    }

    fn partition_key(&self, relation: &str) -> &str {
        let table = self.actual.iter().find(|one| one.kind == "partitioned" && one.relation == relation);
        table.map_or("", |table| &table.content)
    }
}

impl Part {
    fn is(&self, other: &Self) -> bool {
        self.kind == other.kind && self.relation == other.relation
    }

    /// White space differs between versions of PostgreSQL.
    fn equals(&self, other: &Self) -> bool {
        let unspaced = |text: &str| text.split_whitespace().collect::<String>();
        unspaced(&self.content) == unspaced(&other.content)
    }

    /// The statement that brings it back.
    fn remedy(&self) -> String {
        let by_name = [format!("'{}'", self.name), format!("INDEX IF NOT EXISTS {} ", self.name)];
        let is_ensured = MIGRATIONS.iter().any(|migration| by_name.iter().any(|name| migration.sql.contains(name)));
        if is_ensured || self.definition.starts_with("CREATE") {
            return AGAIN.to_owned();
        }
        format!("ALTER TABLE {} ADD CONSTRAINT {} {}", self.relation, self.name, self.definition)
    }
}

/// The columns of a key that are not in the partition key: a unique index of a
/// partitioned table has these besides its own.
fn without<'a>(columns: &'a str, partition_key: &str) -> Vec<&'a str> {
    columns.split(',').filter(|column| !partition_key.split(',').any(|one| one == *column)).collect()
}

/// Whether what reads and writes a column of the expected type does so with
/// this one, too.
pub fn works_as(actual: &str, expected: &str) -> bool {
    let without_modifier = |name: &str| -> String {
        let (before, rest) = name.split_once('(').unwrap_or((name, ""));
        format!("{before}{}", rest.split_once(')').map_or("", |(_, after)| after))
    };
    let actual = without_modifier(actual);
    match expected {
        "integer" => matches!(actual.as_str(), "integer" | "bigint"),
        "text" => {
            matches!(actual.as_str(), "text" | "character varying") || actual.rsplit('.').next() == Some("citext")
        }
        _ => actual == without_modifier(expected),
    }
}

const EXPECTED: &str = include_str!("../schema/expected/shape.txt");

/// The method, columns and predicate of an index as PostgreSQL writes them back, if a new database has it.
pub fn index(table: &str, name: &str) -> Option<&'static str> {
    let start = format!("index\t{table}\t{name}\t");
    EXPECTED.lines().find_map(|line| line.strip_prefix(&start))?.split('\t').next()
}

fn expected() -> impl Iterator<Item = Part> {
    EXPECTED.lines().filter_map(|line| {
        let mut fields = line.split('\t').map(str::to_owned);
        Some(Part {
            kind: fields.next()?,
            relation: fields.next()?,
            name: fields.next()?,
            content: fields.next()?,
            definition: fields.next()?,
        })
    })
}

const ACTUAL: &str = include_str!("../schema/expected/shape.sql");

fn actual(rows: &Rows<'_>) -> Result<Vec<Part>> {
    rows.iter()
        .map(|row| {
            Ok(Part {
                kind: row.expect(1)?,
                relation: row.expect(2)?,
                name: row.expect(3)?,
                content: row.get(4)?.unwrap_or_default(),
                definition: row.get(5)?.unwrap_or_default(),
            })
        })
        .collect()
}

/// Whether every managed column is there, of a type that the functions work
/// with, and NOT NULL where it must be.
pub fn check_columns(spi: &Spi) -> Result<Findings> {
    let mut findings = Findings::default();
    for deviation in Shape::read(spi)?.columns() {
        findings.add(deviation.to_string(), !matches!(deviation, Deviation::Nullable(_)));
    }
    Ok(findings)
}

/// Whether every managed key, CHECK constraint and index is there, under its
/// name or another.
pub fn check_constraints(spi: &Spi) -> Result<Findings> {
    Ok(Shape::read(spi)?.missing().into())
}

/// Without them patient data stays in the clear, and sign-ups get no profile.
/// A trigger of that name that calls a team's function is the team's choice.
pub fn check_triggers(spi: &Spi) -> Result<Findings> {
    let sealed = layout::sealed(spi)?;
    let (mut relations, mut names, mut functions) = (Vec::new(), Vec::new(), Vec::new());
    for trigger in TRIGGERS {
        let stored = sealed.iter().find(|table| trigger.relation.strip_prefix("public.") == Some(table.name));
        // The view's own triggers encrypt.
        if stored.is_some() && trigger.name.starts_with("encrypt_") {
            continue;
        }
        relations.push(stored.map_or_else(|| trigger.relation.to_owned(), |table| layout::stored_name(table)));
        names.push(trigger.name);
        functions.push(trigger.function);
    }
    let rows = spi
        .read_once(include_str!("triggers.sql"), args![relations.as_slice(), names.as_slice(), functions.as_slice()])?;
    let mut findings = Findings::default();
    for row in rows.iter() {
        findings.add(row.expect(1)?, row.expect(2)?);
    }
    Ok(findings)
}
