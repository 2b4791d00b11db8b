//! Every verdict from made-up facts, then the real thing on processes of our own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::super::machine::tests::ordinary_machine;
use super::super::machine::{Container, Gdb};
use super::super::procfs::tests::ordinary;
use super::*;
use crate::cli::environment::tests::environment;
use crate::cli::plan::{self, Plan};

fn subject() -> Subject {
    Subject {
        process: ordinary(4711),
        refused: None,
        entry_owner: Some(1000),
        tracer_name: String::new(),
        user: "alice".into(),
    }
}

/// How `doctor` would collect, with `options`.
fn collect(options: &str) -> CollectPlan {
    let words = format!("memory-analyzer doctor {options}");
    let command = crate::cli::parse(words.split_whitespace().map(Into::into), false).unwrap();
    match plan::resolve(command, &environment(Path::new("/nowhere"), &[("PATH", "/usr/bin")])).unwrap() {
        Plan::Doctor(plan) => plan.collect,
        other => panic!("{other:?}"),
    }
}

fn told<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    let hints = error.hints.iter().map(|hint| format!("\nhint: {hint}")).collect::<String>();
    format!("{} {}{hints}", error.kind.exit_code(), error.text)
}

/// The lines of one finding, without the summary.
fn shown(finding: Finding) -> String {
    let text = text(&[finding], false);
    text.trim_end().rsplit_once('\n').unwrap().0.to_owned()
}

#[test]
fn what_is_there() {
    let mut subject = subject();
    insta::assert_snapshot!(judge::existence(&subject).unwrap(), @"pid 4711 is `python3` of alice, started 2025-11-21T04:01:02Z, 5 threads, 85.0 MiB resident");
    subject.process.state = 'Z';
    subject.process.threads = 1;
    insta::assert_snapshot!(told(judge::existence(&subject)), @"
    3 process 4711 `python3` has ended (zombie: its parent 1 has not taken note)
    hint: `memory-analyzer ps` lists the Python processes here
    ");
    subject.process = ordinary(2);
    subject.process.kernel_thread = true;
    subject.process.name = "kthreadd".into();
    insta::assert_snapshot!(told(judge::existence(&subject)), @"
    4 pid 2 is `kthreadd`, a thread of the kernel
    hint: `memory-analyzer ps` lists the Python processes here
    ");
}

/// What is said of a refusal, after `change` of the ordinary facts.
fn refused(change: impl Fn(&mut Subject, &mut Machine)) -> String {
    let (mut subject, mut machine) = (subject(), ordinary_machine());
    subject.refused = Some(libc::EACCES);
    change(&mut subject, &mut machine);
    told(judge::permission(&subject, &machine))
}

#[test]
fn each_refusal_has_its_cause_and_remedy() {
    insta::assert_snapshot!(refused(|_, machine| machine.ourselves.uids.real = 1001), @r#"
    5 may not attach to pid 4711: it runs as alice, and we are user 1000 without CAP_SYS_PTRACE
    hint: sudo memory-analyzer analyze 4711
    hint: sudo setcap cap_sys_ptrace+ep "$(command -v gdb)" "$(command -v memory-analyzer)"   (lets everybody who may run them attach to everything)
    "#);
    insta::assert_snapshot!(refused(|_, machine| machine.ptrace_scope = Some(1)), @r#"
    5 may not attach to pid 4711: kernel.yama.ptrace_scope is 1: only the ancestors of a process and root may attach
    hint: sudo sysctl kernel.yama.ptrace_scope=0   (until the next boot, for all processes of a user)
    hint: sudo memory-analyzer analyze 4711
    hint: sudo setcap cap_sys_ptrace+ep "$(command -v gdb)" "$(command -v memory-analyzer)"   (lets everybody who may run them attach to everything)
    "#);
    insta::assert_snapshot!(refused(|_, machine| machine.ptrace_scope = Some(2)), @r#"
    5 may not attach to pid 4711: kernel.yama.ptrace_scope is 2: only root (CAP_SYS_PTRACE) may attach
    hint: sudo sysctl kernel.yama.ptrace_scope=0   (until the next boot, for all processes of a user)
    hint: sudo memory-analyzer analyze 4711
    hint: sudo setcap cap_sys_ptrace+ep "$(command -v gdb)" "$(command -v memory-analyzer)"   (lets everybody who may run them attach to everything)
    "#);
    insta::assert_snapshot!(refused(|_, machine| machine.ptrace_scope = Some(3)), @"
    5 may not attach to pid 4711: kernel.yama.ptrace_scope is 3: nobody may attach to anything until the next boot
    hint: take the setting out of /etc/sysctl.conf or /etc/sysctl.d, and restart the machine
    ");
    insta::assert_snapshot!(refused(|_, machine| machine.selinux_denies = true), @"
    5 may not attach to pid 4711: the SELinux boolean deny_ptrace is on
    hint: sudo setsebool deny_ptrace off
    ");
    insta::assert_snapshot!(refused(|subject, _| subject.entry_owner = Some(0)), @r#"
    5 may not attach to pid 4711: it is not dumpable: it changed its user, has file capabilities, or asked for it (PR_SET_DUMPABLE)
    hint: sudo memory-analyzer analyze 4711
    hint: sudo setcap cap_sys_ptrace+ep "$(command -v gdb)" "$(command -v memory-analyzer)"   (lets everybody who may run them attach to everything)
    "#);
    insta::assert_snapshot!(refused(|subject, _| subject.process.permitted_capabilities = 1 << 10), @r#"
    5 may not attach to pid 4711: it has capabilities that we have not (0x400)
    hint: sudo memory-analyzer analyze 4711
    hint: sudo setcap cap_sys_ptrace+ep "$(command -v gdb)" "$(command -v memory-analyzer)"   (lets everybody who may run them attach to everything)
    "#);
    insta::assert_snapshot!(refused(|_, machine| machine.ourselves.effective_capabilities = 1 << 19), @"
    5 may not attach to pid 4711: we have CAP_SYS_PTRACE, but not in its user namespace, or a security module (AppArmor, SELinux) forbids it
    hint: run on the host as root: from within a container or user namespace, processes outside are out of reach
    hint: `dmesg` and the audit log (`ausearch -m avc`) tell what a security module has refused
    ");
    insta::assert_snapshot!(refused(|_, _| ()), @r#"
    5 may not attach to pid 4711: the kernel refuses
    hint: sudo memory-analyzer analyze 4711
    hint: sudo setcap cap_sys_ptrace+ep "$(command -v gdb)" "$(command -v memory-analyzer)"   (lets everybody who may run them attach to everything)
    hint: a security module (AppArmor, SELinux) may be the cause: `dmesg` and the audit log tell
    "#);
    insta::assert_snapshot!(refused(|subject, _| subject.refused = Some(libc::ESRCH)), @"3 process 4711 ended meanwhile");
}

#[test]
fn in_a_container_the_remedies_are_others() {
    let within = |container| {
        refused(|_, machine| {
            machine.container = Some(container);
            machine.ourselves.uids = Default::default();
        })
    };
    let unprivileged = refused(|_, machine| {
        machine.container = Some(Container::Docker);
        machine.ourselves.uids.real = 1001;
    });
    insta::assert_snapshot!(unprivileged, @"
    5 may not attach to pid 4711: it runs as alice, and we are user 1000 without CAP_SYS_PTRACE
    hint: sudo memory-analyzer analyze 4711
    hint: start this container with `docker run --cap-add=SYS_PTRACE …` and be root in it, or run on the host as root
    ");
    insta::assert_snapshot!(within(Container::Docker), @"
    5 may not attach to pid 4711: it runs as alice, and we are root without CAP_SYS_PTRACE
    hint: start this container with `docker run --cap-add=SYS_PTRACE …` and be root in it, or run on the host as root
    ");
    insta::assert_snapshot!(within(Container::Podman), @"
    5 may not attach to pid 4711: it runs as alice, and we are root without CAP_SYS_PTRACE
    hint: start this container with `podman run --cap-add=SYS_PTRACE …` and be root in it, or run on the host as root
    ");
    insta::assert_snapshot!(within(Container::Kubernetes), @r#"
    5 may not attach to pid 4711: it runs as alice, and we are root without CAP_SYS_PTRACE
    hint: give this container `securityContext: {runAsUser: 0, capabilities: {add: ["SYS_PTRACE"]}}`
    hint: or attach one that has it: `kubectl debug -it POD --image=IMAGE --target=CONTAINER --profile=sysadmin`
    "#);
    insta::assert_snapshot!(refused(|_, machine| {
        machine.ptrace_scope = Some(1);
        machine.ourselves.no_new_privileges = true;
    }), @"
    5 may not attach to pid 4711: kernel.yama.ptrace_scope is 1: only the ancestors of a process and root may attach
    hint: sudo sysctl kernel.yama.ptrace_scope=0   (until the next boot, for all processes of a user)
    hint: sudo and setcap have no effect here (no_new_privs is set: `allowPrivilegeEscalation: false`, `NoNewPrivileges=yes`): run from outside as root
    ");
}

#[test]
fn permission_says_on_what_ground() {
    let mut machine = ordinary_machine();
    assert_eq!(judge::permission(&subject(), &machine).unwrap(), "we may attach (the same user)");
    machine.ourselves.effective_capabilities = 1 << 19;
    assert_eq!(judge::permission(&subject(), &machine).unwrap(), "we may attach (CAP_SYS_PTRACE)");
}

#[test]
fn each_state_has_its_answer() {
    let state = |letter: char, tracer: i32| {
        let mut subject = subject();
        subject.process.state = letter;
        subject.process.tracer = tracer;
        subject.tracer_name = "strace".into();
        judge::state(&subject)
    };
    assert_eq!(state('S', 0).unwrap(), "sleeping");
    assert_eq!(state('R', 0).unwrap(), "running");
    insta::assert_snapshot!(told(state('T', 0)), @"
    6 pid 4711 is stopped (SIGSTOP, or Ctrl-Z in its terminal)
    hint: let it go on: `kill -CONT 4711`, or `fg` in its terminal
    ");
    insta::assert_snapshot!(told(state('t', 0)), @"
    6 pid 4711 is stopped by a tracer that just left
    hint: try again; if it stays so: `kill -CONT 4711`
    ");
    insta::assert_snapshot!(told(state('S', 815)), @"
    6 pid 4711 is traced by pid 815 `strace`, and one tracer is all it can have
    hint: end the debugger or tracer first: quit it, or `kill 815`
    ");
    insta::assert_snapshot!(told(state('D', 0)), @"
    6 pid 4711 is in an uninterruptible sleep (state D: disk, NFS, a driver)
    hint: try again later; `sudo cat /proc/4711/stack` tells what it waits for
    ");
    insta::assert_snapshot!(told(state('Z', 0)), @"
    6 the main thread of pid 4711 has ended while others run: its memory cannot be reached
    hint: such a process cannot be attached to by its PID
    ");
}

#[test]
fn a_wrapper_is_told_from_what_it_wraps() {
    let mut process = ordinary(4711);
    process.name = "sh".into();
    insta::assert_snapshot!(told::<()>(Err(judge::wrapper(&process, 4712, "gunicorn", "3.11.7"))), @"
    4 pid 4711 is `sh`, not Python; its descendant 4712 `gunicorn` is Python 3.11.7
    hint: memory-analyzer analyze 4712
    ");
}

#[test]
fn what_the_work_is_done_on() {
    let freeze = |options: &str, change: &dyn Fn(&mut Process, &mut Machine)| {
        let (mut process, mut machine) = (ordinary(4711), ordinary_machine());
        change(&mut process, &mut machine);
        let reason = judge::no_twin(&process, &machine, || None);
        shown(judge::freeze(&process, reason, &collect(options)))
    };
    let ordinary = |_: &mut Process, _: &mut Machine| ();
    let filtered = |process: &mut Process, _: &mut Machine| process.seccomp = 2;
    insta::assert_snapshot!(freeze("", &ordinary), @"ok       freeze        on a twin: the process feels a pause of some milliseconds");
    insta::assert_snapshot!(freeze("--freeze stop", &ordinary), @"
    limited  freeze        on the process itself, stopped for at most 0.5 s, as `--freeze stop` asks
                           hint: without it, a twin would be used: the process would feel a pause of some milliseconds
    ");
    insta::assert_snapshot!(freeze("", &filtered), @"
    limited  freeze        on the process itself, stopped for at most 0.5 s: it runs under a seccomp filter, which may not allow what a twin needs
                           hint: `--freeze stop` asks for that without trying a twin first
                           hint: as root (CAP_SYS_ADMIN) we can read the filter, and know what it allows
    ");
    insta::assert_snapshot!(freeze("--freeze twin", &filtered), @"
    no       freeze        no twin of it can be made: it runs under a seccomp filter, which may not allow what a twin needs
                           hint: --freeze stop   (examines the process itself, stopped for at most 0.5 s)
    ");
    insta::assert_snapshot!(freeze("", &|process, _| process.seccomp = 1), @"
    no       freeze        pid 4711 runs under strict seccomp: it may only read, write and exit
                           hint: nothing can be run in it, nor in a twin
    ");
    insta::assert_snapshot!(freeze("", &|_, machine| machine.architecture = "aarch64"), @"
    limited  freeze        on the process itself, stopped for at most 0.5 s: twins are made on x86-64 only, and this is aarch64
                           hint: `--freeze stop` asks for that without trying a twin first
    ");
    insta::assert_snapshot!(freeze("", &|_, machine| machine.committable = Some(5 << 20)), @"
    limited  freeze        on the process itself, stopped for at most 0.5 s: vm.overcommit_memory is 2, and a copy of its 100.0 MiB of private memory is more than the 5.0 MiB left to promise
                           hint: `--freeze stop` asks for that without trying a twin first
    ");
    let full = judge::no_twin(&super::super::procfs::tests::ordinary(1), &ordinary_machine(), || Some("full".into()));
    assert_eq!(full.as_deref(), Some("full"));
}

#[test]
fn a_process_elsewhere_is_fine() {
    let (mut process, ours) = (ordinary(4711), ordinary(99));
    assert_eq!(judge::place(&process, &ours), None);
    process.namespaces.mount = Some(7);
    process.namespaces.pid = Some(8);
    process.nested_pids = vec![4711, 1];
    insta::assert_snapshot!(shown(judge::place(&process, &ours).unwrap()), @"ok       container     in another PID namespace (pid 1 in there), another mount namespace (its files are read through /proc/4711/root): fine");
    process.namespaces = Default::default();
    assert_eq!(judge::place(&process, &ours), None, "what cannot be seen is not guessed");
}

#[test]
fn the_machine_alone() {
    let rights = |change: &dyn Fn(&mut Machine)| {
        let mut machine = ordinary_machine();
        change(&mut machine);
        shown(judge::rights(&machine))
    };
    insta::assert_snapshot!(rights(&|_| ()), @r#"
    limited  permission    without CAP_SYS_PTRACE: only processes of our own
                           hint: sudo memory-analyzer analyze PID
                           hint: sudo setcap cap_sys_ptrace+ep "$(command -v gdb)" "$(command -v memory-analyzer)"   (lets everybody who may run them attach to everything)
    "#);
    insta::assert_snapshot!(rights(&|machine| machine.ptrace_scope = Some(1)), @r#"
    limited  permission    kernel.yama.ptrace_scope is 1, and we have no CAP_SYS_PTRACE: not even processes of our own
                           hint: sudo memory-analyzer analyze PID
                           hint: sudo setcap cap_sys_ptrace+ep "$(command -v gdb)" "$(command -v memory-analyzer)"   (lets everybody who may run them attach to everything)
                           hint: sudo sysctl kernel.yama.ptrace_scope=0   (until the next boot, for processes of your own)
    "#);
    insta::assert_snapshot!(rights(&|machine| machine.ptrace_scope = Some(3)), @"
    no       permission    kernel.yama.ptrace_scope is 3: nobody may attach to anything until the next boot
                           hint: take the setting out of /etc/sysctl.conf or /etc/sysctl.d, and restart the machine
    ");
    insta::assert_snapshot!(rights(&|machine| machine.ourselves.effective_capabilities = 1 << 19), @"ok       permission    we have CAP_SYS_PTRACE: processes of every user");
}

#[test]
fn a_debugger_that_can_run_scripts() {
    let gdb = |options, python| judge::gdb(&collect(options), |_| Ok(Gdb { version: "13.1".into(), python })).verdict;
    assert_eq!(gdb("", true), Verdict::Fine);
    assert_eq!(gdb("", false), Verdict::Limited);
    assert_eq!(gdb("-c gdb", false), Verdict::Blocked(Kind::Usage));
    let nowhere = |options| {
        let mut nowhere = collect(options);
        nowhere.gdb = None;
        shown(judge::gdb(&nowhere, |_| unreachable!()))
    };
    insta::assert_snapshot!(nowhere(""), @"
    limited  gdb           there is no `gdb` in PATH; the reader needs none, `-e`, `-c gdb` and `--probe` do
                           hint: install it: `apt-get install gdb` (Debian, Ubuntu), `dnf install gdb` (Fedora, RHEL), `apk add gdb` (Alpine)
    ");
    insta::assert_snapshot!(nowhere("-c gdb"), @"
    no       gdb           there is no `gdb` in PATH
                           hint: install it: `apt-get install gdb` (Debian, Ubuntu), `dnf install gdb` (Fedora, RHEL), `apk add gdb` (Alpine)
    ");
}

#[test]
fn what_would_look_into_it() {
    let collector = |options| shown(judge::collector(&collect(options)));
    insta::assert_snapshot!(collector(""), @"ok       collector     the reader: it sees the whole heap and runs nothing in the target");
    insta::assert_snapshot!(collector("-c gdb"), @"ok       collector     GDB: it was asked for");
}

#[test]
fn one_that_stands_can_be_read() {
    let standing = |options| {
        let mut subject = subject();
        subject.process.state = 'T';
        let collect = collect(options);
        [judge::standing(&subject, &collect), judge::freeze(&subject.process, None, &collect)].map(shown).join("\n")
    };
    insta::assert_snapshot!(standing(""), @"
    limited  state         pid 4711 is stopped (SIGSTOP, or Ctrl-Z in its terminal); its memory is read as it is
    ok       freeze        none: somebody has stopped it, and it is left so
    ");
    insta::assert_snapshot!(standing("-c gdb"), @"
    no       state         pid 4711 is stopped (SIGSTOP, or Ctrl-Z in its terminal)
                           hint: let it go on: `kill -CONT 4711`, or `fg` in its terminal
    ok       freeze        on a twin: the process feels a pause of some milliseconds
    ");
}

#[test]
fn the_exit_code_is_that_of_the_first_obstacle() {
    let busy = Finding::blocked("state", Error::new(Kind::Busy, "x"));
    let usage = Finding::blocked("gdb", Error::new(Kind::Usage, "x"));
    let fine = Finding::fine("process", "x");
    let limited = Finding::limited("freeze", "x", vec![]);
    assert_eq!(exit_code(&[fine.clone(), limited.clone()]), 0);
    assert_eq!(exit_code(&[fine, busy, usage, limited]), 6);
}

/// A process of our own, killed at the end.
struct Running(Child);

impl Running {
    fn start(program: &str, arguments: &[&str]) -> Running {
        let child = Command::new(program).args(arguments).stdin(Stdio::piped()).spawn().unwrap();
        Running(child)
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_program_that_is_not_python() {
    let cat = Running::start("cat", &[]);
    let error = preflight(cat.pid()).unwrap_err();
    assert_eq!(error.kind, Kind::NotPython, "{error}");
    assert_eq!(exit_code(&check(Some(cat.pid()), &collect(""))), 4);
}

#[test]
fn an_interpreter_without_a_gil_is_refused() {
    let image = python::Image {
        path: "/opt/python3.14t".into(),
        build_id: None,
        bias: 0,
        elf: crate::target::elf::Elf::unknown(),
    };
    let version = crate::target::version::Version::new(3, 14, 2);
    let mut interpreter =
        Interpreter { pid: 4711, image, version, debug: true, free_threaded: false, runtime: 0, threads: None };
    insta::assert_snapshot!(judge::interpreter(&interpreter).unwrap(), @"CPython 3.14.2, a debug build in /opt/python3.14t");
    interpreter.free_threaded = true;
    insta::assert_snapshot!(told(judge::interpreter(&interpreter)), @"
    4 pid 4711 runs a free-threaded build of CPython 3.14.2, which is not supported: its objects are in heaps of mimalloc that belong to its threads, and in no list of the collector
    hint: the ordinary build can be analysed: `python3.14`, not `python3.14t`
    ");
}

/// A Python that runs until its stdin is closed, below `sh` when `wrapped`.
fn python(wrapped: bool) -> Running {
    let program = "print('ready', flush=True); import sys; sys.stdin.read()";
    let mut command = Command::new(if wrapped { "sh" } else { "python3" });
    if wrapped {
        // More than one command, else the shell becomes the program.
        command.args(["-c", "python3 -c \"$1\"; true", "sh", program]);
    } else {
        command.args(["-c", program]);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    Running(child)
}

#[test]
fn python_may_be_examined() {
    let running = python(false);
    let (process, interpreter, state) = preflight(running.pid()).unwrap();
    assert_eq!((process.pid, interpreter.version.major), (running.pid(), 3));
    assert_eq!(state, Ok(()));
    let findings = check(Some(running.pid()), &collect(""));
    assert_eq!(exit_code(&findings), 0, "{}", text(&findings, false));
    let what = findings.iter().map(|finding| finding.what).collect::<Vec<_>>();
    assert_eq!(what, ["process", "permission", "python", "state", "debug info", "freeze", "collector", "gdb"]);
}

#[test]
fn the_python_below_a_shell_is_named() {
    let running = python(true);
    let error = preflight(running.pid()).unwrap_err();
    assert_eq!(error.kind, Kind::NotPython);
    let child = procfs::children(&[running.pid()])[0];
    assert_eq!(error.hints, [format!("memory-analyzer analyze {child}")], "{error}");
}

#[test]
fn a_stopped_process_is_busy() {
    let cat = Running::start("cat", &[]);
    let pid = cat.pid();
    Command::new("kill").args(["-STOP", &pid.to_string()]).status().unwrap();
    while procfs::state(pid) != Some('T') {
        std::thread::yield_now();
    }
    let subject = Subject::read(pid).unwrap();
    assert!(told(judge::state(&subject)).starts_with(&format!("6 pid {pid} is stopped")));
}

#[test]
fn nobody_is_no_process() {
    assert_eq!(preflight(1 << 23).unwrap_err().kind, Kind::NoProcess);
    assert_eq!(exit_code(&check(Some(1 << 23), &collect(""))), 3);
}
