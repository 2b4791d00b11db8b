//! Cores made by hand, whole and in every way damaged.

use std::path::Path;

use proptest::prelude::*;

use super::super::elf::Elf;
use super::super::python::{self, Source};
use super::*;

/// A core in the making: segments and notes, written as Linux writes them.
#[derive(Clone, Default)]
struct Maker {
    /// Flags, address, size in memory, bytes.
    segments: Vec<(u32, u64, u64, Vec<u8>)>,
    notes: Vec<u8>,
}

const R: u32 = 4;
const RW: u32 = 6;
const RX: u32 = 5;

impl Maker {
    fn segment(mut self, flags: u32, address: u64, size: u64, bytes: &[u8]) -> Maker {
        self.segments.push((flags, address, size, bytes.to_vec()));
        self
    }

    fn note(mut self, kind: u32, data: &[u8]) -> Maker {
        let words = [5, data.len() as u32, kind].map(u32::to_le_bytes).concat();
        self.notes.extend([&words, &b"CORE\0\0\0\0"[..], data].concat());
        self.notes.resize(self.notes.len().next_multiple_of(4), 0);
        self
    }

    fn thread(self, id: u32, fs_base: u64, system_call: u64) -> Maker {
        let mut data = vec![0; 336];
        data[32..36].copy_from_slice(&id.to_le_bytes());
        data[112 + 8 * 15..][..8].copy_from_slice(&system_call.to_le_bytes());
        data[112 + 8 * 21..][..8].copy_from_slice(&fs_base.to_le_bytes());
        self.note(1, &data)
    }

    /// `NT_FILE`: start, end, offset in units of `unit`, path.
    fn files(self, unit: u64, files: &[(u64, u64, u64, &str)]) -> Maker {
        let mut data = [files.len() as u64, unit].map(u64::to_le_bytes).concat();
        for (start, end, offset, _) in files {
            data.extend([*start, *end, *offset].map(u64::to_le_bytes).concat());
        }
        data.extend(files.iter().flat_map(|file| [file.3.as_bytes(), &[0]].concat()));
        self.note(0x4649_4c45, &data)
    }

    fn bytes(&self) -> Vec<u8> {
        let count = self.segments.len() + 1;
        let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0".to_vec();
        bytes.extend(OUR_MACHINE.0.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend([0, 64, 0].map(u64::to_le_bytes).concat());
        bytes.extend([0_u16, 0, 64, 56, count as u16, 0, 0, 0].map(u16::to_le_bytes).concat());
        let mut offset = (64 + 56 * count) as u64;
        let mut header = |kind: u32, flags: u32, address: u64, file_size: usize, size: u64| {
            bytes.extend([kind, flags].map(u32::to_le_bytes).concat());
            bytes.extend([offset, address, 0, file_size as u64, size, 4].map(u64::to_le_bytes).concat());
            offset += file_size as u64;
        };
        header(4, 0, 0, self.notes.len(), 0);
        for (flags, address, size, bytes) in &self.segments {
            header(1, *flags, *address, bytes.len(), *size);
        }
        bytes.extend(&self.notes);
        bytes.extend(self.segments.iter().flat_map(|segment| &segment.3));
        bytes
    }

    fn core(&self) -> Core {
        Core::new(Box::new(self.bytes())).unwrap()
    }
}

fn bytes_of(core: &Core, address: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    core.read(address, &mut bytes).ok().map(|()| bytes)
}

#[test]
fn memory_is_what_the_segments_have() {
    let core = Maker::default()
        .segment(RW, 0x1000, 0x1000, &[1; 0x1000])
        .segment(RW, 0x2000, 0x1000, &[2; 0x1000])
        // Of the last one half was left out.
        .segment(RW, 0x3000, 0x1000, &[3; 0x800])
        .segment(R, 0x8000, 0x1000, &[])
        .core();
    assert_eq!(bytes_of(&core, 0x1ffe, 4), Some(vec![1, 1, 2, 2]));
    assert_eq!(core.slice(0x1ffe, 4), Some(&[1, 1, 2, 2][..]), "neighbours in the file too");
    assert_eq!(core.u64(0x37f8).unwrap(), 0x0303_0303_0303_0303);
    for (address, length) in [(0x37f9, 8), (0xfff, 1), (0x8000, 1), (u64::MAX, 2)] {
        assert_eq!((bytes_of(&core, address, length), core.slice(address, length)), (None, None), "{address:#x}");
    }
    assert_eq!(core.present(), 0x2800);
    assert_eq!(core.missing(), Missing { left_out: 0x800, ..Missing::default() });
    assert_eq!(core.mappings().len(), 4);
}

#[test]
fn a_core_cut_off_says_so() {
    let maker = Maker::default().segment(RW, 0x1000, 0x1000, &[1; 0x1000]).segment(RW, 0x5000, 0x1000, &[2; 0x1000]);
    let bytes = maker.bytes();
    let cut = |length: usize| Core::new(Box::new(bytes[..length].to_vec()));
    let core = cut(bytes.len() - 0x1100).unwrap();
    assert_eq!(core.missing(), Missing { cut_off: 0x1100, ..Missing::default() });
    assert_eq!((core.u64(0x1ef8).is_ok(), core.u64(0x1f00).is_ok(), core.u64(0x5000).is_ok()), (true, false, false));
    // To within the last program header.
    let core = cut(64 + 56 * 2 + 5).unwrap();
    assert!(core.missing().headers_cut_off && core.missing().cut_off == 0x1000);
    assert_eq!(cut(64).unwrap_err(), "there is no memory in it");
    assert_eq!(cut(63).unwrap_err(), "it is an ELF file of another kind of CPU, or damaged");
}

#[test]
fn what_is_no_core_of_this_machine_is_refused() {
    fn check(bytes: Vec<u8>, expected: &str) {
        let error = Core::new(Box::new(bytes)).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let good = || Maker::default().segment(RW, 0x1000, 8, &[1; 8]).bytes();
    let changed = |at: usize, byte: u8| {
        let mut bytes = good();
        bytes[at] = byte;
        bytes
    };
    assert!(Core::new(Box::new(good())).is_ok());
    check(changed(16, 2), "not a core");
    check(changed(18, 8), "another CPU (ELF machine 8");
    check(changed(4, 1), "another kind of CPU");
    check(std::fs::read("/proc/self/exe").unwrap(), "not a core");
    check(Vec::new(), "it is empty");
    check(b"\x28\xb5\x2f\xfd....".to_vec(), "zstd -d");
    check(b"#!/bin/sh\n".to_vec(), "not an ELF file");
}

#[test]
fn notes_tell_who_it_was() {
    let mut info = vec![0; 136];
    info[24..28].copy_from_slice(&4711_u32.to_le_bytes());
    info[40..47].copy_from_slice(b"python3");
    info[56..72].copy_from_slice(b"python3 app.py 1");
    let auxv = [9_u64, 0x1010, 0, 0].map(u64::to_le_bytes).concat();
    let maker = Maker::default()
        .thread(4711, 0x7000, u64::MAX)
        .note(3, &info)
        .thread(4712, 0x8000, 7)
        .note(6, &auxv)
        .files(4096, &[(0x1000, 0x3000, 1, "/usr/bin/python3 (deleted)"), (0x5000, 0x6000, 0, "/lib/x.so")])
        .segment(R, 0x1000, 0x1000, &[1; 0x1000])
        .segment(RX, 0x2000, 0x1000, &[])
        .segment(RW, 0x9000, 0x1000, &[9; 0x1000]);
    let core = maker.core();
    assert_eq!((core.pid(), core.command_line()), (4711, vec!["python3".into(), "app.py".into(), "1".into()]));
    // Of the registers of other CPUs nothing is known.
    let known = cfg!(target_arch = "x86_64");
    let thread =
        |native_id, pointer, ran| Thread { native_id, pointer: known.then_some(pointer), ran: known.then_some(ran) };
    assert_eq!(core.threads(), [thread(4711, 0x7000, true), thread(4712, 0x8000, false)]);
    assert_eq!(core.executable(), Some(Path::new("/usr/bin/python3")));
    let mappings: Vec<_> = core
        .mappings()
        .iter()
        .map(|m| (m.start, m.offset, m.inode, m.deleted, m.permissions.execute, m.path.to_str().unwrap()))
        .collect();
    assert_eq!(
        mappings,
        [
            (0x1000, 0x1000, 1, true, false, "/usr/bin/python3"),
            (0x2000, 0x2000, 1, true, true, "/usr/bin/python3"),
            // Of this there is no segment, as `gcore` leaves out what is in the file.
            (0x5000, 0, 2, false, true, "/lib/x.so"),
            (0x9000, 0, 0, false, false, ""),
        ]
    );
    // As GDB writes it, offsets are in bytes.
    let core = Maker::default().files(1, &[(0x1000, 0x2000, 0x3000, "/x")]).segment(R, 0x1000, 1, &[]).core();
    assert_eq!(core.mappings()[0].offset, 0x3000);
}

/// The test program as if it had been mapped at `bias`, with `head` of its first page in the core.
fn of_this_program(bias: u64, path: &str, head: bool) -> Maker {
    let elf = Elf::open(Path::new("/proc/self/exe")).unwrap();
    let page = |at: u64| at & !(PAGE - 1);
    let parts: Vec<_> = elf
        .loads()
        .iter()
        .map(|load| {
            let start = bias + page(load.address);
            (start, bias + (load.address + load.file_size).next_multiple_of(PAGE), page(load.offset), load.writable)
        })
        .collect();
    let first = elf.head(PAGE as usize).unwrap();
    let named: Vec<_> = parts.iter().map(|&(start, end, offset, _)| (start, end, offset, path)).collect();
    let maker = Maker::default().files(1, &named);
    parts.iter().fold(maker, |maker, &(start, end, offset, writable)| {
        let bytes = if offset == 0 && head { &first[..] } else { &[] };
        // The loader takes the right to write away from what it has relocated, once it has.
        let data = if head { RW } else { R };
        maker.segment(if writable { data } else { RX }, start, end - start, bytes)
    })
}

#[test]
fn pages_left_out_are_read_from_the_mapped_file() {
    const BIAS: u64 = 0x5555_0000_0000;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("opt")).unwrap();
    std::fs::copy("/proc/self/exe", folder.path().join("opt/tool")).unwrap();
    let elf = Elf::open(Path::new("/proc/self/exe")).unwrap();
    let text = elf.section(".text").unwrap().address;
    let expected = elf.initial(text, 64).unwrap();
    let data = elf.loads().iter().find(|load| load.writable).unwrap().address;
    let first = elf.loads()[0];
    let behind = (first.address + first.file_size).next_multiple_of(PAGE) - 8;
    assert!(!first.writable && behind > first.address + first.file_size, "it does not end with its page");

    let check = |head: bool, search: &Search, proven: Option<bool>| {
        let mut core = of_this_program(BIAS, "/opt/tool", head).core();
        assert_eq!(bytes_of(&core, BIAS + text, 64), None);
        core.find_files(search);
        assert_eq!(core.file(Path::new("/opt/tool")).map(|(_, proven)| proven), proven, "{search:?}");
        assert_eq!(bytes_of(&core, BIAS + text, 64), proven.map(|_| expected.clone()), "{search:?}");
        assert_eq!(core.slice(BIAS + text, 64), None, "it is in no memory of ours");
        assert_eq!(bytes_of(&core, BIAS + behind, 8).is_some(), proven.is_some(), "whole pages are mapped");
        // The process wrote there: what the file has is not what was in memory.
        assert_eq!(bytes_of(&core, BIAS + data, 1), None);
    };
    let nowhere = Search { root: folder.path().join("nowhere"), ..Search::default() };
    check(true, &nowhere, None);
    let root = Search { root: folder.path().to_owned(), ..Search::default() };
    check(true, &root, Some(true));
    check(false, &root, Some(false));
    let beside = Search { beside: Some(folder.path().join("opt")), ..nowhere.clone() };
    check(true, &beside, Some(true));
    let exec = Search { exec: Some("/proc/self/exe".into()), ..nowhere.clone() };
    check(true, &exec, Some(true));

    // Another file of that name: by its first page, or by its segments.
    std::fs::copy("/bin/sh", folder.path().join("opt/tool")).unwrap();
    check(true, &root, None);
    check(false, &root, None);
}

#[test]
fn without_a_list_of_files_their_headers_in_memory_will_do() {
    const BIAS: u64 = 0x5555_0000_0000;
    let mut maker = of_this_program(BIAS, "/opt/tool", true);
    maker.notes.clear();
    let mut core = maker.core();
    core.find_files(&Search { exec: Some("/proc/self/exe".into()), ..Search::default() });
    let elf = Elf::open(Path::new("/proc/self/exe")).unwrap();
    let text = elf.section(".text").unwrap().address;
    assert_eq!(bytes_of(&core, BIAS + text, 64), elf.initial(text, 64));
    let name = &core.mappings()[0].path;
    assert_eq!(name, Path::new("/unnamed (mapped at 0x555500000000)"));
}

/// `_Py_DebugOffsets` at the beginning of `_PyRuntime` in a file that is not here.
#[test]
fn an_interpreter_is_found_by_its_cookie() {
    let mut data = vec![0; 0x2000];
    let runtime = 0x1230;
    data[runtime..runtime + 8].copy_from_slice(b"xdebugpy");
    for (at, word) in [(8, 0x030d_02f0), (16, 0), (24, 0x400), (32, 0), (40, 0x100), (0x100, 0x6666)] {
        data[runtime + at..][..8].copy_from_slice(&u64::to_le_bytes(word));
    }
    let files = [(0x1000, 0x2000, 0, "/usr/bin/snake"), (0x10_0000, 0x10_2000, 0x1000, "/usr/bin/snake")];
    let found = |data: &[u8], files: &[_]| {
        let core = Maker::default()
            .files(1, files)
            .segment(RX, 0x1000, 0x1000, &[])
            .segment(RW, 0x10_0000, 0x2000, data)
            .core();
        python::find(Source::Core(&core), core.mappings(), &core)
    };
    for files in [&files[..], &[]] {
        let interpreter = found(&data, files).unwrap();
        assert_eq!(interpreter.threads, Some(Vec::new()));
        assert_eq!(interpreter.version.to_string(), "3.13.2");
        assert_eq!((interpreter.runtime, interpreter.debug), (0x10_0000 + runtime as u64, false));
    }
    // The same of a process whose files nobody lets us see.
    let core = Maker::default().files(1, &files).segment(RX, 0x1000, 0x1000, &[]).segment(RW, 0x10_0000, 0x2000, &data);
    let core = core.core();
    let interpreter = python::find(Source::Process(1 << 23), core.mappings(), &core).unwrap();
    assert_eq!((interpreter.version.to_string().as_str(), interpreter.threads), ("3.13.2", None));
    // Loaded, but not initialised.
    data[runtime + 0x100..][..8].fill(0);
    let error = found(&data, &files).unwrap_err();
    assert!(error.text.contains("/usr/bin/snake: it is loaded but not initialised"), "{error}");
    assert_eq!(error.kind, crate::error::Kind::NotPython);
    data[runtime + 8] = 0;
    assert!(found(&data, &files).unwrap_err().text.contains("there is no file of /usr/bin/snake"));
}

/// Does everything with a core that is done with one.
fn ask(bytes: Vec<u8>) {
    let size = bytes.len();
    let Ok(mut core) = Core::new(Box::new(bytes)) else { return };
    core.find_files(&Search { exec: Some("/proc/self/exe".into()), ..Search::default() });
    assert!(core.mappings().len() <= size / 8 && core.memory.len() <= size / 8, "bounded by the file");
    assert!(core.mappings().windows(2).all(|pair| pair[0].end <= pair[1].start));
    for mapping in core.mappings().iter().take(64) {
        for address in [mapping.start, mapping.end.wrapping_sub(4), mapping.start.wrapping_sub(4)] {
            let copied = bytes_of(&core, address, 16);
            if let Some(at_hand) = core.slice(address, 16) {
                assert_eq!(Some(at_hand), copied.as_deref());
            }
        }
    }
    let _ = python::find(Source::Core(&core), core.mappings(), &core);
    let _ = (core.pid(), core.command_line(), core.executable(), core.present(), core.missing());
}

fn sample() -> Vec<u8> {
    let mut maker = of_this_program(0x5555_0000_0000, "/opt/tool", true)
        .thread(7, 0x7000, 1)
        .note(3, &[b'x'; 136])
        .note(6, &[9; 32])
        .segment(RW, 0x9000, 0x1000, b"xdebugpy\xf0\x00\x0d\x03\0\0\0\0");
    maker.segments.truncate(8);
    maker.bytes()
}

proptest! {
    /// Whatever is changed or cut off, in the headers above all: no panic, and no more than the file could hold.
    #[test]
    fn fuzz_damaged_cores(
        changes in proptest::collection::vec((0..2000_usize, prop_oneof![Just(0_u8), Just(0xff), any::<u8>()]), 0..20),
        words in proptest::collection::vec((0..250_usize, any::<u64>()), 0..4),
        length in prop_oneof![Just(usize::MAX), 0..8000_usize],
    ) {
        let mut bytes = sample();
        for (word, value) in words {
            if let Some(place) = bytes.get_mut(8 * word..8 * word + 8) {
                place.copy_from_slice(&value.to_le_bytes());
            }
        }
        for (at, byte) in changes {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        bytes.truncate(length);
        ask(bytes);
    }

    #[test]
    fn fuzz_noise_behind_a_header(noise in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let mut bytes = sample();
        bytes.truncate(64);
        bytes.extend(noise);
        ask(bytes);
    }
}
