//! What was measured: on the terminal, as JSON, as a plot and in docs/benchmarks.md.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use auria_tests::{Session, repository};
use serde_json::{Value, json};

const BEGIN: &str = "<!-- written by make bench -->";
const END: &str = "<!-- end of what make bench writes -->";
const BEGIN_OPERATIONS: &str = "<!-- written by make bench-operations -->";
const END_OPERATIONS: &str = "<!-- end of what make bench-operations writes -->";

/// A line of the table.
struct Line {
    name: String,
    native: String,
    twin: String,
    /// How many times the twin's time it is; of a limit, how many times it fits.
    ratio: f64,
    goal: f64,
    is_limit: bool,
}

/// Lines in the order they were measured, and where.
pub struct Report {
    version: String,
    date: String,
    load_before: f64,
    lines: Vec<Line>,
    sizes: Vec<(String, Vec<(&'static str, Duration)>)>,
    plans: Vec<(String, String)>,
    operations: Vec<(String, Duration, String)>,
}

/// A time as people read it.
fn readable(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        ..10.0 => format!("{micros:.2} µs"),
        ..1000.0 => format!("{micros:.1} µs"),
        ..1e6 => format!("{:.2} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// How many processes want a processor, over the last minute.
fn load_average() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// Writes `text` between two marks of a page.
fn replace_between(page: &Path, begin: &str, end: &str, text: &str) {
    let old = fs::read_to_string(page).unwrap();
    let (before, rest) = old.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    fs::write(page, format!("{before}{begin}\n\n{text}\n{end}{after}")).unwrap();
}

impl Report {
    /// An empty one.
    pub fn of(session: &mut Session) -> Self {
        let report = Self {
            version: session.value("SELECT version()"),
            date: session.value("SELECT to_char(now(), 'YYYY-MM-DD\"T\"HH24MI')"),
            load_before: load_average(),
            lines: Vec::new(),
            sizes: Vec::new(),
            plans: Vec::new(),
            operations: Vec::new(),
        };
        println!("{}", report.version);
        if report.load_before > 1.0 {
            println!(
                "WARNING: the machine is busy (load average {}). Ratios suffer less than times do.",
                report.load_before
            );
        }
        println!("{:<58} {:>11} {:>11} {:>7} {:>6}", "", "native", "twin", "ratio", "goal");
        report
    }

    /// One unit of work on either side, and how many times faster it should be.
    pub fn ratio(&mut self, name: &str, native: Duration, twin: Duration, goal: f64) {
        self.add(Line {
            name: name.into(),
            native: readable(native),
            twin: readable(twin),
            ratio: twin.as_secs_f64() / native.as_secs_f64(),
            goal,
            is_limit: false,
        });
    }

    /// Transactions a second.
    pub fn rate(&mut self, name: &str, native: f64, twin: f64, goal: f64) {
        self.add(Line {
            name: name.into(),
            native: format!("{native:.0} tps"),
            twin: format!("{twin:.0} tps"),
            ratio: native / twin,
            goal,
            is_limit: false,
        });
    }

    /// What has no peer, but a limit.
    pub fn limit(&mut self, name: &str, took: Duration, limit: Duration) {
        self.add(Line {
            name: name.into(),
            native: readable(took),
            twin: format!("limit {}", readable(limit)),
            ratio: limit.as_secs_f64() / took.as_secs_f64(),
            goal: 1.0,
            is_limit: true,
        });
    }

    /// What calls cost at a size of the data.
    pub fn size(&mut self, what: &str, costs: Vec<(&'static str, Duration)>) {
        let list: Vec<String> = costs.iter().map(|(name, cost)| format!("{name} {}", readable(*cost))).collect();
        println!("{what:<40} {}", list.join(", "));
        self.sizes.push((what.into(), costs));
    }

    /// How PostgreSQL answers a query.
    pub fn plan(&mut self, query: &str, plan: String) {
        self.plans.push((query.into(), plan));
    }

    /// What a DBA ran, and what others waited for meanwhile.
    pub fn operation(&mut self, name: &str, took: Duration, locks: &str) {
        println!("{name:<58} {:>8.2} s  {locks}", took.as_secs_f64());
        self.operations.push((name.into(), took, locks.into()));
    }

    /// Writes the table of operations.
    pub fn write_operations(&self) {
        let mut text = format!(
            "{}. Measured {} (UTC), load average {} before and {} after.\n\n\
             | | seconds | locks that stop others, on tables that were there |\n|---|---|---|\n",
            self.version,
            self.date,
            self.load_before,
            load_average()
        );
        for (name, took, locks) in &self.operations {
            let _ = writeln!(text, "| {name} | {:.1} | {locks} |", took.as_secs_f64());
        }
        text.push_str(&self.table_of_sizes());
        let page = repository().join("docs/benchmarks.md");
        replace_between(&page, BEGIN_OPERATIONS, END_OPERATIONS, &text);
        println!("written: docs/benchmarks.md");
    }

    fn add(&mut self, line: Line) {
        println!(
            "{:<58} {:>11} {:>11} {:>7.2} {:>6}{}",
            line.name,
            line.native,
            line.twin,
            line.ratio,
            line.goal,
            if line.ratio < line.goal { "  missed" } else { "" }
        );
        self.lines.push(line);
    }

    /// Writes all that is kept.
    pub fn write(&self) {
        let root = repository();
        let result = root.join(format!("benches/results/{}.json", self.date));
        fs::write(&result, format!("{:#}\n", self.json())).unwrap();
        fs::write(root.join("docs/benchmarks.svg"), self.plot()).unwrap();
        let page = root.join("docs/benchmarks.md");
        replace_between(&page, BEGIN, END, &self.tables());
        println!("written: {}, docs/benchmarks.md, docs/benchmarks.svg", result.display());
    }

    fn json(&self) -> Value {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| {
                json!({"name": line.name, "native": line.native, "twin": line.twin,
                       "ratio": (line.ratio * 100.0).round() / 100.0, "goal": line.goal})
            })
            .collect();
        let sizes: Vec<Value> = self
            .sizes
            .iter()
            .map(|(what, costs)| {
                let costs: serde_json::Map<String, Value> =
                    costs.iter().map(|(name, cost)| ((*name).into(), json!(readable(*cost)))).collect();
                json!({"at": what, "costs": costs})
            })
            .collect();
        json!({"postgresql": self.version, "date": self.date,
               "load average": [self.load_before, load_average()],
               "lines": lines, "sizes": sizes})
    }

    fn tables(&self) -> String {
        let mut text = format!(
            "{}. Measured {} (UTC), load average {} before and {} after.\n\n\
             | | native | twin | ratio | goal |\n|---|---|---|---|---|\n",
            self.version,
            self.date,
            self.load_before,
            load_average()
        );
        for line in &self.lines {
            let ratio = match (line.is_limit, line.ratio < line.goal) {
                (true, false) => "kept".into(),
                (true, true) => "**missed**".into(),
                (false, false) => format!("{:.2}", line.ratio),
                (false, true) => format!("**{:.2}**", line.ratio),
            };
            let goal = if line.is_limit { String::new() } else { line.goal.to_string() };
            let _ = writeln!(text, "| {} | {} | {} | {ratio} | {goal} |", line.name, line.native, line.twin);
        }
        text.push_str(&self.table_of_sizes());
        if !self.plans.is_empty() {
            text.push_str("\nThe plans of the reads:\n");
        }
        for (query, plan) in &self.plans {
            let _ = write!(text, "\n*{query}*\n\n```text\n{plan}\n```\n");
        }
        text
    }

    /// What calls cost at each size of the data.
    fn table_of_sizes(&self) -> String {
        let Some((_, first)) = self.sizes.first() else {
            return String::new();
        };
        let names: Vec<&str> = first.iter().map(|(name, _)| *name).collect();
        let mut text = format!("\n| a call at | {} |\n|---{}|\n", names.join(" | "), "|---".repeat(names.len()));
        for (what, costs) in &self.sizes {
            let costs: Vec<String> = costs.iter().map(|(_, cost)| readable(*cost)).collect();
            let _ = writeln!(text, "| {what} | {} |", costs.join(" | "));
        }
        text
    }

    /// A bar for each line, as long as the logarithm of its ratio, and a mark at its goal.
    fn plot(&self) -> String {
        const LEFT: f64 = 400.0;
        const WIDTH: f64 = 420.0;
        const HEIGHT: f64 = 22.0;
        let place = |ratio: f64| LEFT + WIDTH * ((ratio.clamp(0.1, 1000.0).log10() + 1.0) / 4.0);
        let bottom = HEIGHT * (self.lines.len() as f64 + 2.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
            LEFT + WIDTH + 60.0,
            bottom + 10.0
        );
        for ratio in [0.1, 1.0, 10.0, 100.0, 1000.0] {
            let x = place(ratio);
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.0}\" y1=\"{HEIGHT}\" x2=\"{x:.0}\" y2=\"{bottom:.0}\" stroke=\"#ccc\"/>\
                 <text x=\"{x:.0}\" y=\"15\" text-anchor=\"middle\">{ratio}×</text>"
            );
        }
        for (row, line) in self.lines.iter().enumerate() {
            let y = HEIGHT * (row as f64 + 1.5);
            let (from, to) = (place(1.0).min(place(line.ratio)), place(1.0).max(place(line.ratio)));
            let colour = if line.ratio < line.goal { "#c0392b" } else { "#2e7d32" };
            let name = line.name.replace('&', "&amp;").replace('<', "&lt;");
            let _ = writeln!(
                svg,
                "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{name}</text>\
                 <rect x=\"{from:.0}\" y=\"{y:.0}\" width=\"{:.0}\" height=\"14\" fill=\"{colour}\"/>\
                 <rect x=\"{:.0}\" y=\"{:.0}\" width=\"2\" height=\"20\" fill=\"black\"/>\
                 <text x=\"{:.0}\" y=\"{:.0}\">{:.2}</text>",
                LEFT - 8.0,
                y + 11.0,
                (to - from).max(1.0),
                place(line.goal),
                y - 3.0,
                to.max(place(line.goal)) + 6.0,
                y + 11.0,
                line.ratio
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}
