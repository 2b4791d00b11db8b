//! Panics of a library as values: what decodes a hostile file may give up in its own way, and nobody is to see that.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What `work` returns, or `None` where it panicked. Other threads' panics are shown as ever.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Option<T> {
    // The hook is the process's: ours stays, and steps aside for all that is not under this function.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let shown = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                shown(info);
            }
        }));
    });
    QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_value() {
        assert_eq!(catch(|| 1), Some(1));
        assert_eq!(catch(|| Vec::<u8>::new()[std::hint::black_box(3)]), None);
        assert!(!QUIET.get());
    }
}
