//! The version of an interpreter: a value, and the ways to find it in text and bytes.
//!
//! Knows no process: whoever reads memory or files brings the bytes.

use std::fmt;

/// As `PY_VERSION_HEX` has it (`Include/patchlevel.h`); ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) major: u8,
    pub(crate) minor: u8,
    pub(crate) micro: u8,
    /// The low byte: release level (0xa alpha, 0xb beta, 0xc candidate, 0xf final) and its serial number.
    pub(crate) level: u8,
}

impl Version {
    #[cfg(test)]
    pub(crate) fn new(major: u8, minor: u8, micro: u8) -> Version {
        Version { major, minor, micro, level: 0xf0 }
    }

    /// From `PY_VERSION_HEX`; `None` for numbers that no Python 3 has.
    pub(crate) fn from_hex(hex: u64) -> Option<Version> {
        let [level, micro, minor, major, ..] = hex.to_le_bytes();
        (hex >> 32 == 0 && major == 3 && (0xa..=0xf).contains(&(level >> 4))).then_some(Version {
            major,
            minor,
            micro,
            level,
        })
    }

    pub(crate) fn hex(self) -> u32 {
        u32::from_be_bytes([self.major, self.minor, self.micro, self.level])
    }

    /// From `PY_VERSION`: `3.11.7`, `3.14.0rc2`, `3.9.2+`.
    pub(crate) fn parse(text: &str) -> Option<Version> {
        let text = text.strip_suffix('+').unwrap_or(text);
        let mut numbers = text.splitn(3, '.');
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.parse().ok()?;
        let rest = numbers.next()?;
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (micro, suffix) = rest.split_at(digits);
        let (nibble, serial) = match suffix {
            "" => (0xf, "0"),
            _ => [("rc", 0xc), ("a", 0xa), ("b", 0xb), ("c", 0xc)]
                .into_iter()
                .find_map(|(name, nibble)| Some((nibble, suffix.strip_prefix(name)?)))?,
        };
        let serial: u8 = serial.parse().ok().filter(|&serial| serial < 16)?;
        Some(Version { major, minor, micro: micro.parse().ok()?, level: nibble << 4 | serial })
    }

    /// Whether structs are laid out as in the release: they are frozen from the first candidate on.
    pub(crate) fn is_frozen(self) -> bool {
        self.level >= 0xc0
    }

    pub(crate) fn at_least(self, major: u8, minor: u8) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)?;
        match (self.level >> 4, self.level & 0xf) {
            (0xa, serial) => write!(f, "a{serial}"),
            (0xb, serial) => write!(f, "b{serial}"),
            (0xc, serial) => write!(f, "rc{serial}"),
            _ => Ok(()),
        }
    }
}

/// The version in the buffer that `Py_GetVersion` fills when the interpreter starts (`Python/getversion.c`): static
/// memory, `3.8.18 (default, May  9 2026, 10:00:00) \n[GCC 12.2.0]`.
pub(super) fn in_memory(bytes: &[u8]) -> Option<Version> {
    const LONGEST: usize = 250;
    starts(bytes).find_map(|at| {
        let text = bytes.get(at..(at + LONGEST).min(bytes.len()))?;
        let text = text.split(|&byte| byte == 0).next()?;
        let text = std::str::from_utf8(text).ok()?;
        let (version, rest) = text.split_once(" (")?;
        rest.split_once(") ")?.1.trim_start().starts_with('[').then(|| Version::parse(version))?
    })
}

/// The version by the literals of a file: `PY_VERSION`, which linkers merge into the end of longer ones
/// (`/opt/3.8.18`), of the minor version whose library directory (`python3.8`) is named most. Best effort.
pub(super) fn in_literals(bytes: &[u8]) -> Option<Version> {
    let mut named = [0_u32; 256];
    for at in starts(bytes) {
        let before = &bytes[..at];
        if before.ends_with(b"python") {
            let digits: String =
                bytes[at + 2..].iter().take(3).map(|&b| b as char).take_while(char::is_ascii_digit).collect();
            if let Ok(minor) = digits.parse::<u8>() {
                named[usize::from(minor)] += 1;
            }
        }
    }
    let candidates = starts(bytes).filter_map(|at| {
        let end = at + bytes[at..].iter().take(16).position(|&byte| byte == 0)?;
        let whole = at == 0 || !(bytes[at - 1].is_ascii_digit() || bytes[at - 1] == b'.');
        Version::parse(std::str::from_utf8(&bytes[at..end]).ok()?).filter(|_| whole)
    });
    candidates.filter(|version| named[usize::from(version.minor)] > 0).max_by_key(|v| named[usize::from(v.minor)])
}

/// Where `3.` is in `bytes`.
fn starts(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.windows(2).enumerate().filter(|(_, pair)| pair == b"3.").map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        fn check(text: &str, hex: u32) {
            let version = Version::parse(text).expect("a version");
            assert_eq!(version.hex(), hex, "{text}");
            assert_eq!(Version::from_hex(hex.into()), Some(version));
            assert_eq!(version.to_string(), text.trim_end_matches('+'));
        }
        check("3.11.7", 0x030b_07f0);
        check("3.14.0rc2", 0x030e_00c2);
        check("3.15.0a1", 0x030f_00a1);
        check("3.9.2+", 0x0309_02f0);
        for text in ["3.11", "3.11.x", "3..1", "3.11.7-debug", "3.300.1", "3.1.1rc16", "", "3.11.", "three"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
        for hex in [0, 0x0207_12f0, 0x030b_0700, 0x1_030b_07f0] {
            assert_eq!(Version::from_hex(hex), None, "{hex:#x}");
        }
    }

    #[test]
    fn found_in_bytes() {
        let memory = b"\0\x013.1\x003.45.1 (x)\x003.8.18 (default, May  9 2026) \n[GCC 12.2.0]\x003.9.9 (";
        assert_eq!(in_memory(memory), Some(Version::new(3, 8, 18)));
        assert_eq!(in_memory(b"3.8.18 (default"), None);
        let literals = b"\x003.45.1\0/opt/versions/3.8.18\0lib/python3.8\x003.2.0\x0013.8.1\0";
        assert_eq!(in_literals(literals), Some(Version::new(3, 8, 18)));
        assert_eq!(in_literals(b"\x003.45.1\x003.8.18\0"), None, "no word of Python");
        assert_eq!(in_literals(b"python3."), None);
    }
}
