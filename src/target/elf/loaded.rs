//! What of an ELF file is in the memory that it is mapped to, for when the file itself cannot be had: program headers,
//! build-id and exported symbols.
//!
//! Their bytes are copied once; sections that the loader does not map (full symbols, debug information) are absent.
//! Everything is read from a target: sizes are bounded, and what does not fit is absent.

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
        let loads: Vec<Load> =
            header.segments.iter().filter(|segment| segment.kind == raw::PT_LOAD).map(load).collect();
        let bias = bias_of(&loads, begin.start, 0)?;
        let mut loaded = Loaded { content, sections: Vec::new(), bias, memory };
        for note in header.segments.iter().filter(|segment| segment.kind == raw::PT_NOTE).take(16) {
            loaded.add(".note.gnu.build-id", elf::SHT_NOTE, note.address, note.file_size.min(MAX_SMALL), 0);
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

fn load(segment: &Segment) -> Load {
    Load {
        offset: segment.offset,
        address: segment.address,
        file_size: segment.file_size,
        memory_size: segment.memory_size,
        writable: segment.flags & raw::PF_W != 0,
    }
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
        let value = |tag| {
            let entry = entries.chunks_exact(16).find(|entry| u64_at(entry, 0) == Some(tag))?;
            u64_at(entry, 8)
        };
        // glibc's loader writes addresses of the process over those of the file, musl's does not.
        let own = |address: u64| if address >= self.bias { address.wrapping_sub(self.bias) } else { address };
        let (symbols, strings) = (own(value(DT_SYMTAB)?), own(value(DT_STRTAB)?));
        // The number of symbols is told nowhere; all linkers put the names behind them.
        let (size, names) = (strings.checked_sub(symbols)?, value(DT_STRSZ)?);
        if size > MAX_SYMBOLS || names > MAX_SYMBOLS {
            return None;
        }
        let link = self.sections.len() as u32;
        self.add(".dynstr", elf::SHT_STRTAB, strings, names, 0)?;
        self.add(".dynsym", elf::SHT_DYNSYM, symbols, size - size % 24, link)
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
