//! Proof that a snapshot is as it was written: CRC-32 of its rows and of its facts, kept in its key-value metadata.
//!
//! Parquet's own encodings notice few changed bytes; a changed address or size would be a wrong number.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use crc32fast::Hasher;

/// How much of a file is read at once.
const PIECE: usize = 1 << 20;

/// A file that remembers the sum of what was written to it.
#[derive(Debug)]
pub(super) struct Summing<'a> {
    file: &'a mut File,
    sum: Arc<Mutex<(u64, Hasher)>>,
}

/// The sum of a [`Summing`], to be asked while something else owns the writer.
#[derive(Clone, Debug)]
pub(super) struct Sum(Arc<Mutex<(u64, Hasher)>>);

impl<'a> Summing<'a> {
    pub(super) fn new(file: &'a mut File) -> (Summing<'a>, Sum) {
        let sum = Arc::new(Mutex::new((0, Hasher::new())));
        (Summing { file, sum: Arc::clone(&sum) }, Sum(sum))
    }
}

impl Write for Summing<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = self.file.write(buffer)?;
        if let Ok(mut sum) = self.sum.lock() {
            sum.0 += length as u64;
            sum.1.update(&buffer[..length]);
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sum {
    /// What proves the bytes written so far, and `facts`.
    pub(super) fn proof(&self, facts: &str) -> String {
        let (length, rows) = self.0.lock().map(|sum| (sum.0, sum.1.clone().finalize())).unwrap_or_default();
        format!("{length} {rows:08x} {:08x}", crc32fast::hash(facts.as_bytes()))
    }
}

/// Whether `proof` fits the facts.
pub(super) fn fits_facts(proof: &str, facts: &str) -> bool {
    proof.rsplit(' ').next() == Some(&format!("{:08x}", crc32fast::hash(facts.as_bytes())))
}

/// Whether `proof` fits the rows in `file`, which is `length` bytes long.
pub(super) fn fits_rows(proof: &str, file: &File, length: u64) -> io::Result<bool> {
    let mut words = proof.split(' ');
    let (Some(Ok(proven)), Some(sum)) = (words.next().map(str::parse::<u64>), words.next()) else { return Ok(false) };
    if proven > length {
        return Ok(false);
    }
    let mut hasher = Hasher::new();
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < proven {
        let part = &mut piece[..(proven - at).min(PIECE as u64) as usize];
        file.read_exact_at(part, at)?;
        hasher.update(part);
        at += part.len() as u64;
    }
    Ok(format!("{:08x}", hasher.finalize()) == sum)
}
