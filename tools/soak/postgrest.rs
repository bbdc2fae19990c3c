//! The real PostgREST that the API's tests pin, and the tokens it accepts.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{fs, thread};

use auria_tests::{Cluster, repository};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "a-secret-of-the-soak-for-its-tokens-alone";

/// PostgREST must not outlive this process, however that ends: its keeper reads from a pipe that closes with it.
const KEEPER: &str =
    r#"trap "" INT HUP; "$@" </dev/null >/dev/null 2>&1 & cat >/dev/null; kill $! 2>/dev/null; wait $!"#;

pub struct Postgrest {
    port: u16,
    environment: Vec<(&'static str, String)>,
    child: Mutex<Child>,
}

impl Postgrest {
    pub fn start(cluster: &Cluster, database: &str) -> Self {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let host = cluster.socket_directory().display().to_string();
        let environment = vec![
            (
                "PGRST_DB_URI",
                format!(
                    "postgresql://authenticator@/{database}?host={}&port={}&application_name=postgrest",
                    host.replace('/', "%2F"),
                    cluster.port()
                ),
            ),
            ("PGRST_DB_SCHEMAS", "public".into()),
            ("PGRST_DB_ANON_ROLE", "anon".into()),
            ("PGRST_DB_POOL", "8".into()),
            ("PGRST_JWT_SECRET", SECRET.into()),
            ("PGRST_SERVER_HOST", "127.0.0.1".into()),
            ("PGRST_SERVER_PORT", port.to_string()),
        ];
        let child = Mutex::new(spawn(&environment));
        let postgrest = Postgrest { port, environment, child };
        postgrest.wait();
        postgrest
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns when no backend does anything any more for a PostgREST that was killed.
    pub fn settle(&self) {
        drop(self.child.lock().unwrap());
    }

    /// Ends it without a word to its clients; `gone` waits until its backends have ended. Then starts it again.
    pub fn kill_and_start(&self, gone: impl FnOnce()) {
        let mut child = self.child.lock().unwrap();
        let keeper = child.id();
        // The keeper's child is PostgREST itself.
        let children = fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).unwrap_or_default();
        for pid in children.split_whitespace() {
            let _ = Command::new("kill").args(["-KILL", pid]).status();
        }
        stop(&mut child);
        gone();
        *child = spawn(&self.environment);
    }

    /// Waits until it answers from the database.
    pub fn wait(&self) {
        let url = format!("{}/credit_packs?limit=0", self.url());
        let deadline = Instant::now() + Duration::from_secs(60);
        while !ureq::get(&url).timeout(Duration::from_secs(10)).call().is_ok_and(|response| response.status() == 200) {
            assert!(Instant::now() < deadline, "PostgREST does not answer");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Postgrest {
    fn drop(&mut self) {
        stop(&mut self.child.lock().unwrap());
    }
}

fn spawn(environment: &[(&'static str, String)]) -> Child {
    Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(binary())
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}

fn stop(child: &mut Child) {
    drop(child.stdin.take());
    let _ = child.wait();
}

fn binary() -> PathBuf {
    let binary = repository().join("tests/api/node_modules/postgrest-12/postgrest");
    assert!(binary.exists(), "{} is missing: run npm ci in tests/api", binary.display());
    binary
}

/// A token as Supabase's sign-in makes them: HS256, with these claims and a day to live.
pub fn token(mut claims: Value) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    claims["exp"] = json!(now + 86_400);
    let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    let signed = format!("{}.{}", encode(br#"{"alg":"HS256","typ":"JWT"}"#), encode(claims.to_string().as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", encode(&mac.finalize().into_bytes()))
}
