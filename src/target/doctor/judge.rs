//! What follows from the facts: each question is a function of what was found, so that every answer can be tested.
//!
//! Reads nothing itself. The order of the reasons for a refusal is the kernel's own (`kernel/ptrace.c`,
//! `__ptrace_may_access`): ids, dumpable, then the security modules with Yama among them (`security/yama/yama_lsm.c`).

use super::advice;
use super::*;
use crate::cli::values::Freeze;
use crate::target::machine::Gdb;

/// There is a process of its own: not ended, not a thread of the kernel.
pub(super) fn existence(subject: &Subject) -> Result<String> {
    let process = &subject.process;
    let pid = process.pid;
    if process.has_ended() {
        let text =
            format!("process {pid} `{}` has ended (zombie: its parent {} has not taken note)", process.called(), {
                process.parent
            });
        return Err(Error::new(Kind::NoProcess, text).hint("`memory-analyzer ps` lists the Python processes here"));
    }
    if process.kernel_thread {
        let text = format!("pid {pid} is `{}`, a thread of the kernel", process.called());
        return Err(Error::new(Kind::NotPython, text).hint("`memory-analyzer ps` lists the Python processes here"));
    }
    let threads = if process.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", process.threads) };
    Ok(format!(
        "pid {pid} is `{}` of {}, started {}, {threads}, {} resident",
        process.called(),
        subject.user,
        process.start_time,
        Bytes(process.rss_bytes)
    ))
}

/// The kernel lets us attach; else why it does not.
pub(super) fn permission(subject: &Subject, machine: &Machine) -> Result<String> {
    let (process, ours) = (&subject.process, &machine.ourselves);
    let same_user = has_ids_of(ours, process);
    let Some(number) = subject.refused else {
        return Ok(match (machine.may_trace_others(), same_user) {
            (true, _) => "we may attach (CAP_SYS_PTRACE)".to_owned(),
            (false, true) => "we may attach (the same user)".to_owned(),
            (false, false) => "we may attach".to_owned(),
        });
    };
    let pid = process.pid;
    if matches!(number, libc::ENOENT | libc::ESRCH) {
        return Err(Error::new(Kind::NoProcess, format!("process {pid} ended meanwhile")));
    }
    if !matches!(number, libc::EACCES | libc::EPERM) {
        let cause = std::io::Error::from_raw_os_error(number);
        return Err(Error::new(Kind::NotPermitted, format!("cannot open the memory of pid {pid}: {cause}")));
    }
    let refusal = |cause: String| Error::new(Kind::NotPermitted, format!("may not attach to pid {pid}: {cause}"));
    let extra = process.permitted_capabilities & !ours.permitted_capabilities;
    let error = if machine.ptrace_scope == Some(3) {
        refusal("kernel.yama.ptrace_scope is 3: nobody may attach to anything until the next boot".to_owned())
            .hint("take the setting out of /etc/sysctl.conf or /etc/sysctl.d, and restart the machine")
    } else if machine.selinux_denies {
        refusal("the SELinux boolean deny_ptrace is on".to_owned()).hint("sudo setsebool deny_ptrace off")
    } else if machine.may_trace_others() {
        let cause = "we have CAP_SYS_PTRACE, but not in its user namespace, or a security module (AppArmor, SELinux) \
                     forbids it";
        refusal(cause.to_owned())
            .hint("run on the host as root: from within a container or user namespace, processes outside are out of reach")
            .hint("`dmesg` and the audit log (`ausearch -m avc`) tell what a security module has refused")
    } else if !same_user {
        let cause = if ours.uids.effective == 0 {
            format!("it runs as {}, and we are root without CAP_SYS_PTRACE", subject.user)
        } else {
            format!("it runs as {}, and we are user {} without CAP_SYS_PTRACE", subject.user, ours.uids.effective)
        };
        advice::for_capability(refusal(cause), pid, machine)
    } else if let Some(scope @ (1 | 2)) = machine.ptrace_scope {
        let who = if scope == 1 { "the ancestors of a process and root" } else { "root (CAP_SYS_PTRACE)" };
        let error = refusal(format!("kernel.yama.ptrace_scope is {scope}: only {who} may attach"))
            .hint("sudo sysctl kernel.yama.ptrace_scope=0   (until the next boot, for all processes of a user)");
        advice::for_capability(error, pid, machine)
    } else if extra != 0 {
        let error = refusal(format!("it has capabilities that we have not ({extra:#x})"));
        advice::for_capability(error, pid, machine)
    } else if subject.entry_owner == Some(0) && process.uids.effective != 0 {
        let cause = "it is not dumpable: it changed its user, has file capabilities, or asked for it (PR_SET_DUMPABLE)";
        advice::for_capability(refusal(cause.to_owned()), pid, machine)
    } else {
        let error = refusal("the kernel refuses".to_owned());
        advice::for_capability(error, pid, machine)
            .hint("a security module (AppArmor, SELinux) may be the cause: `dmesg` and the audit log tell")
    };
    Err(error)
}

/// Whether, to the kernel, we are the same user: our real ids are all of the target's (ptrace(2)).
fn has_ids_of(ours: &Process, process: &Process) -> bool {
    let all = |ids: procfs::Ids, id: u32| [ids.real, ids.effective, ids.saved].iter().all(|other| *other == id);
    all(process.uids, ours.uids.real) && all(process.gids, ours.gids.real)
}

/// It can be stopped: it runs or sleeps, and nobody else has a hand on it.
pub(super) fn state(subject: &Subject) -> Result<String> {
    let process = &subject.process;
    let pid = process.pid;
    if process.tracer != 0 {
        let (tracer, name) = (process.tracer, &subject.tracer_name);
        let named = if name.is_empty() { String::new() } else { format!(" `{name}`") };
        return Err(Error::new(
            Kind::Busy,
            format!("pid {pid} is traced by pid {tracer}{named}, and one tracer is all it can have"),
        )
        .hint(format!("end the debugger or tracer first: quit it, or `kill {tracer}`")));
    }
    match process.state {
        'T' => Err(Error::new(Kind::Busy, format!("pid {pid} is stopped (SIGSTOP, or Ctrl-Z in its terminal)"))
            .hint(format!("let it go on: `kill -CONT {pid}`, or `fg` in its terminal"))),
        't' => Err(Error::new(Kind::Busy, format!("pid {pid} is stopped by a tracer that just left"))
            .hint(format!("try again; if it stays so: `kill -CONT {pid}`"))),
        'D' => Err(Error::new(
            Kind::Busy,
            format!("pid {pid} is in an uninterruptible sleep (state D: disk, NFS, a driver)"),
        )
        .hint(format!("try again later; `sudo cat /proc/{pid}/stack` tells what it waits for"))),
        'Z' | 'X' | 'x' => {
            let text = format!("the main thread of pid {pid} has ended while others run: its memory cannot be reached");
            Err(Error::new(Kind::Busy, text).hint("such a process cannot be attached to by its PID"))
        }
        'R' => Ok("running".to_owned()),
        'S' | 'I' => Ok("sleeping".to_owned()),
        other => Ok(format!("state {other}")),
    }
}

/// The same for an analysis as `collect` asks for, which may need no hold of its own.
pub(super) fn standing(subject: &Subject, collect: &CollectPlan) -> Finding {
    match state(subject) {
        Err(error) if collect.needs_no_hold(subject.process.stands()) => {
            Finding::limited("state", format!("{}; its memory is read as it is", error.text), Vec::new())
        }
        state => Finding::of("state", state),
    }
}

/// The error for a process that is no Python while its descendant is: a wrapper's PID was given.
pub(super) fn wrapper(process: &Process, child: i32, name: &str, version: &str) -> Error {
    let text = format!(
        "pid {} is `{}`, not Python; its descendant {child} `{name}` is Python {version}",
        process.pid,
        process.called()
    );
    Error::new(Kind::NotPython, text).hint(format!("memory-analyzer analyze {child}"))
}

/// It is one that can be examined.
pub(super) fn interpreter(interpreter: &Interpreter) -> Result<String> {
    interpreter.is_supported()?;
    let path = printable(&interpreter.image.path.to_string_lossy(), 200);
    let debug = if interpreter.debug { ", a debug build" } else { "" };
    Ok(format!("CPython {}{debug} in {path}", interpreter.version))
}

/// Where the process is, if elsewhere than we: nothing is in the way there, and it is said.
pub(super) fn place(process: &Process, ours: &Process) -> Option<Finding> {
    let differs =
        |theirs: Option<u64>, ours: Option<u64>| theirs.zip(ours).is_some_and(|(theirs, ours)| theirs != ours);
    let (there, here) = (&process.namespaces, &ours.namespaces);
    let mut parts = Vec::new();
    if differs(there.pid, here.pid) {
        let inside = process.nested_pids.last().map_or_else(String::new, |pid| format!(" (pid {pid} in there)"));
        parts.push(format!("another PID namespace{inside}"));
    }
    if differs(there.mount, here.mount) {
        parts.push(format!("another mount namespace (its files are read through /proc/{}/root)", process.pid));
    }
    if differs(there.user, here.user) {
        parts.push("another user namespace".to_owned());
    }
    (!parts.is_empty()).then(|| Finding::fine("container", format!("in {}: fine", parts.join(", "))))
}

/// Why no twin of the process can be made; `full` tells of limits that are reached, which costs some reads.
pub(super) fn no_twin(process: &Process, machine: &Machine, full: impl Fn() -> Option<String>) -> Option<String> {
    if machine.architecture != "x86_64" {
        return Some(format!("twins are made on x86-64 only, and this is {}", machine.architecture));
    }
    if process.seccomp != 0 {
        return Some("it runs under a seccomp filter, which may not allow what a twin needs".to_owned());
    }
    if let Some(room) = machine.committable.filter(|room| *room < process.private_bytes) {
        return Some(format!(
            "vm.overcommit_memory is 2, and a copy of its {} of private memory is more than the {} left to promise",
            Bytes(process.private_bytes),
            Bytes(room)
        ));
    }
    full()
}

/// What the work would be done on.
pub(super) fn freeze(process: &Process, no_twin: Option<String>, collect: &CollectPlan) -> Finding {
    let longest = if collect.reads() { collect.max_pause } else { collect.max_hold };
    let hold = format!("for at most {} s", longest.as_secs_f64());
    match (no_twin, collect.freeze) {
        _ if process.stands() && collect.reads() => {
            Finding::fine("freeze", "none: somebody has stopped it, and it is left so")
        }
        (_, _) if process.seccomp == 1 => {
            let text = format!("pid {} runs under strict seccomp: it may only read, write and exit", process.pid);
            Finding::blocked("freeze", Error::new(Kind::Busy, text).hint("nothing can be run in it, nor in a twin"))
        }
        (None, Freeze::Auto | Freeze::Twin) => {
            Finding::fine("freeze", "on a twin: the process feels a pause of some milliseconds")
        }
        (None, Freeze::Stop) => Finding::limited(
            "freeze",
            format!("on the process itself, stopped {hold}, as `--freeze stop` asks"),
            vec!["without it, a twin would be used: the process would feel a pause of some milliseconds".to_owned()],
        ),
        (_, Freeze::Live) => Finding::limited(
            "freeze",
            "on the process itself while it runs, as `--freeze live` asks: numbers are close, not exact".to_owned(),
            Vec::new(),
        ),
        (Some(reason), Freeze::Twin) => Finding::blocked(
            "freeze",
            Error::new(Kind::Busy, format!("no twin of it can be made: {reason}"))
                .hint(format!("--freeze stop   (examines the process itself, stopped {hold})")),
        ),
        (Some(reason), Freeze::Auto | Freeze::Stop) => {
            let mut remedies = vec!["`--freeze stop` asks for that without trying a twin first".to_owned()];
            if process.seccomp != 0 {
                remedies.push("as root (CAP_SYS_ADMIN) we can read the filter, and know what it allows".to_owned());
            }
            Finding::limited("freeze", format!("on the process itself, stopped {hold}: {reason}"), remedies)
        }
    }
}

/// The CPU of this machine.
pub(super) fn architecture(machine: &Machine) -> Finding {
    match machine.architecture {
        "x86_64" => Finding::fine("machine", "x86-64: twins can be made"),
        other => Finding::limited(
            "machine",
            format!("{other}: twins are made on x86-64 only; processes are stopped while they are examined"),
            Vec::new(),
        ),
    }
}

/// What we may attach to on this machine, whatever the process.
pub(super) fn rights(machine: &Machine) -> Finding {
    let ours = &machine.ourselves;
    if machine.ptrace_scope == Some(3) || machine.selinux_denies {
        let subject = Subject {
            process: ours.clone(),
            refused: Some(libc::EPERM),
            entry_owner: None,
            tracer_name: String::new(),
            user: String::new(),
        };
        let mut finding = Finding::of("permission", permission(&subject, machine));
        finding.detail = finding.detail.replacen(&format!("may not attach to pid {}: ", ours.pid), "", 1);
        return finding;
    }
    if machine.may_trace_others() {
        return Finding::fine("permission", "we have CAP_SYS_PTRACE: processes of every user");
    }
    let error = advice::for_capability(Error::new(Kind::NotPermitted, ""), 0, machine);
    match machine.ptrace_scope {
        Some(scope @ (1 | 2)) => {
            let mut remedies = error.hints;
            remedies.push(
                "sudo sysctl kernel.yama.ptrace_scope=0   (until the next boot, for processes of your own)".to_owned(),
            );
            Finding::limited(
                "permission",
                format!(
                    "kernel.yama.ptrace_scope is {scope}, and we have no CAP_SYS_PTRACE: not even processes of our own"
                ),
                remedies,
            )
        }
        _ => Finding::limited("permission", "without CAP_SYS_PTRACE: only processes of our own", error.hints),
    }
}

/// The debugger, which `start` starts to see what it can do. Only who needs it can miss it.
pub(super) fn gdb(collect: &CollectPlan, start: impl Fn(&Path) -> Result<Gdb>) -> Finding {
    const INSTALL: &str = "install it: `apt-get install gdb` (Debian, Ubuntu), `dnf install gdb` (Fedora, RHEL), \
                           `apk add gdb` (Alpine)";
    let missing = |text: String, hint: &str| {
        if collect.reads() {
            let text = format!("{text}; the reader needs none, `-e`, `-c gdb` and `--probe` do");
            Finding::limited("gdb", text, vec![hint.to_owned()])
        } else {
            Finding::blocked("gdb", Error::new(Kind::Usage, text).hint(hint))
        }
    };
    let Some(path) = &collect.gdb else {
        return missing(format!("there is no `{}` in PATH", collect.gdb_name.display()), INSTALL);
    };
    match start(path) {
        Ok(Gdb { version, python: true }) => Finding::fine("gdb", format!("{} {version}", path.display())),
        Ok(Gdb { version, python: false }) => missing(
            format!("{} {version} was built without Python", path.display()),
            "install the full one (`apt-get install gdb`, not gdb-minimal)",
        ),
        Err(error) => missing(error.text, INSTALL),
    }
}

/// What would look into the process, and why that.
pub(super) fn collector(collect: &CollectPlan) -> Finding {
    let name = if collect.reads() { "the reader" } else { "GDB" };
    Finding::fine("collector", format!("{name}: {}", collect.why()))
}
