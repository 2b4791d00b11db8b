//! Reference pictures: an object with what it refers to, or with what refers to it, as SVG, PNG and DOT.
//!
//! Nothing but this program is needed to draw them, and nothing here writes a file. heap → [`Picture`] → [`layout::Scene`] →
//! three formats of the same scene. Names are made printable and cut to size once, when the scene is laid out.

mod dot;
mod layout;
mod picture;
mod png;
mod svg;
mod theme;

pub(crate) use picture::{Direction, Node, Picture, picture};

/// A picture in every format.
pub(crate) struct Drawn {
    pub(crate) svg: String,
    pub(crate) png: Vec<u8>,
    pub(crate) dot: String,
}

pub(crate) fn draw(picture: &Picture) -> Drawn {
    let scene = layout::scene(picture);
    Drawn { svg: svg::svg(&scene), png: png::png(&scene), dot: dot::dot(&scene) }
}

/// Bytes of a type's name that go into a file's name: with what goes around it below the 255 of every file system.
const MAX_STEM: usize = 120;

/// `ref_<pid>_<type>` or `backref_<pid>_<type>`, safe as a file's name anywhere.
///
/// A type's name that had to be changed for that gets a hash of the real one, lest two types share a file.
pub(crate) fn file_stem(direction: Direction, pid: i32, type_name: &str) -> String {
    let prefix = match direction {
        Direction::Referents => "ref",
        Direction::Referrers => "backref",
    };
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let safe: String = type_name.chars().take(MAX_STEM).map(|c| if keep(c) { c } else { '_' }).collect();
    if safe == type_name {
        return format!("{prefix}_{pid}_{safe}");
    }
    // FNV-1a, 32 bits: the same on every machine and in every version.
    let hash = type_name.bytes().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{prefix}_{pid}_{safe}-{hash:08x}")
}

#[cfg(test)]
mod tests;
