//! The look that SVG, PNG and DOT share: colours by role. Knows nothing of shapes or places.

use super::picture::Role;

/// Red, green, blue.
pub(super) type Rgb = [u8; 3];

pub(super) const PAPER: Rgb = [0xff, 0xff, 0xff];
pub(super) const INK: Rgb = [0x1f, 0x29, 0x33];
/// Details, and labels of edges.
pub(super) const SOFT: Rgb = [0x5b, 0x67, 0x73];
pub(super) const LINE: Rgb = [0x8a, 0x97, 0xa3];
/// References against the direction of the picture.
pub(super) const BACK: Rgb = [0xb4, 0x6a, 0x55];

/// Fill and border.
pub(super) fn colors(role: Role) -> (Rgb, Rgb) {
    match role {
        Role::Focus => ([0xff, 0xe9, 0xb8], [0xd9, 0x8e, 0x04]),
        Role::Module => ([0xd8, 0xf0, 0xdc], [0x3c, 0x96, 0x52]),
        Role::Frame => ([0xe9, 0xe0, 0xf7], [0x7d, 0x5b, 0xb5]),
        Role::Interpreter => ([0xf6, 0xdd, 0xe4], [0xb6, 0x4a, 0x6b]),
        Role::Container => ([0xdc, 0xea, 0xf8], [0x3f, 0x7c, 0xb8]),
        Role::Instance => ([0xff, 0xf6, 0xda], [0xb8, 0x9a, 0x3a]),
        Role::Other => ([0xf1, 0xf3, 0xf5], [0x9a, 0xa5, 0xb1]),
    }
}

pub(super) fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}
