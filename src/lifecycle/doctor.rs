//! `auria.doctor()`: whether this database is as the extension means it to be.
//!
//! It only reads, so a monitoring job can call it, also on a standby. What it
//! tells names objects, counts and ids; never patient data, never a key.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::adopt::{self, TABLES};
use super::functions::signatures;
use super::migrations::MIGRATIONS;
use super::{access, migrate};
use crate::error::Result;
use crate::pg::spi::{self, Arg, Spi};
use crate::phi;
use crate::phi::columns::{EVALUATIONS, PATIENTS, Table};

/// So many objects are named in a detail; the others are counted.
const NAMED: usize = 5;

/// What a check found wrong; nothing, if it passed.
type Findings = Vec<String>;

type Check = (&'static str, fn(&Spi) -> Result<Findings>);

const CHECKS: [Check; 14] = [
    ("versions", versions),
    ("migrations", migrations),
    ("tables", missing_tables),
    ("row security", row_security),
    ("policies", policies),
    ("other policies", other_policies),
    ("grants", grants),
    ("owners", adopt::untrusted),
    ("functions", functions),
    ("triggers", triggers),
    ("PHI key", phi_key),
    ("PHI encrypted", phi_encrypted),
    ("ledger", ledger),
    ("pg_trgm", trigrams),
];

/// One row for each check: what was checked, whether all is well, and what is
/// wrong if not. Changes nothing.
///
/// For service_role, as a monitoring job that needs no superuser.
#[pg_extern(
    volatile,
    parallel_unsafe,
    security_definer,
    requires = ["prepare_install"]
)]
#[search_path(pg_catalog, pg_temp)]
fn doctor() -> Result<
    TableIterator<'static, (name!(check, String), name!(ok, bool), name!(detail, String))>,
    ErrorReport,
> {
    let checks = spi::connected(|spi| {
        CHECKS
            .iter()
            .map(|(name, check)| {
                let findings = check(spi)?;
                Ok(((*name).to_owned(), findings.is_empty(), told(&findings)))
            })
            .collect::<Result<Vec<_>>>()
    })?;
    Ok(TableIterator::new(checks))
}

fn told(findings: &[String]) -> String {
    let mut detail = findings[..findings.len().min(NAMED)].join("; ");
    if findings.len() > NAMED {
        detail.push_str(&format!("; and {} more", findings.len() - NAMED));
    }
    detail
}

/// The first column of each row, as a finding.
fn each_row(spi: &Spi, sql: &str, args: &[Arg<'_>]) -> Result<Findings> {
    let rows = spi.query_once(sql, args)?;
    rows.iter().map(|row| row.expect(1)).collect()
}

fn versions(spi: &Spi) -> Result<Findings> {
    let library = env!("CARGO_PKG_VERSION");
    let rows = spi.query_once(
        "SELECT e.extversion, pg_catalog.quote_ident(e.extname) \
           FROM pg_catalog.pg_extension e \
           JOIN pg_catalog.pg_depend d ON d.refobjid = e.oid AND d.deptype = 'e' \
                                      AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass \
          WHERE d.objid = pg_catalog.to_regprocedure('auria.doctor()') AND e.extversion <> $1",
        &[Arg::Text(Some(library))],
    )?;
    rows.iter()
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
        .collect()
}

/// A version's numbers, to be compared: 0.10.0 is later than 0.9.0.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|number| number.parse().unwrap_or(0))
        .collect()
}

fn migrations(spi: &Spi) -> Result<Findings> {
    if !table_exists(spi, "auria.migrations")? {
        return Ok(vec![
            "none was applied: run SELECT * FROM auria.migrate()".to_owned(),
        ]);
    }
    let mut findings = Vec::new();
    for migration in MIGRATIONS {
        let rows = spi.query_once(
            "SELECT sha256 FROM auria.migrations WHERE number = $1",
            &[Arg::Int(migration.number)],
        )?;
        match rows.first() {
            None => findings.push(format!(
                "{} is pending: run SELECT * FROM auria.migrate()",
                migration.name
            )),
            Some(row) if row.expect::<String>(1)? != migrate::checksum(migration) => {
                findings.push(format!(
                    "{} has changed since it was applied",
                    migration.name
                ));
            }
            Some(_) => {}
        }
    }
    Ok(findings)
}

fn missing_tables(spi: &Spi) -> Result<Findings> {
    each_row(
        spi,
        "SELECT 'public.' || name || ' is missing' \
           FROM pg_catalog.regexp_split_to_table($1, ' ') AS name \
          WHERE pg_catalog.to_regclass('public.' || name) IS NULL",
        &[Arg::Text(Some(&TABLES.join(" ")))],
    )
}

fn row_security(spi: &Spi) -> Result<Findings> {
    let tables = TABLES.map(|table| format!("public.{table}")).join(" ");
    each_row(
        spi,
        "SELECT pg_catalog.format('%s: run ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY', name) \
           FROM pg_catalog.regexp_split_to_table($1, ' ') AS name \
           JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(name) \
          WHERE NOT c.relrowsecurity",
        &[Arg::Text(Some(&format!(
            "{tables} auria.migrations storage.objects"
        )))],
    )
}

fn policies(spi: &Spi) -> Result<Findings> {
    let names = access::expected_policies()
        .filter_map(|line| line.split(' ').nth(1))
        .collect::<Vec<_>>()
        .join(" ");
    let in_force = each_row(
        spi,
        include_str!("expected/policies.sql"),
        &[Arg::Text(Some(&names))],
    )?;
    Ok(differences(
        access::expected_policies(),
        &in_force,
        |line| line.split(' ').take(2).collect::<Vec<_>>().join(" "),
        "run SELECT * FROM auria.migrate(again => true)",
    ))
}

fn other_policies(spi: &Spi) -> Result<Findings> {
    Ok(access::widening_policies(spi)?
        .iter()
        .map(|policy| {
            format!(
                "{} on {} lets {} do more than the access rules",
                policy.name, policy.table, policy.roles
            )
        })
        .collect())
}

fn grants(spi: &Spi) -> Result<Findings> {
    let in_force = each_row(
        spi,
        include_str!("expected/grants.sql"),
        &[
            Arg::Text(Some(&TABLES.join(" "))),
            Arg::Text(Some(&signatures())),
        ],
    )?;
    Ok(differences(
        access::expected_grants(),
        &in_force,
        str::to_owned,
        "tables: run SELECT * FROM auria.migrate(again => true)",
    ))
}

/// What one list of lines has and the other has not.
fn differences(
    expected: impl Iterator<Item = &'static str>,
    in_force: &[String],
    short: impl Fn(&str) -> String,
    remedy: &str,
) -> Findings {
    let expected: Vec<&str> = expected.collect();
    let missing = expected
        .iter()
        .filter(|line| !in_force.iter().any(|other| other == *line))
        .map(|line| format!("missing or changed: {} ({remedy})", short(line)));
    let added = in_force
        .iter()
        .filter(|line| !expected.contains(&line.as_str()))
        .map(|line| format!("not of the access rules: {}", short(line)));
    missing.chain(added).collect()
}

fn functions(spi: &Spi) -> Result<Findings> {
    let mut findings = each_row(
        spi,
        "SELECT signature || ' is not the compiled one: drop it and create the extension again' \
           FROM pg_catalog.regexp_split_to_table($1, ' ') AS signature \
           LEFT JOIN pg_catalog.pg_proc p ON p.oid = pg_catalog.to_regprocedure(signature) \
           LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
           LEFT JOIN pg_catalog.pg_proc me ON me.oid = pg_catalog.to_regprocedure('auria.doctor()') \
          WHERE p.oid IS NULL \
             OR signature NOT LIKE 'public.get\\_shared%' \
                AND signature NOT LIKE 'public.check\\_%' \
                AND (l.lanname <> 'c' OR p.probin IS DISTINCT FROM me.probin)",
        &[Arg::Text(Some(&signatures()))],
    )?;
    findings.extend(adopt::other_forms(spi)?);
    Ok(findings)
}

/// Without them patient data stays in the clear, and sign-ups get no profile.
fn triggers(spi: &Spi) -> Result<Findings> {
    each_row(
        spi,
        "SELECT pg_catalog.format('%s on %s is missing or disabled: run SELECT * FROM auria.migrate(again => true)', \
                                  wanted.name, wanted.relation) \
           FROM (VALUES ('auth.users', 'on_auth_user_created', 'handle_new_user'), \
                        ('public.patients', 'encrypt_patients_phi_trigger', 'encrypt_patient_phi'), \
                        ('public.evaluations', 'encrypt_evaluations_phi_trigger', 'encrypt_evaluation_phi'), \
                        ('public.profiles', 'update_profiles_updated_at', 'update_updated_at_column'), \
                        ('public.patients', 'update_patients_updated_at', 'update_updated_at_column'), \
                        ('public.evaluation_drafts', 'update_evaluation_drafts_updated_at', 'update_updated_at_column'), \
                        ('public.subscription_plans', 'update_subscription_plans_updated_at', 'update_updated_at_column'), \
                        ('public.subscriptions', 'update_subscriptions_updated_at', 'update_updated_at_column') \
                ) AS wanted (relation, name, function) \
          WHERE NOT EXISTS ( \
                    SELECT FROM pg_catalog.pg_trigger t \
                     WHERE t.tgrelid = pg_catalog.to_regclass(wanted.relation) \
                       AND t.tgname = wanted.name AND t.tgenabled IN ('O', 'A') \
                       AND t.tgfoid = pg_catalog.to_regprocedure('public.' || wanted.function || '()'))",
        &[],
    )
}

fn phi_key(_: &Spi) -> Result<Findings> {
    // To encrypt is the proof; what comes of it is thrown away.
    Ok(match phi::encrypt("") {
        Ok(_) => Vec::new(),
        Err(error) => vec![error.told()],
    })
}

fn phi_encrypted(spi: &Spi) -> Result<Findings> {
    let mut findings = Vec::new();
    for Table { name, columns } in [PATIENTS, EVALUATIONS] {
        for column in columns {
            let plain = column.plain.to_string_lossy();
            let encrypted = column.encrypted.to_string_lossy();
            if !column_exists(spi, name, &encrypted)? {
                findings.push(format!("{name}.{encrypted} is missing"));
                continue;
            }
            let rows = spi.query_once(
                &format!(
                    "SELECT count(*) FROM public.{name} \
                      WHERE {plain} IS NOT NULL AND {encrypted} IS NULL"
                ),
                &[],
            )?;
            let count: i64 = rows.first().map_or(Ok(0), |row| row.expect(1))?;
            if count > 0 {
                findings.push(format!(
                    "{count} rows of {name}.{plain}: run CALL auria.phi_backfill()"
                ));
            }
        }
    }
    Ok(findings)
}

/// The counter is the sum of the entries since the reset, except that a refund
/// of a use from before it stops at 0 and pays the rest as bonus: the sum
/// reflected at 0. Free uses have ids of UUID version 8 and count nothing.
fn ledger(spi: &Spi) -> Result<Findings> {
    if !table_exists(spi, "public.subscriptions")? || !table_exists(spi, "public.credit_usage")? {
        return Ok(vec!["its tables are missing".to_owned()]);
    }
    each_row(
        spi,
        "WITH running AS ( \
            SELECT s.id, u.credits_used, \
                   sum(u.credits_used) OVER (PARTITION BY s.id ORDER BY u.created_at, u.id) AS so_far \
              FROM public.subscriptions s \
              JOIN public.credit_usage u ON u.subscription_id = s.id AND u.created_at > s.usage_reset_at \
             WHERE pg_catalog.substr(u.id::text, 15, 1) <> '8'), \
         replayed AS ( \
            SELECT id, sum(credits_used) - least(min(so_far), 0) AS used FROM running GROUP BY id) \
         SELECT pg_catalog.format('subscription %s counts %s, its entries since the reset %s', \
                                  s.id, s.credits_used_this_month, COALESCE(r.used, 0)) \
           FROM public.subscriptions s LEFT JOIN replayed r USING (id) \
          WHERE s.credits_used_this_month <> COALESCE(r.used, 0) \
          ORDER BY s.id",
        &[],
    )
}

fn trigrams(spi: &Spi) -> Result<Findings> {
    each_row(
        spi,
        "SELECT 'missing: run CREATE EXTENSION pg_trgm' \
          WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_trgm')",
        &[],
    )
}

fn table_exists(spi: &Spi, name: &str) -> Result<bool> {
    spi::statement_result_is_true(
        spi,
        "SELECT pg_catalog.to_regclass($1) IS NOT NULL",
        &[Arg::Text(Some(name))],
    )
}

fn column_exists(spi: &Spi, table: &str, column: &str) -> Result<bool> {
    spi::statement_result_is_true(
        spi,
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute a \
          WHERE a.attrelid = pg_catalog.to_regclass('public.' || $1) AND a.attname = $2 \
            AND NOT a.attisdropped)",
        &[Arg::Text(Some(table)), Arg::Text(Some(column))],
    )
}
