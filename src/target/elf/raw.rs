//! ELF headers, program headers and notes straight from bytes: of files, of cores, of what is mapped.
//!
//! Believes nothing: what lies outside the bytes is absent, and said to be. 64-bit little-endian only. Formats: System V
//! gABI chapters 4 and 5; `PN_XNUM` from elf(5).

/// A core has a program header per mapping, and `vm.max_map_count` is 65530 unless raised.
const MAX_PROGRAM_HEADERS: u32 = 1 << 20;
const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
/// `e_phnum` when there are more than it can hold; the first section header has the number then.
const PN_XNUM: u16 = 0xffff;

pub(crate) const PT_LOAD: u32 = 1;
pub(crate) const PT_DYNAMIC: u32 = 2;
pub(crate) const PT_NOTE: u32 = 4;
pub(crate) const PF_X: u32 = 1;
pub(crate) const PF_W: u32 = 2;
pub(crate) const PF_R: u32 = 4;

/// What a file says of itself in the beginning.
#[derive(Debug)]
pub(crate) struct Header {
    /// `e_type`: 4 is a core.
    pub(crate) kind: u16,
    pub(crate) machine: u16,
    pub(crate) segments: Vec<Segment>,
    /// There are more program headers than the bytes have.
    pub(crate) cut: bool,
}

/// A program header; sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) file_size: u64,
    pub(crate) memory_size: u64,
    pub(crate) align: u64,
}

/// One note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note<'a> {
    /// Without the zeros at its end.
    pub(crate) name: &'a [u8],
    pub(crate) kind: u32,
    pub(crate) data: &'a [u8],
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// The header of the file that begins with `bytes`; `None` when that is no 64-bit little-endian ELF file.
pub(crate) fn header(bytes: &[u8]) -> Option<Header> {
    // Magic, 64-bit, little-endian, version 1.
    if bytes.len() < HEADER || !bytes.starts_with(b"\x7fELF\x02\x01\x01") {
        return None;
    }
    let begin = usize::try_from(u64_at(bytes, 32)?).ok()?;
    let count = match u16_at(bytes, 56)? {
        // `sh_info` of the first section header, which BFD puts at the end of the file.
        PN_XNUM => usize::try_from(u64_at(bytes, 40)?).ok().and_then(|at| u32_at(bytes, at.checked_add(44)?)),
        count => Some(u32::from(count)),
    };
    let told = count.unwrap_or(MAX_PROGRAM_HEADERS).min(MAX_PROGRAM_HEADERS) as usize;
    let table = bytes.get(begin..).unwrap_or_default();
    let fits = usize::from(u16_at(bytes, 54)?) == PROGRAM_HEADER;
    let segments: Vec<Segment> =
        table.chunks_exact(PROGRAM_HEADER).take(if fits { told } else { 0 }).filter_map(segment).collect();
    let cut = count.is_none() || segments.len() < told;
    Some(Header { kind: u16_at(bytes, 16)?, machine: u16_at(bytes, 18)?, segments, cut })
}

fn segment(entry: &[u8]) -> Option<Segment> {
    Some(Segment {
        kind: u32_at(entry, 0)?,
        flags: u32_at(entry, 4)?,
        offset: u64_at(entry, 8)?,
        address: u64_at(entry, 16)?,
        file_size: u64_at(entry, 32)?,
        memory_size: u64_at(entry, 40)?,
        align: u64_at(entry, 48)?,
    })
}

/// The notes in `bytes`, up to the first that does not fit. `align` is that of their segment or section.
///
/// A note is: name size, descriptor size, type (u32 each), name and descriptor, each padded.
pub(crate) fn notes(mut bytes: &[u8], align: u64) -> impl Iterator<Item = Note<'_>> {
    let align = if align == 8 { 8 } else { 4 };
    std::iter::from_fn(move || {
        let sizes = (u32_at(bytes, 0)? as usize, u32_at(bytes, 4)? as usize);
        let kind = u32_at(bytes, 8)?;
        let name = bytes.get(12..)?.get(..sizes.0)?;
        let begin = sizes.0.checked_add(12)?.checked_next_multiple_of(align)?;
        let data = bytes.get(begin..)?.get(..sizes.1)?;
        let end = begin.checked_add(sizes.1)?.checked_next_multiple_of(align)?;
        bytes = bytes.get(end..).unwrap_or_default();
        let length = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        Some(Note { name: name.get(..length)?, kind, data })
    })
}
