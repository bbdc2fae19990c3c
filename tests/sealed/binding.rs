//! A value is its dentist's: by the salt that all of them share, and by the name inside of it, which nothing gives to a
//! value that may be somebody else's.

use auria_openpgp::{Opener, S2k, describe};
use auria_tests::{As, ClusterOptions, Database, Session, database};
use uuid::Uuid;

use super::rotation::{FIRST, SECOND, under_the_first_key, use_keys};
use super::{insert_patient, refused_by, seal};

/// The encrypted columns of the patients.
const COLUMNS: [&str; 5] =
    ["name_encrypted", "phone_encrypted", "email_encrypted", "birth_date_encrypted", "notes_encrypted"];

/// The salts of a dentist's patients, each once.
fn salts(db: &Database<'_>, dentist: Uuid) -> Vec<[u8; 8]> {
    let values = COLUMNS
        .map(|column| {
            format!("SELECT {column} FROM auria_raw.patients_raw WHERE user_id = '{dentist}' AND {column} IS NOT NULL")
        })
        .join(" UNION ALL ");
    let rows = db.superuser().query(&values, &[]).unwrap();
    let mut salts: Vec<_> = rows.iter().map(|row| salt(row.get(0))).collect();
    salts.sort_unstable();
    salts.dedup();
    salts
}

fn salt(message: &[u8]) -> [u8; 8] {
    match describe(message).unwrap().s2k {
        S2k::Iterated { salt, .. } => salt,
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_values_of_a_dentist_have_one_salt_whoever_writes_them_and_two_dentists_share_none() {
    let db = database();
    let dentists = ["ana", "bia", "caio"].map(|name| db.sign_up(&format!("{name}@clinica.test")));
    for (number, dentist) in dentists.iter().enumerate() {
        insert_patient(&mut db.service(), *dentist, &format!("Antes {number}"));
    }
    seal(&db);
    for dentist in dentists {
        for number in 0..3 {
            insert_patient(&mut db.session(As::User(dentist)), dentist, &format!("Depois {number}"));
        }
        db.session(As::User(dentist)).run("UPDATE public.patients SET notes = 'outra', phone = NULL");
    }
    // By one connection, in turn.
    let mut service = db.service();
    for number in 0..3 {
        for dentist in dentists {
            insert_patient(&mut service, dentist, &format!("Junto {number}"));
        }
    }
    // A row that moves takes the salt of its new dentist.
    service.run(&format!(
        "UPDATE public.patients SET user_id = '{}', name = 'Mudou' WHERE user_id = '{}' AND name = 'Antes 0'",
        dentists[1], dentists[0]
    ));
    let salts = dentists.map(|dentist| salts(&db, dentist));
    assert!(salts.iter().all(|salts| salts.len() == 1), "{salts:?}");
    assert!(salts[0] != salts[1] && salts[1] != salts[2] && salts[0] != salts[2], "{salts:?}");
    // Both other readers go on reading them.
    let mut dba = db.superuser();
    dba.run("CREATE EXTENSION pgcrypto SCHEMA public");
    let read: i64 = dba.value(
        "SELECT count(*) FROM auria_raw.patients_raw,
                split_part(pg_read_file(current_setting('auria.phi_key_file')), E'\\n', 1) AS key
          WHERE public.pgp_sym_decrypt(name_encrypted, key) ~ '^(Antes|Depois|Junto|Mudou)'
            AND public.pgp_sym_decrypt(notes_encrypted, key) IN ('outra', 'hipertensa')",
    );
    assert_eq!(read, 21);
}

/// "Maria Oliveira" and "hipertensa" of the dentist with the id of nothing but a1, as 0.3.1 wrote them over two connections
/// under the first secret.
const OF_0_3_1: [&str; 2] = [
    "c30d0409030829f69d996d710ce200d24f01ecaa11281cee0efc691eecfba0a623a86c8fd2d3ae987d44c9f042181ab62410862325fd5cec80e745b2981df0666e226e5bad977b29f4806e3d5a186d658a8a11c8bd5a620e159ce1cb1a0c1cf0",
    "c30d04090308520839b2c192902600d24b0113274996b74ab9a337d142262a1589a15c1e4ccfc5f6cd10af66750aea18a81286ee68d4403d475f0a4d244c9646abba6c57ec6e368d0a23f9c2748543e5203f36dcc691fab017fda65a",
];

#[test]
fn values_with_other_salts_are_read_as_before_and_written_anew_on_request_alone() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let mut dba = under_the_first_key(&cluster, &db);
    let dentist = Uuid::from_bytes([0xA1; 16]);
    dba.run(&format!("INSERT INTO auth.users (id, email) VALUES ('{dentist}', 'ana@clinica.test')"));
    seal(&db);
    let mut session = db.session(As::User(dentist));
    insert_patient(&mut session, dentist, "Outra");
    dba.run(&format!(
        "INSERT INTO auria_raw.patients_raw (user_id, name_encrypted, notes_encrypted, name_digest)
         VALUES ('{dentist}', '\\x{}', '\\x{}', auria.name_digest('{dentist}', '\\x{}'))",
        OF_0_3_1[0], OF_0_3_1[1], OF_0_3_1[0]
    ));
    let read = "SELECT string_agg(concat_ws(' ', name, notes), ', ' ORDER BY name) FROM public.patients";
    let expected = "Maria Oliveira hipertensa, Outra hipertensa";
    let outdated = "SELECT sum(outdated + differing + unreadable)::bigint FROM auria.phi_status()";
    assert_eq!(session.value::<String>(read), expected);
    assert_eq!(dba.value::<i64>(outdated), 0);
    let changed_at: String =
        dba.value("SELECT string_agg(updated_at::text, ' ' ORDER BY id) FROM auria_raw.patients_raw");

    dba.run("CALL auria.phi_backfill()");
    dba.run("CALL auria.phi_backfill(rewrite => false)");
    assert_eq!(salts(&db, dentist).len(), 3);
    refused_by(&mut dba, "22004", "CALL auria.phi_backfill(rewrite => NULL)");
    refused_by(&mut session, "42501", "CALL auria.phi_backfill(rewrite => true)");
    // The key changes meanwhile: what is written anew has the salt that the new one gives.
    db.service().run("CALL auria.phi_backfill(rewrite => true, batch_size => 1)");
    let first = salts(&db, dentist);
    assert_eq!(first.len(), 1);
    let written: Vec<u8> = dba.value("SELECT max(name_encrypted::text)::bytea FROM auria_raw.patients_raw");
    db.service().run("CALL auria.phi_backfill(rewrite => true)");
    assert_eq!(dba.value::<Vec<u8>>("SELECT max(name_encrypted::text)::bytea FROM auria_raw.patients_raw"), written);

    use_keys(&cluster, &mut dba, SECOND, Some(FIRST));
    let mut session = db.session(As::User(dentist));
    assert_eq!(session.value::<String>(read), expected);
    insert_patient(&mut session, dentist, "Nova");
    assert_eq!(salts(&db, dentist).len(), 2);
    dba.run("CALL auria.phi_backfill()");
    let second = salts(&db, dentist);
    assert!(second.len() == 1 && second != first, "{second:?}");
    use_keys(&cluster, &mut dba, SECOND, None);
    assert_eq!(session.value::<String>(read), "Maria Oliveira hipertensa, Nova hipertensa, Outra hipertensa");
    let now: String = dba
        .value("SELECT string_agg(p.updated_at::text, ' ' ORDER BY p.id) FROM public.patients p WHERE name <> 'Nova'");
    assert_eq!(now, changed_at);
}

/// Two dentists, each with a patient whose note is long; the sessions and ids.
fn two_dentists(db: &Database<'_>) -> [(Session, Uuid, Uuid); 2] {
    let both = ["ana", "bia"].map(|name| {
        let dentist = db.sign_up(&format!("{name}@clinica.test"));
        let patient = insert_patient(&mut db.service(), dentist, &format!("Paciente de {name}"));
        db.service().run(&format!(
            "UPDATE public.patients SET notes = rpad('Nota de {name}: ', 250, 'soropositiva ') WHERE id = '{patient}'"
        ));
        (db.session(As::User(dentist)), dentist, patient)
    });
    seal(db);
    both
}

/// Somebody with rights on the table, a replica or a dump puts bytes into a row.
fn put(db: &Database<'_>, patient: Uuid, notes: &[u8]) {
    db.superuser()
        .execute("UPDATE auria_raw.patients_raw SET notes_encrypted = $2 WHERE id = $1", &[&patient, &notes])
        .unwrap();
}

fn notes(db: &Database<'_>, patient: Uuid) -> Vec<u8> {
    db.superuser().value(&format!("SELECT notes_encrypted FROM auria_raw.patients_raw WHERE id = '{patient}'"))
}

/// A message without MDC whose text is the end of another message's, made without the secret but for the question whether
/// it opens: one time in 65,536 it does.
///
/// The old packet's CFB starts anew after 18 octets. With a block of the other message as the 16 that it starts from, the
/// blocks behind that one decrypt to what they were. Eleven octets of the first are known, the id's end and the date: they
/// become the head of a literal packet whose file name swallows what the change garbles.
fn spliced(message: &[u8], owner: Uuid, opener: &mut Opener) -> Option<Vec<u8>> {
    let (session_key, rest) = message.split_at(15);
    assert_eq!((rest[0], rest[3]), (0xD2, 1), "a body of 192 octets or more");
    let blocks = &rest[4..rest.len() - 22];
    let known = [&owner.as_bytes()[9..], &[0; 4]].concat();
    let head = [&[0xAF, b'b', 25][..], &[b'x'; 8]].concat();
    let mut behind = blocks[32..].to_vec();
    for place in 0..known.len() {
        behind[place] ^= known[place] ^ head[place];
    }
    let length = (18 + behind.len() as u32).to_be_bytes();
    (0..=u16::MAX).find_map(|attempt| {
        let forged = [session_key, &[0xC9, 255], &length, &attempt.to_be_bytes(), &blocks[16..32], &behind].concat();
        let opens = opener.open(&forged, &mut || true).is_ok_and(|text| text.contains("soropositiva"));
        opens.then_some(forged)
    })
}

#[test]
fn a_note_spliced_from_another_dentists_becomes_nobodys() {
    let db = database();
    let [(_, ana, anas), (mut session, bia, bias)] = two_dentists(&db);
    let mut dba = db.superuser();
    let mut service = db.service();
    let secret: String = dba.value("SELECT split_part(pg_read_file(current_setting('auria.phi_key_file')), E'\\n', 1)");
    let mut opener = Opener::new(secret.as_bytes());
    let forged = (0..16).find_map(|_| {
        service.run(&format!("UPDATE public.patients SET notes = notes || '.' WHERE id = '{anas}'"));
        spliced(&notes(&db, anas), ana, &mut opener)
    });
    let forged = forged.expect("one of 16 messages can be spliced but one time in ten million");
    put(&db, bias, &forged);
    let unreadable = "SELECT sum(unreadable)::bigint FROM auria.phi_status()";
    let check = |session: &mut Session, who: &str| {
        refused_by(session, "39000", "SELECT notes FROM public.patients");
        assert_eq!(notes(&db, bias), forged, "{who}");
    };
    check(&mut session, "bia");
    for statement in ["CALL auria.phi_backfill()", "CALL auria.phi_backfill(rewrite => true)"] {
        dba.run(statement);
        check(&mut session, statement);
        assert_eq!(dba.value::<i64>(unreadable), 1, "{statement}");
    }
    assert!(
        !dba.value::<bool>("SELECT sample_match FROM public.verify_phi_encryption() WHERE table_name = 'patients'")
    );
    assert!(dba.value::<bool>(&format!(
        "SELECT auria.bound_value(notes_encrypted, user_id) = notes_encrypted AND
                auria.open_for_owner(notes_encrypted, user_id, true) IS NULL
           FROM auria_raw.patients_raw WHERE id = '{bias}'"
    )));
    // The backend can read it, and what it moves to somebody does not become readable for them.
    assert!(
        service.value::<bool>(&format!("SELECT notes LIKE '%soropositiva%' FROM public.patients WHERE id = '{bias}'"))
    );
    let caio = db.sign_up("caio@clinica.test");
    service.run(&format!("UPDATE public.patients SET user_id = '{caio}' WHERE id = '{bias}'"));
    let mut of_caio = db.session(As::User(caio));
    check(&mut of_caio, "caio");
    assert_eq!(of_caio.value::<String>("SELECT name FROM public.patients"), "Paciente de bia");
    service.run(&format!("UPDATE public.patients SET user_id = '{bia}' WHERE id = '{bias}'"));
    check(&mut session, "bia again");
    refused_by(&mut dba, "39000", "CALL auria.phi_unseal()");
    // Nothing of it is left once the note is written again.
    session.run("UPDATE public.patients SET notes = 'nova'");
    dba.run("CALL auria.phi_unseal()");
    assert_eq!(db.session(As::User(bia)).value::<String>("SELECT notes FROM public.patients"), "nova");
}

#[test]
fn another_dentists_value_becomes_ones_own_by_no_move_and_no_unsealing() {
    let db = database();
    let [(_, _, anas), (mut session, bia, bias)] = two_dentists(&db);
    let copied = notes(&db, anas);
    put(&db, bias, &copied);
    refused_by(&mut session, "39000", "SELECT notes FROM public.patients");
    let caio = db.sign_up("caio@clinica.test");
    let mut service = db.service();
    for user in [caio, bia] {
        service.run(&format!("UPDATE public.patients SET user_id = '{user}' WHERE id = '{bias}'"));
        refused_by(&mut db.session(As::User(user)), "39000", "SELECT notes FROM public.patients");
        assert_eq!(notes(&db, bias), copied);
    }
    let refusal = refused_by(&mut db.superuser(), "39000", "CALL auria.phi_unseal()");
    assert!(refusal.hint().unwrap_or_default().contains("phi_status"), "{refusal:?}");
    assert!(db.superuser().value::<bool>("SELECT to_regclass('auria_raw.patients_raw') IS NOT NULL"));
}

#[test]
fn a_value_without_mdc_is_encrypted_anew_from_its_plain_value_before_it_is_sealed() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.test");
    let patient = insert_patient(&mut db.service(), dentist, "Maria");
    let other = insert_patient(&mut db.service(), dentist, "Outra");
    let mut dba = db.superuser();
    dba.run(&format!(
        "CREATE EXTENSION pgcrypto SCHEMA public;
         SET session_replication_role = replica;
         UPDATE public.patients p
            SET notes_encrypted = public.pgp_sym_encrypt(CASE id WHEN '{patient}' THEN notes ELSE 'de outro' END,
                    split_part(pg_read_file(current_setting('auria.phi_key_file')), E'\\n', 1), 'disable-mdc=1'),
                notes = CASE id WHEN '{patient}' THEN notes END;
         RESET session_replication_role"
    ));
    refused_by(&mut dba, "55000", "CALL auria.phi_seal()");
    dba.run("CALL auria.phi_backfill()");
    let stored: Vec<u8> = dba.value(&format!("SELECT notes_encrypted FROM public.patients WHERE id = '{patient}'"));
    assert!(describe(&stored).unwrap().integrity_protected);
    // Whose the other one is nothing says.
    let stored: Vec<u8> = dba.value(&format!("SELECT notes_encrypted FROM public.patients WHERE id = '{other}'"));
    assert!(!describe(&stored).unwrap().integrity_protected);
    assert_eq!(
        dba.value::<i64>("SELECT sum(unreadable)::bigint FROM auria.phi_status() WHERE column_name = 'notes'"),
        1
    );
    refused_by(&mut dba, "55000", "CALL auria.phi_seal()");
    dba.run(&format!("UPDATE public.patients SET notes_encrypted = NULL WHERE id = '{other}'"));
    seal(&db);
    assert_eq!(
        db.session(As::User(dentist))
            .value::<String>(&format!("SELECT notes FROM public.patients WHERE id = '{patient}'")),
        "hipertensa"
    );
}
