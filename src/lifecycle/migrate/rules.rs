//! Rules that old rows break.
//!
//! A CHECK constraint, NOT VALID included, is evaluated at every UPDATE of a
//! row, whatever it changes: one old status would stop the monthly reset of
//! everybody. So where rows break a rule, triggers enforce it on the values
//! that a statement changes, until no row breaks it; then it becomes the
//! constraint.

use pgrx::{PgSqlErrorCode, pg_extern, pg_sys};

use super::run::Run;
use super::target::{Target, count};
use super::warnings;
use crate::args;
use crate::error::{Error, Result};
use crate::pg::spi::{Spi, quoted_identifier, quoted_literal};
use crate::pg::trigger::{self, TriggeredRow};

/// Adds the CHECK constraint, or the triggers that stand in for it. A constraint
/// of another name and the same expression counts as this one; where it is NOT
/// VALID, this one takes its place.
pub fn ensure(target: &Target<'_>, expression: &str, comment: Option<&str>) -> Result<()> {
    let (spi, table, name, quoted) = (target.spi, target.table, target.name, target.quoted());
    let existing = spi.query_once(
        "SELECT convalidated FROM pg_catalog.pg_constraint \
          WHERE conrelid = $1::pg_catalog.regclass AND conname = $2 AND contype = 'c'",
        args![table, name],
    )?;
    let is_valid: Option<bool> = existing.one()?;
    if is_valid == Some(true) {
        return Ok(());
    }
    // Nobody writes between the count and what follows from it.
    spi.execute_script(&format!("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"))?;
    let offending = format!("FROM {table} WHERE NOT ({expression})");
    let rows = count(spi, &offending)?;
    let drop = format!("DROP CONSTRAINT {quoted}");
    if is_valid.is_none() {
        target.alter(&format!("ADD CONSTRAINT {quoted} CHECK ({expression}) NOT VALID"))?;
        match same_under_another_name(target)? {
            Some((_, true)) => return target.alter(&drop),
            Some((other, false)) => target.alter(&format!("DROP CONSTRAINT {}", quoted_identifier(&other)))?,
            None => {}
        }
    }
    if rows == 0 {
        drop_triggers(target)?;
        target.alter(&format!("VALIDATE CONSTRAINT {quoted}"))?;
        return match comment {
            Some(text) => {
                spi.execute_script(&format!("COMMENT ON CONSTRAINT {quoted} ON {table} IS {}", quoted_literal(text)))
            }
            None => Ok(()),
        };
    }
    let columns = columns_of(target)?;
    target.alter(&drop)?;
    make_triggers(target, expression, comment, &columns)?;
    warnings::warn(format!(
        "rule {name} is enforced on changed values only: {rows} rows of {table} break it. \
         See them with SELECT * {offending}; once they are corrected, run SELECT * FROM auria.migrate()"
    ));
    Ok(())
}

/// Another CHECK constraint of the table with the expression of this one, and
/// whether it is valid.
fn same_under_another_name(target: &Target<'_>) -> Result<Option<(String, bool)>> {
    let rows = target.spi.query_once(include_str!("same_check.sql"), args![target.table, target.name])?;
    rows.first().map(|row| Ok((row.expect(1)?, row.expect(2)?))).transpose()
}

/// Turns each rule that no row breaks any more into its constraint, and
/// reports these.
pub fn promote_all(run: &mut Run<'_>) -> Result<()> {
    for name in run.owner.act(|| promote(run.spi))? {
        run.report.inform(format!("no row breaks rule {name} any more: it is a constraint now"));
    }
    Ok(())
}

fn promote(spi: &Spi) -> Result<Vec<String>> {
    let rows = spi.query_once(include_str!("rules.sql"), &[])?;
    let rules: Vec<(String, String, String, String)> = rows
        .iter()
        .map(|row| Ok((row.expect(1)?, row.expect(2)?, row.expect(3)?, row.expect(4)?)))
        .collect::<Result<_>>()?;
    let mut promoted = Vec::new();
    for (table, name, expression, comment) in rules {
        if count(spi, &format!("FROM {table} WHERE NOT ({expression})"))? == 0 {
            let comment = Some(comment.as_str()).filter(|comment| !comment.is_empty());
            ensure(&Target { spi, table: &table, name: &name }, &expression, comment)?;
            promoted.push(name);
        }
    }
    Ok(promoted)
}

/// The columns that a CHECK constraint names.
fn columns_of(target: &Target<'_>) -> Result<Vec<String>> {
    let rows = target.spi.query_once(
        "SELECT a.attname::text FROM pg_catalog.pg_constraint c \
           JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) \
          WHERE c.conrelid = $1::pg_catalog.regclass AND c.conname = $2 ORDER BY a.attnum",
        args![target.table, target.name],
    )?;
    rows.column()
}

fn trigger_names(name: &str) -> [String; 2] {
    // A name has 63 bytes at most; those of rules are ASCII.
    let stem: String = name.chars().take(56).collect();
    [format!("{stem}_insert"), format!("{stem}_update")]
}

fn drop_triggers(target: &Target<'_>) -> Result<()> {
    trigger_names(target.name).iter().try_for_each(|trigger| {
        let trigger = quoted_identifier(trigger);
        target.spi.execute_script(&format!("DROP TRIGGER IF EXISTS {trigger} ON {}", target.table))
    })
}

/// AFTER triggers: like a constraint, they look at what other triggers made of
/// the row.
fn make_triggers(target: &Target<'_>, expression: &str, comment: Option<&str>, columns: &[String]) -> Result<()> {
    let (spi, table, name) = (target.spi, target.table, target.name);
    drop_triggers(target)?;
    let changes = |column: &str| -> String {
        let column = quoted_identifier(column);
        format!("NEW.{column} IS DISTINCT FROM OLD.{column}")
    };
    let any_changed = columns.iter().map(|column| changes(column)).collect::<Vec<_>>().join(" OR ");
    let whole = substituted(expression, columns, |column| format!("NEW.{}", quoted_identifier(column)));
    let unchanged_alone = substituted(expression, columns, |column| {
        format!("(CASE WHEN {} THEN NULL ELSE NEW.{} END)", changes(column), quoted_identifier(column))
    });
    let changed_alone = substituted(expression, columns, |column| {
        format!("(CASE WHEN {} THEN NEW.{} END)", changes(column), quoted_identifier(column))
    });
    // Refused is what the changed values break, by themselves or together with
    // the others; not what the unchanged ones broke before.
    let broken_by_update = format!(
        "({any_changed}) AND NOT ({whole}) \
         AND (({changed_alone}) IS FALSE OR ({unchanged_alone}) IS NOT FALSE)"
    );
    let broken_by_insert = format!("NOT ({whole})");
    let [on_insert, on_update] = trigger_names(name);
    // What `promote` needs to make the constraint.
    let arguments = [name, expression, comment.unwrap_or_default()].map(quoted_literal).join(", ");
    for (trigger, event, condition) in
        [(on_insert, "INSERT", broken_by_insert), (on_update, "UPDATE", broken_by_update)]
    {
        spi.execute_script(&format!(
            "CREATE TRIGGER {} AFTER {event} ON {table} FOR EACH ROW WHEN ({condition}) \
             EXECUTE FUNCTION auria.refuse_row({arguments})",
            quoted_identifier(&trigger)
        ))?;
    }
    Ok(())
}

/// The expression with each column, outside of string literals, replaced.
fn substituted(expression: &str, columns: &[String], by: impl Fn(&str) -> String) -> String {
    let mut result = String::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = if first == '\'' {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else if first.is_ascii_alphabetic() || first == '_' {
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        if columns.iter().any(|column| column == token) && !result.ends_with('.') {
            result.push_str(&by(token));
        } else {
            result.push_str(token);
        }
        rest = after;
    }
    result
}

/// Refuses the row (23514), as the constraint that its first argument names
/// would. Fired by triggers whose condition is the rule.
#[pg_extern(sql = false)]
fn refuse_row(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "refuse_row", |row| {
        let rule = row.argument(0).unwrap_or_default();
        Err(Error::new(
            PgSqlErrorCode::ERRCODE_CHECK_VIOLATION,
            format!("new row for relation \"{}\" violates check constraint \"{rule}\"", row.table()),
        )
        .detail("Older rows break this rule, so it is enforced on the values that a statement changes.")
        .hint("Write values that the rule allows."))
    })
}
