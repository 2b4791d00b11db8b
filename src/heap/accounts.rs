//! Where the resident size of a process went: plain data, as collected and as snapshots keep it.

use serde::{Deserialize, Serialize};

/// What each resident byte is for, each in one part.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Accounts {
    /// Pages that were in memory: all parts together are exactly this.
    pub(crate) rss_bytes: u64,
    /// In the order of [`PartName`]; parts without a byte are there too.
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) name: PartName,
    pub(crate) resident_bytes: u64,
    /// What was found and what was not, for people.
    pub(crate) detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PartName {
    PythonObjects,
    PymallocFree,
    GlibcInUse,
    GlibcFree,
    MmappedBlocks,
    ThreadStacks,
    LibrariesAndFiles,
    SharedMemory,
    Rest,
}

impl PartName {
    pub(crate) const ALL: [PartName; 9] = [
        PartName::PythonObjects,
        PartName::PymallocFree,
        PartName::GlibcInUse,
        PartName::GlibcFree,
        PartName::MmappedBlocks,
        PartName::ThreadStacks,
        PartName::LibrariesAndFiles,
        PartName::SharedMemory,
        PartName::Rest,
    ];
}

impl Accounts {
    pub(crate) fn of(&self, name: PartName) -> u64 {
        self.parts.iter().filter(|part| part.name == name).map(|part| part.resident_bytes).sum()
    }
}
