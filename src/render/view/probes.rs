//! What probes brought home, shown by its shape: records as a table, chains as a tree, facts as a list, the rest as JSON.
//!
//! Our own probes (`gc`, `objgraph`, `pympler`) are taken apart part by part; what a user's probe emits is shown as it is.
//! Nothing is expected of the values: a part of another shape than usual is shown as JSON, never dropped.

use serde_json::{Map, Value as Json};

use super::super::document::{Align, Block, Column, Document, Line, Role, Span, Table, Tree, Value};
use super::super::json::visible;
use super::{counted, more};

/// Lines of JSON that are shown of one part; the JSON report has all of it.
const MAX_LINES: usize = 200;
/// Columns of a table; records of more fields are shown as JSON.
const MAX_COLUMNS: usize = 8;
/// Elements of a list that fit in a line of facts.
const MAX_IN_LINE: usize = 8;

/// The part of probe `name`, tables limited to `top` rows.
pub(super) fn probe(out: &mut Document, name: &str, value: &Json, top: usize) {
    out.heading(2, format!("Probe {name}"));
    match (name, value) {
        ("gc" | "objgraph" | "pympler", Json::Object(parts)) => known(out, parts, top),
        _ => verbatim(out, value),
    }
}

fn known(out: &mut Document, parts: &Map<String, Json>, top: usize) {
    let facts: Vec<(String, Line)> =
        parts.iter().filter_map(|(name, part)| Some((words(name), Line::text(fact(name, part)?)))).collect();
    if !facts.is_empty() {
        out.push(Block::KeyValues(facts));
    }
    for (name, part) in parts.iter().filter(|(name, part)| fact(name, part).is_none()) {
        out.paragraph(Line::new().with(Role::Strong, words(name)));
        match table(name, part, top).map(Block::Table) {
            Some(block) => out.push(block),
            None => match chains(part, top) {
                Some(trees) => trees.into_iter().for_each(|tree| out.push(Block::Tree(tree))),
                None => verbatim(out, part),
            },
        }
    }
}

/// A field's name as words.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// A scalar, or a few numbers in a row.
fn fact(name: &str, part: &Json) -> Option<Value> {
    match part {
        Json::Array(list) if list.len() <= MAX_IN_LINE && list.iter().all(Json::is_number) => {
            let numbers: Vec<String> = list.iter().map(Json::to_string).collect();
            Some(if numbers.is_empty() { "none".into() } else { numbers.join(", ").into() })
        }
        Json::Object(map) if map.is_empty() => Some("none".into()),
        Json::Array(list) if list.is_empty() => Some("none".into()),
        _ => scalar(name, part),
    }
}

/// The value of a field, by its name where that says what a number is.
fn scalar(name: &str, value: &Json) -> Option<Value> {
    match value {
        Json::Null => Some(Value::Empty),
        Json::Bool(yes) => Some(if *yes { "yes" } else { "no" }.into()),
        Json::String(text) => Some(text.as_str().into()),
        Json::Number(number) => Some(match (name, number.as_u64(), number.as_i64()) {
            (n, Some(bytes), _) if n == "size" || n.ends_with("bytes") => Value::Bytes(bytes),
            ("delta" | "growth" | "count_delta", _, Some(change)) => Value::CountChange(change),
            (_, Some(count), _) => Value::Count(count),
            _ => number.to_string().into(),
        }),
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// Records of scalars: a list of objects or of lists, or an object of numbers by type.
fn table(name: &str, part: &Json, top: usize) -> Option<Table> {
    let fields = fields(name, part)?;
    let mut rows: Vec<Vec<Span>> = Vec::new();
    let all = match part {
        Json::Array(list) => {
            for record in list {
                rows.push(cells(&fields, record)?);
            }
            list.len()
        }
        Json::Object(map) => {
            for (key, value) in map {
                rows.push(vec![Span::plain(key.as_str()), Span::plain(scalar(&fields[1], value)?)]);
            }
            map.len()
        }
        _ => return None,
    };
    rows.truncate(top);
    // Numbers first, the name last, as in the table of types.
    let mut order: Vec<usize> = (0..fields.len()).collect();
    order.sort_by_key(|&field| role(&fields[field]) == Role::Kind);
    let columns: Vec<Column> = order.iter().map(|&field| column(&fields[field], field, &rows)).collect();
    let rows: Vec<Vec<Span>> = rows.iter().map(|row| order.iter().map(|&field| row[field].clone()).collect()).collect();
    let mut foot = Vec::new();
    if all > rows.len() {
        let mut cells = vec![Span::plain(Value::Empty); columns.len()];
        if let Some(last) = cells.last_mut() {
            *last = Span::new(Role::Dim, format!("… and {} more", all - rows.len()));
        }
        foot.push(cells);
    }
    Some(Table { columns, rows, foot })
}

/// The names of the columns of a part, where it has the shape of a table.
fn fields(name: &str, part: &Json) -> Option<Vec<String>> {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let fields = match part {
        Json::Object(map) if map.values().all(Json::is_number) => owned(&["type", "count"]),
        Json::Array(list) => match list.first()? {
            Json::Object(first) => first.keys().cloned().collect(),
            Json::Array(first) if first.iter().skip(1).all(Json::is_number) => match (name, first.len()) {
                // The tuples of objgraph.growth() and of pympler.summary.
                ("growth", 3) => owned(&["type", "count", "delta"]),
                (_, 3) => owned(&["type", "count", "bytes"]),
                (_, 2) => owned(&["type", "count"]),
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    };
    (1..=MAX_COLUMNS).contains(&fields.len()).then_some(fields)
}

fn cells(fields: &[String], record: &Json) -> Option<Vec<Span>> {
    let value = |field: &String, value: &Json| Some(Span::plain(scalar(field, value)?));
    match record {
        Json::Object(map) if map.keys().all(|key| fields.contains(key)) => {
            fields.iter().map(|field| value(field, map.get(field).unwrap_or(&Json::Null))).collect()
        }
        Json::Array(list) if list.len() == fields.len() => fields.iter().zip(list).map(|(f, v)| value(f, v)).collect(),
        _ => None,
    }
}

fn column(name: &str, index: usize, rows: &[Vec<Span>]) -> Column {
    let text = rows.iter().any(|row| matches!(row[index].value, Value::Text(_)));
    let title = match name {
        "type" | "kind" => "Kind".to_owned(),
        "bytes" => "Size".to_owned(),
        _ => {
            let words = words(name);
            let mut rest = words.chars();
            rest.next().into_iter().flat_map(char::to_uppercase).chain(rest).collect()
        }
    };
    Column { title, align: if text { Align::Left } else { Align::Right }, role: role(name) }
}

fn role(field: &str) -> Role {
    match field {
        "type" | "kind" => Role::Kind,
        "address" => Role::Dim,
        "edge" => Role::Edge,
        _ => Role::Plain,
    }
}

/// Records with one list in them, such as chains from a module to an object: a tree each.
fn chains(part: &Json, top: usize) -> Option<Vec<Tree>> {
    let list = part.as_array()?;
    let mut trees = Vec::new();
    for record in list.iter().take(top) {
        let mut line = Line::new();
        let mut children = None;
        for (name, value) in record.as_object()? {
            match value {
                Json::Array(steps) if children.is_none() => children = Some(steps),
                _ => line = spaced(line, name, value)?,
            }
        }
        let children = children?.iter().map(|step| Some(Tree::leaf(step_line(step)?))).collect::<Option<_>>()?;
        if line.0.is_empty() {
            return None;
        }
        trees.push(Tree { line, children });
    }
    trees.extend(more(trees.len(), list.len() as u64).map(Tree::leaf));
    Some(trees)
}

fn step_line(step: &Json) -> Option<Line> {
    let line = match step {
        Json::Object(fields) => fields.iter().try_fold(Line::new(), |line, (name, value)| spaced(line, name, value)),
        // A bare name in a chain is the name of a type.
        other => spaced(Line::new(), "type", other),
    };
    line.filter(|line| !line.0.is_empty())
}

fn spaced(line: Line, name: &str, value: &Json) -> Option<Line> {
    let value = scalar(name, value)?;
    if value == Value::Empty || value == Value::Text(String::new()) {
        return Some(line);
    }
    let line = if line.0.is_empty() { line } else { line.plain("  ") };
    Some(line.with(role(name), value))
}

fn verbatim(out: &mut Document, value: &Json) {
    let text = visible(&serde_json::to_string_pretty(value).expect("a JSON value can always be written"));
    let mut lines: Vec<String> = text.lines().take(MAX_LINES).map(str::to_owned).collect();
    let left = text.lines().count() - lines.len();
    if left > 0 {
        lines.push(format!("… and {}", counted(left as u64, "more line")));
    }
    out.push(Block::Verbatim(lines));
}
