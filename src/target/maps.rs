//! What a process has mapped where: the lines of `/proc/PID/maps`, parsed.
//!
//! Paths are what the target calls its files: they need not exist here, and a hostile one may have any bytes. A line
//! that cannot be understood is left out. Format: proc_pid_maps(5).

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::read_proc;

/// More than any process has: `vm.max_map_count` is 65530 unless raised.
const MAX_MAPPINGS: usize = 1 << 20;
/// A line is a path of at most 4096 bytes, escaped, and 80 more.
const MAX_TEXT: u64 = 1 << 28;

/// One mapped range, `start` to `end` (exclusive).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) permissions: Permissions,
    /// Where `start` is in the file, in bytes.
    pub(crate) offset: u64,
    /// Major and minor number; as the mount shows it, which overlay file systems make differ from `stat`.
    pub(crate) device: (u32, u32),
    /// 0 when there is no file behind it.
    pub(crate) inode: u64,
    /// The file, or the kernel's word for what it is (`[heap]`); empty for plain memory.
    pub(crate) path: PathBuf,
    /// The file is gone from where it was (or was never anywhere: memfd).
    pub(crate) deleted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Permissions {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) execute: bool,
    pub(crate) shared: bool,
}

impl Mapping {
    pub(crate) fn contains(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }

    /// Whether a file is behind it that could be opened.
    pub(crate) fn is_file(&self) -> bool {
        self.inode != 0 && self.path.is_absolute()
    }
}

/// The mappings of a process, in ascending order.
pub(crate) fn read(pid: i32) -> io::Result<Vec<Mapping>> {
    Ok(parse(&read_proc(&format!("/proc/{pid}/maps"), MAX_TEXT)?))
}

/// The mappings that `text` tells of, at most [`MAX_MAPPINGS`].
pub(crate) fn parse(text: &[u8]) -> Vec<Mapping> {
    text.split(|&byte| byte == b'\n').filter_map(mapping).take(MAX_MAPPINGS).collect()
}

fn mapping(line: &[u8]) -> Option<Mapping> {
    // The path is the rest of the line: it may have blanks of its own.
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let mut field = || std::str::from_utf8(fields.next()?).ok();
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = field()?.split_once('-')?;
    let (start, end) = (hex(start)?, hex(end)?);
    let permissions = permissions(field()?.as_bytes())?;
    let offset = hex(field()?)?;
    let (major, minor) = field()?.split_once(':')?;
    let device = (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    let inode = field()?.parse().ok()?;
    let (path, deleted) = path(fields.next().unwrap_or_default().trim_ascii_start());
    (start < end).then_some(Mapping { start, end, permissions, offset, device, inode, path, deleted })
}

fn permissions(field: &[u8]) -> Option<Permissions> {
    let [read, write, execute, shared] = *field.first_chunk()?;
    Some(Permissions { read: read == b'r', write: write == b'w', execute: execute == b'x', shared: shared == b's' })
}

/// The kernel writes a newline in a path as `\012` and nothing else escaped, so a backslash of its own is ambiguous; so
/// is a file really named `x (deleted)`. Whoever opens a path must prove that it is the mapped file anyway.
pub(super) fn path(field: &[u8]) -> (PathBuf, bool) {
    let (field, deleted) = match field.strip_suffix(b" (deleted)") {
        Some(rest) => (rest, true),
        None => (field, false),
    };
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        (rest, _) = match after.strip_prefix(b"012") {
            Some(after) if first == b'\\' => (after, bytes.push(b'\n')),
            _ => (after, bytes.push(first)),
        };
    }
    (OsString::from_vec(bytes).into(), deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_lines() {
        let text = b"55d5c1a00000-55d5c1a21000 r--p 00000000 fe:01 1835142                    /usr/bin/python3.11\n\
            7f0000001000-7f0000002000 rw-s 0000a000 00:0d 1027   /memfd:ring (deleted)\n\
            7ffd0a000000-7ffd0a021000 rw-p 00000000 00:00 0                          [stack]\n\
            7f0000003000-7f0000004000 ---p 00000000 00:00 0 \n";
        let mappings = parse(text);
        let paths: Vec<_> = mappings.iter().map(|m| (m.path.to_str().unwrap_or("?"), m.deleted, m.is_file())).collect();
        assert_eq!(
            paths,
            [
                ("/usr/bin/python3.11", false, true),
                ("/memfd:ring", true, true),
                ("[stack]", false, false),
                ("", false, false)
            ]
        );
        let ring = &mappings[1];
        assert_eq!((ring.start, ring.end, ring.offset), (0x7f00_0000_1000, 0x7f00_0000_2000, 0xa000));
        assert_eq!((ring.device, ring.inode), ((0, 0xd), 1027));
        assert_eq!(ring.permissions, Permissions { read: true, write: true, execute: false, shared: true });
        assert!(ring.contains(0x7f00_0000_1fff) && !ring.contains(0x7f00_0000_2000));
    }

    #[test]
    fn odd_names_and_damaged_lines() {
        fn check(line: &str, expected: Option<&str>) {
            let path = parse(line.as_bytes()).pop().map(|m| m.path.to_string_lossy().into_owned());
            assert_eq!(path.as_deref(), expected, "{line}");
        }
        check("1000-2000 r-xp 0 fe:01 7 /a b  c", Some("/a b  c"));
        check("1000-2000 r-xp 0 fe:01 7 /new\\012line", Some("/new\nline"));
        check("1000-2000 r-xp 0 fe:01 7 /back\\slash\\01", Some("/back\\slash\\01"));
        check("1000-2000 r-xp 0 fe:01 7 /x (deleted) (deleted)", Some("/x (deleted)"));
        check("2000-1000 r-xp 0 fe:01 7 /backwards", None);
        check("1000-2000 r-x 0 fe:01 7 /short", None);
        check("1000-10000000000000000 r-xp 0 fe:01 7 /too/long", None);
        check("1000-2000 r-xp 0 fe:01", None);
        check("", None);
        check("\u{fffd}-2000 r-xp 0 fe:01 7 /x", None);
        assert_eq!(parse(b"1000-2000 r-xp 0 fe:01 7 /\xff\xfe")[0].path.as_os_str().len(), 3);
    }

    #[test]
    fn of_this_process() {
        let mappings = read(std::process::id() as i32).expect("own mappings are readable");
        let here = of_this_process as *const () as u64;
        let own = mappings.iter().find(|m| m.contains(here)).expect("this function is mapped");
        assert!(own.permissions.execute && own.is_file());
    }
}
