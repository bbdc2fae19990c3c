//! A hundred thousand calls of every function that SQL can call, with random arguments, as every role. A soak of
//! an hour ends with a million of them: AURIA_ABUSE=1000000.

use std::env;
use std::time::Instant;

use auria_tests::{As, ClusterOptions, Database};
use uuid::Uuid;

use super::abuse::values;

/// How many calls altogether.
const CALLS: usize = 100_000;

/// How many are sent at once.
const BATCH: usize = 500;

/// Functions that change the schema, and take a second each: among the last few thousand only.
const SLOW: [&str; 6] = [
    "auria.migrate",
    "auria.restore_function",
    "auria.number_ledger",
    "auria.doctor",
    "auria.phi_status",
    "public.verify_phi_encryption",
];

/// Splitmix64: the same calls in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    fn hex(&mut self, octets: usize) -> String {
        (0..octets).map(|_| format!("{:02x}", self.below(256))).collect()
    }

    /// A value of the type as SQL: mostly a random one, sometimes one of those that are known to be hard.
    pub(super) fn value(&mut self, kind: &str, user: Uuid) -> String {
        if self.below(3) == 0 {
            let known = values(kind, user);
            // Those that take long are for the other tests.
            let short: Vec<&String> = known.iter().filter(|value| !value.contains("000")).collect();
            if !short.is_empty() {
                return short[self.below(short.len())].clone();
            }
        }
        match kind {
            "uuid" => format!("'{}'", Uuid::from_u128(self.below(usize::MAX) as u128)),
            "text" => {
                let length = self.below(40);
                let text: String = (0..length)
                    .map(|_| match self.below(6) {
                        0 => char::from_u32(1 + self.below(0x1f) as u32),
                        1 => char::from_u32(0x80 + self.below(0xd000) as u32),
                        2 => char::from_u32(0x1_f600 + self.below(80) as u32),
                        _ => char::from_u32(0x20 + self.below(95) as u32),
                    })
                    .map(|letter| letter.unwrap_or('x'))
                    .collect();
                format!("'{}'", text.replace('\'', "''"))
            }
            "bytea" => match self.below(4) {
                0 => format!("'\\x{}'", {
                    let length = self.below(200);
                    self.hex(length)
                }),
                1 => {
                    // A message with one octet changed.
                    let (place, octet) = (self.below(70), self.below(256));
                    format!("(SELECT set_byte(m, {place} % length(m), {octet}) FROM abuse.message)")
                }
                2 => format!("(SELECT substring(m FROM 1 FOR {}) FROM abuse.message)", self.below(90)),
                _ => {
                    let first = ["c3", "8c", "d2", "c9", "cb", "a3"][self.below(6)];
                    let length = self.below(60);
                    format!("'\\x{first}{}'", self.hex(length))
                }
            },
            "integer" => format!("{}", self.below(1 << 32) as i64 - (1 << 31)),
            "bigint" => format!("'{}'", self.below(usize::MAX) as i64),
            "smallint" => format!("'{}'", self.below(1 << 16) as i64 - (1 << 15)),
            "boolean" => ["true", "false", "NULL"][self.below(3)].into(),
            "timestamp with time zone" => {
                format!("'epoch'::timestamptz + '{} seconds'", self.below(1 << 34))
            }
            "jsonb" | "json" => format!("'{{\"a\": {}}}'", self.below(1000)),
            "text[]" => format!("ARRAY[{}]", self.value("text", user)),
            // 0 is no object; the others are those of the catalogue.
            "regclass" | "oid" | "regprocedure" => format!("{}", self.below(20_000)),
            _ => "NULL".into(),
        }
    }
}

/// A function or procedure and the types of its arguments; those of schema auria, too.
pub(super) fn callables(db: &Database) -> Vec<(String, Vec<String>)> {
    db.superuser()
        .query(
            "SELECT CASE prokind WHEN 'p' THEN 'CALL ' ELSE 'SELECT ' END || format('%I.%I', n.nspname, proname),
                    ARRAY(SELECT format_type(t, NULL) FROM unnest(proargtypes) WITH ORDINALITY AS a (t, n) ORDER BY n)
               FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
              WHERE n.nspname IN ('public', 'auria') AND prorettype <> 'trigger'::regtype
                AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                                 WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                                   AND d.deptype = 'e' AND e.extname <> 'auria')
              ORDER BY p.oid::regprocedure::text",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect()
}

pub(super) fn call(random: &mut Random, callable: &(String, Vec<String>), user: Uuid) -> String {
    let arguments: Vec<String> =
        callable.1.iter().map(|kind| format!("CAST({} AS {kind})", random.value(kind, user))).collect();
    format!("{}({})", callable.0, arguments.join(", "))
}

/// Where the calls read a message from, and where complaints are kept: outside of what the extension manages.
pub(super) fn prepare(db: &Database) {
    db.superuser().run(
        "CREATE SCHEMA abuse;
         CREATE TABLE abuse.message AS SELECT public.phi_encrypt('Maria da Conceição, que mora na rua') AS m;
         GRANT USAGE ON SCHEMA abuse TO PUBLIC;
         GRANT SELECT ON abuse.message TO PUBLIC",
    );
}

/// Runs each call by itself within the server; the calls that fail as nothing may fail.
pub(super) const RUNNER: &str = "
    CREATE FUNCTION abuse.run(calls text[]) RETURNS text[] LANGUAGE plpgsql AS $$
    DECLARE one text; complaints text[] := '{}';
    BEGIN
        FOREACH one IN ARRAY calls LOOP
            BEGIN
                EXECUTE one;
                RAISE EXCEPTION 'undone' USING ERRCODE = 'ZZ000';
            EXCEPTION WHEN OTHERS THEN
                IF SQLSTATE LIKE 'XX%' OR SQLSTATE LIKE '57%' THEN
                    complaints := complaints || format('%s: %s %s', left(one, 300), SQLSTATE, SQLERRM);
                END IF;
            END;
        END LOOP;
        RETURN complaints;
    END $$";

#[test]
fn a_hundred_thousand_random_calls_as_every_role_fail_cleanly_or_not_at_all() {
    let total = env::var("AURIA_ABUSE").ok().and_then(|text| text.parse().ok()).unwrap_or(CALLS);
    let cluster = ClusterOptions::default().setting("statement_timeout", "300s").start();
    let db = cluster.database();
    let user = db.sign_up_on_plan("ana@clinica.example", "starter");
    prepare(&db);
    db.superuser().run(RUNNER);
    let all = callables(&db);
    let is_slow = |callable: &&(String, Vec<String>)| SLOW.iter().any(|slow| callable.0.ends_with(slow));
    let (slow, quick): (Vec<_>, Vec<_>) = all.iter().partition(is_slow);
    assert!(slow.len() == SLOW.len() && quick.len() > 30, "{}", all.len());
    let mut random = Random(total as u64);
    let mut complaints: Vec<String> = Vec::new();
    let roles = [As::Anon, As::User(user), As::Service, As::Superuser];
    let mut sessions: Vec<_> = roles.iter().map(|role| db.session(*role)).collect();
    let pids: Vec<u32> = sessions.iter_mut().map(|session| session.backend_pid()).collect();
    let began = Instant::now();
    let mut made = 0;
    while made < total {
        for session in &mut sessions {
            let calls: Vec<String> = (0..BATCH)
                .map(|_| {
                    let callable = if random.below(4000) == 0 {
                        slow[random.below(slow.len())]
                    } else {
                        quick[random.below(quick.len())]
                    };
                    call(&mut random, callable, user)
                })
                .collect();
            let row = session.query_one("SELECT abuse.run($1)", &[&calls]);
            complaints.extend(row.unwrap().get::<_, Vec<String>>(0));
            made += BATCH;
        }
    }
    println!("{made} calls in {:.0} s", began.elapsed().as_secs_f64());
    for (session, pid) in sessions.iter_mut().zip(pids) {
        assert_eq!(session.backend_pid(), pid);
    }
    complaints.truncate(20);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let log = cluster.log();
    assert!(!log.contains("terminated by signal"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}
