//! The files of docs/monitoring, with the programs that read them: Debian's Prometheus and its exporter for PostgreSQL.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use auria_tests::{Cluster, ClusterOptions, Debian, repository};
use serde_json::Value;

const PAGE: &str = include_str!("../../docs/monitoring/README.md");
const ALERTS: &str = include_str!("../../docs/monitoring/alerts.yml");
const DASHBOARD: &str = include_str!("../../docs/monitoring/dashboard.json");

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// An exporter beside a server; it ends with this value.
struct Exporter {
    process: Child,
    port: u16,
}

impl Exporter {
    fn of(server: &Cluster, database: &str) -> Self {
        let port = free_port();
        let source = format!(
            "user=prometheus host={} port={} dbname={database} sslmode=disable",
            server.socket_directory().display(),
            server.port()
        );
        let process = Command::new("prometheus-postgres-exporter")
            .env("DATA_SOURCE_NAME", source)
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--extend.query-path")
            .arg(repository().join("docs/monitoring/queries.yaml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Exporter { process, port }
    }

    /// The one of Debian's package, with what the page writes into its configuration: it runs as the account `prometheus`.
    fn of_debian(machine: &Debian) -> Self {
        let port = free_port();
        let lines = PAGE.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
        let lines = machine.here(lines).replace("dbname=", &format!("port={} dbname=", machine.port()));
        let start =
            format!("set -a\n{lines}\nexec prometheus-postgres-exporter $ARGS --web.listen-address=127.0.0.1:{port}");
        // Not runuser, which stays as its parent and is killed alone.
        let process = Command::new("setpriv")
            .args(["--reuid=prometheus", "--regid=prometheus", "--init-groups", "sh", "-c", &start])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Exporter { process, port }
    }

    /// What Prometheus would read.
    fn scrape(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let mut page = String::new();
            if let Ok(mut connection) = TcpStream::connect(("127.0.0.1", self.port)) {
                connection.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
                connection.read_to_string(&mut page).unwrap();
            }
            if page.contains("\npg_up 1") {
                return page;
            }
            assert!(Instant::now() < deadline, "no metrics: {page}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The value of a series in what was scraped; the labels that the exporter adds are left out.
#[track_caller]
fn series(page: &str, name: &str, labels: &[&str]) -> f64 {
    let found: Vec<&str> = page
        .lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name) && labels.iter().all(|label| line.contains(label)))
        .collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
    found[0].rsplit(' ').next().unwrap().parse().unwrap()
}

/// The names of metrics in a text of PromQL.
fn names(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("auria_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn an_exporter_with_no_other_rights_is_scraped_and_every_rule_and_panel_finds_its_series() {
    let server = ClusterOptions::default()
        .setting("track_functions", "all")
        .setting("shared_preload_libraries", "pg_cron")
        .setting("cron.database_name", "auria_0")
        .start();
    let db = server.database();
    assert_eq!(db.name(), "auria_0");
    let mut admin = db.superuser();
    let set_up = PAGE.split_once("```sql\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    admin.run(set_up);
    admin.run("CREATE EXTENSION pg_cron; SELECT FROM auria.schedule()");
    let ana = db.sign_up_on_plan("ana@clinica.example", "price_essencial_monthly");
    db.service().run(&format!(
        "SELECT public.use_credits('{ana}', 'case_analysis');
         SELECT public.use_credits('{ana}', 'dsd_simulation');
         SELECT public.refund_credits('{ana}', 'dsd_simulation');
         SELECT public.use_credits(gen_random_uuid(), 'weekly_digest')"
    ));
    admin.run(&format!(
        "INSERT INTO public.credit_pack_purchases (user_id, pack_id, credits, amount, created_at)
         VALUES ('{ana}', 'pack_10', 10, 2900, now() - interval '2 hours');
         INSERT INTO cron.job_run_details (jobid, runid, database, status, end_time)
         SELECT jobid, 1000000, database, 'succeeded', now() - interval '2 minutes'
           FROM cron.job WHERE jobname LIKE 'auria\\_reset\\_monthly%';
         DROP POLICY patients_select_own ON public.patients"
    ));

    let exporter = Exporter::of(&server, db.name());
    let page = exporter.scrape();
    let charged = ["operation=\"case_analysis\"", "kind=\"charge\""];
    let refunded = ["operation=\"dsd_simulation\"", "kind=\"refund\""];
    let entries = "auria_ledger_entries_last_hour";
    assert_eq!(series(&page, entries, &charged), 1.0);
    assert_eq!(series(&page, entries, &refunded), 1.0);
    assert_eq!(series(&page, "auria_ledger_credits_last_hour", &refunded), -2.0);
    assert_eq!(series(&page, "auria_ledger_entries_total", &[]), 3.0);
    let refused = |operation: &str| {
        let label = format!("operation=\"{operation}\"");
        series(&page, "auria_charges_refused_total", &[&label])
    };
    assert_eq!((refused("case_analysis"), refused("other")), (0.0, 1.0));
    assert_eq!(series(&page, "auria_months_overdue", &[]), 0.0);
    let age = series(&page, "auria_purchases_oldest_pending_seconds", &[]);
    assert!((7200.0..7300.0).contains(&age), "{age}");
    let check = |name: &str| {
        let label = format!("check=\"{name}\"");
        series(&page, "auria_doctor_failing", &[&label])
    };
    assert_eq!(check("policies"), 1.0);
    assert_eq!(check("grants"), 0.0);
    let reset = ["cron_job=\"auria_reset_monthly\""];
    assert_eq!(series(&page, "auria_job_active", &reset), 1.0);
    let age = series(&page, "auria_job_last_success_seconds", &reset);
    assert!((120.0..200.0).contains(&age), "{age}");
    assert!(page.contains("pg_exporter_user_queries_load_error{") || !page.contains("_load_error"), "{page}");
    assert!(series(&page, "pg_exporter_last_scrape_error", &[]) == 0.0, "a query failed");

    // The number of pg_cron's runs that are read is bounded: runs of another database push the extension's out.
    let succeeded = "SELECT count(*) FROM auria.metrics('jobs') WHERE metric = 'job_last_success_seconds'";
    assert_eq!(admin.value::<i64>(succeeded), 1);
    admin.run(
        "INSERT INTO cron.job_run_details (jobid, runid, database, status, end_time)
         SELECT 0, 1000000 + n, 'another', 'succeeded', now() FROM generate_series(1, 5000) AS n",
    );
    assert_eq!(admin.value::<i64>(succeeded), 0);

    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let expressions = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap().to_owned());
    let mut used: Vec<String> = expressions.flat_map(|expression| names(&expression)).collect();
    // A job's name begins like a metric's.
    used.extend(names(ALERTS).into_iter().filter(|name| !ALERTS.contains(&format!("cron_job=\"{name}\""))));
    assert!(used.len() > 20, "{used:?}");
    for name in used {
        assert!(page.contains(&format!("\n{name}{{")), "{name} is not scraped");
    }
}

#[test]
fn the_exporter_of_debian_is_let_in_by_debians_pg_hba() {
    let machine = Debian::with(&[]);
    // Other accounts may reach the socket, as in /var/run/postgresql.
    fs::set_permissions(machine.root(), fs::Permissions::from_mode(0o711)).unwrap();
    let queries = machine.root().join("etc/postgresql/auria-queries.yaml");
    fs::copy(repository().join("docs/monitoring/queries.yaml"), queries).unwrap();
    let (printed, status) = machine.terminal(&[]).paste("createdb auria");
    assert_eq!(status, 0, "{printed}");
    machine.ask("auria", "CREATE EXTENSION auria CASCADE");
    machine.ask("auria", PAGE.split_once("```sql\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0);
    let page = Exporter::of_debian(&machine).scrape();
    assert_eq!(series(&page, "auria_group_collected", &["group=\"ledger\""]), 1.0);
    assert_eq!(series(&page, "auria_doctor_failing", &["check=\"policies\""]), 0.0);
}

#[test]
fn prometheus_accepts_the_rules_and_each_alert_comes_when_it_should() {
    let directory = repository().join("docs/monitoring");
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let output = Command::new("promtool").args(arguments).current_dir(&directory).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let tested = include_str!("../../docs/monitoring/alerts_test.yml");
    for line in ALERTS.lines() {
        if let Some((_, alert)) = line.split_once("- alert: ") {
            assert_eq!(
                tested.matches(&format!("alertname: {alert}")).count(),
                2,
                "{alert} is tested silent and firing"
            );
        }
    }
}

/// A Prometheus that reads its configuration from this directory; it ends with this value.
struct Prometheus {
    process: Child,
    port: u16,
}

impl Prometheus {
    fn start(directory: &Path) -> Self {
        let port = free_port();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", directory.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Prometheus { process, port }
    }

    /// The labels of the alerts that fire.
    fn firing(&self) -> Vec<Value> {
        let url = format!("http://127.0.0.1:{}/api/v1/alerts", self.port);
        let Ok(answer) = ureq::get(&url).call() else { return Vec::new() };
        let answer: Value = answer.into_json().unwrap();
        let alerts = answer["data"]["alerts"].as_array().unwrap().clone();
        alerts.into_iter().filter(|alert| alert["state"] == "firing").map(|alert| alert["labels"].clone()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The configuration of docs/monitoring/README.md with these targets, and the rules of alerts.yml without their patience.
fn configure(directory: &Path, targets: &[String]) {
    let documented = PAGE.split_once("```yaml\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    let (before, after) = documented.split_once("[\"localhost:9187\", \"standby:9187\"]").unwrap();
    let hurried = "global: {scrape_interval: 1s, evaluation_interval: 1s}\n";
    fs::write(directory.join("prometheus.yml"), format!("{hurried}{before}{targets:?}{after}")).unwrap();
    let rules: Vec<&str> = ALERTS.lines().filter(|line| !line.trim_start().starts_with("for: ")).collect();
    fs::write(directory.join("alerts.yml"), rules.join("\n")).unwrap();
}

#[test]
fn prometheus_calls_for_a_reset_that_stopped_and_for_one_of_two_exporters_that_is_missing() {
    let server = ClusterOptions::default()
        .setting("shared_preload_libraries", "pg_cron")
        .setting("cron.database_name", "auria_0")
        .start();
    let db = server.database();
    let mut admin = db.superuser();
    admin.run(PAGE.split_once("```sql\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0);
    admin.run("CREATE EXTENSION pg_cron; SELECT FROM auria.schedule()");
    let ran = |hours: u32, run: u32| {
        format!(
            "INSERT INTO cron.job_run_details (jobid, runid, database, status, end_time)
             SELECT jobid, {run} + jobid, database, 'succeeded', now() - interval '{hours} hours' FROM cron.job"
        )
    };
    admin.run(&ran(0, 1_000_000));

    let exporter = Exporter::of(&server, db.name());
    exporter.scrape();
    let nobody = free_port();
    let directory = tempfile::tempdir().unwrap();
    configure(directory.path(), &[format!("127.0.0.1:{}", exporter.port), format!("127.0.0.1:{nobody}")]);
    let prometheus = Prometheus::start(directory.path());
    let wait_for = |what: &dyn Fn(&[Value]) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let firing = prometheus.firing();
            if what(&firing) {
                return firing;
            }
            assert!(Instant::now() < deadline, "{firing:#?}");
            std::thread::sleep(Duration::from_millis(500));
        }
    };
    let is = |alert: &Value, name: &str| alert["alertname"] == name;
    let missing = format!("127.0.0.1:{nobody}");
    let firing = wait_for(&|firing| {
        let mut silent = firing.iter().filter(|alert| is(alert, "AuriaNotMonitored")).peekable();
        silent.peek().is_some() && silent.all(|alert| alert["instance"] == *missing)
    });
    assert!(!firing.iter().any(|alert| is(alert, "AuriaJobNotRunning")), "{firing:#?}");

    // The jobs ran last hours ago.
    admin.run("DELETE FROM cron.job_run_details");
    admin.run(&ran(5, 2_000_000));
    wait_for(&|firing| {
        firing.iter().any(|alert| is(alert, "AuriaJobNotRunning") && alert["cron_job"] == "auria_reset_monthly")
    });
}
