//! The line a frame is at, from the table of its code object.
//!
//! Sources: `Objects/lnotab_notes.txt` (to 3.9, and the form of 3.10), `InternalDocs/code_objects.md` (3.11 and later).

use super::frames::FrameAt;
use super::image::WORD;
use super::walk::Walk;

/// Longer tables are cut.
const LONGEST_TABLE: u64 = 1 << 20;
/// Bytes of an instruction with its argument.
const UNIT: u64 = 2;

impl Walk<'_, '_> {
    /// 0 where it has none.
    pub(super) fn line(&self, frame: &FrameAt) -> u64 {
        let fields = self.fields;
        let first = self.view.half(frame.code.wrapping_add(fields.code_firstlineno)).unwrap_or(0);
        let table = fields.code_linetable.or(fields.code_lnotab).map(|o| self.view.pointer(frame.code.wrapping_add(o)));
        let Some(table) = table.and_then(|table| self.bytes_of(table)) else { return u64::from(first) };
        let first = i64::from(first);
        let line = match fields.code_adaptive {
            Some(adaptive) => {
                let offset = frame.instruction.wrapping_sub(frame.code.wrapping_add(adaptive));
                line_of_locations(&table, first, offset / UNIT)
            }
            None if fields.code_linetable.is_some() => {
                line_of_ranges(&table, first, i64::from(frame.instruction as u32 as i32) * UNIT as i64)
            }
            None => line_of_steps(&table, first, i64::from(frame.instruction as u32 as i32)),
        };
        line.and_then(|line| u64::try_from(line).ok()).unwrap_or(0)
    }

    /// What a bytes object holds.
    fn bytes_of(&self, bytes: u64) -> Option<Vec<u8>> {
        let length = self.view.word(bytes.wrapping_add(self.fields.object_length))?.min(LONGEST_TABLE);
        let content = self.view.bytes(bytes + self.fields.bytes_items, length as usize)?;
        self.view.claim(length / WORD + 1).then(|| content.into_owned())
    }
}

/// To 3.9: pairs of how many bytes of code and how many lines to go on.
fn line_of_steps(table: &[u8], first: i64, at: i64) -> Option<i64> {
    let (mut code, mut line) = (0i64, first);
    for pair in table.chunks_exact(2) {
        code += i64::from(pair[0]);
        if code > at {
            break;
        }
        line += i64::from(pair[1] as i8);
    }
    Some(line)
}

/// 3.10: pairs of the length of a range and of the lines to its own; -128 for a range without.
fn line_of_ranges(table: &[u8], first: i64, at: i64) -> Option<i64> {
    const NO_LINE: i8 = -128;
    let (mut end, mut line) = (0i64, first);
    for pair in table.chunks_exact(2) {
        let delta = pair[1] as i8;
        end += i64::from(pair[0]);
        if delta != NO_LINE {
            line += i64::from(delta);
        }
        if at < end {
            return (delta != NO_LINE).then_some(line);
        }
    }
    Some(first)
}

/// 3.11 and later: entries of a byte with a form and a length, and what the form says.
fn line_of_locations(table: &[u8], first: i64, at: u64) -> Option<i64> {
    let (mut end, mut line) = (0u64, first);
    let mut bytes = table.iter().copied().peekable();
    while let Some(head) = bytes.next() {
        end += u64::from(head & 7) + 1;
        let form = head >> 3 & 15;
        match form {
            10..=12 => line = line.saturating_add(i64::from(form - 10)),
            13 | 14 => line = line.saturating_add(signed(varint(&mut bytes))),
            _ => {}
        }
        if at < end {
            return (form != 15).then_some(line);
        }
        // The columns, which nobody asked for, up to the next head.
        while bytes.next_if(|byte| byte & 0x80 == 0).is_some() {}
    }
    Some(first)
}

/// Six bits a byte, the lowest first; a seventh says that more follow.
fn varint(bytes: &mut impl Iterator<Item = u8>) -> u64 {
    let (mut value, mut shift) = (0u64, 0);
    for byte in bytes {
        value |= u64::from(byte & 63).checked_shl(shift).unwrap_or(0);
        shift += 6;
        if byte & 64 == 0 {
            break;
        }
    }
    value
}

fn signed(value: u64) -> i64 {
    let magnitude = (value >> 1) as i64;
    if value & 1 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_each_age() {
        // Lines 5, 7 and 4, of 4, 6 and some bytes of code.
        let steps = [4, 2, 6, 0xfd];
        assert_eq!([0, 3, 4, 9, 10, 99].map(|at| line_of_steps(&steps, 5, at)), [5, 5, 7, 7, 4, 4].map(Some));
        assert_eq!(line_of_steps(&steps, 5, -1), Some(5));
        let ranges = [4, 0, 2, 0x80, 6, 2];
        assert_eq!([0, 4, 6].map(|at| line_of_ranges(&ranges, 5, at)), [Some(5), None, Some(7)]);
        // Two units without columns at +1, one in the short form, one without a line, one in the long form at -3.
        let locations = [0x80 | 13 << 3 | 1, 2, 0x80, 0x00, 0x80 | 15 << 3, 0x80 | 14 << 3, 7, 0, 1, 2];
        let expected = [Some(6), Some(6), Some(6), None, Some(3)];
        assert_eq!([0, 1, 2, 3, 4].map(|at| line_of_locations(&locations, 5, at)), expected);
    }

    #[test]
    fn damaged_tables_end() {
        // The second goes 2^62 lines on, twice.
        let far = [&[0x80 | 13 << 3][..], &[0x40; 10], &[1]].concat().repeat(3);
        for table in [&[0xff; 64][..], &far, &[0x80 | 14 << 3], &[]] {
            line_of_locations(table, 1, 1000);
            line_of_ranges(table, 1, 1000);
            line_of_steps(table, 1, 1000);
        }
    }
}
