//! A connection as one of the API's roles.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use postgres::error::DbError;
use postgres::{Client, Config, NoTls};
use serde_json::json;
use uuid::Uuid;

use crate::cluster::{Cluster, Platform};

/// The role of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// The superuser of the server.
    Superuser,
    /// The backend, `service_role`.
    Service,
    /// A visitor without an account, `anon`.
    Anon,
    /// A signed-in user, `authenticated` with this id in the claims.
    User(Uuid),
    /// A role that logs in by itself, such as a team's.
    Role(&'static str),
}

impl As {
    fn role(self) -> Option<&'static str> {
        match self {
            As::Superuser | As::Role(_) => None,
            As::Service => Some("service_role"),
            As::Anon => Some("anon"),
            As::User(_) => Some("authenticated"),
        }
    }
}

/// A client that remembers the notices it was sent.
pub struct Session {
    client: Client,
    notices: Arc<Mutex<Vec<DbError>>>,
}

impl Session {
    pub(crate) fn open(cluster: &Cluster, database: &str, role: As) -> Self {
        Self::try_open(cluster, database, role).unwrap()
    }

    /// As PostgREST does: log in as authenticator, become the role of the token, set its claims.
    pub(crate) fn try_open(cluster: &Cluster, database: &str, role: As) -> Result<Self, postgres::Error> {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&notices);
        let login = match role {
            As::Superuser => cluster.superuser_name(),
            As::Role(name) => name,
            _ => "authenticator",
        };
        let mut client = Config::new()
            .host_path(cluster.socket_directory())
            .port(cluster.port())
            .user(login)
            .dbname(database)
            .notice_callback(move |notice| sink.lock().unwrap().push(notice))
            .connect(NoTls)?;
        if let Some(name) = role.role() {
            let mut claims = json!({ "role": name });
            if let As::User(id) = role {
                claims["sub"] = json!(id.to_string());
            }
            client.batch_execute(&format!("SET ROLE {name}"))?;
            // These are sessions of a person; what PostgREST's refuse is tested through PostgREST.
            if cluster.platform() == Platform::Supabase {
                client.batch_execute("SET safeupdate.enabled = off")?;
            }
            client.execute("SELECT set_config('request.jwt.claims', $1, false)", &[&claims.to_string()])?;
        }
        Ok(Session { client, notices })
    }

    /// Runs statements without parameters that must succeed.
    pub fn run(&mut self, statements: &str) {
        if let Err(error) = self.client.batch_execute(statements) {
            panic!("{statements}\n{error:?}");
        }
    }

    /// The first column of the only row of a query without parameters.
    pub fn value<T: for<'a> postgres::types::FromSql<'a>>(&mut self, query: &str) -> T {
        match self.client.query_one(query, &[]) {
            Ok(row) => row.get(0),
            Err(error) => panic!("{query}\n{error:?}"),
        }
    }

    /// The notices and warnings since the last time this was asked.
    pub fn notices(&mut self) -> Vec<DbError> {
        // A round trip: what the server sent before its answer has been read by then.
        let _ = self.client.batch_execute("");
        std::mem::take(&mut self.notices.lock().unwrap())
    }

    /// The process of the server behind this session.
    pub fn backend_pid(&mut self) -> u32 {
        self.value::<i32>("SELECT pg_catalog.pg_backend_pid()").unsigned_abs()
    }
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}
