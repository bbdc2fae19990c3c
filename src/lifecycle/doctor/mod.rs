//! `auria.doctor()`: whether this database is as the extension means it to be.
//!
//! It only reads, so a monitoring job can call it, also on a standby. What it
//! reports names objects, counts and ids; never patient data, never a key.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::install::trust;
use super::migrate;
use super::migrate::functions::{overloads, restore_statement};
use crate::access::for_the_backend_alone;
use crate::args;
use crate::error::{Result, sqlstate};
use crate::lifecycle::shape::{Deviation, Shape};
use crate::pg::caught::Caught;
use crate::pg::spi::{self, Arg, Spi};
use crate::pg::transaction;
use crate::pg::{extension, roles};
use crate::phi;
use crate::phi::columns::{self, PhiTable};
use crate::phi::layout;
use crate::schema::{FUNCTIONS, Function, MIGRATIONS, POLICIES, TRIGGERS, access, owner, tables};

/// The number of objects that a detail names; the others are counted.
const NAMED: usize = 5;

/// What a check found.
#[derive(Default)]
struct Findings {
    /// What is wrong.
    failures: Vec<String>,
    /// What is worth knowing and wrong with nothing.
    notes: Vec<String>,
}

impl From<Vec<String>> for Findings {
    fn from(failures: Vec<String>) -> Self {
        Self { failures, notes: Vec::new() }
    }
}

impl Findings {
    fn detail(&self) -> String {
        let mut parts = abbreviated(&self.failures);
        parts.extend(abbreviated(&self.notes).into_iter().map(|note| format!("note: {note}")));
        parts.join("; ")
    }
}

fn abbreviated(lines: &[String]) -> Vec<String> {
    let mut parts = lines[..lines.len().min(NAMED)].to_vec();
    if lines.len() > NAMED {
        parts.push(format!("and {} more", lines.len() - NAMED));
    }
    parts
}

type Check = (&'static str, fn(&Spi) -> Result<Findings>);

const CHECKS: &[Check] = &[
    ("versions", versions),
    ("migrations", migrations),
    ("tables", missing_tables),
    ("columns", managed_columns),
    ("constraints", constraints),
    ("layout", layout_of_tables),
    ("row security", row_security),
    ("policies", policies),
    ("other policies", other_policies),
    ("grants", grants),
    ("owners", owners),
    ("functions", functions),
    ("triggers", triggers),
    ("API roles", api_roles),
    ("PHI key", phi_key),
    ("PHI encrypted", phi_encrypted),
    ("ledger", ledger),
    ("profiles", profiles),
    ("subscriptions", subscriptions),
    ("plans", plans),
    ("pg_trgm", trigrams),
    ("jobs", jobs),
];

/// Those that read rows of dentists: the more there are, the longer.
const READING_ROWS: &[&str] = &["PHI encrypted", "ledger", "profiles", "subscriptions", "plans"];

/// One row for each check: what was checked, whether all is well, and what is
/// wrong if not. A note is something to know that is no failure. Each check
/// runs by itself: one that fails with an error is reported as such. Changes
/// nothing.
///
/// It reads as the schema's owner. For service_role, as a monitoring job that
/// needs no superuser.
#[pg_extern(sql = false)]
fn doctor(
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<TableIterator<'static, (name!(check, String), name!(ok, bool), name!(detail, String))>, ErrorReport> {
    for_the_backend_alone(fcinfo, "auria.doctor")?;
    let rows = CHECKS
        .iter()
        .map(|(name, check)| {
            let (is_ok, detail) = outcome(*check);
            ((*name).to_owned(), is_ok, detail)
        })
        .collect::<Vec<_>>();
    Ok(TableIterator::new(rows))
}

/// Whether all is well, and what is wrong if not.
fn outcome(check: fn(&Spi) -> Result<Findings>) -> (bool, String) {
    let outcome = transaction::attempt(|| {
        extension::with_settings(extension::AS_COMPARED, || {
            spi::connected(|spi| {
                let owner = roles::named(&owner::determine(spi)?);
                roles::acting_as(owner, || check(spi))
            })
        })
    });
    match outcome {
        Ok(findings) => (findings.failures.is_empty(), findings.detail()),
        Err(caught) if sqlstate(caught.code) == "42501" => {
            let of_superuser = transaction::attempt(|| spi::connected(schema_of_superuser)).ok().flatten();
            (false, of_superuser.unwrap_or_else(|| failed(&caught)))
        }
        Err(caught) => (false, failed(&caught)),
    }
}

/// What is reported where the schema belongs to a superuser, as after REASSIGN
/// OWNED or a restore without owners: one line, with the command that helps.
fn schema_of_superuser(spi: &Spi) -> Result<Option<String>> {
    let found = each_row(
        spi,
        "SELECT pg_catalog.format('the schema belongs to superuser \"%s\": \
                                   run SELECT * FROM auria.migrate(again => true)', r.rolname) \
           FROM pg_catalog.pg_class c \
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'auria' \
           JOIN pg_catalog.pg_roles r ON r.oid = c.relowner AND r.rolsuper \
          WHERE c.relname = 'migrations'",
        &[],
    )?;
    Ok(found.into_iter().next())
}

/// Whether each check fails, of those that read the catalogue and no rows, and
/// so cost the same however many there are.
pub fn catalogue_failures() -> impl Iterator<Item = (&'static str, bool)> {
    CHECKS.iter().filter(|(name, _)| !READING_ROWS.contains(name)).map(|(name, check)| (*name, !outcome(*check).0))
}

/// What is reported of a check that failed. The message is shown where it is
/// about an object and its privileges; others may quote a row.
fn failed(caught: &Caught) -> String {
    let code = sqlstate(caught.code);
    let message = if code.starts_with("42") { format!(": {}", caught.message()) } else { String::new() };
    format!("the check itself failed with SQLSTATE {code}{message}")
}

/// The first column of each row.
fn each_row(spi: &Spi, sql: &str, args: &[Arg<'_>]) -> Result<Vec<String>> {
    let rows = spi.read_once(sql, args)?;
    rows.column()
}

/// Two columns of each row: a finding, and whether it is a failure.
fn graded_rows(spi: &Spi, sql: &str, args: &[Arg<'_>]) -> Result<Findings> {
    let mut findings = Findings::default();
    for row in spi.read_once(sql, args)?.iter() {
        let (text, is_failure): (String, bool) = (row.expect(1)?, row.expect(2)?);
        if is_failure {
            findings.failures.push(text);
        } else {
            findings.notes.push(text);
        }
    }
    Ok(findings)
}

fn versions(spi: &Spi) -> Result<Findings> {
    let library = env!("CARGO_PKG_VERSION");
    let rows = spi.read_once(
        "SELECT e.extversion, pg_catalog.quote_ident(e.extname) \
           FROM pg_catalog.pg_extension e \
           JOIN pg_catalog.pg_depend d ON d.refobjid = e.oid AND d.deptype = 'e' \
                                      AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass \
           JOIN pg_catalog.pg_proc p ON p.oid = d.objid AND p.proname = 'doctor' \
           JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'auria' \
          WHERE e.extversion <> $1",
        args![library],
    )?;
    let failures: Vec<String> = rows
        .iter()
        .map(|row| {
            let (extension, name): (String, String) = (row.expect(1)?, row.expect(2)?);
            Ok(if numbers(&extension) < numbers(library) {
                format!(
                    "the extension is {extension}, older than the library, {library}: \
                     run ALTER EXTENSION {name} UPDATE"
                )
            } else {
                format!(
                    "the library of this session is {library}, older than the extension, {extension}: \
                     connect again, and if that does not help, install the library of {extension}"
                )
            })
        })
        .collect::<Result<_>>()?;
    Ok(failures.into())
}

/// A version's numbers, to be compared: 0.10.0 is later than 0.9.0.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}

fn migrations(spi: &Spi) -> Result<Findings> {
    if !table_exists(spi, "auria.migrations")? {
        return Ok(vec!["none was applied: run SELECT * FROM auria.migrate()".to_owned()].into());
    }
    let mut findings = Findings::default();
    for migration in MIGRATIONS {
        let rows = spi.read_once("SELECT sha256 FROM auria.migrations WHERE number = $1", args![migration.number])?;
        match rows.first() {
            None => findings.failures.push(format!("{} is pending: run SELECT * FROM auria.migrate()", migration.name)),
            Some(row) if row.expect::<String>(1)? != migrate::checksum(migration) => {
                findings.failures.push(format!(
                    "{} has changed since it was applied: run SELECT * FROM auria.migrate(again => true)",
                    migration.name
                ));
            }
            Some(_) => {}
        }
    }
    findings.notes = each_row(
        spi,
        "SELECT pg_catalog.format('migration %s warned: %s', name, warnings) \
           FROM auria.migrations WHERE warnings IS NOT NULL ORDER BY number",
        &[],
    )?;
    Ok(findings)
}

fn missing_tables(spi: &Spi) -> Result<Findings> {
    Ok(each_row(
        spi,
        "SELECT 'public.' || name || ' is missing: run SELECT * FROM auria.migrate(again => true)' \
           FROM pg_catalog.string_to_table($1, ' ') AS name \
          WHERE pg_catalog.to_regclass('public.' || name) IS NULL",
        args![&tables()],
    )?
    .into())
}

/// Whether every managed column is there, of a type that the functions work
/// with, and NOT NULL where it must be.
fn managed_columns(spi: &Spi) -> Result<Findings> {
    let shape = Shape::read(spi)?;
    let mut findings = Findings::default();
    for deviation in shape.columns() {
        match deviation {
            Deviation::Nullable(_) => findings.notes.push(deviation.to_string()),
            _ => findings.failures.push(deviation.to_string()),
        }
    }
    Ok(findings)
}

/// Whether every managed key, CHECK constraint and index is there, under its
/// name or another.
fn constraints(spi: &Spi) -> Result<Findings> {
    Ok(Shape::read(spi)?.missing().into())
}

/// Whether patient data is sealed, and if so, whether views, triggers and grants
/// are as they must be.
fn layout_of_tables(spi: &Spi) -> Result<Findings> {
    let sealed: Vec<&str> = sealed_names(spi)?;
    let mut findings = Findings::default();
    if sealed.is_empty() {
        return Ok(findings);
    }
    findings.notes.push("patient data is sealed".to_owned());
    for table in columns::TABLES {
        if !sealed.contains(&table.name) {
            findings.failures.push(format!("table public.{} is not sealed: run CALL auria.phi_seal()", table.name));
        }
    }
    for wrong in each_row(spi, include_str!("layout.sql"), args![&sealed.join(" ")])? {
        findings.failures.push(if wrong.contains(": run ") {
            wrong
        } else {
            format!("{wrong}: run SELECT * FROM auria.migrate(again => true)")
        });
    }
    Ok(findings)
}

fn sealed_names(spi: &Spi) -> Result<Vec<&'static str>> {
    let sealed = layout::sealed(spi)?;
    Ok(sealed.into_iter().map(|table| table.name).collect())
}

/// What is said of a stored table, said of the table that clients know.
fn as_open(line: &str, sealed: &[&str]) -> String {
    sealed.iter().fold(line.to_owned(), |line, name| {
        let stored = format!("auria_raw.{name}_raw");
        // After its rename a table has an alias in expressions: its old name.
        line.replace(&format!("{stored}{name}WHERE"), &format!("public.{name}WHERE"))
            .replace(&stored, &format!("public.{name}"))
            .replace(&format!("{name}_raw."), &format!("{name}."))
    })
}

fn row_security(spi: &Spi) -> Result<Findings> {
    Ok(each_row(spi, include_str!("row_security.sql"), args![&tables()])?.into())
}

fn policies(spi: &Spi) -> Result<Findings> {
    let in_force = each_row(spi, include_str!("../../schema/expected/policies.sql"), args![&POLICIES.join(" ")])?;
    let sealed = sealed_names(spi)?;
    let in_force: Vec<String> = in_force.iter().map(|line| as_open(line, &sealed)).collect();
    Ok(differences(
        access::expected_policies(),
        &in_force,
        |line| line.split(' ').take(2).collect::<Vec<_>>().join(" "),
        "run SELECT * FROM auria.migrate(again => true)",
    )
    .into())
}

fn other_policies(spi: &Spi) -> Result<Findings> {
    let mut findings = Findings::default();
    for policy in access::over_permissive_policies(spi)? {
        let text = format!(
            "{} on {} lets {} do more than the access rules; unless something needs it, run {}",
            policy.name,
            policy.table,
            policy.roles,
            policy.drop_statement()
        );
        if policy.for_visitors {
            findings.failures.push(text);
        } else {
            findings.notes.push(text);
        }
    }
    Ok(findings)
}

/// Grants on what is managed: who may execute a function that a team replaced
/// is the team's decision.
///
/// First what the API roles may do beyond the access rules: a restore under default privileges
/// gives them everything.
fn grants(spi: &Spi) -> Result<Findings> {
    const REMEDY: &str = "run SELECT * FROM auria.migrate(again => true)";
    let compiled = compiled_functions(spi)?;
    let in_force = access::grants_in_force(spi, &compiled)?;
    let excesses = access::excesses(&in_force);
    let mut failures: Vec<String> = excesses.iter().map(|excess| format!("{} ({REMEDY})", excess.in_words())).collect();
    failures.extend(each_row(spi, include_str!("partition_grants.sql"), args![&tables()])?);
    let unspaced = |text: &str| text.replace(' ', "");
    let is_compared = |line: &&str| {
        let object = line.split(' ').next().unwrap_or_default();
        let is_function = object.starts_with("public.") && object.contains('(');
        !is_function || compiled.iter().any(|signature| unspaced(signature) == object)
    };
    failures.extend(
        access::missing_grants(&in_force, is_compared).map(|grant| format!("missing or changed: {grant} ({REMEDY})")),
    );
    Ok(failures.into())
}

/// The signatures of the functions that are the library's.
pub fn compiled_functions(spi: &Spi) -> Result<Vec<&'static str>> {
    let mut compiled = Vec::new();
    for function in FUNCTIONS {
        if function_state(spi, function)?.is_some_and(|state| state.is_compiled) {
            compiled.push(function.signature);
        }
    }
    Ok(compiled)
}

/// What stands under the signature of a managed function.
struct FunctionState {
    /// Whether it is the library's, under its symbol.
    is_compiled: bool,
    public_may_execute: bool,
}

/// `None` where nothing does.
fn function_state(spi: &Spi, function: &Function) -> Result<Option<FunctionState>> {
    let rows = spi.read_once(include_str!("function.sql"), args![function.signature, function.symbol])?;
    rows.first()
        .map(|row| Ok(FunctionState { is_compiled: row.expect(1)?, public_may_execute: row.expect(2)? }))
        .transpose()
}

/// What one list of lines has and the other has not.
fn differences(
    expected: impl Iterator<Item = &'static str>,
    in_force: &[String],
    short: impl Fn(&str) -> String,
    remedy: &str,
) -> Vec<String> {
    let expected: Vec<&str> = expected.collect();
    let missing = expected
        .iter()
        .filter(|line| !in_force.iter().any(|other| other == *line))
        .map(|line| format!("missing or changed: {} ({remedy})", short(line)));
    let added = in_force
        .iter()
        .filter(|line| !expected.contains(&line.as_str()))
        .map(|line| format!("not in the access rules: {}", short(line)));
    missing.chain(added).collect()
}

fn owners(spi: &Spi) -> Result<Findings> {
    let mut failures: Vec<String> = trust::untrusted(spi)?
        .into_iter()
        .map(|object| format!("{object}: give it to the schema's owner, or name that role in auria.trusted_owners"))
        .collect();
    if let Some(whole) = schema_of_superuser(spi)? {
        failures.push(whole);
        return Ok(failures.into());
    }
    failures.extend(owner::definer_functions_of_superusers(spi)?);
    failures.extend(each_row(
        spi,
        "SELECT pg_catalog.format('table %s belongs to superuser \"%s\": run ALTER TABLE %1$s OWNER TO %3$I', \
                                  c.oid::pg_catalog.regclass, r.rolname, $2) \
           FROM pg_catalog.pg_class c \
           JOIN pg_catalog.pg_roles r ON r.oid = c.relowner AND r.rolsuper \
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
          WHERE c.relkind IN ('r', 'p') \
            AND (n.nspname = 'public' AND c.relname = ANY (pg_catalog.string_to_array($1, ' ')) \
                 OR n.nspname = 'auria_raw') ORDER BY 1",
        args![&tables(), &owner::determine(spi)?],
    )?);
    Ok(failures.into())
}

/// Which functions are compiled, which a team replaced (a note), which are
/// missing.
fn functions(spi: &Spi) -> Result<Findings> {
    let mut findings = Findings::default();
    for function in FUNCTIONS {
        let signature = function.signature;
        let restore = restore_statement(function);
        let Some(state) = function_state(spi, function)? else {
            findings.failures.push(format!("{signature} is missing: run {restore}"));
            continue;
        };
        if !state.is_compiled {
            findings.notes.push(format!("{signature} is not the compiled function; to restore that, run {restore}"));
        }
        if state.public_may_execute {
            findings.failures.push(if state.is_compiled {
                format!("{signature} was made anew and PUBLIC may execute it: run {restore}")
            } else {
                format!(
                    "PUBLIC may execute {signature}: grant that to the roles that need it, and run \
                     REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC"
                )
            });
        }
    }
    findings.notes.extend(overloads(spi)?);
    Ok(findings)
}

/// Without them patient data stays in the clear, and sign-ups get no profile.
/// A trigger of that name that calls a team's function is the team's choice.
fn triggers(spi: &Spi) -> Result<Findings> {
    let sealed = sealed_names(spi)?;
    let expected: Vec<String> = TRIGGERS
        .iter()
        .filter_map(|trigger| {
            let stored = sealed.iter().find(|name| trigger.relation.strip_prefix("public.") == Some(name));
            match stored {
                // The view's own triggers encrypt.
                Some(_) if trigger.name.starts_with("encrypt_") => None,
                Some(name) => Some(format!("auria_raw.{name}_raw {} {}", trigger.name, trigger.function)),
                None => Some(format!("{} {} {}", trigger.relation, trigger.name, trigger.function)),
            }
        })
        .collect();
    graded_rows(spi, include_str!("triggers.sql"), args![&expected.join("|")])
}

fn api_roles(spi: &Spi) -> Result<Findings> {
    Ok(each_row(spi, include_str!("api_roles.sql"), &[])?.into())
}

/// Checked with the rights of the schema's owner, who owns the functions that
/// use the key.
fn phi_key(_: &Spi) -> Result<Findings> {
    Ok(match phi::check_key() {
        Ok(()) => Vec::new(),
        Err(error) => vec![error.summary()],
    }
    .into())
}

fn phi_encrypted(spi: &Spi) -> Result<Findings> {
    let mut findings = Vec::new();
    for source in &phi::sources(spi)? {
        let PhiTable { name, columns } = *source.table;
        let before = findings.len();
        for column in columns {
            let encrypted = column.encrypted.to_string_lossy();
            if !column_exists(spi, source.relation(), &encrypted)? {
                findings.push(format!("{name}.{encrypted} is missing"));
            }
        }
        if findings.len() > before {
            continue;
        }
        for (column, count) in columns.iter().zip(phi::count(spi, source)?) {
            let plain = column.plain.to_string_lossy();
            let backfill = "run CALL auria.phi_backfill()";
            let erase = format!(
                "erase what was to be erased with UPDATE public.{name} SET {plain}_encrypted = NULL WHERE {plain} IS NULL"
            );
            if source.is_sealed {
                for (rows, state, advice) in [
                    (
                        count.differing,
                        "have a value that names another user",
                        "find out who wrote it, and write the value again through the view",
                    ),
                    (
                        count.unreadable,
                        "have a value that no key opens",
                        "restore the key that wrote it, or write the value again through the view",
                    ),
                ] {
                    if rows > 0 {
                        findings.push(format!("{rows} rows of {name}.{plain} {state}: {advice}"));
                    }
                }
                continue;
            }
            for (rows, state, advice) in [
                (count.not_encrypted, "are not encrypted", backfill),
                (count.differing - count.without_plain, "have an encrypted value that says something else", backfill),
                (count.without_plain, "have an encrypted value and no plain one", &erase),
                (
                    count.unreadable,
                    "have an encrypted value that no key opens",
                    "restore the key that wrote it, or run CALL auria.phi_backfill() to encrypt the plain value",
                ),
            ] {
                if rows > 0 {
                    findings.push(format!("{rows} rows of {name}.{plain} {state}: {advice}"));
                }
            }
        }
    }
    Ok(findings.into())
}

/// Whether the counters agree with the ledger: `src/ledger/check.sql`.
fn ledger(spi: &Spi) -> Result<Findings> {
    if !table_exists(spi, "public.subscriptions")? || !table_exists(spi, "public.credit_usage")? {
        return Ok(vec!["its tables are missing".to_owned()].into());
    }
    Ok(each_row(spi, crate::ledger::CHECK, &[])?.into())
}

/// Users without a profile. Where a team replaced `handle_new_user()`, whether a user has one is the
/// team's decision.
fn profiles(spi: &Spi) -> Result<Findings> {
    let mut findings = Findings::default();
    if !table_exists(spi, "public.profiles")? {
        return Ok(findings);
    }
    let missing = super::profiles::missing(spi)?;
    if missing > 0 {
        let text = format!("{missing} users have no profile: run SELECT auria.create_missing_profiles()");
        let is_ours = compiled_functions(spi)?.contains(&"public.handle_new_user()");
        if is_ours { findings.failures.push(text) } else { findings.notes.push(text) }
    }
    Ok(findings)
}

fn subscriptions(spi: &Spi) -> Result<Findings> {
    Ok(each_row(
        spi,
        "SELECT pg_catalog.format('user %s has %s subscriptions: keep one, and delete the others', user_id, pg_catalog.count(*)) \
           FROM public.subscriptions GROUP BY user_id HAVING pg_catalog.count(*) > 1 ORDER BY user_id",
        &[],
    )?
    .into())
}

/// Plans that are sold, or that somebody subscribes to, and grant nothing.
fn plans(spi: &Spi) -> Result<Findings> {
    Ok(each_row(
        spi,
        "SELECT pg_catalog.format('plan %s grants no credits: if it should, run \
                                   UPDATE public.subscription_plans SET credits_per_month = N WHERE id = %L', p.id, p.id) \
           FROM public.subscription_plans p \
          WHERE p.credits_per_month = 0 \
            AND (p.is_active AND p.price_monthly > 0 \
                 OR EXISTS (SELECT FROM public.subscriptions s \
                             WHERE s.plan_id = p.id AND s.status IN ('active', 'trialing'))) \
          ORDER BY p.id",
        &[],
    )?
    .into())
}

fn trigrams(spi: &Spi) -> Result<Findings> {
    Ok(each_row(
        spi,
        "SELECT 'missing: run CREATE EXTENSION pg_trgm' \
          WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_trgm')",
        &[],
    )?
    .into())
}

/// Where pg_cron is in this database, its jobs should be, too, and no second
/// reset of the month.
fn jobs(spi: &Spi) -> Result<Findings> {
    super::cron::wrong_jobs(spi).map(Findings::from)
}

fn table_exists(spi: &Spi, name: &str) -> Result<bool> {
    spi.exists("SELECT WHERE pg_catalog.to_regclass($1) IS NOT NULL", args![name])
}

fn column_exists(spi: &Spi, relation: &str, column: &str) -> Result<bool> {
    spi.exists(
        "SELECT FROM pg_catalog.pg_attribute a \
          WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attname = $2 \
            AND NOT a.attisdropped",
        args![relation, column],
    )
}
