//! Quantities as types: addresses, sizes and durations, each of which decides once how it is written and ordered.
//!
//! Nothing here knows what is being measured. Names that come from a target are made printable here too ([`printable`]),
//! because whoever shows one must not have to remember it.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A virtual address in a target. Written `0x…`, also in JSON: numbers above 2^53 do not survive JavaScript.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Address(pub(crate) u64);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Address {
    type Err = String;

    /// Reads what is displayed.
    fn from_str(text: &str) -> Result<Address, String> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        // `from_str_radix` would take a sign.
        let digits = digits.filter(|digits| !digits.starts_with('+'));
        let address = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        address.map(Address).ok_or_else(|| "an address such as 0x7f3f010d4050".to_owned())
    }
}

impl<'de> serde::Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        let text = <std::borrow::Cow<str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A size in bytes, written for people: `512 B`, `2.4 KiB`, `1.0 GiB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&readable(self.0))
    }
}

impl FromStr for Bytes {
    type Err = String;

    /// Reads `4096`, `512 B`, `1.5GiB`, `2G`: units are binary, whether written `K`, `KB` or `KiB`, in either case.
    fn from_str(text: &str) -> Result<Bytes, String> {
        let wrong = || "a size, such as 4096, 512KiB or 1.5GiB".to_owned();
        let text = text.trim();
        let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(number_end);
        let unit = unit.trim().to_ascii_lowercase();
        let power = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit) {
            "" if unit == "ib" => return Err(wrong()),
            "" => 0,
            "k" => 1,
            "m" => 2,
            "g" => 3,
            "t" => 4,
            _ => return Err(wrong()),
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(1024_u64.pow(power)).map(Bytes).ok_or_else(wrong);
        }
        let value = number.parse::<f64>().map_err(|_| wrong())? * 1024_f64.powi(power as i32);
        // Below 2^63 a float is exactly what `as` makes of it.
        if value < 9.2e18 { Ok(Bytes(value.round() as u64)) } else { Err(wrong()) }
    }
}

/// `bytes` with a binary unit and one decimal.
fn readable(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be printed as 1024.0
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A difference in bytes, always signed: `+2.4 KiB`, `-12 B`, `0 B`.
pub(crate) fn signed_bytes(delta: i64) -> String {
    let sign = match delta {
        0 => "",
        d if d > 0 => "+",
        _ => "-",
    };
    format!("{sign}{}", readable(delta.unsigned_abs()))
}

/// Milliseconds with two decimals, the unit of `pause_ms` and `wall_ms`.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e5).round() / 100.0
}

/// `time` as RFC 3339 in UTC, to the second: `2025-11-21T04:01:02Z`. Times before 1970 become 1970.
pub(crate) fn utc(time: SystemTime) -> String {
    let (year, month, day, seconds, _) = civil(time);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

/// The same to the millisecond: `2025-11-21T04:01:02.345Z`.
pub(crate) fn utc_precise(time: SystemTime) -> String {
    let (second, millis) = (utc(time), civil(time).4);
    format!("{}.{millis:03}Z", second.trim_end_matches('Z'))
}

/// `time` in UTC for the name of a file: `20251121T040102.345Z`. Names sort as the times do.
pub(crate) fn utc_for_file_name(time: SystemTime) -> String {
    let (year, month, day, seconds, millis) = civil(time);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hours:02}{minutes:02}{seconds:02}.{millis:03}Z")
}

/// Year, month, day, second of the day, millisecond, by the proleptic Gregorian calendar.
///
/// Howard Hinnant's `civil_from_days` (howardhinnant.github.io/date_algorithms.html): years begin in March, so that the
/// leap day is the last one.
fn civil(time: SystemTime) -> (u64, u64, u64, u64, u32) {
    // The last second of the year 9999, where RFC 3339 ends.
    const LAST: u64 = 253_402_300_799;
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().min(LAST);
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1, seconds % 86_400, since.subsec_millis())
}

/// Whether a terminal could take `c` as a command, or not show it, or show what follows in another order.
pub(crate) fn is_hidden(c: char) -> bool {
    // Bidirectional overrides reorder what is shown; they are not control characters for `char`.
    let reorders = matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || reorders
}

/// `text` with everything a terminal could take as a command made visible, and no longer than `limit` characters.
///
/// Names, paths and messages come from a process that may be hostile to whoever looks at it.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for (count, c) in text.chars().enumerate() {
        if count == limit {
            out.push('…');
            break;
        }
        if is_hidden(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_for_people() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_048_575, "1.0 MiB"), (89_128_960, "85.0 MiB")]
        {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        assert_eq!(signed_bytes(-2048), "-2.0 KiB");
        assert_eq!(signed_bytes(0), "0 B");
        assert_eq!(signed_bytes(i64::MIN), "-8.0 EiB");
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("512 B", Some(512)),
            ("2k", Some(2048)),
            ("1.5GiB", Some(1_610_612_736)),
            ("3MB", Some(3_145_728)),
            ("16777215T", Some(16_777_215 << 40)),
            ("16777216T", None),
            ("99999999999.5T", None),
            ("", None),
            ("GiB", None),
            ("1.2.3", None),
            ("5 iB", None),
            ("-1", None),
            ("1e9", None),
        ] {
            assert_eq!(text.parse::<Bytes>().ok(), bytes.map(Bytes), "{text}");
        }
    }

    #[test]
    fn times_are_civil_dates_in_utc() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_732_161_662, "2024-11-21T04:01:02Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (u64::MAX >> 2, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
        let precise = UNIX_EPOCH + Duration::from_millis(1_732_161_662_045);
        assert_eq!(utc_precise(precise), "2024-11-21T04:01:02.045Z");
        assert_eq!(utc_for_file_name(precise), "20241121T040102.045Z");
    }

    #[test]
    fn hostile_names_are_made_visible() {
        assert_eq!(printable("a\x1b[31mb\n", 100), "a\\u{1b}[31mb\\n");
        assert_eq!(printable("x\u{202e}y", 100), "x\\u{202e}y");
        assert_eq!(printable("abcdef", 3), "abc…");
    }
}
