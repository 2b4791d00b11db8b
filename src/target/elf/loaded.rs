//! What the loader finds in an ELF file without its section table: program headers, build-id and exported symbols. For when
//! the file itself cannot be had, from the memory it is mapped to; and for a file whose section table was cut off.
//!
//! From memory their bytes are copied once; sections that the loader does not map (full symbols, debug information) are
//! absent. Everything is read from a target: sizes are bounded, and what does not fit is absent.

use object::elf;

use super::raw::{self, Segment, u64_at};
use super::{Content, Elf, Load, PAGE, Section, bias_of};
use crate::target::maps::Mapping;
use crate::target::memory::Memory;

/// The linker puts the headers into the first page, and the build-id nearly always.
const HEAD: usize = PAGE as usize;
/// Notes and the dynamic section take some hundred bytes.
const MAX_SMALL: u64 = 64 << 10;
/// The biggest libraries export some 100,000 symbols, of 24 bytes each and a long name.
const MAX_SYMBOLS: u64 = 64 << 20;
const MAX_NOTES: usize = 16;
const BUILD_ID: &str = ".note.gnu.build-id";
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_STRSZ: u64 = 10;

impl Elf {
    /// The file that `mappings` are of, from memory alone; `None` when its beginning is not there.
    pub(crate) fn loaded(mappings: &[&Mapping], memory: &dyn Memory) -> Option<Elf> {
        let begin = mappings.iter().find(|mapping| mapping.offset == 0 && mapping.permissions.read)?;
        let mut content = vec![0; HEAD];
        memory.read(begin.start, &mut content).ok()?;
        let header = raw::header(&content)?;
        let loads = loads(&header);
        let bias = bias_of(&loads, begin.start, 0)?;
        let mut loaded = Loaded { content, sections: Vec::new(), bias, memory };
        for note in header.segments.iter().filter(|segment| segment.kind == raw::PT_NOTE).take(MAX_NOTES) {
            loaded.add(BUILD_ID, elf::SHT_NOTE, note.address, note.file_size.min(MAX_SMALL), 0);
        }
        let dynamic = header.segments.iter().find(|segment| segment.kind == raw::PT_DYNAMIC);
        dynamic.and_then(|dynamic| loaded.symbols(dynamic));
        let Loaded { content, sections, .. } = loaded;
        let machine = elf::Machine(header.machine);
        Some(Elf { length: content.len() as u64, content: Content::Memory(content), machine, loads, sections })
    }

    /// A file of which nothing is known but who runs it.
    pub(crate) fn unknown() -> Elf {
        let (loads, sections) = (Vec::new(), Vec::new());
        Elf { content: Content::Memory(Vec::new()), length: 0, machine: super::OUR_MACHINE, loads, sections }
    }
}

/// Where in memory the file ends whose beginning is mapped by `begin`: behind the zeros that its last segment has after what is
/// in the file.
pub(crate) fn loaded_end(begin: &Mapping, memory: &dyn Memory) -> Option<u64> {
    let mut content = vec![0; HEAD];
    memory.read(begin.start, &mut content).ok()?;
    let header = raw::header(&content)?;
    let bias = bias_of(&loads(&header), begin.start, 0)?;
    let ends = header.segments.iter().filter(|segment| segment.kind == raw::PT_LOAD);
    let end = ends.filter_map(|segment| segment.address.checked_add(segment.memory_size)).max()?;
    end.wrapping_add(bias).checked_next_multiple_of(PAGE)
}

/// Where the file header tells of sections: `strip` changes that and nothing else of the first page.
const SECTION_FIELDS: [std::ops::Range<usize>; 2] = [40..48, 58..64];

impl Elf {
    /// Whether the file begins like the memory that `mappings` of it are in; `None` when that cannot be read.
    pub(crate) fn begins_like(&self, mappings: &[&Mapping], memory: &dyn Memory) -> Option<bool> {
        let begin = mappings.iter().find(|mapping| mapping.offset == 0 && mapping.permissions.read)?;
        let mut own = self.head(HEAD)?;
        let mut there = vec![0; own.len()];
        memory.read(begin.start, &mut there).ok()?;
        for field in SECTION_FIELDS {
            for bytes in [&mut own, &mut there] {
                bytes.get_mut(field.clone())?.fill(0);
            }
        }
        Some(own == there)
    }

    /// Whether the program itself is in the file, which it is not in a separate debug file.
    pub(crate) fn has_code(&self) -> bool {
        self.section(".text").is_none_or(|text| text.kind != elf::SHT_NOBITS)
    }
}

fn loads(header: &raw::Header) -> Vec<Load> {
    let loads = header.segments.iter().filter(|segment| segment.kind == raw::PT_LOAD).map(|segment| Load {
        offset: segment.offset,
        address: segment.address,
        file_size: segment.file_size,
        memory_size: segment.memory_size,
        writable: segment.flags & raw::PF_W != 0,
    });
    loads.collect()
}

/// The sections of a file that begins with `head` and has no table of them; `part` reads so many bytes from an offset on.
pub(super) fn sections_of(head: &[u8], part: impl Fn(u64, u64) -> Option<Vec<u8>>) -> Vec<Section> {
    let mut sections = Vec::new();
    let Some(header) = raw::header(head) else { return sections };
    let loads = loads(&header);
    let section = |name: &str, kind, address: u64, size: u64, link| {
        let load = loads.iter().find(|load| address.wrapping_sub(load.address) < load.file_size)?;
        let offset = load.offset.checked_add(address.wrapping_sub(load.address))?;
        Some(Section { name: name.to_owned(), address, size, offset, kind, compressed: false, link })
    };
    for note in header.segments.iter().filter(|segment| segment.kind == raw::PT_NOTE).take(MAX_NOTES) {
        let size = note.file_size.min(MAX_SMALL);
        if part(note.offset, size).is_some_and(|bytes| super::build_id_of_notes(&bytes).is_some()) {
            sections.extend(section(BUILD_ID, elf::SHT_NOTE, note.address, size, 0));
        }
    }
    let dynamic = header.segments.iter().find(|segment| segment.kind == raw::PT_DYNAMIC);
    let entries = dynamic.and_then(|dynamic| part(dynamic.offset, dynamic.file_size.min(MAX_SMALL)));
    if let Some([(symbols, size), (strings, names)]) = entries.and_then(|entries| exported(&entries, |address| address))
        && let Some(strings) = section(".dynstr", elf::SHT_STRTAB, strings, names, 0)
    {
        let link = sections.len() as u32;
        sections.push(strings);
        sections.extend(section(".dynsym", elf::SHT_DYNSYM, symbols, size, link));
    }
    sections
}

/// Where the entries of a dynamic section say that the exported symbols are, and their names: address and size of each.
/// `own` makes an address of the file's own of one that is told.
fn exported(entries: &[u8], own: impl Fn(u64) -> u64) -> Option<[(u64, u64); 2]> {
    let value = |tag| {
        let entry = entries.chunks_exact(16).find(|entry| u64_at(entry, 0) == Some(tag))?;
        u64_at(entry, 8)
    };
    let (symbols, strings) = (own(value(DT_SYMTAB)?), own(value(DT_STRTAB)?));
    // The number of symbols is told nowhere; all linkers put the names behind them.
    let (size, names) = (strings.checked_sub(symbols)?, value(DT_STRSZ)?);
    let bounded = size <= MAX_SYMBOLS && names <= MAX_SYMBOLS;
    bounded.then_some([(symbols, size - size % 24), (strings, names)])
}

/// The sections found so far, and where to find more.
struct Loaded<'a> {
    content: Vec<u8>,
    sections: Vec<Section>,
    bias: u64,
    memory: &'a dyn Memory,
}

impl Loaded<'_> {
    /// Copies the `size` bytes at an address of the file's own; a name that is there already is not added again.
    fn add(&mut self, name: &str, kind: elf::SectionType, address: u64, size: u64, link: u32) -> Option<()> {
        let offset = self.content.len();
        let mut bytes = vec![0; usize::try_from(size).ok()?];
        self.memory.read(address.wrapping_add(self.bias), &mut bytes).ok()?;
        if name.starts_with(".note") && super::build_id_of_notes(&bytes).is_none() {
            return None;
        }
        self.content.append(&mut bytes);
        let (name, offset) = (name.to_owned(), offset as u64);
        self.sections.push(Section { name, address, size, offset, kind, compressed: false, link });
        Some(())
    }

    /// The exported symbols with their names, as the dynamic section tells where they are.
    fn symbols(&mut self, dynamic: &Segment) -> Option<()> {
        let mut entries = vec![0; usize::try_from(dynamic.memory_size.min(MAX_SMALL)).ok()?];
        self.memory.read(dynamic.address.wrapping_add(self.bias), &mut entries).ok()?;
        // glibc's loader writes addresses of the process over those of the file, musl's does not.
        let own = |address: u64| if address >= self.bias { address.wrapping_sub(self.bias) } else { address };
        let [(symbols, size), (strings, names)] = exported(&entries, own)?;
        let link = self.sections.len() as u32;
        self.add(".dynstr", elf::SHT_STRTAB, strings, names, 0)?;
        self.add(".dynsym", elf::SHT_DYNSYM, symbols, size, link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::maps;
    use crate::target::memory::{FakeMemory, ProcessMemory};

    #[test]
    fn a_library_in_memory_tells_what_its_file_does() {
        let pid = std::process::id() as i32;
        let maps = maps::read(pid).expect("own mappings are readable");
        let memory = ProcessMemory::open(pid).expect("own memory is readable");
        let libc = maps.iter().find(|mapping| mapping.path.to_string_lossy().contains("libc.so")).expect("we use libc");
        let mappings: Vec<_> = maps.iter().filter(|mapping| mapping.path == libc.path).collect();
        let file = Elf::open(&libc.path).expect("it is there");
        let loaded = Elf::loaded(&mappings, &memory).expect("it is an ELF file");
        assert_eq!((loaded.build_id(), loaded.loads()), (file.build_id(), file.loads()));
        for name in ["malloc", "environ", "getpid", "no such symbol"] {
            assert_eq!(loaded.dynamic_symbol(name), file.dynamic_symbol(name), "{name}");
        }
        assert!(loaded.symbol("malloc").is_some() && loaded.build_id().is_some());
        assert!(file.is_file() && !loaded.is_file() && loaded.head(8).is_none());
        assert_eq!(file.begins_like(&mappings, &memory), Some(true));
        assert_eq!(loaded.initial(loaded.loads()[0].address, 8), None, "a file only has that");
    }

    #[test]
    fn a_file_without_its_section_table_tells_what_the_loader_finds() {
        let maps = maps::read(std::process::id() as i32).expect("own mappings are readable");
        let libc = maps.iter().find(|mapping| mapping.path.to_string_lossy().contains("libc.so")).expect("we use libc");
        let file = Elf::open(&libc.path).expect("it is there");
        let mut bytes = std::fs::read(&libc.path).expect("it can be read");
        for field in SECTION_FIELDS {
            bytes[field].fill(0);
        }
        let copy = tempfile::NamedTempFile::new().expect("there is room for temporary files");
        std::fs::write(copy.path(), &bytes).expect("it can be written");
        let cut = Elf::open(copy.path()).expect("the loader would take it");
        assert_eq!((cut.build_id(), cut.loads()), (file.build_id(), file.loads()));
        for name in ["malloc", "environ", "getpid", "no such symbol"] {
            assert_eq!(cut.dynamic_symbol(name), file.dynamic_symbol(name), "{name}");
        }
        assert!(cut.symbol("malloc").is_some() && cut.section(".text").is_none());
        for length in [64, 100, 1000, 4096, 100_000] {
            std::fs::write(copy.path(), &bytes[..length]).expect("it can be written");
            if let Ok(cut) = Elf::open(copy.path()) {
                assert!(cut.symbol("malloc").is_none(), "{length}");
            }
        }
    }

    #[test]
    fn another_file_begins_otherwise() {
        let maps = maps::parse(b"1000-2000 r--p 0 fe:01 7 /x");
        let file = Elf::open(std::path::Path::new("/proc/self/exe")).expect("we are an ELF file");
        let head = file.head(HEAD).expect("longer than that");
        let begins = |at: usize| {
            let mut memory = FakeMemory::default();
            let mut bytes = head.clone();
            bytes[at] ^= 1;
            memory.write(0x1000, &bytes);
            file.begins_like(&maps.iter().collect::<Vec<_>>(), &memory)
        };
        // `strip` changes the number of sections, nothing but another program the entry.
        assert_eq!((begins(60), begins(24), begins(1000)), (Some(true), Some(false), Some(false)));
        assert_eq!(file.begins_like(&[], &FakeMemory::default()), None);
    }
}
