//! Which of several earlier captures is of the same process, or of the same program.

use crate::heap::TargetFacts;

/// An earlier capture that may be compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) target: &'a TargetFacts,
    /// When it was taken (`collection.started_at`).
    pub(crate) started_at: &'a str,
}

/// The index of the candidate to compare `new` with, and what pairs them: `pid-and-start-time` (the very same process), else
/// `cmdline` (the same program, say before a restart). Of several the newest; `None` where nothing pairs them.
pub(crate) fn pair(new: &TargetFacts, candidates: &[Candidate]) -> Option<(usize, &'static str)> {
    let same_process = |old: &TargetFacts| is_same_process(old, new);
    let same_program = |old: &TargetFacts| !new.cmdline.is_empty() && old.cmdline == new.cmdline;
    let newest = |pairs: &dyn Fn(&TargetFacts) -> bool| {
        let pairing = candidates.iter().enumerate().filter(|(_, candidate)| pairs(candidate.target));
        pairing.max_by_key(|(_, candidate)| candidate.started_at).map(|(index, _)| index)
    };
    let process = newest(&same_process).map(|index| (index, "pid-and-start-time"));
    process.or_else(|| newest(&same_program).map(|index| (index, "cmdline")))
}

/// Are both the very same process? What is not known pairs nothing.
pub(crate) fn is_same_process(old: &TargetFacts, new: &TargetFacts) -> bool {
    !new.start_time.is_empty() && (old.pid, &old.start_time, &old.host) == (new.pid, &new.start_time, &new.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pid: i32, start_time: &str, host: &str, cmdline: &str) -> TargetFacts {
        let cmdline = cmdline.split_whitespace().map(str::to_owned).collect();
        TargetFacts { pid, start_time: start_time.into(), host: host.into(), cmdline, ..TargetFacts::default() }
    }

    fn check(new: TargetFacts, expected: Option<(usize, &str)>) {
        let old = [
            (facts(7, "noon", "here", "python app"), "2024-01-01T00:00:00Z"),
            (facts(7, "noon", "here", "python app"), "2024-01-03T00:00:00Z"),
            (facts(7, "noon", "there", "python app"), "2024-01-04T00:00:00Z"),
            (facts(8, "dawn", "here", "python app"), "2024-01-02T00:00:00Z"),
            (facts(9, "", "here", ""), "2024-01-05T00:00:00Z"),
        ];
        let candidates: Vec<_> = old.iter().map(|(target, started_at)| Candidate { target, started_at }).collect();
        assert_eq!(pair(&new, &candidates), expected);
    }

    #[test]
    fn a_process_is_its_pid_its_start_and_its_host() {
        check(facts(7, "noon", "here", "python app"), Some((1, "pid-and-start-time")));
        check(facts(7, "noon", "there", "python"), Some((2, "pid-and-start-time")));
        check(facts(8, "dawn", "here", "exec'd something else"), Some((3, "pid-and-start-time")));
    }

    #[test]
    fn a_program_is_its_command_line() {
        check(facts(7, "dusk", "here", "python app"), Some((2, "cmdline")));
        check(facts(7, "dusk", "here", "python other"), None);
        assert_eq!(pair(&facts(7, "noon", "here", "python app"), &[]), None);
    }

    #[test]
    fn what_is_not_known_pairs_nothing() {
        check(facts(9, "", "here", ""), None);
    }
}
