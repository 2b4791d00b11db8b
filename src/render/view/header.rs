//! Who was looked at, how and at what cost: the lines above the numbers.

use super::super::document::{Block, Document, Line, Role, Value};
use super::counted;
use crate::analyse::TargetReport;
use crate::heap::{CollectionFacts, Coverage, PythonFacts, TargetFacts};

/// Characters of a command line that are shown; JSON has all of it.
const MAX_COMMAND: usize = 300;

pub(super) fn header(out: &mut Document, report: &TargetReport) {
    let target = &report.target;
    let mut title = Line::new();
    if target.pid != 0 {
        title = title.with(Role::Heading, format!("PID {}", target.pid));
    } else {
        title = title.with(Role::Heading, "Process");
    }
    let command = command(target);
    if !command.is_empty() {
        title = title.plain("  ").with(Role::Path, command);
    }
    out.push(Block::Heading { level: 1, line: title });

    let mut facts: Vec<(String, Line)> = Vec::new();
    let mut fact = |name: &str, line: Line| facts.push((name.to_owned(), line));
    if !target.python.version.is_empty() {
        fact("python", python(&target.python, &target.executable));
    }
    if target.rss_bytes > 0 {
        let threads = format!(" in memory, {}", counted(target.threads, "thread"));
        fact("process", Line::text(Value::Bytes(target.rss_bytes)).plain(threads).plain(since(target)));
    }
    if let Some(collection) = &report.collection {
        fact("collected", collected(collection));
        fact("cost", cost(collection));
    }
    if let Some(coverage) = &report.coverage {
        fact("seen", seen(coverage));
        if let Some(line) = doubts(coverage) {
            fact("doubts", line);
        }
    }
    if let Some(snapshot) = &report.snapshot {
        fact("snapshot", Line::new().with(Role::Path, snapshot.as_str()));
    }
    if !facts.is_empty() {
        out.push(Block::KeyValues(facts));
    }
}

/// The command line on one line, arguments with blanks in quotes.
fn command(target: &TargetFacts) -> String {
    let mut out = String::new();
    for argument in &target.cmdline {
        if !out.is_empty() {
            out.push(' ');
        }
        if argument.is_empty() || argument.contains(char::is_whitespace) {
            out.push_str(&format!("'{argument}'"));
        } else {
            out.push_str(argument);
        }
        if out.chars().count() > MAX_COMMAND {
            return out.chars().take(MAX_COMMAND).chain(['…']).collect();
        }
    }
    out
}

fn python(python: &PythonFacts, executable: &str) -> Line {
    let mut line = Line::text(python.version.as_str());
    for (has, word) in [(python.debug, " debug build"), (python.free_threaded, " free-threaded")] {
        if has {
            line = line.plain(word);
        }
    }
    if executable.is_empty() { line } else { line.plain("  ").with(Role::Path, executable) }
}

fn since(target: &TargetFacts) -> String {
    let mut out = String::new();
    if !target.start_time.is_empty() {
        out.push_str(&format!(", running since {}", target.start_time));
    }
    if !target.host.is_empty() {
        out.push_str(&format!(" on {}", target.host));
    }
    out
}

fn collected(collection: &CollectionFacts) -> Line {
    let place = match collection.freeze.as_str() {
        "twin" => "on a copy-on-write twin",
        "stop" => "on the stopped process itself",
        "live" => "on the running process",
        "none" => "from a core file",
        other => other,
    };
    let mut line = Line::text("by ").with(Role::Strong, collection.collector.as_str()).plain(" ").plain(place);
    if !collection.reason.is_empty() {
        line = line.plain(": ").plain(collection.reason.as_str());
    }
    line
}

fn cost(collection: &CollectionFacts) -> Line {
    let mut line = Line::text("paused ").with(Role::Strong, Value::Milliseconds(collection.pause_ms));
    line = line.plain(", took ").plain(Value::Milliseconds(collection.wall_ms));
    if !collection.started_at.is_empty() {
        line = line.plain(", begun ").plain(collection.started_at.as_str());
    }
    if !collection.layout_source.is_empty() {
        line = line.plain(", offsets from ").plain(collection.layout_source.as_str());
    }
    line
}

fn seen(coverage: &Coverage) -> Line {
    let mut line = Line::text(counted(coverage.objects, "object"));
    line = line.plain(format!(" ({} tracked by the collector", coverage.gc_tracked));
    if coverage.frozen > 0 {
        line = line.plain(format!(", {} frozen", coverage.frozen));
    }
    line.plain(format!("), {}", counted(coverage.edges, "reference")))
}

/// What the numbers are not to be trusted in.
fn doubts(coverage: &Coverage) -> Option<Line> {
    let mut parts = Vec::new();
    if coverage.truncated {
        parts.push("the collection ended early: all counts are lower bounds".to_owned());
    }
    if coverage.anomalies > 0 {
        parts.push(format!("{} did not fit and left out", counted(coverage.anomalies, "record")));
    }
    if coverage.conservative_edges > 0 {
        parts.push(format!("{} found by scanning", counted(coverage.conservative_edges, "reference")));
    }
    (!parts.is_empty()).then(|| Line::new().with(Role::Warning, parts.join("; ")))
}
