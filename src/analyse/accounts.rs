//! What the accounts of the resident size say in a sentence: Python objects, what allocators keep, or memory of C code?

use serde::Serialize;

use crate::heap::{Accounts, Part, PartName};
use crate::units::Bytes;

/// Less growth than this, and than a twentieth of the whole, is none.
const LEAST_GROWTH: u64 = 1 << 20;
/// Kinds that are named where none has half.
const MOST_NAMED: usize = 3;

/// The accounts as they are reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AccountsReport {
    /// All parts together are exactly this.
    pub(crate) rss_bytes: u64,
    pub(crate) parts: Vec<Part>,
    pub(crate) summary: String,
    /// What it has grown by since the earlier snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) growth: Option<String>,
}

/// Kinds of memory of which a different remedy helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Objects,
    Retained,
    Native,
    Files,
    Stacks,
    Shared,
}

impl Kind {
    const ALL: [Kind; 6] = [Kind::Objects, Kind::Retained, Kind::Native, Kind::Files, Kind::Stacks, Kind::Shared];

    fn parts(self) -> &'static [PartName] {
        match self {
            Kind::Objects => &[PartName::PythonObjects],
            Kind::Retained => &[PartName::PymallocFree, PartName::GlibcFree],
            Kind::Native => &[PartName::GlibcInUse, PartName::MmappedBlocks, PartName::Rest],
            Kind::Files => &[PartName::LibrariesAndFiles],
            Kind::Stacks => &[PartName::ThreadStacks],
            Kind::Shared => &[PartName::SharedMemory],
        }
    }

    fn of(self, accounts: &Accounts) -> u64 {
        self.parts().iter().fold(0, |sum, &part| sum.saturating_add(accounts.of(part)))
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Objects => "Python objects",
            Kind::Retained => "free memory that allocators keep",
            Kind::Native => "memory of C code",
            Kind::Files => "libraries and files",
            Kind::Stacks => "stacks of threads",
            Kind::Shared => "shared memory",
        }
    }

    /// What follows for whoever wonders where the memory went.
    fn meaning(self) -> &'static str {
        match self {
            Kind::Objects => "the table of types says which",
            Kind::Retained => "it is free, but allocators have not given it back to the system; no object leaks",
            Kind::Native => "it belongs to no Python object; if it grows, C code leaks",
            Kind::Files => "what programs consist of, shared with others that use them",
            Kind::Stacks => "there are many threads, or they went deep",
            Kind::Shared => "other processes may have it too",
        }
    }
}

/// The accounts with what they mean, compared with those of an `earlier` capture of the process if there are any.
pub(crate) fn accounts(accounts: &Accounts, earlier: Option<&Accounts>) -> AccountsReport {
    AccountsReport {
        rss_bytes: accounts.rss_bytes,
        parts: accounts.parts.clone(),
        summary: summary(accounts),
        growth: earlier.map(|earlier| growth(earlier, accounts)),
    }
}

fn summary(accounts: &Accounts) -> String {
    let mut kinds = Kind::ALL.map(|kind| (kind, kind.of(accounts)));
    kinds.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let whole = accounts.rss_bytes;
    let (kind, bytes) = kinds[0];
    if bytes > whole / 2 {
        let (name, share, meaning) = (kind.name(), percent(bytes, whole), kind.meaning());
        return format!("Most of it is {name} ({}, {share} %): {meaning}.", Bytes(bytes));
    }
    let named = kinds.iter().take(MOST_NAMED).filter(|(_, bytes)| *bytes > 0);
    let named: Vec<String> =
        named.map(|(kind, bytes)| format!("{} {} %", kind.name(), percent(*bytes, whole))).collect();
    format!("Nothing has half of it: {}.", named.join(", "))
}

fn growth(earlier: &Accounts, later: &Accounts) -> String {
    let grown = later.rss_bytes.saturating_sub(earlier.rss_bytes);
    if grown < LEAST_GROWTH && grown < earlier.rss_bytes / 20 || grown == 0 {
        return "It has not grown since.".to_owned();
    }
    let by = |kind: Kind| kind.of(later).saturating_sub(kind.of(earlier));
    let most = Kind::ALL.into_iter().max_by_key(|&kind| by(kind)).unwrap_or(Kind::Objects);
    format!(
        "It has grown by {} since; most of that is {} (+{}): {}.",
        Bytes(grown),
        most.name(),
        Bytes(by(most)),
        most.meaning()
    )
}

/// To the nearest tenth, as the table beside it has them.
fn percent(part: u64, whole: u64) -> String {
    format!("{:.1}", part as f64 * 100.0 / whole.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn of(amounts: &[(PartName, u64)]) -> Accounts {
        let part = |&(name, mib): &(PartName, u64)| Part { name, resident_bytes: mib * MIB, detail: String::new() };
        Accounts {
            rss_bytes: amounts.iter().map(|(_, mib)| mib * MIB).sum(),
            parts: amounts.iter().map(part).collect(),
        }
    }

    #[test]
    fn what_has_most_is_named() {
        let check = |amounts: &[(PartName, u64)], expected: &str| {
            let found = accounts(&of(amounts), None).summary;
            assert!(found.starts_with(expected), "{found}");
        };
        check(
            &[(PartName::PythonObjects, 60), (PartName::Rest, 40)],
            "Most of it is Python objects (60.0 MiB, 60.0 %): the table",
        );
        check(
            &[(PartName::PymallocFree, 30), (PartName::GlibcFree, 30), (PartName::PythonObjects, 40)],
            "Most of it is free memory that allocators keep (60.0 MiB, 60.0 %)",
        );
        check(
            &[(PartName::GlibcInUse, 30), (PartName::MmappedBlocks, 31), (PartName::LibrariesAndFiles, 59)],
            "Most of it is memory of C code (61.0 MiB, 50.8 %)",
        );
        check(
            &[(PartName::PythonObjects, 40), (PartName::SharedMemory, 40), (PartName::ThreadStacks, 20)],
            "Nothing has half of it: Python objects 40.0 %, shared memory 40.0 %, stacks of threads 20.0 %.",
        );
        check(&[], "Nothing has half of it");
        check(&[(PartName::Rest, u64::MAX >> 20)], "Most of it is memory of C code (16.0 EiB, 100.0 %)");
    }

    #[test]
    fn what_grew_most_is_named() {
        let before = of(&[(PartName::PythonObjects, 60), (PartName::GlibcInUse, 10)]);
        let check = |amounts: &[(PartName, u64)], expected: &str| {
            let found = accounts(&of(amounts), Some(&before)).growth.expect("compared");
            assert!(found.starts_with(expected), "{found}");
        };
        check(
            &[(PartName::PythonObjects, 61), (PartName::GlibcInUse, 74)],
            "It has grown by 65.0 MiB since; most of that is memory of C code (+64.0 MiB)",
        );
        check(&[(PartName::PythonObjects, 60), (PartName::GlibcInUse, 10)], "It has not grown since.");
        check(&[(PartName::PythonObjects, 1)], "It has not grown since.");
    }
}
