//! The files that a process had mapped, found again for its core: the one given, under another root, beside the core.
//!
//! A name proves nothing. A file is used when it begins like the memory it was mapped to; where the core lacks that page,
//! when its segments fit the mappings to the page, which is said.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::ranges::{Range, lay};
use super::{Core, PAGE, Place};
use crate::target::elf::{Elf, within};
use crate::target::maps::Mapping;

/// Programs have some hundred libraries.
const MAX_FILES: usize = 4096;

/// Linkers make four or five.
const MAX_SEGMENTS: usize = 64;

/// Where files may be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    /// The file that is said to describe the process.
    pub(crate) exec: Option<PathBuf>,
    /// Under which the process's paths are looked up.
    pub(crate) root: PathBuf,
    /// In which files are looked for by name alone.
    pub(crate) beside: Option<PathBuf>,
}

/// A mapped file that was found.
#[derive(Debug)]
pub(super) struct StoredFile {
    /// Where it is here.
    pub(super) path: PathBuf,
    pub(super) elf: Elf,
    /// It begins like the memory.
    proven: bool,
}

impl Core {
    /// Finds the mapped files and takes from them the pages that the core lacks.
    pub(crate) fn find_files(&mut self, search: &Search) {
        let mut by_path: BTreeMap<&Path, Vec<&Mapping>> = BTreeMap::new();
        for mapping in self.mappings.iter().filter(|mapping| mapping.is_file()) {
            by_path.entry(&mapping.path).or_default().push(mapping);
        }
        let mut files = Vec::new();
        let mut by_name = BTreeMap::new();
        let mut pages = Vec::new();
        let mut exec_is_mapped = false;
        for (path, mappings) in by_path.into_iter().take(MAX_FILES) {
            let found = candidates(path, search).into_iter().find_map(|candidate| {
                let elf = Elf::open(&candidate).ok()?;
                let proven = self.is_of(&elf, &mappings)?;
                Some(StoredFile { path: candidate, elf, proven })
            });
            let Some(file) = found else { continue };
            exec_is_mapped |= search.exec.as_ref() == Some(&file.path);
            pages.extend(mappings.iter().flat_map(|mapping| read_only(&file.elf, mapping, files.len())));
            by_name.insert(path.to_owned(), files.len());
            files.push(file);
        }
        self.memory = lay(std::mem::take(&mut self.memory), pages);
        (self.files, self.by_name) = (files, by_name);
        self.description = search.exec.as_ref().filter(|_| !exec_is_mapped).and_then(|path| Elf::open(path).ok());
    }

    /// The file that the process called `path`, where it is here, and whether it is proven to be that one.
    pub(crate) fn file(&self, path: &Path) -> Option<(&Path, bool)> {
        let file = self.files.get(*self.by_name.get(path)?)?;
        Some((&file.path, file.proven))
    }

    /// Whether the file here at `path` is one of the mapped ones.
    pub(crate) fn uses(&self, path: &Path) -> bool {
        self.files.iter().any(|file| file.path == path)
    }

    /// The file given, when it is none of the mapped ones but of the build `id`: a debug file.
    pub(crate) fn description(&self, id: &str) -> Option<&Elf> {
        self.description.as_ref().filter(|elf| elf.build_id().as_deref() == Some(id))
    }

    /// Whether the pages of `mappings` are those of `elf`, and if so, whether that is proven.
    fn is_of(&self, elf: &Elf, mappings: &[&Mapping]) -> Option<bool> {
        // A debug file has the headers of its program, and nothing where the code was.
        if !elf.has_code() || elf.loads().len() > MAX_SEGMENTS {
            return None;
        }
        match elf.begins_like(mappings, self) {
            Some(same) => same.then_some(true),
            None => fits(elf, mappings).then_some(false),
        }
    }
}

/// Where the file that the process called `path` may be, best first.
fn candidates(path: &Path, search: &Search) -> Vec<PathBuf> {
    let mut candidates: Vec<PathBuf> = search.exec.iter().cloned().collect();
    // No kernel writes such a path.
    if path.components().all(|component| component != Component::ParentDir) {
        candidates.push(within(&search.root, path));
        candidates.extend(search.beside.iter().zip(path.file_name()).map(|(folder, name)| folder.join(name)));
    }
    candidates
}

/// Whether each segment of `elf` is mapped where it would be, all by the same bias.
fn fits(elf: &Elf, mappings: &[&Mapping]) -> bool {
    let page = |at: u64| at & !(PAGE - 1);
    let Some(first) = mappings.iter().find(|mapping| mapping.offset == 0) else { return false };
    let Some(bias) = elf.bias(first.start, 0) else { return false };
    let mut loads = elf.loads().iter().filter(|load| load.file_size > 0).peekable();
    loads.peek().is_some()
        && loads.all(|load| {
            let (start, offset) = (page(load.address).wrapping_add(bias), page(load.offset));
            mappings.iter().any(|mapping| mapping.start == start && mapping.offset == offset)
        })
}

/// What of `mapping` the file has as the process had it: its segments that cannot be written to.
fn read_only(elf: &Elf, mapping: &Mapping, file: usize) -> Vec<Range<Place>> {
    let Some(bias) = elf.bias(mapping.start, mapping.offset).filter(|_| !mapping.permissions.write) else {
        return Vec::new();
    };
    let loads = elf.loads().iter().filter(|load| !load.writable);
    let ranges = loads.filter_map(|load| {
        let lead = load.address % PAGE;
        let offset = load.offset.checked_sub(lead)?;
        // The kernel maps whole pages: behind a segment is what follows it in the file.
        let pages = load.file_size.checked_add(lead)?.checked_next_multiple_of(PAGE)?;
        let size = pages.min(elf.length().checked_sub(offset)?);
        let begin = bias.wrapping_add(load.address - lead);
        let (start, end) = (begin.max(mapping.start), begin.checked_add(size)?.min(mapping.end));
        let at = Place::File(file, offset.checked_add(start.checked_sub(begin)?)?);
        (start < end).then_some(Range { start, end, at })
    });
    ranges.collect()
}
