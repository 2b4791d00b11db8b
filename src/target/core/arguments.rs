//! The command line of a process, whole, from the stack it began with: notes have a piece of it at best.
//!
//! There, from low addresses to high, are the number of arguments, their addresses, a zero, those of the variables, a
//! zero, the auxiliary vector (a copy of which is in the notes), then the strings. The process may have written over all
//! of it: what does not fit is no command line.

use super::super::elf::raw::u64_at;

const AT_EXECFN: u64 = 31;
/// Of the auxiliary vector, to be found again: it begins with addresses of this very process.
const MARK: usize = 64;
/// The kernel gives arguments and variables a quarter of the stack's limit, and 6 MiB at most.
pub(super) const MAX_DISTANCE: u64 = 6 << 20;
const MAX_ARGUMENTS: usize = 1024;
const MAX_BYTES: usize = 64 << 10;

/// Where the strings end: the name of the program, by the auxiliary vector.
pub(super) fn end(auxv: &[u8]) -> Option<u64> {
    auxv.chunks_exact(16).find(|entry| u64_at(entry, 0) == Some(AT_EXECFN)).and_then(|entry| u64_at(entry, 8))
}

/// The arguments in `stack`, bytes that are at `start`.
pub(super) fn find(stack: &[u8], start: u64, auxv: &[u8]) -> Option<Vec<String>> {
    let mark = auxv.get(..MARK)?;
    let begin = start.next_multiple_of(8).checked_sub(start)? as usize;
    let at = (begin..stack.len()).step_by(8).find(|&at| stack.get(at..).is_some_and(|rest| rest.starts_with(mark)))?;
    let mut words = (1..).map_while(|back: usize| u64_at(stack, at.checked_sub(back.checked_mul(8)?)?));
    // Behind the variables, then behind the arguments.
    words.next().filter(|&zero| zero == 0)?;
    words.by_ref().find(|&word| word == 0)?;
    let mut addresses = Vec::new();
    loop {
        let word = words.next()?;
        if word == addresses.len() as u64 {
            break;
        }
        if addresses.len() == MAX_ARGUMENTS {
            return None;
        }
        addresses.push(word);
    }
    let mut left = MAX_BYTES;
    let texts = addresses.iter().rev().map(|address| {
        let text = stack.get(usize::try_from(address.checked_sub(start)?).ok()?..)?;
        let text = text.get(..left.min(text.len()))?.split(|&byte| byte == 0).next()?;
        left -= text.len();
        Some(String::from_utf8_lossy(text).into_owned())
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_stack() {
        const START: u64 = 0x7ffd_0000_0004;
        let auxv: Vec<u8> = [33, 0x7ffd_f000, 6, 4096, 9, 0x5555, 31, 0x7000, 0, 0].map(u64::to_le_bytes).concat();
        let stack = |count: u64| {
            let strings = START + 4 + 8 * 7 + auxv.len() as u64;
            let words = [77, count, strings, strings + 3, 0, strings + 5, 0].map(u64::to_le_bytes).concat();
            [&[0; 4], &words[..], &auxv, b"py\0-c\0A=1\0"].concat()
        };
        let found = |stack: &[u8]| find(stack, START, &auxv);
        assert_eq!(found(&stack(2)), Some(vec!["py".to_owned(), "-c".to_owned()]));
        assert_eq!(found(&stack(3)), None, "there are two");
        assert_eq!(found(&stack(2)[20..]), None);
        assert_eq!(found(&[]), None);
        assert_eq!(end(&auxv), Some(0x7000));
    }
}
