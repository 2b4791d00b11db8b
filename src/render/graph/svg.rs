//! Scene → SVG 1.1: one file that needs nothing, no script, no font of its own, nothing from elsewhere.

use std::fmt::Write;

use super::layout::{Arrow, LINE_HEIGHT, MARGIN, PADDING, Piece, Placed, Scene, label_width};
use super::theme::{self, hex};

/// A size at which the usual fixed-width fonts (0.60 em wide) fit the columns of the layout.
const FONT: &str = "font-family=\"'Noto Sans Mono','DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"11.6\"";

pub(super) fn svg(scene: &Scene) -> String {
    let mut out = String::new();
    let (width, height) = (scene.width.ceil(), scene.height.ceil());
    push(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" {FONT}>\n"
        ),
    );
    push(&mut out, format_args!("<title>{}</title>\n", escape(&scene.title)));
    push(&mut out, format_args!("<rect width=\"100%\" height=\"100%\" fill=\"{}\"/>\n", hex(theme::PAPER)));
    let y = MARGIN + LINE_HEIGHT * 0.7;
    text(&mut out, (MARGIN, y), "start", theme::INK, true, &scene.title);
    for edge in &scene.arrows {
        arrow(&mut out, edge);
    }
    // After all lines, lest one crosses out a label.
    for edge in scene.arrows.iter().filter(|edge| !edge.label.is_empty()) {
        label(&mut out, edge);
    }
    for placed in &scene.boxes {
        node(&mut out, placed);
    }
    out.push_str("</svg>\n");
    out
}

fn arrow(out: &mut String, arrow: &Arrow) {
    let color = hex(if arrow.back { theme::BACK } else { theme::LINE });
    let dashes = if arrow.back { " stroke-dasharray=\"5 3\"" } else { "" };
    let mut path = format!("M{:.1} {:.1}", arrow.start.0, arrow.start.1);
    for piece in &arrow.pieces {
        match piece {
            Piece::Line((x, y)) => push(&mut path, format_args!("L{x:.1} {y:.1}")),
            Piece::Curve(a, b, (x, y)) => {
                push(&mut path, format_args!("C{:.1} {:.1} {:.1} {:.1} {x:.1} {y:.1}", a.0, a.1, b.0, b.1));
            }
        }
    }
    push(out, format_args!("<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.3\"{dashes}/>\n"));
    let [a, b, c] = arrow.head();
    push(
        out,
        format_args!(
            "<polygon points=\"{:.1},{:.1} {:.1},{:.1} {:.1},{:.1}\" fill=\"{color}\"/>\n",
            a.0, a.1, b.0, b.1, c.0, c.1
        ),
    );
}

fn label(out: &mut String, arrow: &Arrow) {
    let ((x, y), width) = (arrow.label_at, label_width(&arrow.label) - 4.0);
    push(
        out,
        format_args!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"15\" fill=\"{}\"/>\n",
            x - width / 2.0,
            y - 7.5,
            hex(theme::PAPER)
        ),
    );
    text(out, (x, y + 4.0), "middle", theme::SOFT, false, &arrow.label);
}

fn node(out: &mut String, placed: &Placed) {
    let (fill, border) = theme::colors(placed.role);
    push(
        out,
        format_args!(
            "<g><title>{}</title><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"6\" fill=\"{}\" \
         stroke=\"{}\" stroke-width=\"1.3\"/>\n",
            escape(&placed.name),
            placed.x,
            placed.y,
            placed.width,
            placed.height,
            hex(fill),
            hex(border)
        ),
    );
    for (index, (line, is_name)) in placed.rows().enumerate() {
        let at = (placed.x + PADDING, placed.first_line() + index as f32 * LINE_HEIGHT + LINE_HEIGHT * 0.72);
        text(out, at, "start", if is_name { theme::INK } else { theme::SOFT }, is_name, line);
    }
    out.push_str("</g>\n");
}

fn text(out: &mut String, (x, y): (f32, f32), anchor: &str, color: theme::Rgb, bold: bool, text: &str) {
    let weight = if bold { " font-weight=\"bold\"" } else { "" };
    push(
        out,
        format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{}\"{weight} xml:space=\"preserve\">{}</text>\n",
            hex(color),
            escape(text)
        ),
    );
}

fn push(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("a String takes everything");
}

/// Text for an element's content or an attribute. What XML 1.0 cannot hold (section 2.2) becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
