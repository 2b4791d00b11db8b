//! Scene → PNG, drawn here to the last pixel: shapes by `tiny-skia`, text from the bitmap font that is built in.
//!
//! The font has ASCII only: other characters become `?`, the ellipsis three dots. A picture too large for [`MAX_PIXELS`] is
//! drawn smaller.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster};
use tiny_skia::{
    Color, FillRule, FilterQuality, LineCap, Paint, Path, PathBuilder, Pixmap, PixmapPaint, PremultipliedColorU8, Rect,
    Stroke, StrokeDash, Transform,
};

use super::layout::{Arrow, CHAR_WIDTH, LINE_HEIGHT, MARGIN, PADDING, Piece, Placed, Scene, label_width};
use super::theme::{self, Rgb};

/// 4 bytes each while drawing, 3 more while encoding.
const MAX_PIXELS: f32 = 12e6;
const MAX_SIDE: f32 = 16_000.0;
/// Characters of one piece of text that are drawn.
const MAX_CHARS: usize = 200;
const FONT_HEIGHT: usize = RasterHeight::Size16.val();
const RADIUS: f32 = 6.0;
/// Control points of a quarter circle: 1 - 4/3·(√2 - 1) of the radius from the corner.
const QUARTER: f32 = 0.447_715;

pub(super) fn png(scene: &Scene) -> Vec<u8> {
    let (width, height) = (scene.width.max(1.0), scene.height.max(1.0));
    let scale = (MAX_PIXELS / (width * height)).sqrt().min(MAX_SIDE / width).min(MAX_SIDE / height).min(1.0);
    let pixels = |length: f32| (length * scale).ceil().clamp(1.0, MAX_SIDE) as u32;
    let pixmap = Pixmap::new(pixels(width), pixels(height)).expect("both sides are at least 1 and capped");
    let mut canvas = Canvas { pixmap, transform: Transform::from_scale(scale, scale) };
    let [red, green, blue] = theme::PAPER;
    canvas.pixmap.fill(Color::from_rgba8(red, green, blue, 0xff));
    canvas.text((MARGIN, MARGIN), theme::INK, true, &scene.title);
    for arrow in &scene.arrows {
        canvas.arrow(arrow);
    }
    // After all lines, lest one crosses out a label.
    for arrow in scene.arrows.iter().filter(|arrow| !arrow.label.is_empty()) {
        canvas.label(arrow);
    }
    for placed in &scene.boxes {
        canvas.node(placed);
    }
    encode(&canvas.pixmap)
}

fn encode(pixmap: &Pixmap) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut out, pixmap.width(), pixmap.height());
    encoder.set_color(::png::ColorType::Rgb);
    encoder.set_depth(::png::BitDepth::Eight);
    // The paper is opaque, so there is no transparency to keep.
    let data: Vec<u8> = pixmap.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
    let mut writer = encoder.write_header().expect("a Vec takes everything, and the size is valid");
    writer.write_image_data(&data).expect("there are as many bytes as pixels times three");
    writer.finish().expect("a Vec takes everything");
    out
}

struct Canvas {
    pixmap: Pixmap,
    transform: Transform,
}

impl Canvas {
    fn arrow(&mut self, arrow: &Arrow) {
        let color = if arrow.back { theme::BACK } else { theme::LINE };
        let mut path = PathBuilder::new();
        path.move_to(arrow.start.0, arrow.start.1);
        for piece in &arrow.pieces {
            match *piece {
                Piece::Line((x, y)) => path.line_to(x, y),
                Piece::Curve(a, b, (x, y)) => path.cubic_to(a.0, a.1, b.0, b.1, x, y),
            }
        }
        self.stroke(path.finish(), color, arrow.back);
        let mut head = PathBuilder::new();
        let [tip, a, b] = arrow.head();
        head.move_to(tip.0, tip.1);
        head.line_to(a.0, a.1);
        head.line_to(b.0, b.1);
        head.close();
        self.fill(head.finish(), color);
    }

    fn label(&mut self, arrow: &Arrow) {
        let ((x, y), width) = (arrow.label_at, label_width(&arrow.label) - 4.0);
        let under = Rect::from_xywh(x - width / 2.0, y - 7.5, width, 15.0);
        self.fill(under.map(PathBuilder::from_rect), theme::PAPER);
        let chars = arrow.label.chars().count() as f32;
        self.text((x - chars * CHAR_WIDTH / 2.0, y - FONT_HEIGHT as f32 / 2.0), theme::SOFT, false, &arrow.label);
    }

    fn node(&mut self, placed: &Placed) {
        let (fill, border) = theme::colors(placed.role);
        let outline = rounded(placed);
        self.fill(outline.clone(), fill);
        self.stroke(outline, border, false);
        for (index, (line, is_name)) in placed.rows().enumerate() {
            let at = (placed.x + PADDING, placed.first_line() + index as f32 * LINE_HEIGHT);
            self.text(at, if is_name { theme::INK } else { theme::SOFT }, is_name, line);
        }
    }

    fn fill(&mut self, path: Option<Path>, color: Rgb) {
        if let Some(path) = path {
            self.pixmap.fill_path(&path, &paint(color), FillRule::Winding, self.transform, None);
        }
    }

    fn stroke(&mut self, path: Option<Path>, color: Rgb, dashed: bool) {
        let dash = if dashed { StrokeDash::new(vec![5.0, 3.0], 0.0) } else { None };
        let stroke = Stroke { width: 1.3, line_cap: LineCap::Butt, dash, ..Stroke::default() };
        if let Some(path) = path {
            self.pixmap.stroke_path(&path, &paint(color), &stroke, self.transform, None);
        }
    }

    /// One line of text with its upper left corner at whole pixels, where the glyphs are sharp.
    fn text(&mut self, (x, y): (f32, f32), color: Rgb, bold: bool, text: &str) {
        let Some(line) = line_of_text(text, color, bold) else { return };
        let (x, y) = (x.round() as i32, y.round() as i32);
        let quality = if self.transform.is_identity() { FilterQuality::Nearest } else { FilterQuality::Bilinear };
        let paint = PixmapPaint { quality, ..PixmapPaint::default() };
        self.pixmap.draw_pixmap(x, y, line.as_ref(), &paint, self.transform, None);
    }
}

/// The text alone, on nothing. Bold is the same glyph once more, a pixel further.
fn line_of_text(text: &str, color: Rgb, bold: bool) -> Option<Pixmap> {
    let chars: Vec<char> = text.chars().take(MAX_CHARS).collect();
    let advance = CHAR_WIDTH as usize;
    let mut pixmap = Pixmap::new((chars.len() * advance + 1) as u32, FONT_HEIGHT as u32)?;
    let width = pixmap.width() as usize;
    let mut ink = vec![0u8; width * FONT_HEIGHT];
    for (place, &c) in chars.iter().enumerate() {
        if c == '…' {
            for dot in 0..3 {
                ink[12 * width + place * advance + 1 + 2 * dot] = 0xff;
            }
            continue;
        }
        let glyph = |c| get_raster(c, FontWeight::Regular, RasterHeight::Size16);
        let Some(raster) = glyph(c).or_else(|| glyph('?')) else { continue };
        for (y, row) in raster.rows().enumerate() {
            for (x, &value) in row.iter().enumerate() {
                for shift in 0..=usize::from(bold) {
                    let at = place * advance + x + shift;
                    // The second print is paler, or the counters of letters fill up.
                    let value = if shift == 0 { value } else { value / 2 };
                    if at < width {
                        let pixel = &mut ink[y * width + at];
                        *pixel = (*pixel).max(value);
                    }
                }
            }
        }
    }
    for (pixel, alpha) in pixmap.pixels_mut().iter_mut().zip(ink) {
        let [red, green, blue] = color.map(|channel| (u16::from(channel) * u16::from(alpha) / 255) as u8);
        *pixel = PremultipliedColorU8::from_rgba(red, green, blue, alpha)?;
    }
    Some(pixmap)
}

fn paint([red, green, blue]: Rgb) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(red, green, blue, 0xff);
    paint
}

fn rounded(placed: &Placed) -> Option<Path> {
    let (left, top) = (placed.x, placed.y);
    let (right, bottom) = (left + placed.width, top + placed.height);
    let (r, k) = (RADIUS, RADIUS * QUARTER);
    let mut path = PathBuilder::new();
    path.move_to(left + r, top);
    path.line_to(right - r, top);
    path.cubic_to(right - k, top, right, top + k, right, top + r);
    path.line_to(right, bottom - r);
    path.cubic_to(right, bottom - k, right - k, bottom, right - r, bottom);
    path.line_to(left + r, bottom);
    path.cubic_to(left + k, bottom, left, bottom - k, left, bottom - r);
    path.line_to(left, top + r);
    path.cubic_to(left, top + k, left + k, top, left + r, top);
    path.close();
    path.finish()
}
