//! The GDB collector: probes run by the target's own interpreter, in a twin of it or, stopped meanwhile, in itself.
//!
//! The same few steps for both: a landing region with the source is made, GDB attaches and sends one thread there, the
//! interpreter runs the probes, what they write is decoded while they run. In a twin any failure is harmless and a second
//! twin is tried; in the target itself the thread finds its own way back, so that GDB need not stay.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::Job;
use super::follow::Follow;
use super::probe_source::Mode;
use super::session::Session;
use super::wire::{self, Received};
use crate::error::{Error, Kind, Result};
use crate::freeze::{
    Call, Candidate, Keeper, Landing, Prepared, RegisterSet, Resume, Stacks, ThreadView, TwinAnswer, TwinOrReason,
    VisitState, Way, kill,
};
use crate::notice::Notice;
use crate::target::memory::ProcessMemory;
use crate::units::{milliseconds, printable};

/// Twins tried before giving up.
const TWINS: u32 = 3;
/// How long the interpreter may take to come to a safe point, of the time there is.
const SAFE_POINT: Duration = Duration::from_secs(5);
/// What GDB does in one order apart from letting the twin run.
const ORDER: Duration = Duration::from_secs(30);
/// How long after its deadline a probe may still be on its way out.
const GRACE: Duration = Duration::from_secs(2);
/// Room in the region for the source, which is not composed before the region's descriptor is known.
const SOURCE_MARGIN: usize = 1024;
/// A stop of the target itself finds no thread to use in one of some hundred cases, but several times in a row where the
/// machine has no processor to spare: so long it is tried again.
const SEARCH: Duration = Duration::from_secs(5);
/// Between two such stops; of no period that a timer of the target is likely to have.
const BETWEEN_STOPS: Duration = Duration::from_micros(7_300);
/// How long a thread of the target itself may take from where it was sent to the first byte. The others run meanwhile, and
/// giving up sooner would not bring it back sooner.
const FIRST_BYTE: Duration = Duration::from_secs(30);

/// More than twice what interpreters of 3.6 to 3.13 had ever touched of a stack, after compiling and running the probes on
/// it (100 KiB); threads can be made with less.
const ROOM_FOR_PYTHON: u64 = 256 * 1024;

/// What a collection brought, and what it cost.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) received: Received,
    pub(super) freeze: &'static str,
    pub(super) pause: Duration,
    pub(super) notices: Vec<Notice>,
}

/// The outcome of trying a twin.
pub(super) enum Twinned {
    Collected(Box<Collected>),
    /// There can be none; the reason.
    Impossible(String),
}

/// Addresses in the target of the C functions that are called there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Functions {
    run: u64,
    add_pending_call: u64,
    make_pending_calls: u64,
    ensure: u64,
    release: u64,
}

/// Their names, in the same order.
const FUNCTIONS: [&str; 5] =
    ["PyRun_SimpleString", "Py_AddPendingCall", "Py_MakePendingCalls", "PyGILState_Ensure", "PyGILState_Release"];

impl Functions {
    /// From the symbols of the file that is proven to be the mapped one.
    pub(super) fn find(job: &Job) -> Result<Functions> {
        let find = |name: &str| {
            job.interpreter.symbol(name).ok_or_else(|| {
                Error::new(Kind::NotPython, format!("`{name}` is not among the symbols of {}", job.image_name()))
                    .hint("the interpreter was linked without exporting its API: give a file with symbols by `-e`")
            })
        };
        let [run, add_pending_call, make_pending_calls, ensure, release] = FUNCTIONS;
        Ok(Functions {
            run: find(run)?,
            add_pending_call: find(add_pending_call)?,
            make_pending_calls: find(make_pending_calls)?,
            ensure: find(ensure)?,
            release: find(release)?,
        })
    }

    fn named(&self) -> [(&'static str, u64); 5] {
        let [run, add, make, ensure, release] = FUNCTIONS;
        let pending = [(add, self.add_pending_call), (make, self.make_pending_calls)];
        [(run, self.run), pending[0], pending[1], (ensure, self.ensure), (release, self.release)]
    }

    /// The calls by which a thread comes to run the source.
    fn calls(&self, way: Way, source: u64) -> Vec<Call> {
        /// `PyGILState_UNLOCKED`: what `PyGILState_Ensure` returns in a thread that did not hold the GIL.
        const UNLOCKED: u64 = 1;
        let run = Call { function: self.run, arguments: [source, 0] };
        match way {
            // `PyRun_SimpleString` fits the signature of a pending call.
            Way::PendingCall => vec![Call { function: self.add_pending_call, arguments: [self.run, source] }],
            Way::TakeGil => vec![
                Call { function: self.ensure, arguments: [0, 0] },
                run,
                Call { function: self.release, arguments: [UNLOCKED, 0] },
            ],
            Way::Direct => vec![run],
        }
    }
}

/// Collects in a twin.
pub(super) fn on_twin(job: &Job, keeper: &mut Keeper) -> Result<Twinned> {
    let functions = Functions::find(job)?;
    let mut pause = Duration::ZERO;
    let mut last = None;
    for number in 1..=TWINS {
        let mut session = Session::start(job.gdb()?, &job.plan.temp_dir, job.listener)?;
        let lifetime = job.left() + GRACE + Duration::from_secs(30);
        let size = Landing::size_for(job.source(Mode::Twin, 0)?.len() + SOURCE_MARGIN);
        let (twin, pipe) = match keeper.twin(job.pid, &job.site, size, lifetime, job.purpose())? {
            TwinOrReason::Twin(twin, pipe) => (twin, pipe),
            TwinOrReason::Impossible(reason) => return Ok(Twinned::Impossible(reason)),
        };
        pause += Duration::from_nanos(twin.pause_ns);
        job.step(&format!(
            "{} threads stopped, twin {} made of thread {} in {} ms",
            twin.threads,
            twin.pid,
            twin.tid,
            milliseconds(Duration::from_nanos(twin.pause_ns))
        ));
        let outcome = in_twin(job, &functions, &mut session, &twin, pipe);
        // GDB first: the remains of what it traces are its own to collect.
        let _ = kill(twin.pid, libc::SIGKILL);
        drop(session);
        let (stood, _) = keeper.end(VisitState::Finished)?;
        pause += stood;
        job.step(&format!("twin gone, reaped in {} ms", milliseconds(stood)));
        match outcome {
            Ok(received) => {
                let notices = (number > 1)
                    .then(|| Notice::new("twin-retried", format!("it took {number} twins: {}", reason(&last))))
                    .into_iter()
                    .collect();
                return Ok(Twinned::Collected(Box::new(Collected { received, freeze: "twin", pause, notices })));
            }
            Err(error) => {
                job.step(&format!("twin {number} of {TWINS} failed: {}", error.text));
                let hopeless = error.kind != Kind::Busy || job.left() < SAFE_POINT;
                last = Some(error);
                if hopeless {
                    break;
                }
            }
        }
    }
    Err(last.unwrap_or_else(|| Error::new(Kind::Defect, "no twin was tried")))
}

fn reason(error: &Option<Error>) -> String {
    error.as_ref().map_or_else(String::new, |e| e.text.clone())
}

fn in_twin(job: &Job, functions: &Functions, session: &mut Session, twin: &TwinAnswer, pipe: File) -> Result<Received> {
    let memory = open_memory(twin.pid)?;
    let write = |bytes: &[u8], at: u64| memory.write_all_at(bytes, at).map_err(|e| unwritable(twin.pid, &e));
    let furnish = |e: std::io::Error| unwritable(twin.pid, &e);
    twin.landing.furnish(&memory, &job.source(Mode::Twin, twin.write_to)?).map_err(furnish)?;
    let reader = ProcessMemory::open(twin.pid).map_err(furnish)?;
    let thread = ThreadView { tid: twin.pid, fs_base: twin.registers.fs_base, waits: false, futex: None };
    for (at, bytes) in job.site.for_lone_thread(&reader, thread, twin.tstate).map_err(furnish)? {
        write(&bytes, at)?;
    }
    let calls = functions.calls(twin.way, twin.landing.source());
    twin.landing.prepare(&memory, Resume::of(&twin.registers), &calls).map_err(furnish)?;

    let _: Value = session.order(job.preparation(twin.pid), ORDER)?;
    let _: Value = session.order(json!({"do": "attach", "pid": twin.pid}), ORDER)?;
    job.step(&format!("gdb attached to the twin {}", twin.pid));
    prove_symbols(job, functions, session)?;
    send(session, twin.pid, Some(&twin.registers), twin.landing.entry())?;
    job.step(&format!("probes are to run {}", twin.way.describe()));

    thread::scope(|scope| {
        let (first_byte, started) = channel();
        let stream = Noticing { inner: pipe, first: Some(first_byte), last: Arc::default() };
        let decoder = scope.spawn(move || wire::read(stream, &mut |done, of| job.listener.progress(done, of)));
        let run = (|| {
            session.tell(json!({"do": "continue"}))?;
            if !wait_for_start(&started, SAFE_POINT.min(job.left())) {
                job.step(&format!("no safe point within {} s: calling where the thread stands", SAFE_POINT.as_secs()));
                call_where_it_stands(job, functions, session, twin, &memory)?;
                if !wait_for_start(&started, SAFE_POINT.min(job.left())) {
                    return Err(no_safe_point(job));
                }
            }
            job.step("probes running");
            let now: Value = session.answer("run the probes", job.left() + GRACE)?;
            let talk = session.talk().to_owned();
            match now["now"].as_str() {
                Some("ended") => Ok(talk),
                _ => Err(Error::new(Kind::Busy, format!("the twin stopped: {}", printable(talk.trim(), 200)))),
            }
        })();
        if run.is_err() {
            // With the twin the last writer goes, and the decoder comes to an end.
            let _ = kill(twin.pid, libc::SIGKILL);
        }
        let received = decoder.join().map_err(|_| Error::new(Kind::Defect, "the decoder panicked"))?;
        match run {
            Ok(talk) if received.is_empty() => Err(no_data(job, &talk)),
            Ok(_) => Ok(received),
            // What arrived before a deadline is worth a report that says so.
            Err(_) if !received.is_empty() => Ok(received),
            Err(error) => Err(error),
        }
    })
}

/// Interrupts a twin that comes to no safe point and has the thread call into the interpreter right there.
fn call_where_it_stands(
    job: &Job,
    functions: &Functions,
    session: &mut Session,
    twin: &TwinAnswer,
    memory: &File,
) -> Result<()> {
    // Seen by GDB before it takes effect, and swallowed by it: no group stop, no SIGCHLD.
    kill(twin.pid, libc::SIGSTOP).map_err(|_| no_data(job, session.talk()))?;
    let now: Value = session.answer("interrupt the twin", ORDER)?;
    if now["now"] != "stopped" {
        return Err(no_data(job, session.talk()));
    }
    let threads = threads(session)?;
    let (_, registers) = threads.first().ok_or_else(|| no_safe_point(job))?;
    let calls = match twin.way {
        // It has been queued already, and would be run twice.
        Way::PendingCall => vec![Call { function: functions.make_pending_calls, arguments: [0, 0] }],
        Way::TakeGil | Way::Direct => functions.calls(Way::Direct, twin.landing.source()),
    };
    let resume = Resume::of(registers);
    twin.landing.prepare(memory, resume, &calls).map_err(|e| unwritable(twin.pid, &e))?;
    send(session, twin.pid, None, twin.landing.entry())?;
    session.tell(json!({"do": "continue"}))
}

/// Collects in the target itself.
pub(super) fn on_target(job: &Job, keeper: &mut Keeper) -> Result<Collected> {
    let functions = Functions::find(job)?;
    let mut session = Session::start(job.gdb()?, &job.plan.temp_dir, job.listener)?;
    let size = Landing::size_for(job.source(Mode::Stop, 0)?.len() + SOURCE_MARGIN);
    let prepared = keeper.visit(job.pid, size)?;
    job.step(&format!("target prepared in {} ms", milliseconds(prepared.pause)));
    let mut pause = prepared.pause;
    let mut state = VisitState::Finished;
    let outcome = in_target(job, &functions, &mut session, &prepared, &mut pause, &mut state);
    session.quit();
    rescue(job);
    let (stood, clean) = keeper.end(state)?;
    pause += stood;
    job.step(&format!(
        "target left{} in {} ms",
        if clean { ", nothing of ours in it," } else { "" },
        milliseconds(stood)
    ));
    let mut notices = Vec::new();
    if !clean {
        notices.push(
            Notice::new(
                "left-behind",
                format!(
                    "{} KiB of mapped memory were left in pid {}: a call queued there could not be taken back",
                    size / 1024,
                    job.pid
                ),
            )
            .hint("it does nothing when it is made"),
        );
    }
    outcome.map(|received| Collected { received, freeze: "stop", pause, notices })
}

fn in_target(
    job: &Job,
    functions: &Functions,
    session: &mut Session,
    prepared: &Prepared,
    pause: &mut Duration,
    state: &mut VisitState,
) -> Result<Received> {
    let memory = open_memory(job.pid)?;
    let furnish = |e: std::io::Error| unwritable(job.pid, &e);
    prepared.landing.furnish(&memory, &job.source(Mode::Stop, prepared.write_to)?).map_err(furnish)?;
    let _: Value = session.order(job.preparation(job.pid), ORDER)?;
    let mut sent = None;
    let search = Instant::now();
    while sent.is_none() && search.elapsed() < SEARCH {
        let stopped = Instant::now();
        let _: Value = session.order(json!({"do": "attach", "pid": job.pid}), ORDER)?;
        prove_symbols(job, functions, session)?;
        if let Some((candidate, registers)) = choose(job, &threads(session)?)? {
            let calls = functions.calls(candidate.way, prepared.landing.source());
            prepared.landing.prepare(&memory, Resume::of(&registers), &calls).map_err(furnish)?;
            *state = VisitState::Queued;
            send(session, candidate.tid, None, prepared.landing.entry())?;
            sent = Some(candidate);
        }
        let _: Value = session.order(json!({"do": "detach"}), ORDER)?;
        *pause += stopped.elapsed();
        if sent.is_none() {
            job.step("no thread of the target could be used just then");
            thread::sleep(BETWEEN_STOPS);
        }
    }
    let Some(candidate) = sent else { return Err(no_safe_point(job)) };
    job.step(&format!("gdb detached; probes are to run in thread {} {}", candidate.tid, candidate.way.describe()));

    let file = prepared.file.try_clone().map_err(|e| Error::new(Kind::Defect, format!("hand-over: {e}")))?;
    let (first_byte, started) = channel();
    let follow = Follow::new(file, job.pid);
    let stop = follow.stopper();
    let last = Arc::new(Mutex::new(None));
    let stream = Noticing { inner: follow, first: Some(first_byte), last: Arc::clone(&last) };
    thread::scope(|scope| {
        let (finished, decoded) = channel();
        scope.spawn(move || {
            let received = wire::read(stream, &mut |done, of| job.listener.progress(done, of));
            let _ = finished.send(received);
        });
        let begun = wait_for_start(&started, FIRST_BYTE.min(job.left()));
        let running = Instant::now();
        if begun {
            *state = VisitState::Running;
            job.step("probes running");
        } else {
            stop.stop();
        }
        let hold = job.plan.max_hold + GRACE + GRACE;
        let received = match decoded.recv_timeout(hold) {
            Ok(received) => received,
            Err(_) => {
                stop.stop();
                decoded.recv_timeout(GRACE).map_err(|_| Error::new(Kind::Defect, "the decoder does not end"))?
            }
        };
        if begun {
            // Until its last record; what the decoder does after that is our time alone.
            let until = last.lock().ok().and_then(|last| *last).unwrap_or_else(Instant::now);
            *pause += until.saturating_duration_since(running);
        }
        if received.complete {
            *state = VisitState::Finished;
        }
        if received.is_empty() { Err(no_safe_point(job)) } else { Ok(received) }
    })
}

/// A thread that waits outside of the GIL, else the one that holds it.
fn choose(job: &Job, threads: &[(i32, RegisterSet)]) -> Result<Option<(Candidate, RegisterSet)>> {
    let memory = ProcessMemory::open(job.pid).map_err(|e| unwritable(job.pid, &e))?;
    let stacks = Stacks::read(job.pid);
    let roomy = |registers: &RegisterSet| stacks.room(registers.rsp, registers.fs_base) >= ROOM_FOR_PYTHON;
    let threads = threads.iter().filter(|(_, registers)| roomy(registers));
    let views: Vec<ThreadView> = threads.clone().map(|(tid, registers)| ThreadView::of(*tid, registers)).collect();
    let unreadable = |e: std::io::Error| unwritable(job.pid, &e);
    let parked = job.site.parked(&memory, &views, job.pid, &job.libc_data).map_err(unreadable)?;
    let candidate = match parked {
        Some(parked) => Some(parked),
        // One that waits in a system call of some C library comes to no safe point, and a call queued could not be taken back.
        None => job.site.holder(&memory, &views).map_err(unreadable)?.filter(|holder| !holder.waits),
    };
    Ok(candidate.and_then(|c| threads.clone().find(|(tid, _)| *tid == c.tid).map(|(_, registers)| (c, *registers))))
}

/// A target that a dying debugger left stopped goes on.
fn rescue(job: &Job) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", job.pid)).unwrap_or_default();
    if status.lines().any(|line| line.starts_with("State:\tT")) {
        job.step("the target was left stopped: continuing it");
        let _ = kill(job.pid, libc::SIGCONT);
    }
}

/// GDB's own reading of the symbols must agree with ours, else one of the two looks at another file than the mapped one.
fn prove_symbols(job: &Job, functions: &Functions, session: &mut Session) -> Result<()> {
    let answer: Value =
        session.order(json!({"do": "symbols", "library": job.library(), "functions": FUNCTIONS}), ORDER)?;
    for (name, address) in functions.named() {
        match answer["functions"][name].as_u64() {
            Some(found) if found != address => {
                return Err(Error::new(
                    Kind::NotPython,
                    format!(
                        "wrong executable: gdb finds `{name}` at {found:#x}, the mapped {} has it at {address:#x}",
                        job.image_name()
                    ),
                )
                .hint("leave `-e` out, or give the file that really runs"));
            }
            Some(_) => {}
            None => job.step(&format!("gdb has no symbol `{name}`; the mapped file's own is used")),
        }
    }
    job.step(&format!("symbols of {} loaded and proven", job.image_name()));
    Ok(())
}

#[derive(Deserialize)]
struct ThreadList {
    threads: Vec<ThreadRegisters>,
}

#[derive(Deserialize)]
struct ThreadRegisters {
    tid: i32,
    registers: RegisterSet,
}

fn threads(session: &mut Session) -> Result<Vec<(i32, RegisterSet)>> {
    let list: ThreadList = session.order(json!({"do": "threads"}), ORDER)?;
    Ok(list.threads.into_iter().map(|t| (t.tid, t.registers)).collect())
}

fn send(session: &mut Session, tid: i32, registers: Option<&RegisterSet>, entry: u64) -> Result<()> {
    let order = json!({"do": "send", "tid": tid, "registers": registers, "entry": entry});
    session.order::<Value>(order, ORDER).map(drop)
}

fn wait_for_start(started: &Receiver<()>, deadline: Duration) -> bool {
    // A stream that closed without a byte has also been waited for long enough.
    !matches!(started.recv_timeout(deadline), Err(RecvTimeoutError::Timeout))
}

fn open_memory(pid: i32) -> Result<File> {
    OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem")).map_err(|e| unwritable(pid, &e))
}

fn unwritable(pid: i32, error: &std::io::Error) -> Error {
    Error::new(Kind::Busy, format!("cannot reach the memory of process {pid}: {error}"))
}

fn no_safe_point(job: &Job) -> Error {
    Error::new(
        Kind::Busy,
        format!("pid {} reached no safe point at which its interpreter could run the probes", job.pid),
    )
    .hint("it hangs in C code, or every thread does: try again, or `--freeze twin` on a later attempt")
}

fn no_data(job: &Job, talk: &str) -> Error {
    let said =
        talk.lines().rev().find(|line| !line.trim().is_empty()).map(|line| format!(" (gdb: {})", printable(line, 200)));
    Error::new(
        Kind::Busy,
        format!("no data returned from the interpreter of pid {}{}", job.pid, said.unwrap_or_default()),
    )
    .hint("`--debug` shows every step; in a twin the target was not affected")
}

/// Tells when the first byte was read, and remembers when the last one was.
struct Noticing<R> {
    inner: R,
    first: Option<std::sync::mpsc::Sender<()>>,
    last: Arc<Mutex<Option<Instant>>>,
}

impl<R: Read> Read for Noticing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.inner.read(buffer)?;
        if length > 0
            && let Some(first) = self.first.take()
        {
            let _ = first.send(());
        }
        if length > 0
            && let Ok(mut last) = self.last.lock()
        {
            *last = Some(Instant::now());
        }
        Ok(length)
    }
}
