//! A core file as the process it was: memory, mappings, threads, and the mapped files it does not have in it.
//!
//! Cores of Linux and of GDB's `gcore`, whole, filtered or cut off. Whatever is in one may be made up: every range is
//! checked against the file, ranges are disjoint before they are used, and nothing is kept that is bigger than the file
//! itself. Mapped files stand in for read-only pages alone; what the process had written is in the core or nowhere.
//! Formats: core(5), elf(5), `fs/binfmt_elf.c` of Linux, `gdb/linux-tdep.c`.

mod arguments;
mod files;
mod notes;
mod ranges;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use files::Search;
use files::StoredFile;
pub(crate) use notes::Thread;
use notes::{MappedPart, Told};
use ranges::{Advance, Range, find, lay};

use super::elf::raw::{self, Segment};
use super::elf::{Elf, OUR_MACHINE};
use super::maps::{Mapping, Permissions};
use super::memory::Memory;

const ET_CORE: u16 = 4;
const EM_X86_64: u16 = 62;
const PAGE: u64 = 4096;
/// A program header without its file size counts as at most this when parts are made up from it.
const MAX_IMAGE: u64 = 1 << 32;
/// So many parts are made up, and so many bytes of paths are repeated in mappings.
const MAX_PARTS: usize = 1 << 16;
const MAX_PATHS: usize = 1 << 28;
/// Notes come in one segment; a few more do no harm.
const MAX_NOTE_SEGMENTS: usize = 16;

/// The bytes of a core: a mapped file, or made up by a test.
pub(crate) type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// Where the bytes at an address are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the core, from this offset on.
    Core(u64),
    /// In the mapped file of this number, from this offset on.
    File(usize, u64),
}

impl Advance for Place {
    fn advance(self, by: u64) -> Place {
        match self {
            Place::Core(offset) => Place::Core(offset.saturating_add(by)),
            Place::File(file, offset) => Place::File(file, offset.saturating_add(by)),
        }
    }
}

/// What a range of addresses was: the flags of its program header, and the part of a file that was mapped there.
#[derive(Clone, Copy, Debug)]
struct Mapped {
    /// `gcore` writes no program header for what it leaves to the mapped file.
    flags: Option<u32>,
    /// Which part, and how far in it.
    part: Option<(usize, u64)>,
}

impl Advance for Mapped {
    fn advance(self, by: u64) -> Mapped {
        Mapped { part: self.part.map(|(part, at)| (part, at.saturating_add(by))), ..self }
    }
}

/// What a core lacks, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// The file ends before what its headers tell of, or before its headers do.
    pub(crate) cut_off: u64,
    pub(crate) headers_cut_off: bool,
    /// Writable memory that was left out when the core was written, files that were mapped not counted.
    pub(crate) left_out: u64,
}

impl Missing {
    fn cut(&mut self, told: u64, found: usize) {
        self.cut_off = self.cut_off.saturating_add(told.saturating_sub(found as u64));
    }

    pub(crate) fn is_truncated(self) -> bool {
        self.cut_off > 0 || self.headers_cut_off
    }
}

/// An open core.
pub(crate) struct Core {
    bytes: Bytes,
    /// What of the memory can be had, sorted and disjoint.
    memory: Vec<Range<Place>>,
    mappings: Vec<Mapping>,
    told: Told,
    missing: Missing,
    /// In the order of [`Place::File`].
    files: Vec<StoredFile>,
    /// By the names that the process had for them.
    by_name: BTreeMap<PathBuf, usize>,
    /// The file said to describe the process, if its bytes are not those of any mapped one.
    description: Option<Elf>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("pid", &self.pid()).field("missing", &self.missing).finish_non_exhaustive()
    }
}

impl Core {
    /// Reads the headers and notes; the error says what else than a core of this machine it is.
    pub(crate) fn new(bytes: Bytes) -> Result<Core, String> {
        let content = (*bytes).as_ref();
        let header = raw::header(content).ok_or_else(|| not_elf(content))?;
        if header.kind != ET_CORE {
            return Err("it is an ELF file, but not a core".to_owned());
        }
        if header.machine != OUR_MACHINE.0 {
            return Err(format!(
                "it is of another CPU (ELF machine {}; this program was built for {})",
                header.machine, OUR_MACHINE.0
            ));
        }
        let mut told = Told::default();
        let mut missing = Missing { headers_cut_off: header.cut, ..Missing::default() };
        let notes = header.segments.iter().filter(|segment| segment.kind == raw::PT_NOTE).take(MAX_NOTE_SEGMENTS);
        for segment in notes {
            let (start, end) = within(content, segment.offset, segment.file_size);
            missing.cut(segment.file_size, end - start);
            for note in raw::notes(content.get(start..end).unwrap_or_default(), segment.align) {
                told.add(&note, header.machine == EM_X86_64);
            }
        }
        let loads = header.segments.iter().filter(|segment| segment.kind == raw::PT_LOAD && segment.memory_size > 0);
        let loads: Vec<Segment> = loads.copied().collect();
        if loads.is_empty() {
            return Err("there is no memory in it".to_owned());
        }
        let mut present = Vec::new();
        for load in &loads {
            let (start, end) = within(content, load.offset, load.file_size.min(load.memory_size));
            missing.cut(load.file_size.min(load.memory_size), end - start);
            let size = (end - start) as u64;
            present.push(Range {
                start: load.address,
                end: load.address.saturating_add(size),
                at: Place::Core(start as u64),
            });
        }
        let memory = merged(lay(Vec::new(), present));
        let mut core = Core {
            bytes,
            memory,
            mappings: Vec::new(),
            told,
            missing,
            files: Vec::new(),
            by_name: BTreeMap::new(),
            description: None,
        };
        if core.told.parts.is_empty() {
            core.told.parts = core.parts_by_heads(&loads);
        }
        core.mappings = mappings(&loads, &core.told.parts);
        core.missing.left_out = core.left_out(&loads);
        Ok(core)
    }

    /// As `/proc/PID/maps` had them, as far as the core tells: no devices, an inode made up for each path.
    pub(crate) fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    pub(crate) fn missing(&self) -> Missing {
        self.missing
    }

    /// As the process itself knew it, or GDB; 0 when that is lost.
    pub(crate) fn pid(&self) -> i32 {
        let first = || self.told.threads.first().and_then(|thread| i32::try_from(thread.native_id).ok());
        self.told.pid.or_else(first).unwrap_or(0)
    }

    /// From its stack; without that, what whoever wrote the core kept of it.
    pub(crate) fn command_line(&self) -> Vec<String> {
        if let Some(arguments) = self.arguments() {
            return arguments;
        }
        match self.told.command_line.as_slice() {
            [] if self.told.name.is_empty() => Vec::new(),
            [] => vec![self.told.name.clone()],
            words => words.to_vec(),
        }
    }

    fn arguments(&self) -> Option<Vec<String>> {
        let end = arguments::end(&self.told.auxv)?;
        let start = find(&self.memory, end)?.start.max(end.saturating_sub(arguments::MAX_DISTANCE));
        arguments::find(self.slice(start, usize::try_from(end - start).ok()?)?, start, &self.told.auxv)
    }

    pub(crate) fn threads(&self) -> &[Thread] {
        &self.told.threads
    }

    /// The program's file, as the process named it.
    pub(crate) fn executable(&self) -> Option<&Path> {
        let entry = self.told.entry?;
        let part = self.told.parts.iter().find(|part| (part.start..part.end).contains(&entry))?;
        Some(&part.path)
    }

    /// How many bytes of memory are in the core itself.
    pub(crate) fn present(&self) -> u64 {
        let own = self.memory.iter().filter(|range| matches!(range.at, Place::Core(_)));
        own.map(Range::length).fold(0, u64::saturating_add)
    }

    /// The parts of files that must have been mapped, by the ELF headers in memory: when the core has no list of them.
    /// `gcore` writes it last, so a core cut off lacks it.
    fn parts_by_heads(&self, loads: &[Segment]) -> Vec<MappedPart> {
        let mut parts = Vec::new();
        for load in loads {
            let Some(head) = self.slice(load.address, PAGE as usize) else { continue };
            let Some(header) = raw::header(head) else { continue };
            let path = PathBuf::from(format!("/unnamed (mapped at {:#x})", load.address));
            let of_file = || header.segments.iter().filter(|segment| segment.kind == raw::PT_LOAD);
            let Some(first) = of_file().find(|segment| segment.offset < PAGE) else { continue };
            let bias = load.address.wrapping_sub(first.address & !(PAGE - 1));
            for segment in of_file().filter(|segment| segment.file_size < MAX_IMAGE) {
                let start = bias.wrapping_add(segment.address & !(PAGE - 1));
                let end = bias.wrapping_add(segment.address).wrapping_add(segment.file_size);
                let (offset, path) = (segment.offset & !(PAGE - 1), path.clone());
                let end = end.checked_next_multiple_of(PAGE).unwrap_or(0);
                if start < end && parts.len() < MAX_PARTS {
                    parts.push(MappedPart { start, end, offset, path, deleted: false });
                }
            }
        }
        parts
    }

    /// Writable memory without a file of which the core should have more than it has.
    fn left_out(&self, loads: &[Segment]) -> u64 {
        let lacking = loads.iter().filter(|load| load.flags & raw::PF_W != 0 && load.file_size < load.memory_size);
        let of_no_file = lacking.filter(|load| {
            let after = self.mappings.partition_point(|mapping| mapping.start <= load.address);
            after.checked_sub(1).and_then(|at| self.mappings.get(at)).is_none_or(|mapping| !mapping.is_file())
        });
        of_no_file.map(|load| load.memory_size - load.file_size).fold(0, u64::saturating_add)
    }
}

impl Memory for Core {
    fn read(&self, address: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut address = address;
        let mut rest = buffer;
        while !rest.is_empty() {
            let absent = || io::Error::new(io::ErrorKind::AddrNotAvailable, "the core does not have it");
            let range = find(&self.memory, address).ok_or_else(absent)?;
            let length = usize::try_from(range.end - address).unwrap_or(usize::MAX).min(rest.len());
            let (part, after) = rest.split_at_mut(length);
            match range.at.advance(address - range.start) {
                Place::Core(offset) => {
                    let bytes = bytes_at((*self.bytes).as_ref(), offset, length).ok_or_else(absent)?;
                    part.copy_from_slice(bytes);
                }
                Place::File(file, offset) => self.files.get(file).ok_or_else(absent)?.elf.read_at(offset, part)?,
            }
            address = address.saturating_add(length as u64);
            rest = after;
        }
        Ok(())
    }

    fn at_hand(&self, address: u64) -> Option<(u64, &[u8])> {
        let range = find(&self.memory, address)?;
        match range.at {
            Place::Core(offset) => {
                let length = usize::try_from(range.length()).ok()?;
                Some((range.start, bytes_at((*self.bytes).as_ref(), offset, length)?))
            }
            Place::File(..) => None,
        }
    }
}

fn bytes_at(bytes: &[u8], offset: u64, length: usize) -> Option<&[u8]> {
    bytes.get(usize::try_from(offset).ok()?..)?.get(..length)
}

/// The part of `content` that a header speaks of, as far as there is one.
fn within(content: &[u8], offset: u64, size: u64) -> (usize, usize) {
    let whole = content.len() as u64;
    let start = offset.min(whole);
    let end = offset.saturating_add(size).min(whole);
    // Both are at most the length of a slice.
    (start as usize, end as usize)
}

/// Neighbours in memory and in the core become one, so that more can be had without copying.
fn merged(ranges: Vec<Range<Place>>) -> Vec<Range<Place>> {
    let mut merged: Vec<Range<Place>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if last.end == range.start && last.at.advance(last.length()) == range.at => last.end = range.end,
            _ => merged.push(range),
        }
    }
    merged
}

/// A mapping for each program header, and for what of the mapped files has none.
fn mappings(loads: &[Segment], parts: &[MappedPart]) -> Vec<Mapping> {
    let mapped = loads.iter().map(|load| Range {
        start: load.address,
        end: load.address.saturating_add(load.memory_size),
        at: Mapped { flags: Some(load.flags), part: None },
    });
    let of_files = parts.iter().enumerate().map(|(number, part)| Range {
        start: part.start,
        end: part.end,
        at: Mapped { flags: None, part: Some((number, 0)) },
    });
    let of_files = lay(Vec::new(), of_files.collect());
    let mut inodes = BTreeMap::new();
    let mut paths = 0;
    let all = lay(lay(Vec::new(), mapped.collect()), of_files.clone());
    let mapping = |range: &Range<Mapped>| {
        let file = find(&of_files, range.start).and_then(|file| file.at.advance(range.start - file.start).part);
        let part = file.and_then(|(number, at)| Some((parts.get(number)?, at)));
        paths += part.map_or(0, |(part, _)| part.path.as_os_str().len());
        let part = part.filter(|_| paths <= MAX_PATHS);
        let next = inodes.len() as u64 + 1;
        Mapping {
            start: range.start,
            end: range.end,
            permissions: permissions(range.at.flags),
            offset: part.map_or(0, |(part, at)| part.offset.saturating_add(at)),
            device: (0, 0),
            inode: part.map_or(0, |(part, _)| *inodes.entry(&part.path).or_insert(next)),
            path: part.map_or_else(PathBuf::new, |(part, _)| part.path.clone()),
            deleted: part.is_some_and(|(part, _)| part.deleted),
        }
    };
    all.iter().map(mapping).collect()
}

/// What has no program header was never written to: data, or code.
fn permissions(flags: Option<u32>) -> Permissions {
    let flags = flags.unwrap_or(raw::PF_R | raw::PF_X);
    Permissions {
        read: flags & raw::PF_R != 0,
        write: flags & raw::PF_W != 0,
        execute: flags & raw::PF_X != 0,
        shared: false,
    }
}

/// What a file is that is no 64-bit little-endian ELF file.
fn not_elf(content: &[u8]) -> String {
    let text = match content {
        [] => "it is empty",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is packed by zstd: unpack it first (`zstd -d`)",
        [0x1f, 0x8b, ..] => "it is packed by gzip: unpack it first (`gunzip`)",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "it is packed by xz: unpack it first (`unxz`)",
        [0x04, 0x22, 0x4d, 0x18, ..] => "it is packed by lz4: unpack it first (`lz4 -d`)",
        [0x7f, b'E', b'L', b'F', ..] => "it is an ELF file of another kind of CPU, or damaged",
        _ => "it is not an ELF file",
    };
    text.to_owned()
}
