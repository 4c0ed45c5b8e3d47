//! Work beside requests: on a thread of its own, which gives way to them and ends with what it needed.

use std::panic::resume_unwind;
use std::thread;

/// Does something on a thread of its own and waits for it.
///
/// Policies are read into trees that are many times as large as what is kept of them. The allocator keeps such memory
/// for the thread that freed it, and gives it back to the system when that thread ends.
pub(super) fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

/// Where others want a whole processor, a thread of this niceness has a tenth of it (`sched(7)`, "The nice value").
///
/// Less would keep new policies waiting for minutes on a machine that is busy.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// From now on this thread lets others go first.
///
/// Compiling thousands of policies takes a good part of a second, and on a small machine requests would share their
/// processor with it. The kernel weighs threads of one container against each other only, so neighbours gain nothing.
pub(super) fn give_way() {
    // On Linux this is about one thread. A thread that may not is no slower than before.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICENESS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_aside_is_handed_back() {
        let text = "lent".to_owned();
        assert_eq!(aside(|| text.len()), 4);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_thread_that_asked_gives_way() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let aside_niceness = aside(|| {
            give_way();
            niceness()
        });
        // Nobody gives way more than that.
        let expected = (before + NICENESS).min(19);
        assert_eq!((aside_niceness, niceness()), (expected, before));
    }

    #[test]
    fn a_panic_aside_is_a_panic_here() {
        let panic = std::panic::catch_unwind(|| aside(|| panic!("aside")));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"aside"));
    }
}
