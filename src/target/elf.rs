//! An ELF file on disk, read where it is needed: build-id, sections, symbols, and where the loader puts it.
//!
//! Everything in the file may be made up by whoever runs the target: every range is checked against the file, nothing
//! is allocated beyond [`MAX_PART`], and what does not fit is absent, never a panic. Only 64-bit little-endian files
//! are read. Formats: System V gABI chapters 4 and 5, GNU build-id and debug link notes.

pub(crate) mod loaded;
pub(crate) mod raw;

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use object::LittleEndian;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::read::{CompressedData, CompressionFormat, ReadCache};

/// The most that is read (or unpacked) of a file at once, in bytes.
const MAX_PART: u64 = 1 << 30;
/// A build-id is a hash: nobody has a longer one.
const MAX_BUILD_ID: usize = 64;
/// Mappings start at page boundaries, segments need not.
const PAGE: u64 = 4096;
/// The type of the note with the build-id, in notes of the name `GNU`.
const NT_GNU_BUILD_ID: u32 = 3;
/// The instruction set of what we examine: our own.
pub(crate) const OUR_MACHINE: elf::Machine =
    if cfg!(target_arch = "aarch64") { elf::EM_AARCH64 } else { elf::EM_X86_64 };

/// A part of the file that the loader maps (`PT_LOAD`); sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) file_size: u64,
    pub(crate) memory_size: u64,
    pub(crate) writable: bool,
}

/// A section as the section table tells it; `size` in bytes as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    name: String,
    pub(crate) address: u64,
    pub(crate) size: u64,
    offset: u64,
    kind: elf::SectionType,
    compressed: bool,
    link: u32,
}

/// A defined symbol: its address as the file has it, before it is loaded anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) address: u64,
    pub(crate) size: u64,
}

/// One entry of a symbol table, as [`Elf::each_symbol`] shows it.
#[derive(Debug)]
pub(crate) enum Entry {
    /// The source file of the local symbols that follow.
    File,
    Defined(Symbol),
}

/// Where the bytes of an [`Elf`] are.
#[derive(Debug)]
enum Content {
    File(File),
    /// No file: the sections that were found in the memory it is mapped to, one after the other.
    Memory(Vec<u8>),
}

/// An open ELF file, or what of one can be had from memory. Holding it open is what makes it survive deletion and
/// upgrades.
#[derive(Debug)]
pub(crate) struct Elf {
    content: Content,
    length: u64,
    machine: elf::Machine,
    loads: Vec<Load>,
    sections: Vec<Section>,
}

impl Elf {
    /// Opens the ELF file at `path`; `InvalidData` when it is something else. Never waits on a pipe put in its place.
    pub(crate) fn open(path: &Path) -> io::Result<Elf> {
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
        Elf::from_file(file)
    }

    fn from_file(file: File) -> io::Result<Elf> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(invalid("not a regular file"));
        }
        let (machine, loads, sections) = headers(&file).map_err(|error| invalid(&error.to_string()))?;
        let mut elf = Elf { content: Content::File(file), length: metadata.len(), machine, loads, sections };
        if elf.sections.is_empty() {
            let head = elf.head(PAGE as usize).unwrap_or_default();
            elf.sections = loaded::sections_of(&head, |offset, length| elf.part(offset, length));
        }
        Ok(elf)
    }

    /// The instruction set (`EM_…`).
    pub(crate) fn machine(&self) -> elf::Machine {
        self.machine
    }

    pub(crate) fn loads(&self) -> &[Load] {
        &self.loads
    }

    pub(crate) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The bytes of a section, unpacked; `None` when there are none in this file or they are damaged.
    pub(crate) fn section_data(&self, name: &str) -> Option<Vec<u8>> {
        let section = self.section(name)?;
        let data = self.stored(section)?;
        if section.compressed { unpack(&data) } else { Some(data) }
    }

    /// The linker's identification of this build in hexadecimal, from `NT_GNU_BUILD_ID`.
    pub(crate) fn build_id(&self) -> Option<String> {
        let notes = self.section_data(".note.gnu.build-id")?;
        build_id_of_notes(&notes)
    }

    /// The symbol exported under this name: survives stripping.
    pub(crate) fn dynamic_symbol(&self, name: &str) -> Option<Symbol> {
        self.find_symbol(elf::SHT_DYNSYM, name)
    }

    /// The symbol of this name, exported or not.
    pub(crate) fn symbol(&self, name: &str) -> Option<Symbol> {
        self.dynamic_symbol(name).or_else(|| self.find_symbol(elf::SHT_SYMTAB, name))
    }

    fn find_symbol(&self, table: elf::SectionType, name: &str) -> Option<Symbol> {
        let mut found = None;
        self.each(table, |entry_name, entry| {
            if let Entry::Defined(symbol) = entry
                && entry_name == name.as_bytes()
            {
                found = Some(symbol);
            }
            found.is_none()
        });
        found
    }

    /// Shows every entry of the full symbol table, in its order, until `visit` returns false.
    pub(crate) fn each_symbol(&self, visit: impl FnMut(&[u8], Entry) -> bool) {
        self.each(elf::SHT_SYMTAB, visit);
    }

    fn each(&self, table: elf::SectionType, mut visit: impl FnMut(&[u8], Entry) -> bool) -> Option<()> {
        let section = self.sections.iter().find(|section| section.kind == table)?;
        let symbols = self.stored(section)?;
        let strings = self.stored(self.sections.get(section.link as usize)?)?;
        // Elf64_Sym: st_name u32, st_info u8, st_other u8, st_shndx u16, st_value u64, st_size u64.
        for symbol in symbols.chunks_exact(24) {
            let section = elf::SymbolSection(u16::from_le_bytes([symbol[6], symbol[7]]));
            let entry = match (elf::SymbolType(symbol[4] & 0xf), section) {
                (elf::STT_FILE, _) => Entry::File,
                // Neither has an address of its own.
                (elf::STT_TLS | elf::STT_SECTION, _) | (_, elf::SHN_UNDEF | elf::SHN_ABS) => continue,
                _ => Entry::Defined(Symbol { address: word(symbol, 8), size: word(symbol, 16) }),
            };
            let at = u32::from_le_bytes([symbol[0], symbol[1], symbol[2], symbol[3]]) as usize;
            let Some(name) = strings.get(at..).and_then(|rest| rest.split(|&byte| byte == 0).next()) else { continue };
            if !visit(name, entry) {
                break;
            }
        }
        Some(())
    }

    /// What to add to an address of this file to get one in a process that has it mapped at `start` from file `offset`
    /// on.
    pub(crate) fn bias(&self, start: u64, offset: u64) -> Option<u64> {
        bias_of(&self.loads, start, offset)
    }

    /// `length` bytes as the file has them at an address, before relocation.
    pub(crate) fn initial(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        self.file()?;
        let load = self.loads.iter().find(|load| {
            let at = address.wrapping_sub(load.address);
            address >= load.address && at < load.file_size && load.file_size - at >= length as u64
        })?;
        self.part(load.offset.checked_add(address - load.address)?, length as u64)
    }

    /// The file's first `length` bytes, or fewer when it is shorter.
    pub(crate) fn head(&self, length: usize) -> Option<Vec<u8>> {
        self.file()?;
        self.part(0, (length as u64).min(self.length))
    }

    fn stored(&self, section: &Section) -> Option<Vec<u8>> {
        if section.kind == elf::SHT_NOBITS {
            return None;
        }
        self.part(section.offset, section.size)
    }

    fn part(&self, offset: u64, length: u64) -> Option<Vec<u8>> {
        if length > MAX_PART || offset.checked_add(length)? > self.length {
            return None;
        }
        match &self.content {
            Content::File(file) => {
                let mut bytes = vec![0; length as usize];
                file.read_exact_at(&mut bytes, offset).ok()?;
                Some(bytes)
            }
            Content::Memory(bytes) => Some(bytes.get(offset as usize..)?.get(..length as usize)?.to_vec()),
        }
    }

    fn file(&self) -> Option<&File> {
        match &self.content {
            Content::File(file) => Some(file),
            Content::Memory(_) => None,
        }
    }

    /// Whether there is a file, and not only what of it is in memory.
    pub(crate) fn is_file(&self) -> bool {
        self.file().is_some()
    }

    /// In bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Fills `buffer` from the file's `offset` on, or fails.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file().ok_or(io::ErrorKind::NotFound)?.read_exact_at(buffer, offset)
    }
}

fn bias_of(loads: &[Load], start: u64, offset: u64) -> Option<u64> {
    let begin = |load: &&Load| load.offset & !(PAGE - 1);
    // Neighbours share a page of the file: who begins there is meant before who ends there.
    let load = loads.iter().find(|load| begin(load) == offset).or_else(|| {
        let pages = |load: &&Load| begin(load)..load.offset.saturating_add(load.file_size);
        loads.iter().find(|load| pages(load).contains(&offset))
    })?;
    let address = (load.address & !(PAGE - 1)).wrapping_add(offset - begin(&load));
    Some(start.wrapping_sub(address))
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

fn headers(file: &File) -> object::read::Result<(elf::Machine, Vec<Load>, Vec<Section>)> {
    let cache = ReadCache::new(file);
    let header = elf::FileHeader64::<LittleEndian>::parse(&cache)?;
    let endian = header.endian()?;
    let loads = header.program_headers(endian, &cache)?.iter().filter(|load| load.p_type(endian) == elf::PT_LOAD);
    let loads = loads.map(|load| Load {
        offset: load.p_offset(endian),
        address: load.p_vaddr(endian),
        file_size: load.p_filesz(endian),
        memory_size: load.p_memsz(endian),
        writable: load.p_flags(endian).contains(elf::PF_W),
    });
    // A damaged section table costs the sections, not the file: the loader does not need it either.
    let table = header.sections(endian, &cache).unwrap_or_default();
    let sections = table.iter().map(|section| Section {
        name: String::from_utf8_lossy(table.section_name(endian, section).unwrap_or_default()).into_owned(),
        address: section.sh_addr(endian),
        size: section.sh_size(endian),
        offset: section.sh_offset(endian),
        kind: section.sh_type(endian),
        compressed: section.sh_flags(endian).contains(elf::SHF_COMPRESSED),
        link: section.sh_link(endian),
    });
    Ok((header.e_machine(endian), loads.collect(), sections.collect()))
}

/// Undoes `SHF_COMPRESSED`: an Elf64_Chdr (ch_type u32, reserved u32, ch_size u64, ch_addralign u64), then the data.
fn unpack(stored: &[u8]) -> Option<Vec<u8>> {
    let (header, data) = stored.split_first_chunk::<24>()?;
    let format = match elf::CompressionType(u32::from_le_bytes(*header.first_chunk()?)) {
        elf::ELFCOMPRESS_ZLIB => CompressionFormat::Zlib,
        elf::ELFCOMPRESS_ZSTD => CompressionFormat::Zstandard,
        _ => return None,
    };
    let uncompressed_size = word(header, 8);
    if uncompressed_size > MAX_PART {
        return None;
    }
    CompressedData { format, data, uncompressed_size }.decompress().ok().map(|data| data.into_owned())
}

fn build_id_of_notes(notes: &[u8]) -> Option<String> {
    let note = raw::notes(notes, 4).find(|note| note.kind == NT_GNU_BUILD_ID && note.name == b"GNU")?;
    let plausible = (2..=MAX_BUILD_ID).contains(&note.data.len());
    plausible.then(|| note.data.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Where distributions put separate debug files.
pub(crate) const DEBUG_FOLDER: &str = "usr/lib/debug";

/// An absolute path as it is under another root.
pub(crate) fn within(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The separate debug file of the build `build_id` in `folder` (GDB's `debug-file-directory`); its own build-id is compared.
pub(crate) fn find_debug_file(build_id: &str, folder: &Path) -> Option<PathBuf> {
    // It becomes a path: nothing but digits.
    if build_id.len() < 4 || !build_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (directory, name) = build_id.split_at(2);
    let path = folder.join(".build-id").join(directory).join(format!("{name}.debug"));
    (Elf::open(&path).ok()?.build_id()? == build_id).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    fn elf(bytes: &[u8]) -> io::Result<Elf> {
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        file.rewind()?;
        Elf::from_file(file)
    }

    /// Asks everything that can be asked.
    fn ask(elf: &Elf) {
        elf.build_id();
        elf.symbol("_PyRuntime");
        elf.each_symbol(|_, _| true);
        for section in elf.sections.iter().take(64) {
            elf.section_data(&section.name);
        }
        for load in elf.loads.iter().take(64) {
            elf.bias(u64::MAX, load.offset);
            elf.initial(load.address, 8);
            elf.initial(load.address.wrapping_add(load.file_size).wrapping_sub(4), 8);
        }
    }

    #[test]
    fn this_very_program() {
        let elf = Elf::open(Path::new("/proc/self/exe")).expect("we are an ELF file");
        let maps = super::super::maps::read(std::process::id() as i32).expect("own mappings are readable");
        let here = ask as *const () as u64;
        let code = maps.iter().find(|mapping| mapping.contains(here)).expect("this code is mapped");
        let bias = elf.bias(code.start, code.offset).expect("a segment is mapped here");
        let mut address = None;
        elf.each_symbol(|name, entry| {
            if let Entry::Defined(symbol) = entry
                && symbol.address.wrapping_add(bias) == here
            {
                address = Some(String::from_utf8_lossy(name).into_owned());
            }
            address.is_none()
        });
        assert!(address.as_ref().is_some_and(|name| name.contains("ask")), "{address:?} {bias:#x} {here:#x}");
        // Whoever prints a backtrace meanwhile maps the file a second time, as mere data.
        let ours = maps.iter().filter(|mapping| mapping.path == code.path);
        let loaded = ours.filter(|mapping| elf.bias(mapping.start, mapping.offset) == Some(bias)).count();
        assert!(loaded > 1, "{loaded} mappings with the bias of the code");
        assert!(elf.section(".text").is_some() && elf.section_data(".bss").is_none());
        assert!(elf.symbol("no such symbol").is_none());
    }

    #[test]
    fn damaged_files_never_panic() {
        let header = Elf::open(Path::new("/proc/self/exe")).expect("we are an ELF file");
        let whole = header.head(1 << 16).expect("we are longer than that");
        for length in [0, 1, 15, 16, 63, 64, 65, 1000, 4096, whole.len()] {
            elf(&whole[..length]).iter().for_each(ask);
        }
        // Each byte of the file header and the program headers at its worst, the section table in reach.
        for at in 0..600 {
            for value in [0, 0x7f, 0xff] {
                let mut bytes = whole[..8192].to_vec();
                bytes[0x28..0x30].copy_from_slice(&1024_u64.to_le_bytes());
                bytes[at] = value;
                elf(&bytes).iter().for_each(ask);
            }
        }
        assert!(elf(b"not an ELF file at all, but long enough to have a header of one if it were").is_err());
        assert!(Elf::open(Path::new("/dev/zero")).is_err());
    }

    #[test]
    fn notes_and_packed_sections() {
        let note = |name: &[u8], size: u32, kind: u32, id: &[u8]| {
            let words = [name.len() as u32, size, kind].map(u32::to_le_bytes).concat();
            [&words, name, id].concat()
        };
        let id = note(b"GNU\0", 4, 3, &[0xab, 0xcd, 0xef, 1]);
        assert_eq!(build_id_of_notes(&id).as_deref(), Some("abcdef01"));
        let other = note(b"GNU\0", 5, 1, &[9; 8]);
        assert_eq!(build_id_of_notes(&[other, id].concat()).as_deref(), Some("abcdef01"));
        assert_eq!(build_id_of_notes(&note(b"GNU\0", 400, 3, &[1; 4])), None, "longer than the section");
        assert_eq!(build_id_of_notes(&note(b"GNU\0", u32::MAX, 1, &[])), None);
        assert_eq!(build_id_of_notes(&note(b"GNU\0", 0, 3, &[])), None);

        let packed =
            |kind: u32, size: u64| [kind.to_le_bytes().as_slice(), &[0; 4], &size.to_le_bytes(), &[1; 20]].concat();
        assert_eq!(unpack(&packed(1, u64::MAX)), None, "bigger than anything we unpack");
        assert_eq!(unpack(&packed(1, 100)), None, "not deflated");
        assert_eq!(unpack(&packed(9, 100)), None);
        assert_eq!(unpack(&[]), None);
    }

    #[test]
    fn debug_files_are_named_by_digits_only() {
        for id in ["../../etc/passwd", "", "ab", "ab/../../x", "é234"] {
            assert_eq!(find_debug_file(id, Path::new("/")), None, "{id}");
        }
    }
}
