//! The threads of the WebAssembly module: workers of JavaScript that share its memory and join one by one.
//!
//! rayon does this on other machines. Here a panic ends a worker without unwinding, after which rayon would wait for it forever; these
//! threads are told of it by JavaScript, and whoever waits stops with a message.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Threads that help whoever runs jobs.
pub struct Threads {
    state: Mutex<State>,
    /// There is new work.
    started: Condvar,
    /// A thread has left the work.
    left: Condvar,
}

struct State {
    work: Option<Pointer>,
    /// Number of the work, so that a thread takes part in each once.
    round: u64,
    /// Threads that take part.
    at_work: usize,
    /// Whether a thread has ended in the middle of a job, whose result is missing.
    lost: bool,
}

/// Jobs that are shared out one by one.
struct Work<'a> {
    job: &'a (dyn Fn(usize) + Sync),
    jobs: usize,
    next: AtomicUsize,
}

impl State {
    fn assert_whole(&self) {
        assert!(!self.lost, "a thread of the module has ended with a failure, which the console tells");
    }
}

#[derive(Clone, Copy)]
struct Pointer(*const Work<'static>);

// SAFETY: it is only read between `enter` and `leave`, which `end` waits for before the work goes.
unsafe impl Send for Pointer {}

impl Work<'_> {
    fn take_part(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.jobs {
                return;
            }
            (self.job)(index);
        }
    }
}

/// The threads of this module.
#[cfg(target_family = "wasm")]
pub static THREADS: Threads = Threads::new();

impl Threads {
    const fn new() -> Self {
        let state = State { work: None, round: 0, at_work: 0, lost: false };
        Threads { state: Mutex::new(state), started: Condvar::new(), left: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `job(0)`, …, `job(jobs - 1)` on the caller and on every thread that has joined.
    pub fn run(&self, jobs: usize, job: &(dyn Fn(usize) + Sync)) {
        let work = Work { job, jobs, next: AtomicUsize::new(0) };
        if jobs > 1 && self.start(&work) {
            let end = End(self);
            work.take_part();
            drop(end);
            self.lock().assert_whole();
        } else {
            work.take_part();
        }
    }

    /// Offers the work to the threads, unless they have some already, of which the caller's job is one.
    fn start(&self, work: &Work<'_>) -> bool {
        let mut state = self.lock();
        state.assert_whole();
        if state.work.is_some() || state.at_work > 0 {
            return false;
        }
        state.work = Some(Pointer(core::ptr::from_ref(work).cast()));
        state.round += 1;
        drop(state);
        self.started.notify_all();
        true
    }

    /// Takes the work back, and waits for those who are still at it.
    fn end(&self) {
        let mut state = self.lock();
        state.work = None;
        while state.at_work > 0 {
            state = self.left.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Makes the caller one of the threads, for as long as it lives.
    pub fn join(&self) -> ! {
        let mut seen = 0;
        loop {
            let work = self.enter(&mut seen);
            // SAFETY: the work stays until `leave`.
            unsafe { (*work.0).take_part() };
            self.leave(false);
        }
    }

    /// Waits for work that was not `seen` yet.
    fn enter(&self, seen: &mut u64) -> Pointer {
        let mut state = self.lock();
        loop {
            match state.work {
                Some(work) if state.round != *seen => {
                    *seen = state.round;
                    state.at_work += 1;
                    return work;
                }
                _ => state = self.started.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn leave(&self, lost: bool) {
        let mut state = self.lock();
        state.at_work -= 1;
        state.lost |= lost;
        drop(state);
        self.left.notify_all();
    }

    /// Says that a thread has ended in the middle of a job: the call that waits for it, and all later ones, fail.
    pub fn lose(&self) {
        self.leave(true);
    }
}

/// Ends the work also when a job of the caller panics.
struct End<'a>(&'a Threads);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// Threads that join, as JavaScript's do: one that fails is reported.
    fn threads(count: usize) -> &'static Threads {
        let threads: &Threads = Box::leak(Box::new(Threads::new()));
        for _ in 0..count {
            std::thread::spawn(|| {
                if catch_unwind(|| threads.join()).is_err() {
                    threads.lose();
                }
            });
        }
        threads
    }

    #[test]
    fn every_job_runs_once_however_many_threads_there_are() {
        for count in [0, 1, 3] {
            let threads = threads(count);
            for jobs in [0, 1, 2, 7, 500].repeat(200) {
                let runs: Vec<_> = (0..jobs).map(|_| AtomicUsize::new(0)).collect();
                threads.run(jobs, &|index| {
                    runs[index].fetch_add(1, Ordering::Relaxed);
                });
                assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
            }
        }
    }

    /// Two jobs that wait for each other need two threads.
    #[test]
    fn jobs_run_at_once() {
        let meeting = std::sync::Barrier::new(2);
        threads(1).run(2, &|_| {
            meeting.wait();
        });
    }

    #[test]
    fn jobs_of_a_job_run_where_it_runs() {
        let count = AtomicUsize::new(0);
        let threads = threads(2);
        threads.run(4, &|_| {
            threads.run(5, &|_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(count.into_inner(), 20);
    }

    /// Two jobs at once, of which the caller's or the other one fails. Gives whether the call did.
    fn call_fails(threads: &Threads, callers_job_fails: bool) -> bool {
        let caller = std::thread::current().id();
        let meeting = std::sync::Barrier::new(2);
        let call = AssertUnwindSafe(|| {
            threads.run(2, &|_| {
                meeting.wait();
                let is_callers = std::thread::current().id() == caller;
                assert!(is_callers != callers_job_fails, "this job fails");
            });
        });
        catch_unwind(call).is_err()
    }

    #[test]
    fn a_lost_thread_ends_the_call_and_all_later_ones() {
        let threads = threads(1);
        assert!(call_fails(threads, false));
        assert!(catch_unwind(AssertUnwindSafe(|| threads.run(2, &|_| {}))).is_err());
    }

    #[test]
    fn a_job_that_fails_for_the_caller_leaves_the_threads_as_they_were() {
        let threads = threads(1);
        assert!(call_fails(threads, true));
        let meeting = std::sync::Barrier::new(2);
        threads.run(2, &|_| {
            meeting.wait();
        });
    }
}
