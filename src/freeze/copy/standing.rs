//! Whether a process stands still by somebody else's doing: stopped by a signal, or by who traces it.

use std::collections::BTreeMap;

/// How often each of its threads had let go of a processor.
pub(super) type Standing = BTreeMap<i32, u64>;

/// Its threads, if all of them are stopped. Equal answers mean that none has run in between: who runs and is stopped again has
/// let go of its processor once more.
pub(super) fn threads(pid: i32) -> Option<Standing> {
    let mut standing = Standing::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let entry = entry.ok()?;
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        match stopped(&status)? {
            (true, switches) => drop(standing.insert(entry.file_name().to_str()?.parse().ok()?, switches)),
            (false, _) if has_ended(&status) => {}
            (false, _) => return None,
        }
    }
    (!standing.is_empty()).then_some(standing)
}

/// Whether a thread with this `status` is stopped, and how often it has let go of a processor.
fn stopped(status: &str) -> Option<(bool, u64)> {
    let switches = |name| field(status, name)?.parse::<u64>().ok();
    let sum = switches("voluntary_ctxt_switches")?.wrapping_add(switches("nonvoluntary_ctxt_switches")?);
    // T: by a signal, t: by a tracer (proc_pid_status(5)).
    Some((field(status, "State")?.starts_with(['T', 't']), sum))
}

/// A main thread that ended before the others stays as a zombie.
fn has_ended(status: &str) -> bool {
    field(status, "State").is_some_and(|state| state.starts_with(['Z', 'X']))
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_tells() {
        let of = |state: &str| {
            let status = format!(
                "Name:\tState:\nState:\t{state}\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t2\n"
            );
            (stopped(&status), has_ended(&status))
        };
        assert_eq!(of("T (stopped)"), (Some((true, 9)), false));
        assert_eq!(of("t (tracing stop)"), (Some((true, 9)), false));
        assert_eq!(of("S (sleeping)"), (Some((false, 9)), false));
        assert_eq!(of("Z (zombie)"), (Some((false, 9)), true));
        assert_eq!(stopped("State:\tT (stopped)\n"), None);
    }
}
