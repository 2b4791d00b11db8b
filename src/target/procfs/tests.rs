//! Facts from texts, and of processes of our own.

use std::process::{Command, Stdio};

use super::*;

/// A process of user 1000 with nothing unusual about it.
pub(in crate::target) fn ordinary(pid: i32) -> Process {
    let ids = Ids { real: 1000, effective: 1000, saved: 1000, file_system: 1000 };
    Process {
        pid,
        parent: 1,
        start_time: "2025-11-21T04:01:02Z".into(),
        start_ticks: 100,
        name: "python3".into(),
        command_line: vec!["python3".into(), "app.py".into()],
        executable: Some("/usr/bin/python3.11".into()),
        executable_deleted: false,
        kernel_thread: false,
        state: 'S',
        tracer: 0,
        uids: ids,
        gids: ids,
        permitted_capabilities: 0,
        effective_capabilities: 0,
        threads: 5,
        rss_bytes: 85 << 20,
        private_bytes: 100 << 20,
        no_new_privileges: false,
        seccomp: 0,
        namespaces: Namespaces { mount: Some(1), pid: Some(2), user: Some(3) },
        nested_pids: vec![pid],
    }
}

#[test]
fn a_name_may_hold_anything() {
    let fields = "T 12 4711 4711 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 192393 3133440";
    for name in ["python3", "a) S 1 (b", "x y", ")", "", "a\nb"] {
        let stat = Stat::parse(&format!("4711 ({name}) {fields}\n")).unwrap();
        assert_eq!(stat, Stat { name: name.into(), state: 'T', parent: 12, flags: 2_129_984, start_ticks: 192_393 });
        assert_ne!(stat.flags & KERNEL_THREAD, 0);
    }
    for text in ["", "4711", "4711 (x", "4711 (x)", "4711 (x) S 1", "x (x) S", "4711 )x( S"] {
        assert_eq!(Stat::parse(text), None, "{text}");
    }
}

#[test]
fn status_is_read_line_by_line() {
    let text = "Name:\tpython\\nTracerPid:\t9\nTgid:\t4711\nPid:\t4711\nTracerPid:\t12\nUid:\t1\t2\t3\t4\n\
        Gid:\t5\t6\t7\t8\nNSpid:\t4711\t1\nVmRSS:\t    1668 kB\nVmData:\t 360 kB\nVmStk:\t 132 kB\nThreads:\t3\n\
        CapPrm:\t000001fffeffffff\nCapEff:\t0000000000080000\nNoNewPrivs:\t1\nSeccomp:\t2\nfuture line\n";
    let expected = Status {
        thread_group: 4711,
        tracer: 12,
        uids: Ids { real: 1, effective: 2, saved: 3, file_system: 4 },
        gids: Ids { real: 5, effective: 6, saved: 7, file_system: 8 },
        permitted_capabilities: 0x1ff_feff_ffff,
        effective_capabilities: 1 << 19,
        threads: 3,
        rss_bytes: 1668 << 10,
        private_bytes: 492 << 10,
        no_new_privileges: true,
        seccomp: 2,
        nested_pids: vec![4711, 1],
    };
    assert_eq!(Status::parse(text), Some(expected));
    for text in ["", "Tgid:\tx\n", "Tgid:\t1\nUid:\t1 2\n", "Tgid:\t1\nCapEff:\tzz\n", "Pid:\t4\n"] {
        assert_eq!(Status::parse(text), None, "{text}");
    }
    let huge = "Tgid:\t1\nVmRSS:\t18446744073709551615 kB\n";
    assert_eq!(Status::parse(huge).unwrap().rss_bytes, u64::MAX);
}

#[test]
fn command_lines_are_bounded() {
    assert_eq!(arguments(b"python3\0-c\0\0x y\0"), ["python3", "-c", "", "x y"]);
    assert_eq!(arguments(b"nginx: worker"), ["nginx: worker"]);
    assert_eq!(arguments(b"\xff\0"), ["\u{fffd}"]);
    assert!(arguments(b"").is_empty());
    assert!(arguments(b"\0").is_empty());
    assert_eq!(arguments(&b"a\0".repeat(5000)).len(), MAX_ARGUMENTS);
}

#[test]
fn small_texts_are_parsed() {
    assert_eq!(namespace_id("mnt:[4026531832]"), Some(4_026_531_832));
    assert_eq!(namespace_id("mnt:4026531832"), None);
    assert_eq!(boot_seconds("cpu 1 2\nbtime 1732161662\nprocesses 9\n"), Some(1_732_161_662));
    let passwd = "root:x:0:0:root:/root:/bin/sh\nbad\nalice:x:1000:1000::/:/bin/sh\n\x1b[31m:x:7:7::/:\n";
    for (uid, name) in [(0, "root"), (1000, "alice"), (1001, "1001"), (7, "\\u{1b}[31m")] {
        assert_eq!(user_name(uid, passwd), name);
    }
    assert!(hides_processes("x /x y z 0 0\nproc /proc proc rw,nosuid,hidepid=invisible 0 0\n"));
    assert!(!hides_processes("proc /proc proc rw,hidepid=0 0 0\nproc /other/proc proc rw,hidepid=2 0 0\n"));
}

#[test]
fn we_see_ourselves() {
    let pid = std::process::id() as i32;
    let ourselves = Process::read(pid).unwrap();
    assert_eq!(ourselves.executable, std::env::current_exe().ok());
    assert_eq!(ourselves.command_line, std::env::args().collect::<Vec<_>>());
    assert_eq!(ourselves.nested_pids.first(), Some(&pid));
    assert!(ourselves.rss_bytes > 0 && ourselves.namespaces.mount.is_some() && !ourselves.kernel_thread);
    assert!(ourselves.start_time.starts_with("20"), "{}", ourselves.start_time);
    assert!(pids().contains(&pid));
    assert!(children(&[ourselves.parent]).contains(&pid));
}

#[test]
fn a_thread_is_not_a_process() {
    let link = std::thread::spawn(|| std::fs::read_link("/proc/thread-self")).join().unwrap().unwrap();
    let own = std::fs::read_link("/proc/thread-self").unwrap();
    assert_ne!(link, own);
    let thread: i32 = own.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let pid = std::process::id() as i32;
    if thread != pid {
        let error = Process::read(thread).unwrap_err();
        assert_eq!(error.text, format!("{thread} is not a process but a thread of process {pid}"));
    }
}

#[test]
fn who_is_not_there_is_no_process() {
    // Above `pid_max`, which is 2^22 at most.
    let error = Process::read(1 << 23).unwrap_err();
    assert_eq!((error.kind, error.text.as_str()), (Kind::NoProcess, "there is no process 8388608"));
}

#[test]
fn a_zombie_has_ended() {
    let mut child = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
    let pid = child.id() as i32;
    while state(pid) != Some('Z') {
        std::thread::yield_now();
    }
    let zombie = Process::read(pid).unwrap();
    child.wait().unwrap();
    assert!(zombie.has_ended());
    assert_eq!((zombie.executable, zombie.rss_bytes), (None, 0));
    assert_eq!(Process::read(pid).unwrap_err().kind, Kind::NoProcess);
}
