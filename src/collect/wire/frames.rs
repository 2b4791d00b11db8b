//! Cuts the stream into records: magic, length, payload. Finds the next record after damage and counts what lay between.
//!
//! Reads from whatever delivers bytes; knows nothing of what the records mean.

use std::io::Read;

const MAGIC: [u8; 4] = *b"\xf5MA1";
const HEAD: usize = 8;
/// A longer record is damage: the probes cut theirs at a tenth of it.
const MOST_PAYLOAD: usize = 512 << 20;
/// How much is read at once.
const BLOCK: usize = 256 << 10;

/// The records of a stream.
pub(super) struct Frames<R> {
    stream: R,
    block: Box<[u8]>,
    buffer: Vec<u8>,
    /// Where in `buffer` the next record begins.
    at: usize,
    ended: bool,
    /// Bytes that belonged to no record.
    pub(super) lost: u64,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(stream: R) -> Frames<R> {
        Frames { stream, block: vec![0; BLOCK].into(), buffer: Vec::new(), at: 0, ended: false, lost: 0 }
    }

    /// The payload of the next record, or nothing at the end of the stream. A record cut off by the end is lost.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        loop {
            if !self.fill(HEAD) {
                self.lost += (self.buffer.len() - self.at) as u64;
                self.at = self.buffer.len();
                return None;
            }
            let head = &self.buffer[self.at..self.at + HEAD];
            let length = u32::from_le_bytes(head[4..].try_into().expect("four bytes")) as usize;
            if head[..4] == MAGIC && length <= MOST_PAYLOAD && self.fill(HEAD + length) {
                let start = self.at + HEAD;
                self.at = start + length;
                return Some(&self.buffer[start..start + length]);
            }
            // Not a record, or one that the end has cut off (a damaged length looks the same): on to the next magic.
            self.skip();
        }
    }

    /// Goes back to where the record given last began and looks for the next magic after that: its payload was damaged,
    /// perhaps its length too.
    pub(super) fn reject(&mut self, length: usize) {
        self.at -= HEAD + length;
        self.skip();
    }

    fn skip(&mut self) {
        let from = self.at;
        let found = self.buffer[from + 1..].windows(MAGIC.len()).position(|bytes| bytes == MAGIC);
        // The last bytes may be the beginning of a magic.
        let keep = if self.ended { 0 } else { MAGIC.len() - 1 };
        self.at = found.map_or(self.buffer.len().saturating_sub(keep).max(from + 1), |position| from + 1 + position);
        self.lost += (self.at - from) as u64;
    }

    /// Whether so many bytes are there, after reading what is missing.
    fn fill(&mut self, count: usize) -> bool {
        while self.buffer.len() - self.at < count {
            if self.ended {
                return false;
            }
            if self.at > 0 {
                self.buffer.drain(..self.at);
                self.at = 0;
            }
            // Grows with what arrives, not with what a length announces; and takes what there is, without waiting for more.
            match self.stream.read(&mut self.block) {
                Ok(length) if length > 0 => self.buffer.extend_from_slice(&self.block[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // A stream that cannot be read further has ended, for whatever reason.
                _ => self.ended = true,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(payload: &[u8]) -> Vec<u8> {
        [&MAGIC[..], &(payload.len() as u32).to_le_bytes(), payload].concat()
    }

    fn all(stream: &[u8]) -> (Vec<Vec<u8>>, u64) {
        let mut frames = Frames::new(stream);
        let mut records = Vec::new();
        while let Some(payload) = frames.next() {
            records.push(payload.to_vec());
        }
        (records, frames.lost)
    }

    #[test]
    fn records_are_found_again_after_damage() {
        let (one, two) = (record(b"one"), record(b"second"));
        for (stream, found, lost) in [
            ([&one[..], &two].concat(), vec![&b"one"[..], b"second"], 0),
            ([&one[..], b"noise", &two].concat(), vec![b"one", b"second"], 5),
            ([b"\xf5MA1\xff\xff\xff\xff", &one[..]].concat(), vec![b"one"], 8),
            ([b"\xf5MA1\xff\0\0\0", &one[..], &two].concat(), vec![b"one", b"second"], 8),
            ([&one[..], &two[..9]].concat(), vec![b"one"], 9),
            (two[..5].to_vec(), vec![], 5),
            (Vec::new(), vec![], 0),
        ] {
            let (records, bytes) = all(&stream);
            assert_eq!((records.iter().map(Vec::as_slice).collect::<Vec<_>>(), bytes), (found, lost), "{stream:x?}");
        }
    }

    #[test]
    fn a_rejected_record_is_searched_for_another() {
        // A damaged length made the first record swallow the second.
        let second = record(b"second");
        let swallowing = record(&[b"x", &second[..]].concat());
        let mut frames = Frames::new(&swallowing[..]);
        let length = frames.next().unwrap().len();
        frames.reject(length);
        assert_eq!(frames.next(), Some(&b"second"[..]));
        assert_eq!(frames.lost, 9);
    }
}
