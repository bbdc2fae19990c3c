//! A database of one test.

use uuid::Uuid;

use crate::cluster::Cluster;
use crate::session::{As, Session};

/// A database that is dropped when its test ends.
pub struct Database<'cluster> {
    cluster: &'cluster Cluster,
    name: String,
}

impl<'cluster> Database<'cluster> {
    pub(crate) fn new(cluster: &'cluster Cluster, name: String) -> Self {
        Database { cluster, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server it is on.
    pub fn cluster(&self) -> &'cluster Cluster {
        self.cluster
    }

    /// A session as this role.
    pub fn session(&self, role: As) -> Session {
        Session::open(self.cluster, &self.name, role)
    }

    /// A session of the superuser.
    pub fn superuser(&self) -> Session {
        self.session(As::Superuser)
    }

    /// A session of the backend: service_role.
    pub fn service(&self) -> Session {
        self.session(As::Service)
    }

    /// A session of a visitor without an account: anon.
    pub fn anon(&self) -> Session {
        self.session(As::Anon)
    }

    /// A session of a signed-in user: authenticated.
    pub fn authenticated(&self, user: Uuid) -> Session {
        self.session(As::User(user))
    }

    /// A new account, as Supabase's sign-up makes it.
    pub fn sign_up(&self, email: &str) -> Uuid {
        let id = Uuid::new_v4();
        self.superuser().execute("INSERT INTO auth.users (id, email) VALUES ($1, $2)", &[&id, &email]).unwrap();
        id
    }

    /// A new account with an active subscription to this plan.
    pub fn sign_up_on_plan(&self, email: &str, plan: &str) -> Uuid {
        let id = self.sign_up(email);
        self.superuser()
            .execute(
                "INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ($1, $2, 'active')",
                &[&id, &plan],
            )
            .unwrap();
        id
    }

    /// Dumps this database as plain SQL, and restores it into an empty one in one transaction, as a DBA does.
    pub fn dump_into(&self, server: &Cluster, database: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        self.cluster.client_succeeds("pg_dump", &["-f", path, &self.name]);
        let arguments = "-q -X -v ON_ERROR_STOP=1 --single-transaction -f";
        let arguments: Vec<&str> = arguments.split(' ').chain([path, database]).collect();
        server.client_succeeds("psql", &arguments);
    }

    /// Opens that many sessions, then has each do its work at the same moment; the answers in the sessions' order.
    pub fn concurrently<T: Send>(
        &self,
        sessions: usize,
        role: As,
        work: impl Fn(usize, &mut Session) -> T + Sync,
    ) -> Vec<T> {
        self.cluster.concurrently(&self.name, sessions, role, work)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        // A killed server or a replica has nothing to drop; the directory goes anyway.
        if let Ok(mut session) = Session::try_open(self.cluster, "postgres", As::Superuser) {
            let _ = session.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}
