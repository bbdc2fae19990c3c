//! The real pgcrypto, in the same server, as partner in both directions.

use auria_openpgp::Sealer;
use auria_tests::{ClusterOptions, Database, Session, database};

/// A session with pgcrypto at hand and a function that gives the key it needs.
fn with_pgcrypto(db: &Database<'_>) -> Session {
    let mut session = db.superuser();
    session.run(
        "CREATE EXTENSION pgcrypto SCHEMA public;
         CREATE FUNCTION public.key() RETURNS text LANGUAGE sql STABLE AS
            $$ SELECT split_part(pg_read_file(current_setting('auria.phi_key_file')), E'\\n', 1) $$",
    );
    session
}

/// Every combination of options that changes what is written.
const OPTIONS: &str = "
    SELECT format('cipher-algo=%s,compress-algo=%s,compress-level=%s,convert-crlf=%s,disable-mdc=%s,'
                  'sess-key=%s,%s,s2k-digest-algo=%s,unicode-mode=%s',
                  cipher, compress, level, crlf, no_mdc, session, s2k, digest, unicode)
           || CASE WHEN session = 1 THEN ',s2k-cipher-algo=' || s2k_cipher ELSE '' END AS options
      FROM unnest(ARRAY['aes128', 'aes192', 'aes256', '3des', 'bf', 'cast5']) AS cipher,
           (VALUES (0, 0), (1, 1), (1, 9), (2, 1), (2, 9), (2, 0)) AS compression (compress, level),
           generate_series(0, 1) AS crlf, generate_series(0, 1) AS no_mdc, generate_series(0, 1) AS session,
           unnest(ARRAY['s2k-mode=0', 's2k-mode=1', 's2k-mode=3,s2k-count=1024', 's2k-count=70000']) AS s2k,
           unnest(ARRAY['md5', 'sha1', 'ripemd160', 'sha256', 'sha384', 'sha512']) AS digest,
           unnest(ARRAY['aes128', 'aes192', 'aes256', '3des', 'bf', 'cast5']) AS s2k_cipher,
           generate_series(0, 1) AS unicode
     WHERE session = 1 OR s2k_cipher = 'aes128'";

#[test]
fn what_pgcrypto_writes_with_every_combination_of_its_options_is_read() {
    let cluster = ClusterOptions::default().legacy_ciphers().start();
    let db = cluster.database();
    let mut session = with_pgcrypto(&db);
    let row = session
        .query_one(
            &format!(
                "SELECT count(*), count(*) FILTER (WHERE public.phi_decrypt(
                            public.pgp_sym_encrypt(text, public.key(), options)) IS DISTINCT FROM text)
                   FROM ({OPTIONS}) AS product,
                        (SELECT E'João da Conceição 🦷\\nlinha 2, linha 2, linha 2\\n'::text AS text) AS value"
            ),
            &[],
        )
        .unwrap();
    let (combinations, different): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(different, 0, "of {combinations}");
    assert_eq!(combinations, 6 * 6 * 2 * 2 * 4 * 6 * 2 * (1 + 6));
}

#[test]
fn what_pgcrypto_itself_cannot_read_again_is_wrong_key_here_too() {
    // Without a session key of its own, a message names only the S2K cipher; another data cipher is lost.
    let cluster = ClusterOptions::default().legacy_ciphers().start();
    let db = cluster.database();
    let mut session = with_pgcrypto(&db);
    session.run(
        "CREATE FUNCTION public.attempt(call text, message bytea) RETURNS text LANGUAGE plpgsql AS $$
         DECLARE result text;
         BEGIN
             EXECUTE 'SELECT ' || call INTO result USING message, public.key();
             RETURN result;
         EXCEPTION WHEN external_routine_invocation_exception THEN
             RETURN lower(SQLERRM);
         END $$",
    );
    let row = session
        .query_one(
            "SELECT count(*), count(*) FILTER (WHERE theirs IS DISTINCT FROM ours),
                    count(*) FILTER (WHERE ours = 'wrong key or corrupt data')
               FROM (SELECT public.attempt('public.pgp_sym_decrypt($1, $2)', message) AS theirs,
                            public.attempt('public.phi_decrypt($1)', message) AS ours
                       FROM unnest(ARRAY['aes128', 'aes192', 'aes256', '3des', 'bf', 'cast5']) AS c,
                            unnest(ARRAY['aes128', 'aes192', 'aes256', '3des', 'bf', 'cast5']) AS s,
                            LATERAL public.pgp_sym_encrypt('text', public.key(),
                                format('s2k-count=1024,cipher-algo=%s,s2k-cipher-algo=%s', c, s)) AS message
                    ) AS both_read",
            &[],
        )
        .unwrap();
    let counts: [i64; 3] = [row.get(0), row.get(1), row.get(2)];
    assert_eq!(counts, [36, 0, 24]);
}

/// Values of every length and kind that a patient's record may hold.
const VALUES: &str = "
    SELECT repeat('x', n) AS value FROM generate_series(0, 300) AS n
    UNION ALL SELECT repeat('ção🦷', n) FROM unnest(ARRAY[1, 60, 61, 1000, 30000, 90000]) AS n
    UNION ALL SELECT repeat(md5(n::text), 32768) FROM generate_series(1, 2) AS n
    UNION ALL SELECT unnest(ARRAY[E'a\\nb', E'\\n', E'\\t', E'tab\\tand \\u0001 \\u007f \\u0085 \\u200b \\u2028',
                                  E'e\\u0301 \\u00e9', 'שלום عربي 漢字', E'\\u202Ertl', '👩‍👩‍👧‍👦', '\\x41', ' padded '])
    UNION ALL SELECT string_agg(chr(n), '') FROM generate_series(1, 2000) AS n WHERE n <> 10 AND n <> 13
    UNION ALL SELECT string_agg(chr(n * 97), '') FROM generate_series(700, 11000) AS n
";

#[test]
fn pgcrypto_reads_every_kind_of_value_that_phi_encrypt_writes() {
    let db = database();
    let mut session = with_pgcrypto(&db);
    let row = session
        .query_one(
            &format!(
                "SELECT count(*), max(octet_length(value)), count(*) FILTER (WHERE
                        public.pgp_sym_decrypt(public.phi_encrypt(value), public.key()) IS DISTINCT FROM value)
                   FROM ({VALUES} UNION ALL SELECT E'a\\r\\nb\\r\\n') AS values"
            ),
            &[],
        )
        .unwrap();
    assert!(row.get::<_, i64>(0) > 300 && row.get::<_, i32>(1) >= 1 << 20);
    assert_eq!(row.get::<_, i64>(2), 0);
}

#[test]
fn phi_decrypt_reads_every_kind_of_value_from_both_writers() {
    let db = database();
    let mut session = with_pgcrypto(&db);
    for (write, more) in [
        ("public.phi_encrypt(value)", "UNION ALL SELECT unnest(ARRAY[E'a\\r\\nb', E'\\r\\n', E'a\\r\\nb\\n', E'\\r'])"),
        ("public.pgp_sym_encrypt(value, public.key())", "UNION ALL SELECT unnest(ARRAY[E'a\\r\\nb\\n', E'\\r'])"),
        ("public.pgp_sym_encrypt(value, public.key(), 'compress-algo=2,convert-crlf=1')", ""),
        ("public.pgp_sym_encrypt_bytea(convert_to(value, 'UTF8'), public.key())", "UNION ALL SELECT E'a\\r\\nb'"),
    ] {
        let different: i64 = session.value(&format!(
            "SELECT count(*) FROM ({VALUES} {more}) AS values
              WHERE public.phi_decrypt({write}) IS DISTINCT FROM value"
        ));
        assert_eq!(different, 0, "{write}");
    }
}

#[test]
fn both_readers_ignore_whose_a_message_is() {
    let db = database();
    let mut session = with_pgcrypto(&db);
    let secret: String = session.value("SELECT public.key()");
    let mut sealer = Sealer::new(secret.as_bytes());
    for owner in [[0; 16], *b"a\r\nb/../\0%s\x1b[2J\x7f", [0xFF; 16]] {
        // Lengths on both sides of a border between packet headers.
        for text in ["", "João 🦷\n", &"x".repeat(140), &"ção".repeat(90_000)] {
            let message = sealer.seal_for(text, &owner).unwrap();
            let row = session
                .query_one("SELECT public.pgp_sym_decrypt($1, public.key()), public.phi_decrypt($1)", &[&message])
                .unwrap();
            let (theirs, ours): (String, String) = (row.get(0), row.get(1));
            assert!(theirs == text && ours == text, "{} octets", text.len());
        }
    }
}

#[test]
fn a_message_in_binary_mode_that_is_not_text_says_so() {
    let db = database();
    let mut session = with_pgcrypto(&db);
    for bytes in ["\\xffd8ffe0", "\\x6100"] {
        auria_tests::refused_with(
            session.query(
                &format!("SELECT public.phi_decrypt(public.pgp_sym_encrypt_bytea('{bytes}', public.key()))"),
                &[],
            ),
            "22021",
        );
    }
}
