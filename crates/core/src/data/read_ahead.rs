//! Threads that fetch what will be wanted next while the caller is busy.

use crate::{Error, Result};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// More would take cores from the training step without need: two decode faster than it learns.
const MAX_THREADS: usize = 4;

/// Fetches items by number; what was fetched is handed out once. Memory holds what [`ReadAhead::want`] named, no more.
pub struct ReadAhead<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    queue: Mutex<Queue<T>>,
    changed: Condvar,
}

struct Queue<T> {
    /// Not begun, soonest first.
    wanted: VecDeque<(usize, Fetch<T>)>,
    begun: HashSet<usize>,
    ready: HashMap<usize, Result<T>>,
    closed: bool,
}

type Fetch<T> = Box<dyn FnOnce() -> Result<T> + Send>;

impl<T: Send + 'static> ReadAhead<T> {
    /// Where no thread can be had, as in WebAssembly, [`Self::take`] does all the work.
    pub fn new() -> Self {
        let queue = Queue { wanted: VecDeque::new(), begun: HashSet::new(), ready: HashMap::new(), closed: false };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), changed: Condvar::new() });
        for _ in 0..threads() {
            let shared = shared.clone();
            let thread = std::thread::Builder::new().name("emberwing-data".into());
            if thread.spawn(move || shared.work()).is_err() {
                break;
            }
        }
        Self { shared }
    }

    /// Items that will be taken soon, in this order; others that lie ready are given up.
    pub fn want(&self, items: impl IntoIterator<Item = (usize, Fetch<T>)>) {
        let mut queue = self.shared.lock();
        let mut ready = std::mem::take(&mut queue.ready);
        let mut wanted = VecDeque::new();
        for (index, fetch) in items {
            match ready.remove(&index) {
                Some(item) => {
                    queue.ready.insert(index, item);
                }
                None if queue.begun.contains(&index) => {}
                None => wanted.push_back((index, fetch)),
            }
        }
        queue.wanted = wanted;
        self.shared.changed.notify_all();
    }

    /// An item: as fetched ahead, or fetched now.
    pub fn take(&self, index: usize, fetch: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut queue = self.shared.lock();
        while queue.begun.contains(&index) {
            queue = self.shared.wait(queue);
        }
        if let Some(item) = queue.ready.remove(&index) {
            return item;
        }
        queue.wanted.retain(|(wanted, _)| *wanted != index);
        drop(queue);
        fetch()
    }
}

impl<T> Shared<T> {
    fn work(&self) {
        let mut queue = self.lock();
        while !queue.closed {
            let Some((index, fetch)) = queue.wanted.pop_front() else {
                queue = self.wait(queue);
                continue;
            };
            queue.begun.insert(index);
            drop(queue);
            // A decoder that panics must not leave its caller waiting.
            let panicked = |_| Err(Error::Internal(format!("reading item {index} failed")));
            let item = catch_unwind(AssertUnwindSafe(fetch)).unwrap_or_else(panicked);
            queue = self.lock();
            queue.begun.remove(&index);
            queue.ready.insert(index, item);
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue<T>>) -> MutexGuard<'a, Queue<T>> {
        self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for ReadAhead<T> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl<T> fmt::Debug for ReadAhead<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ReadAhead").finish_non_exhaustive()
    }
}

fn threads() -> usize {
    if cfg!(target_family = "wasm") {
        return 0;
    }
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_THREADS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn counted(calls: &Arc<AtomicUsize>, index: usize) -> Fetch<usize> {
        let calls = calls.clone();
        Box::new(move || {
            calls.fetch_add(1, Ordering::SeqCst);
            if index == 13 { Err(Error::file("13", "unlucky")) } else { Ok(index * 10) }
        })
    }

    #[test]
    fn what_is_wanted_is_fetched_once_and_handed_out_in_any_order() {
        let calls = Arc::new(AtomicUsize::new(0));
        let ahead = ReadAhead::new();
        for round in 0..50 {
            ahead.want((0..20).map(|index| (index, counted(&calls, index))));
            for index in (0..20).rev() {
                let item = ahead.take(index, counted(&calls, index));
                if index == 13 { assert!(item.is_err()) } else { assert_eq!(item, Ok(index * 10)) }
            }
            assert_eq!(calls.load(Ordering::SeqCst), (round + 1) * 20);
        }
    }

    #[test]
    fn what_was_not_wanted_is_fetched_at_once_and_what_is_wanted_no_longer_is_given_up() {
        let calls = Arc::new(AtomicUsize::new(0));
        let ahead = ReadAhead::new();
        assert_eq!(ahead.take(5, counted(&calls, 5)), Ok(50));
        ahead.want((0..3).map(|index| (index, counted(&calls, index))));
        for index in 0..3 {
            ahead.take(index, counted(&calls, index)).unwrap();
        }
        ahead.want((3..6).map(|index| (index, counted(&calls, index))));
        ahead.want(std::iter::empty());
        let queue = ahead.shared.lock();
        assert!(queue.wanted.is_empty() && queue.ready.is_empty());
    }

    #[test]
    fn a_panic_while_reading_ahead_is_an_error_of_that_item() {
        let ahead = ReadAhead::<usize>::new();
        ahead.want([(0, Box::new(|| -> Result<usize> { panic!("a broken decoder") }) as Fetch<usize>)]);
        while !ahead.shared.lock().ready.contains_key(&0) {
            std::thread::yield_now();
        }
        assert!(matches!(ahead.take(0, || Ok(1)), Err(Error::Internal(_))));
    }
}
