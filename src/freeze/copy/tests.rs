//! Copying real processes: what was there is in the copy, and they do not notice.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::super::resident::Scanner;
use super::super::sys;
use super::super::tests::Target;
use super::super::threads::Held;
use super::*;

const LONG: Duration = Duration::from_secs(10);

/// What [`BUSY`] maps and does not touch.
const UNTOUCHED: u64 = 64 << 20;

/// Four threads that compute; a pattern at a known address, and 64 MiB that nobody touches.
const BUSY: &str = r#"
import ctypes, mmap, threading
print("ready", flush=True)
pattern = bytes(i * 7 % 256 for i in range(1 << 20))
buffer = ctypes.create_string_buffer(pattern, len(pattern))
untouched = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
where = ctypes.addressof(ctypes.c_char.from_buffer(untouched))
print(ctypes.addressof(buffer), id(pattern), where, flush=True)
rounds = [0] * 4
def work(mine):
    while True:
        assert sum(range(1000)) == 499500
        rounds[mine] += 1
        if mine == 0 and rounds[0] % 1000 == 0:
            print("alive", *rounds, flush=True)
for mine in range(1, 4):
    threading.Thread(target=work, args=(mine,), daemon=True).start()
print("working", flush=True)
work(0)
"#;

/// A busy target and the addresses of its pattern, of a `bytes` object with the same, and of its untouched memory.
fn busy() -> (Target, [u64; 3]) {
    let mut target = Target::running(BUSY);
    let line = target.line();
    let addresses: Vec<u64> = line.split(' ').map(|word| word.parse().expect("an address")).collect();
    assert_eq!(target.line(), "working");
    (target, addresses.try_into().expect("three"))
}

fn pattern() -> Vec<u8> {
    (0..1 << 20).map(|i| (i * 7 % 256) as u8).collect()
}

/// All its threads go on computing, and nobody traces them.
fn assert_goes_on(target: &mut Target) {
    let rounds = |line: &str| -> Vec<u64> {
        assert!(line.starts_with("alive"), "{line}");
        line.split(' ').skip(1).map(|word| word.parse().expect("a number")).collect()
    };
    let first = rounds(&target.line());
    let mut last = first.clone();
    while first.iter().zip(&last).any(|(first, last)| first == last) {
        last = rounds(&target.line());
    }
    for status in statuses(target.pid()) {
        assert!(status.contains("TracerPid:\t0\n"), "{status}");
    }
}

fn statuses(pid: i32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("alive");
    // One that has ended since it was listed has none.
    tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok()).collect()
}

fn resident_kb(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("alive");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line RssAnon");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// How many of the pages from `start` on have anything behind them, were it the page of zeros.
fn present_pages(pid: i32, start: u64, length: u64) -> usize {
    use std::os::unix::fs::FileExt;
    let page = super::super::sys_memory::page_size();
    let mut entries = vec![0; (length / page * 8) as usize];
    let pagemap = std::fs::File::open(format!("/proc/{pid}/pagemap")).expect("our child's");
    pagemap.read_exact_at(&mut entries, start / page * 8).expect("mapped");
    entries.chunks(8).filter(|entry| entry[7] & 0xc0 != 0).count()
}

fn read(memory: &dyn Memory, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0xaa; length];
    memory.read(address, &mut bytes).expect("readable");
    bytes
}

/// Waits until all threads are stopped by a signal.
fn wait_until_stopped(pid: i32) {
    let deadline = Instant::now() + LONG;
    while !statuses(pid).iter().all(|status| status.contains("State:\tT")) {
        assert!(Instant::now() < deadline, "{:?}", statuses(pid));
        std::thread::yield_now();
    }
}

#[test]
fn a_busy_process_is_copied_and_goes_on() {
    let (mut target, [buffer, object, untouched]) = busy();
    let pid = target.pid();
    for _ in 0..20 {
        let copy = copy(pid, How::Stop, LONG).expect("copied");
        assert_eq!(copy.stood, Stood::Stopped);
        assert!(copy.pause > Duration::ZERO);
        assert_eq!(copy.missing_pages, 0);
        assert!(read(&copy, buffer, 1 << 20) == pattern());
        assert_eq!(copy.slice(buffer, 1 << 20), Some(pattern().as_slice()));
        // `ob_sval` follows the reference count, the type, the size and the hash.
        assert!(read(&copy, object + 32, 1 << 20) == pattern());
        // Its end is nowhere: a slice that reaches over it is none, and reading it fails.
        let regions: Vec<_> = copy.runs.iter().map(|run| (run.start, run.end)).collect();
        assert!(regions.windows(2).all(|pair| pair[0].1 < pair[1].0), "{regions:x?}");
        assert_eq!(copy.bytes(), regions.iter().map(|(start, end)| end - start).sum::<u64>());
        let (_, end) = regions.into_iter().find(|(start, end)| (*start..*end).contains(&buffer)).expect("copied");
        assert_eq!(copy.slice(end - 8, 16), None);
        assert_eq!(copy.slice(end - 8, 8).map(<[u8]>::len), Some(8));
        assert!(copy.read(u64::MAX - 4, &mut [0; 8]).is_err());
        assert!(read(&copy, untouched, 5 << 20).iter().all(|byte| *byte == 0));
    }
    assert_eq!(present_pages(pid, untouched, UNTOUCHED), 0, "by reading it in the copy");
    assert_goes_on(&mut target);
}

#[test]
fn untouched_memory_stays_untouched() {
    let (target, [.., untouched]) = busy();
    let pid = target.pid();
    sys::kill(pid, libc::SIGSTOP).expect("ours");
    wait_until_stopped(pid);
    let before = resident_kb(pid);
    for how in [How::Stop, How::Live] {
        let copy = copy(pid, how, LONG).expect("copied");
        assert!(copy.bytes() < UNTOUCHED);
        assert!(read(&copy, untouched, UNTOUCHED as usize).iter().all(|byte| *byte == 0));
    }
    assert_eq!((resident_kb(pid), present_pages(pid, untouched, UNTOUCHED)), (before, 0));
}

#[test]
fn a_stopped_process_is_read_as_it_stands_and_left_so() {
    let (mut target, [buffer, ..]) = busy();
    let pid = target.pid();
    sys::kill(pid, libc::SIGSTOP).expect("ours");
    wait_until_stopped(pid);
    let before = standing::threads(pid).expect("standing");
    for how in [How::Stop, How::Live] {
        // No pause is allowed, and none is made.
        let copy = copy(pid, how, Duration::ZERO).expect("copied");
        assert_eq!((copy.stood, copy.pause), (Stood::AlreadyStopped, Duration::ZERO));
        assert!(read(&copy, buffer, 1 << 20) == pattern());
    }
    assert_eq!(standing::threads(pid), Some(before), "nobody has run");
    sys::kill(pid, libc::SIGCONT).expect("ours");
    assert_goes_on(&mut target);
}

#[test]
fn a_process_held_by_another_tracer_is_read_as_it_stands() {
    let (mut target, [buffer, ..]) = busy();
    let pid = target.pid();
    sys::prepare_to_wait();
    let held = Held::freeze(pid).expect("frozen");
    // Made in a thread of its own, which is not the tracer.
    let copy = copy(pid, How::Stop, Duration::ZERO).expect("copied");
    assert_eq!((copy.stood, copy.pause), (Stood::AlreadyStopped, Duration::ZERO));
    assert!(read(&copy, buffer, 1 << 20) == pattern());
    assert!(statuses(pid).iter().all(|status| status.contains("State:\tt")), "it is still held");
    held.release();
    assert_goes_on(&mut target);
}

/// It was stopped after we looked, before we attached.
#[test]
fn a_process_that_turns_out_to_be_stopped_stays_so() {
    // Of so many threads, the last are not yet there when the first has told.
    let mut target = Target::running(
        "import threading, time\n\
         for _ in range(100): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n\
         print('ready', flush=True)\n\
         while True: print('alive', time.monotonic_ns(), flush=True); time.sleep(0.01)",
    );
    let pid = target.pid();
    // In a thread of its own: should it leave a thread traced and fail, the target is let go with it.
    let outcome = std::thread::spawn(move || freeze_what_stops(pid)).join();
    outcome.expect("left stopped, and untraced");
    sys::kill(pid, libc::SIGCONT).expect("ours");
    assert_goes_on(&mut target);
}

fn freeze_what_stops(pid: i32) {
    sys::prepare_to_wait();
    let assert_untraced = || {
        for status in statuses(pid) {
            assert!(status.contains("TracerPid:\t0\n"), "{status}");
        }
    };
    for _ in 0..50 {
        sys::kill(pid, libc::SIGCONT).expect("ours");
        sys::kill(pid, libc::SIGSTOP).expect("ours");
        // Its threads are about to stop.
        match Held::freeze(pid) {
            Ok(held) => drop(held.release()),
            Err(error) => assert_eq!(error.kind, Kind::Busy, "{error}"),
        }
        assert_untraced();
        // The kernel stops them again, one by one.
        wait_until_stopped(pid);
        let error = Held::freeze(pid).err().expect("refused");
        assert_eq!((error.kind, error.text.contains("is stopped by signal")), (Kind::Busy, true), "{error}");
        assert_untraced();
        wait_until_stopped(pid);
    }
}

/// Sets its flag when dropped, also by a panic.
struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn stopping_and_continuing_all_the_time_disturbs_nobody() {
    let (mut target, [buffer, ..]) = busy();
    let pid = target.pid();
    let finished = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _finish = Finish(&finished);
        scope.spawn(|| {
            while !finished.load(Relaxed) {
                sys::kill(pid, libc::SIGSTOP).expect("ours");
                std::thread::sleep(Duration::from_micros(300));
                sys::kill(pid, libc::SIGCONT).expect("ours");
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        for _ in 0..30 {
            match copy(pid, How::Stop, LONG) {
                Ok(copy) => assert!(copy.stood != Stood::Running && read(&copy, buffer, 1 << 20) == pattern()),
                Err(error) => assert_eq!(error.kind, Kind::Busy, "{error}"),
            }
        }
    });
    assert_goes_on(&mut target);
}

#[test]
fn a_running_process_is_copied_without_a_stop() {
    let (mut target, [buffer, ..]) = busy();
    let pid = target.pid();
    for _ in 0..20 {
        let copy = copy(pid, How::Live, Duration::ZERO).expect("copied");
        assert_eq!((copy.stood, copy.pause), (Stood::Running, Duration::ZERO));
        assert!(read(&copy, buffer, 1 << 20) == pattern());
    }
    assert_goes_on(&mut target);
}

#[test]
fn what_would_take_too_long_is_refused_beforehand() {
    let (mut target, _) = busy();
    let pid = target.pid();
    let (resident, pause) = measure(pid, &mut Scanner::open(pid).expect("opened")).expect("measured");
    let bytes = resident.bytes;
    assert!(bytes > 2 << 20 && pause >= PAUSE_FLOOR, "{bytes} {pause:?}");
    let error = copy(pid, How::Stop, Duration::from_micros(100)).expect_err("refused");
    assert_eq!(error.kind, Kind::Busy);
    assert!(error.text.contains("more than the 0 ms allowed"), "{error}");
    assert_goes_on(&mut target);
}

#[test]
fn what_is_gone_cannot_be_copied() {
    let (target, _) = busy();
    let pid = target.pid();
    let process = read_memory(pid).expect("opened");
    let mut scanner = Scanner::open(pid).expect("opened");
    let resident = scanner.scan().expect("scanned");
    sys::kill(pid, libc::SIGKILL).expect("ours");
    let deadline = Instant::now() + LONG;
    // Its remains are there until its parent asks.
    while !statuses(pid).iter().all(|status| status.contains("State:\tZ")) {
        assert!(Instant::now() < deadline, "{:?}", statuses(pid));
        std::thread::yield_now();
    }
    assert_eq!(measure(pid, &mut scanner).expect_err("ended").kind, Kind::NoProcess);
    assert_eq!(copy(pid, How::Live, LONG).expect_err("ended").kind, Kind::NoProcess);
    assert_eq!(copy(pid, How::Stop, LONG).expect_err("ended").kind, Kind::NoProcess);
    drop(target);
    assert_eq!(copy(pid, How::Stop, LONG).expect_err("gone").kind, Kind::NoProcess);
    let mut content = MmapMut::map_anon(resident.bytes as usize).expect("room");
    assert!(fill::fill(&process, &resident.runs, &mut content).is_err());
    assert!(process.read(resident.runs[0].0, &mut [0; 8]).is_err());
}

/// Pages that vanished between looking and copying are left out, and told of; what is around them is there.
#[test]
fn vanished_pages_are_left_out() {
    let (target, [buffer, _, untouched]) = busy();
    let pid = target.pid();
    sys::kill(pid, libc::SIGSTOP).expect("ours");
    wait_until_stopped(pid);
    let mut scanner = Scanner::open(pid).expect("opened");
    let mut resident = scanner.scan().expect("scanned");
    let page = super::super::sys_memory::page_size();
    // Nothing is mapped in the last pages of the address space of a process.
    let hole = (0x7fff_ffff_f000 - 8 * page, 0x7fff_ffff_f000 - 5 * page);
    resident.runs.push(hole);
    resident.bytes += hole.1 - hole.0;
    for direct in [true, false] {
        let process = read_memory(pid).expect("opened");
        if !direct {
            process.only_by_file();
        }
        let mut content = MmapMut::map_anon(resident.bytes as usize).expect("room");
        let missing = fill::fill(&process, &resident.runs, &mut content).expect("copied");
        assert_eq!(missing, [hole]);
        let resident = resident.clone();
        let taken = Taken { pause: Duration::ZERO, stood: Stood::AlreadyStopped, resident, missing, content };
        let copy = Copy::new(pid, taken, process).expect("something is left");
        assert_eq!(copy.missing_pages, 3);
        assert!(read(&copy, buffer, 1 << 20) == pattern());
        assert!(copy.read(hole.0, &mut [0; 8]).is_err());
        assert!(read(&copy, untouched - 16, 4096).len() == 4096);
    }
}

/// Both ways of reading a live process say the same.
#[test]
fn fast_memory_reads_what_is_there() {
    let (target, [buffer, ..]) = busy();
    let pid = target.pid();
    let fast = read_memory(pid).expect("opened");
    let slow = read_memory(pid).expect("opened");
    slow.only_by_file();
    for memory in [&fast, &slow] {
        assert!(read(memory, buffer, 1 << 20) == pattern());
        assert_eq!(read(memory, buffer + 3, 5), &pattern()[3..8]);
        assert!(memory.read(8, &mut [0; 8]).is_err());
        assert!(memory.read(0x7fff_ffff_eff8, &mut [0; 16]).is_err());
        assert_eq!(memory.slice(buffer, 1), None);
    }
}
