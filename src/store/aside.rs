//! Work beside requests: on a thread of its own, which ends with what it needed.

use std::panic::resume_unwind;
use std::thread;

/// Does something on a thread of its own and waits for it.
///
/// Policies are read into trees that are many times as large as what is kept of them. The allocator keeps such memory
/// for the thread that freed it, and gives it back to the system when that thread ends.
pub(super) fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_aside_is_handed_back() {
        let text = "lent".to_owned();
        assert_eq!(aside(|| text.len()), 4);
    }

    #[test]
    fn a_panic_aside_is_a_panic_here() {
        let panic = std::panic::catch_unwind(|| aside(|| panic!("aside")));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"aside"));
    }
}
