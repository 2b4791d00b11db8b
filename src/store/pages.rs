//! The page headers of a column, read before the decoder believes them: it allocates what they say.
//!
//! Just enough of Thrift's compact protocol to walk from header to header; decodes no values.
//!
//! Sources: parquet-format `parquet.thrift` (PageHeader), apache/thrift `thrift-compact-protocol.md`.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Longest header read; ours are some 30 bytes.
const MAX_HEADER_BYTES: usize = 4096;
/// A page may be this large whatever its compressed size; the pages that are written end near 1 MiB.
const PAGE_FLOOR: u64 = 16 << 20;
/// A larger page (one list with millions of items) may grow by this factor when it is unpacked.
const MAX_EXPANSION: u64 = 64;
/// Structs within structs; headers have three levels.
const MAX_DEPTH: u32 = 8;

/// How many values (or places of absent ones) the pages in `chunk` of `file` say they have, or what is wrong with one.
pub(super) fn values(file: &File, chunk: Range<u64>, file_length: u64) -> Result<u64, &'static str> {
    if chunk.start > chunk.end || chunk.end > file_length {
        return Err("a column lies outside of the file");
    }
    let mut buffer = [0; MAX_HEADER_BYTES];
    let (mut position, mut values) = (chunk.start, 0u64);
    while position < chunk.end {
        let length = (chunk.end - position).min(MAX_HEADER_BYTES as u64) as usize;
        file.read_exact_at(&mut buffer[..length], position).map_err(|_| "a page cannot be read")?;
        let header = header(&buffer[..length]).ok_or("a page header cannot be understood")?;
        position += header.length + header.compressed;
        if position > chunk.end {
            return Err("a page is longer than its column");
        }
        if header.uncompressed > PAGE_FLOOR.max(header.compressed.saturating_mul(MAX_EXPANSION)) {
            return Err("a page claims to unpack into more than it can");
        }
        // A dictionary has at most one value per byte and is none of the column's values.
        if header.dictionary && header.values > header.uncompressed {
            return Err("a dictionary claims more values than it has bytes");
        }
        values = values.saturating_add(if header.dictionary { 0 } else { header.values });
    }
    Ok(values)
}

#[derive(Debug, PartialEq, Eq, Default)]
struct Header {
    /// Of the header itself.
    length: u64,
    compressed: u64,
    uncompressed: u64,
    values: u64,
    dictionary: bool,
}

/// The header at the start of `bytes`; `None` for what is none, or repeats a field.
fn header(bytes: &[u8]) -> Option<Header> {
    let mut thrift = Thrift { bytes, position: 0 };
    let mut header = Header::default();
    let mut last = 0;
    while let Some((id, kind)) = thrift.field(&mut last)? {
        match (id, kind) {
            (2, I32) => header.uncompressed = thrift.length()?,
            (3, I32) => header.compressed = thrift.length()?,
            (5 | 7 | 8, STRUCT) => {
                header.dictionary = id == 7;
                let mut last = 0;
                while let Some((id, kind)) = thrift.field(&mut last)? {
                    match (id, kind) {
                        (1, I32) => header.values = thrift.length()?,
                        _ => thrift.skip(kind, MAX_DEPTH)?,
                    }
                }
            }
            _ => thrift.skip(kind, MAX_DEPTH)?,
        }
    }
    header.length = thrift.position as u64;
    Some(header)
}

const I32: u8 = 5;
const STRUCT: u8 = 12;

/// A reader of the compact protocol; every answer is `None` where the bytes end or make no sense.
struct Thrift<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.position)?;
        self.position += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A 32-bit integer that counts something.
    fn length(&mut self) -> Option<u64> {
        let zigzag = self.varint()?;
        (zigzag & 1 == 0 && zigzag >> 1 <= i32::MAX as u64).then_some(zigzag >> 1)
    }

    /// The next field of a struct as number and type, or `Some(None)` at its end. Numbers ascend, as all writers write them.
    fn field(&mut self, last: &mut u8) -> Option<Option<(u8, u8)>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        let (delta, kind) = (byte >> 4, byte & 15);
        if delta == 0 {
            return None;
        }
        *last = last.checked_add(delta)?;
        Some(Some((*last, kind)))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        let bytes = match kind {
            1 | 2 => 0,
            3 => 1,
            4..=6 => return self.varint().map(|_| ()),
            7 => 8,
            8 => usize::try_from(self.varint()?).ok()?,
            STRUCT if depth > 0 => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, depth - 1)?;
                }
                0
            }
            // Lists, sets and maps: no page header has one.
            _ => return None,
        };
        self.position = self.position.checked_add(bytes).filter(|&position| position <= self.bytes.len())?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data page of 10 values, 300 bytes packed into 20.
    const DATA: [u8; 17] =
        [0x15, 0, 0x15, 0xd8, 0x04, 0x15, 0x28, 0x2c, 0x15, 0x14, 0x15, 0, 0x15, 0x06, 0x15, 0x06, 0];

    #[test]
    fn headers_are_read_to_their_end() {
        let mut bytes = DATA.to_vec();
        assert_eq!(header(&bytes), None, "the outer struct has no end");
        bytes.extend([0, 99, 99]);
        let data = Header { length: 18, compressed: 20, uncompressed: 300, values: 10, dictionary: false };
        assert_eq!(header(&bytes), Some(data));
        bytes[7] = 0x4c;
        assert!(header(&bytes).expect("a dictionary page").dictionary);
    }

    #[test]
    fn nonsense_is_no_header() {
        for (bytes, why) in [
            (&[][..], "empty"),
            (&[0x15], "a field without a value"),
            (&[0x15, 0, 0x15, 1, 0], "a negative size"),
            (&[0x05, 0x04, 0x02, 0], "a number that does not ascend"),
            (&[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0], "a string without an end"),
            (&[0x19, 0xff, 0], "a list"),
            (&[0x1c; 40], "structs without an end"),
            (&[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], "an integer without an end"),
        ] {
            assert_eq!(header(bytes), None, "{why}");
        }
    }

    #[test]
    fn columns_are_walked_page_by_page() {
        let page = |uncompressed: &[u8]| {
            let mut page = vec![0x15, 0, 0x15];
            page.extend(uncompressed);
            page.extend(&DATA[5..]);
            page.push(0);
            page.extend([7; 20]);
            page
        };
        let check = |content: Vec<u8>, expected| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), &content).expect("written");
            assert_eq!(values(file.as_file(), 0..content.len() as u64, content.len() as u64), expected);
        };
        let good = page(&[0xd8, 0x04]);
        check([good.clone(), good.clone()].concat(), Ok(20));
        check([good.clone(), good[..30].to_vec()].concat(), Err("a page is longer than its column"));
        check([good, vec![1, 2, 3]].concat(), Err("a page header cannot be understood"));
        check(page(&[0xfe, 0xff, 0xff, 0xff, 0x0f]), Err("a page claims to unpack into more than it can"));
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert_eq!(values(file.as_file(), 4..9, 8), Err("a column lies outside of the file"));
    }
}
