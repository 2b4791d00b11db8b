//! How much room a thread has below its stack pointer, on a stack that is its own.
//!
//! A thread may stand elsewhere: on an alternate signal stack, or on the small stack of a coroutine somewhere in the heap, below
//! which other people's data lie. Such a thread is not asked to do anything while others run.

/// The mappings of a process, as far as stacks go.
#[derive(Debug)]
pub(crate) struct Stacks {
    /// Start, end, and whether it is the main thread's, which grows by itself.
    writable: Vec<(u64, u64, bool)>,
}

impl Stacks {
    /// Of process `pid`, now; none if it is gone.
    pub(crate) fn read(pid: i32) -> Stacks {
        Stacks::parse(&std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default())
    }

    fn parse(maps: &str) -> Stacks {
        let range = |line: &str| {
            let (start, rest) = line.split_once('-')?;
            let (end, rest) = rest.split_once(' ')?;
            let range = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
            rest.starts_with("rw").then_some((range.0, range.1, line.ends_with("[stack]")))
        };
        Stacks { writable: maps.lines().filter_map(range).collect() }
    }

    /// Bytes below `stack_pointer`; 0 where the stack is not the thread's own.
    ///
    /// The C libraries put what a thread's fs base points to at the upper end of its stack, in the same mapping.
    pub(crate) fn room(&self, stack_pointer: u64, fs_base: u64) -> u64 {
        let holds = |&&(start, end, _): &&(u64, u64, bool)| (start..end).contains(&stack_pointer);
        match self.writable.iter().find(holds) {
            Some((_, _, true)) => u64::MAX,
            Some(&(start, end, _)) if stack_pointer < fs_base && fs_base < end => stack_pointer - start,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stack_of_its_own_has_room() {
        let stacks = Stacks::parse(
            "1000-2000 r-xp 00000000 00:00 0\n\
             10000-90000 rw-p 00000000 00:00 0\n\
             a0000-b0000 rw-p 00000000 00:00 0 [heap]\n\
             7ff000-800000 rw-p 00000000 00:00 0                          [stack]\n",
        );
        assert_eq!(stacks.room(0x80000, 0x8f700), 0x70000, "a thread's");
        assert_eq!(stacks.room(0x7ff800, 0x8f700), u64::MAX, "the main thread's");
        assert_eq!(stacks.room(0xa8000, 0x8f700), 0, "a coroutine's, in the heap");
        assert_eq!(stacks.room(0x8f800, 0x8f700), 0, "above what ends a stack");
        assert_eq!(stacks.room(0x1800, 0x8f700), 0, "nowhere");
    }
}
