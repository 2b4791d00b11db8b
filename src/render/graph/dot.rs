//! Scene → DOT, for whoever has Graphviz and wants another layout: `dot -Tsvg`, `xdot`.
//!
//! Only nodes and edges: where things are is Graphviz's business.

use std::fmt::Write;

use super::layout::Scene;
use super::theme::{self, hex};

pub(super) fn dot(scene: &Scene) -> String {
    let mut out = String::from("digraph references {\n");
    line(
        &mut out,
        format_args!("  graph [rankdir=LR, label={}, labelloc=t, fontname=monospace];", quoted(&[&scene.title])),
    );
    line(&mut out, format_args!("  node [shape=box, style=\"rounded,filled\", fontname=monospace, fontsize=10];"));
    line(&mut out, format_args!("  edge [fontname=monospace, fontsize=9, color=\"{}\"];", hex(theme::LINE)));
    for (index, placed) in scene.boxes.iter().enumerate() {
        let (fill, border) = theme::colors(placed.role);
        let lines: Vec<&str> = placed.rows().map(|(line, _)| line).collect();
        let (label, tooltip) = (quoted(&lines), quoted(&[&placed.name]));
        let (fill, border) = (hex(fill), hex(border));
        line(
            &mut out,
            format_args!("  n{index} [label={label}, tooltip={tooltip}, fillcolor=\"{fill}\", color=\"{border}\"];"),
        );
    }
    for arrow in &scene.arrows {
        line(&mut out, format_args!("  n{} -> n{} [label={}];", arrow.from, arrow.to, quoted(&[&arrow.label])));
    }
    out.push_str("}\n");
    out
}

fn line(out: &mut String, what: std::fmt::Arguments<'_>) {
    writeln!(out, "{what}").expect("a String takes everything");
}

/// A quoted string of the DOT language, whose value is an `escString`: a backslash would start an escape such as `\N` (the
/// node's name), and `&` an HTML entity. <https://graphviz.org/docs/attr-types/escString/>
fn quoted(lines: &[&str]) -> String {
    let mut out = String::from("\"");
    for (index, text) in lines.iter().enumerate() {
        if index > 0 {
            out.push_str("\\n");
        }
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '&' => out.push_str("&amp;"),
                c if c.is_control() => out.push('\u{fffd}'),
                c => out.push(c),
            }
        }
    }
    out.push('"');
    out
}
