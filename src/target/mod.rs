//! Who is the target: its process, its files, its interpreter, and whether we may examine it. Reads, never touches.

pub(crate) mod core;
pub(crate) mod doctor;
pub(crate) mod elf;
pub(crate) mod machine;
pub(crate) mod maps;
pub(crate) mod memory;
pub(crate) mod procfs;
pub(crate) mod ps;
pub(crate) mod python;
pub(crate) mod version;

use std::fs::File;
use std::io::{self, Read};

/// Reads a file of `/proc`, which has no length beforehand, up to `limit` bytes.
fn read_proc(path: &str, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
