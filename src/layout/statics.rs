//! The statics of 3.6, which has no `_PyRuntime`: addresses from a full symbol table.
//!
//! Some have names that other source files use too, and link-time optimisation renames them and forgets the files: then
//! the one next to a static of the same file is meant.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Offsets;
use super::names::{STATICS, known};
use crate::target::elf::{Elf, Entry, Symbol};
use crate::target::python::Interpreter;

/// Unmistakable, and in the file that has most of them.
const ANCHOR: &str = "gil_drop_request";
/// Two places with the same name are normal; more candidates than this are not kept.
const MAX_CANDIDATES: usize = 16;

struct Candidate {
    symbol: Symbol,
    in_its_file: bool,
}

/// Addresses in the process by name.
pub(super) type Statics = BTreeMap<&'static str, u64>;

/// The [`STATICS`] that the first of `files` with any has, and what their sizes tell: those of the GIL's locks, under
/// the names that they have as fields later.
pub(super) fn find(interpreter: &Interpreter, files: &[(&PathBuf, &Elf)]) -> (Statics, Offsets) {
    let bias = interpreter.image.bias;
    let found = files.iter().map(|(_, elf)| of_file(elf)).find(|found| found.contains_key(ANCHOR)).unwrap_or_default();
    let size = |(name, symbol): (&&str, &Symbol)| {
        let lock = name.strip_prefix("gil_").unwrap_or(name);
        (symbol.size != 0).then_some((known(&format!("gil.{lock}.size"))?, symbol.size))
    };
    let sizes = found.iter().filter_map(size).collect();
    let mut statics: Statics =
        found.into_iter().map(|(name, symbol)| (name, symbol.address.wrapping_add(bias))).collect();
    for (name, _) in STATICS {
        if let Some(symbol) = interpreter.image.elf.dynamic_symbol(name) {
            statics.insert(name, symbol.address.wrapping_add(bias));
        }
    }
    (statics, sizes)
}

fn of_file(elf: &Elf) -> BTreeMap<&'static str, Symbol> {
    let mut candidates: BTreeMap<&'static str, Vec<Candidate>> = BTreeMap::new();
    let mut file = Vec::new();
    elf.each_symbol(|name, entry| {
        match entry {
            Entry::File => file = name.to_vec(),
            Entry::Defined(symbol) => {
                if let Some((name, own_file)) = STATICS.iter().find(|(known, _)| is_called(name, known)) {
                    let candidates = candidates.entry(name).or_default();
                    if candidates.len() < MAX_CANDIDATES {
                        candidates.push(Candidate { symbol, in_its_file: file.ends_with(own_file.as_bytes()) });
                    }
                }
            }
        }
        true
    });
    let anchor = candidates.get(ANCHOR).and_then(|found| found.first()).map_or(0, |candidate| candidate.symbol.address);
    let best = candidates.into_iter().filter_map(|(name, found)| {
        let best = found.into_iter().min_by_key(|c| (!c.in_its_file, c.symbol.address.abs_diff(anchor)))?;
        Some((name, best.symbol))
    });
    best.collect()
}

/// Whether a compiler could have made `symbol` of the static `name`: `main_thread.lto_priv.0`, `eval_breaker.2345`.
fn is_called(symbol: &[u8], name: &str) -> bool {
    symbol.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_compilers_make() {
        assert!(is_called(b"main_thread", "main_thread"));
        assert!(is_called(b"main_thread.lto_priv.0", "main_thread"));
        assert!(!is_called(b"main_thread_id", "main_thread"));
        assert!(!is_called(b"the_main_thread", "main_thread"));
    }
}
