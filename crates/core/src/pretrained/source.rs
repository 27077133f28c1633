//! A file whose bytes are asked for one range after the other, so that it never has to be in memory as a whole.
//!
//! Readers of formats are straight functions that wait for bytes. Whoever opened the file hands these over: a program
//! with a disk, a page with a `Blob`, or memory.

use super::Read;
use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// So much is asked for at once, where the file has it.
const PART: u64 = 4 << 20;

#[derive(Default)]
struct Exchange {
    wanted: Option<Range<u64>>,
    given: Option<Vec<u8>>,
}

type SharedExchange = Arc<Mutex<Exchange>>;

/// The reader's end.
pub(super) struct Source {
    exchange: SharedExchange,
    size: u64,
    /// The bytes that came last, and where they begin.
    part: Vec<u8>,
    part_start: u64,
}

impl Source {
    /// Bytes of the whole file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes in a range. Nothing is allocated for one that the file does not have.
    pub async fn read(&mut self, start: u64, length: u64) -> Read<Vec<u8>> {
        let end = start.checked_add(length).filter(|end| *end <= self.size);
        let (Some(_), Ok(length)) = (end, usize::try_from(length)) else {
            return Err(format!("the file is cut off: {length} bytes from byte {start} expected, {} there", self.size));
        };
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(|_| format!("there is no memory for a tensor of {length} bytes"))?;
        while bytes.len() < length {
            let part = self.part_at(start + bytes.len() as u64).await?;
            bytes.extend_from_slice(&part[..part.len().min(length - bytes.len())]);
        }
        Ok(bytes)
    }

    /// At least one byte from `position` on, which is inside of the file.
    async fn part_at(&mut self, position: u64) -> Read<&[u8]> {
        let held = self.part_start..self.part_start + self.part.len() as u64;
        if !held.contains(&position) {
            let wanted = position..self.size.min(position + PART);
            self.part = Vec::new();
            self.part = self.request(wanted.clone()).await;
            self.part_start = position;
            if self.part.len() as u64 != wanted.end - wanted.start {
                return Err("the file became shorter while it was read".into());
            }
        }
        Ok(&self.part[(position - self.part_start) as usize..])
    }

    async fn request(&self, range: Range<u64>) -> Vec<u8> {
        lock(&self.exchange).wanted = Some(range);
        poll_fn(|_| match lock(&self.exchange).given.take() {
            Some(bytes) => Poll::Ready(bytes),
            None => Poll::Pending,
        })
        .await
    }
}

/// A reader under way.
pub(super) struct Reading<T> {
    exchange: SharedExchange,
    work: Pin<Box<dyn Future<Output = T> + Send>>,
}

pub(super) enum Progress<T> {
    /// These bytes are to be handed over.
    Wants(Range<u64>),
    Done(T),
}

impl<T> Reading<T> {
    /// `read` starts with the first [`go_on`](Self::go_on).
    pub fn new<F: Future<Output = T> + Send + 'static>(size: u64, read: impl FnOnce(Source) -> F) -> Self {
        let exchange = SharedExchange::default();
        let source = Source { exchange: exchange.clone(), size, part: Vec::new(), part_start: 0 };
        Self { exchange, work: Box::pin(read(source)) }
    }

    /// Goes on with the bytes that were wanted; with none at the start.
    pub fn go_on(&mut self, given: Option<Vec<u8>>) -> Progress<T> {
        lock(&self.exchange).given = given;
        match self.work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Progress::Done(result),
            // A reader waits for nothing but bytes.
            Poll::Pending => Progress::Wants(lock(&self.exchange).wanted.take().unwrap_or_default()),
        }
    }
}

fn lock(exchange: &Mutex<Exchange>) -> std::sync::MutexGuard<'_, Exchange> {
    exchange.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_asked_for_in_parts_and_cut_to_size() {
        let size = 3 * PART + 5;
        let byte = |position: u64| (position % 251) as u8;
        let mut reading = Reading::new(size, async move |mut source: Source| {
            let head = source.read(1, 3).await?;
            let middle = source.read(10, 2 * PART).await?;
            let end = source.read(size - 2, 2).await?;
            Ok::<_, String>([head, middle, end])
        });
        let (mut given, mut ranges) = (None, Vec::new());
        let pieces = loop {
            match reading.go_on(given) {
                Progress::Done(pieces) => break pieces.unwrap(),
                Progress::Wants(range) => {
                    ranges.push(range.clone());
                    given = Some(range.map(byte).collect());
                }
            }
        };
        for (piece, start) in pieces.iter().zip([1, 10, size - 2]) {
            assert!(piece.iter().zip(start..).all(|(value, position)| *value == byte(position)));
        }
        assert_eq!(pieces.map(|piece| piece.len() as u64), [3, 2 * PART, 2]);
        assert_eq!(ranges.len(), 4);
        assert!(ranges.iter().all(|range| range.end - range.start <= PART && range.end <= size));
    }

    #[test]
    fn what_the_file_does_not_have_is_refused_before_it_is_asked_for() {
        for (start, length) in [(0, 11), (10, 1), (u64::MAX, 2), (0, u64::MAX)] {
            let mut reading = Reading::new(10, async move |mut source: Source| source.read(start, length).await);
            let Progress::Done(Err(problem)) = reading.go_on(None) else { panic!("{start} {length}") };
            assert!(problem.contains("cut off"), "{problem}");
        }
    }
}
