//! Long-lived objects behind the bindings: one call at a time, on the one thread that owns burn's objects.

use crate::{Error, Result};
use futures_util::lock::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is large enough that the garbage collector should hear of it.
pub trait Footprint {
    /// Bytes of memory that the object holds now, work under way left out.
    fn bytes(&self) -> usize;
}

/// Shared ownership of an object that can be disposed of.
pub struct Handle<T> {
    /// What the object is called in messages.
    name: &'static str,
    object: Arc<Mutex<Option<T>>>,
    /// What the object held after the last call.
    bytes: Arc<AtomicUsize>,
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self { name: self.name, object: self.object.clone(), bytes: self.bytes.clone() }
    }
}

impl<T: Footprint> Handle<T> {
    pub fn new(name: &'static str, object: T) -> Self {
        let bytes = Arc::new(AtomicUsize::new(object.bytes()));
        Self { name, object: Arc::new(Mutex::new(Some(object))), bytes }
    }

    /// Bytes that the object holds, without waiting for the call that works on it.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Works on the object. For use inside of [`run`], which puts the work on the right thread.
    pub async fn with<R>(&self, work: impl AsyncFnOnce(&mut T) -> Result<R>) -> Result<R> {
        match self.object.lock().await.as_mut() {
            Some(object) => {
                let result = work(object).await;
                self.bytes.store(object.bytes(), Ordering::Relaxed);
                result
            }
            None => Err(self.disposed()),
        }
    }

    /// Takes the object out, for good.
    pub async fn take(&self) -> Result<T> {
        let object = self.object.lock().await.take();
        self.bytes.store(0, Ordering::Relaxed);
        object.ok_or_else(|| self.disposed())
    }

    fn disposed(&self) -> Error {
        Error::Disposed { what: self.name.to_string() }
    }
}

#[cfg(not(target_family = "wasm"))]
mod runtime {
    use super::{Error, Handle, Result};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::Ordering;
    use std::sync::{LazyLock, mpsc};

    type Job = Box<dyn FnOnce() + Send>;

    static WORKER: LazyLock<Option<mpsc::Sender<Job>>> = LazyLock::new(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        let worker = std::thread::Builder::new().name("emberwing".into());
        let spawned = worker.spawn(move || jobs.into_iter().for_each(run_in_pool));
        spawned.is_ok().then_some(sender)
    });

    /// Starting from a thread of the pool saves every parallel loop of the job a hand-over.
    fn run_in_pool(job: Job) {
        rayon::scope(|_| job());
    }

    /// Runs `work` on the worker thread, after everything that was asked for before.
    pub async fn run<R, W>(work: W) -> Result<R>
    where
        R: Send + 'static,
        W: AsyncFnOnce() -> Result<R> + Send + 'static,
    {
        let (reply, result) = futures_channel::oneshot::channel();
        let job: Job = Box::new(move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| pollster::block_on(work())));
            // The receiver is gone when nobody waits for the result any more.
            let _ = reply.send(outcome.unwrap_or_else(|panic| Err(describe(panic))));
        });
        let stopped = || Error::Internal("the worker thread has stopped".into());
        let worker = WORKER.as_ref().ok_or_else(stopped)?;
        worker.send(job).map_err(|_| stopped())?;
        result.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn describe(panic: Box<dyn std::any::Any + Send>) -> Error {
        let panic = match panic.downcast::<Error>() {
            Ok(error) => return *error,
            Err(panic) => panic,
        };
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a calculation failed");
        Error::Internal(text.to_string())
    }

    /// Keeps Rust's own report of a panic off the terminal: the panic reaches the caller as an error.
    pub fn silence_panics() {
        std::panic::set_hook(Box::new(|_| {}));
    }

    impl<T: Send + 'static> Handle<T> {
        /// Frees the object once the calls before have ended, and the memory that was kept for its work.
        pub fn dispose(&self) {
            let (object, bytes) = (self.object.clone(), self.bytes.clone());
            let free = move || {
                drop(pollster::block_on(object.lock()).take());
                bytes.store(0, Ordering::Relaxed);
                crate::kernels::release_memory();
                crate::device::release_memory();
                crate::recycling_allocator::release_kept_memory();
            };
            if let Some(worker) = WORKER.as_ref() {
                // The worker only stops with the process, when memory is freed anyway.
                let _ = worker.send(Box::new(free));
            }
        }
    }
}

#[cfg(target_family = "wasm")]
mod runtime {
    use super::{Handle, Result};
    use std::sync::atomic::Ordering;

    /// Runs `work` in place.
    pub async fn run<R, W: AsyncFnOnce() -> Result<R>>(work: W) -> Result<R> {
        work().await
    }

    impl<T: 'static> Handle<T> {
        /// Frees the object; a call that is under way keeps it until it ends.
        pub fn dispose(&self) {
            if let Some(mut object) = self.object.try_lock() {
                drop(object.take());
                self.bytes.store(0, Ordering::Relaxed);
                crate::device::release_memory();
            }
        }
    }
}

pub use runtime::*;
