//! Files: the first folder of a name is the owner's id, and nothing else opens it.

use auria_tests::{As, Database, database};
use uuid::Uuid;

/// The commands (S I U D) that succeed on one file of this bucket and name, for this role.
fn commands(db: &Database, role: As, bucket: &str, name: &str) -> String {
    let mut allowed = String::new();
    let mut superuser = db.superuser();
    let mut session = db.session(role);
    // Supabase's triggers let nobody else than the file store delete a row.
    superuser.run("SET storage.allow_delete_query = 'true'");
    session.run("SET storage.allow_delete_query = 'true'");
    for (command, statement) in [
        ('S', "SELECT FROM storage.objects"),
        ('I', "INSERT INTO storage.objects (bucket_id, name) VALUES ($1, $2)"),
        ('U', "UPDATE storage.objects SET metadata = '{}'"),
        ('D', "DELETE FROM storage.objects"),
    ] {
        superuser.run("DELETE FROM storage.objects");
        if command != 'I' {
            superuser
                .execute("INSERT INTO storage.objects (bucket_id, name) VALUES ($1, $2)", &[&bucket, &name])
                .unwrap();
        }
        let done = match command {
            'I' => session.execute(statement, &[&bucket, &name]),
            _ => session.execute(statement, &[]),
        };
        match done {
            Ok(1) => allowed.push(command),
            Ok(_) => {}
            Err(error) => assert_eq!(error.code().unwrap().code(), "42501", "{error:?}"),
        }
    }
    allowed
}

#[test]
fn a_file_is_open_to_its_owner_as_far_as_its_bucket_allows_and_to_nobody_else() {
    let db = database();
    let (ana, bia) = (Uuid::new_v4(), Uuid::new_v4());
    let name = format!("{ana}/rosto.jpg");
    for (bucket, own) in [("clinical-photos", "SIUD"), ("dsd-simulations", "SID"), ("avatars", "SIUD")] {
        assert_eq!(commands(&db, As::User(ana), bucket, &name), own, "{bucket}, own");
        assert_eq!(commands(&db, As::User(bia), bucket, &name), "", "{bucket}, others'");
        assert_eq!(commands(&db, As::Anon, bucket, &name), "", "{bucket}, anon");
        assert_eq!(commands(&db, As::Service, bucket, &name), "SIUD", "{bucket}, service_role");
    }
}

#[test]
fn a_name_without_the_owners_folder_or_with_a_way_out_of_it_belongs_to_nobody() {
    let db = database();
    let ana = Uuid::parse_str("a1b2c3d4-0000-4000-8000-00000000000a").unwrap();
    let upper = ana.to_string().to_uppercase();
    for name in [
        "rosto.jpg".to_owned(),
        ana.to_string(),
        format!("/{ana}/rosto.jpg"),
        format!("fotos/{ana}/rosto.jpg"),
        format!("{ana}/../rosto.jpg"),
        format!("{ana}/.."),
        format!("{ana}/..\\rosto.jpg"),
        format!("{upper}/rosto.jpg"),
        format!("{ana} /rosto.jpg"),
        String::new(),
    ] {
        for bucket in ["clinical-photos", "dsd-simulations", "avatars"] {
            assert_eq!(commands(&db, As::User(ana), bucket, &name), "", "{bucket} {name:?}");
        }
    }
}

#[test]
fn a_file_cannot_be_given_away_or_moved_where_its_owner_may_not_write() {
    let db = database();
    let (ana, bia) = (Uuid::new_v4(), Uuid::new_v4());
    let mut session = db.authenticated(ana);
    session
        .execute(
            "INSERT INTO storage.objects (bucket_id, name) VALUES ('clinical-photos', $1)",
            &[&format!("{ana}/a.jpg")],
        )
        .unwrap();
    let rename = session.execute("UPDATE storage.objects SET name = $1", &[&format!("{bia}/a.jpg")]);
    auria_tests::refused_with(rename, "42501");
    let moved = session.execute("UPDATE storage.objects SET bucket_id = 'dsd-simulations'", &[]);
    auria_tests::refused_with(moved, "42501");
}

#[test]
fn without_claims_nobody_owns_a_file() {
    let db = database();
    let mut session = db.authenticated(Uuid::new_v4());
    for claims in ["", "{}", r#"{"sub": ""}"#, r#"{"sub": null}"#] {
        session.execute("SELECT set_config('request.jwt.claims', $1, false)", &[&claims]).unwrap();
        let written =
            session.execute("INSERT INTO storage.objects (bucket_id, name) VALUES ('avatars', '/a.jpg')", &[]);
        // Supabase's own auth.uid() calls an empty id no uuid, the extension's calls it nobody.
        let refused = written.unwrap_err();
        let code = refused.code().unwrap().code();
        assert!(code == "42501" || (code == "22P02" && claims == r#"{"sub": ""}"#), "{claims}: {refused:?}");
    }
}

#[test]
fn an_owner_uploads_an_avatar_again_and_nobody_else_lists_it() {
    let db = database();
    let ana = Uuid::new_v4();
    let name = format!("{ana}/rosto.jpg");
    let mut session = db.authenticated(ana);
    session.run("BEGIN");
    for _ in 0..2 {
        // As Supabase's storage service writes an upload with upsert.
        let row = session
            .query_one(
                "INSERT INTO storage.objects (bucket_id, name) VALUES ('avatars', $1)
                 ON CONFLICT (bucket_id, name) DO UPDATE SET metadata = '{}' RETURNING name",
                &[&name],
            )
            .unwrap();
        assert_eq!(row.get::<_, &str>(0), name);
    }
    session.run("COMMIT");
    for role in [As::Anon, As::User(Uuid::new_v4())] {
        let listed: i64 = db.session(role).value("SELECT count(*) FROM storage.objects");
        assert_eq!(listed, 0, "{role:?}");
    }
}
