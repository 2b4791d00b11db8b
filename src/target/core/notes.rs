//! What a core's notes tell of the process: its threads, its name, its mapped files.
//!
//! Written alike by Linux (`fs/binfmt_elf.c`) and by GDB's `gcore` (`gdb/linux-tdep.c`). Nothing is believed: what does
//! not fit is left out, and what is kept is no bigger than the notes themselves.

use std::path::PathBuf;

use super::super::elf::raw::{Note, u32_at, u64_at};
use super::super::maps;

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;
const AT_ENTRY: u64 = 9;
/// More than `kernel.threads-max` allows anywhere; `vm.max_map_count` is 65530 unless raised.
const MAX_THREADS: usize = 1 << 17;
const MAX_RANGES: usize = 1 << 20;
/// Real ones have some hundred bytes.
const MAX_AUXV: usize = 4096;
/// `PATH_MAX`.
const MAX_PATH: usize = 4096;
/// Where `struct elf_prstatus` has the thread's id and its registers, on all 64-bit machines.
const PR_PID: usize = 32;
const PR_REG: usize = 112;
/// In x86-64's `struct user_regs_struct`, in words: the number of the system call, and where thread-local storage is.
const ORIG_RAX: usize = 15;
const FS_BASE: usize = 21;
/// Where `struct elf_prpsinfo` has the process's id, its name and its arguments.
const PSINFO_PID: usize = 24;
const PSINFO_NAME: usize = 40;
const PSINFO_ARGUMENTS: usize = 56;

/// A thread of the process, as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thread {
    /// As the process itself numbers it, in a core written by Linux; as GDB saw it in one from `gcore`.
    pub(crate) native_id: u64,
    /// `pthread_self()`, where the registers tell it.
    pub(crate) pointer: Option<u64>,
    /// Whether it ran, and was not in a system call.
    pub(crate) ran: Option<bool>,
}

/// A part of a file that was mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MappedPart {
    pub(super) start: u64,
    pub(super) end: u64,
    /// In bytes.
    pub(super) offset: u64,
    pub(super) path: PathBuf,
    pub(super) deleted: bool,
}

/// All of it; a note that there is not leaves its fields empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) pid: Option<i32>,
    /// Of the program's file, cut off after 15 bytes.
    pub(super) name: String,
    /// Cut off after 79 bytes, blanks in them lost.
    pub(super) command_line: Vec<String>,
    /// The one that wrote the core or was signalled comes first.
    pub(super) threads: Vec<Thread>,
    /// Where the program begins.
    pub(super) entry: Option<u64>,
    /// The auxiliary vector.
    pub(super) auxv: Vec<u8>,
    pub(super) parts: Vec<MappedPart>,
}

impl Told {
    /// Adds what a note of the core tells.
    pub(super) fn add(&mut self, note: &Note<'_>, x86_64: bool) {
        if note.name != b"CORE" {
            return;
        }
        match note.kind {
            NT_PRSTATUS if self.threads.len() < MAX_THREADS => self.threads.extend(thread(note.data, x86_64)),
            NT_PRPSINFO => self.process(note.data),
            NT_AUXV => {
                let entry = note.data.chunks_exact(16).find(|entry| u64_at(entry, 0) == Some(AT_ENTRY));
                self.entry = entry.and_then(|entry| u64_at(entry, 8));
                self.auxv = note.data.iter().copied().take(MAX_AUXV).collect();
            }
            NT_FILE => self.parts = parts(note.data).unwrap_or_default(),
            _ => {}
        }
    }

    fn process(&mut self, data: &[u8]) {
        self.pid = u32_at(data, PSINFO_PID).and_then(|pid| i32::try_from(pid).ok());
        let text = |from: usize, to: usize| {
            let bytes = data.get(from..to).unwrap_or_default().split(|&byte| byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        self.name = text(PSINFO_NAME, PSINFO_ARGUMENTS);
        self.command_line =
            text(PSINFO_ARGUMENTS, PSINFO_ARGUMENTS + 80).split_whitespace().map(str::to_owned).collect();
    }
}

fn thread(data: &[u8], x86_64: bool) -> Option<Thread> {
    let register = |number: usize| u64_at(data, PR_REG + 8 * number).filter(|_| x86_64);
    Some(Thread {
        native_id: u32_at(data, PR_PID)?.into(),
        pointer: register(FS_BASE),
        // -1 outside of system calls.
        ran: register(ORIG_RAX).map(|number| number == u64::MAX),
    })
}

/// A count, the unit of offsets, for each part its start, end and offset, then their names, each with a zero.
fn parts(data: &[u8]) -> Option<Vec<MappedPart>> {
    let count = usize::try_from(u64_at(data, 0)?).ok()?.min(MAX_RANGES);
    let unit = u64_at(data, 8)?;
    let table = data.get(16..)?;
    let length = count.checked_mul(24)?;
    let (entries, names) = (table.get(..length)?, table.get(length..)?);
    let names = names.split(|&byte| byte == 0);
    let parts = entries.chunks_exact(24).zip(names).filter_map(|(entry, name)| {
        let (path, deleted) = maps::path(name);
        let (start, end) = (u64_at(entry, 0)?, u64_at(entry, 8)?);
        let offset = u64_at(entry, 16)?.checked_mul(unit)?;
        (start < end && name.len() <= MAX_PATH).then_some(MappedPart { start, end, offset, path, deleted })
    });
    Some(parts.collect())
}
