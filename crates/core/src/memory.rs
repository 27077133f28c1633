//! What the machine can still give. Asked before everything whose size a caller's numbers decide: an allocation that fails
//! ends the process, and one that the system only promises ends it at the first touch.

use crate::{Error, Result};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Display;

/// Less than this is never refused, so that small requests cost no question.
const ALWAYS: u64 = 32 << 20;

/// Refuses a block that cannot be had: a tensor of `sizes` floats, say, with 4 among the sizes.
pub fn expect_room(what: impl Display, sizes: &[usize]) -> Result<()> {
    expect_block(what, sizes.iter().fold(1u64, |product, &size| product.saturating_mul(size as u64)))
}

/// Refuses a block of so many bytes, more perhaps than there are addresses, that cannot be had.
pub fn expect_block(what: impl Display, bytes: u64) -> Result<()> {
    expect(what, bytes, |bytes| is_available(bytes) && can_be_reserved(bytes))
}

/// Refuses what takes more bytes than can be had, in blocks of any size.
pub fn expect_bytes(what: impl Display, bytes: u64) -> Result<()> {
    // Memory of WebAssembly only grows, and one block of so many bytes may be more than was needed.
    expect(what, bytes, |bytes| is_available(bytes) && (cfg!(target_family = "wasm") || can_be_reserved(bytes)))
}

fn expect(what: impl Display, bytes: u64, fits: impl Fn(u64) -> bool) -> Result<()> {
    if bytes <= ALWAYS || fits(bytes) {
        return Ok(());
    }
    give_back();
    if fits(bytes) {
        return Ok(());
    }
    let left = available().map_or(String::new(), |left| format!(", and {left} are left"));
    Err(Error::OutOfMemory(format!("{what}: {bytes} bytes are needed{left}; ask for less at a time")))
}

fn is_available(bytes: u64) -> bool {
    available().is_none_or(|left| bytes <= left)
}

/// Whether the system would promise so much address space: it knows limits that it does not tell.
fn can_be_reserved(bytes: u64) -> bool {
    let layout = usize::try_from(bytes).ok().and_then(|bytes| Layout::from_size_align(bytes, 64).ok());
    let Some(layout) = layout else { return false };
    // SAFETY: the layout is not empty, and the block is freed with the layout that it was allocated with.
    unsafe {
        let block = System.alloc(layout);
        if !block.is_null() {
            System.dealloc(block, layout);
        }
        !block.is_null()
    }
}

/// Hands back what is only kept for later.
fn give_back() {
    crate::kernels::release_memory();
    #[cfg(not(target_family = "wasm"))]
    crate::recycling_allocator::release_kept_memory();
}

/// Bytes that can be used before the system starts to end processes; none where it does not tell.
#[cfg(target_os = "linux")]
fn available() -> Option<u64> {
    [linux::machine(), linux::control_group()].into_iter().flatten().min()
}

#[cfg(not(target_os = "linux"))]
fn available() -> Option<u64> {
    cfg!(target_family = "wasm").then_some(1 << 32)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::read_to_string;

    /// Main memory without what is in use, and swap space.
    pub fn machine() -> Option<u64> {
        let text = read_to_string("/proc/meminfo").ok()?;
        let kilobytes = |name: &str| value(&text, name, ':').map(|kilobytes| kilobytes * 1024);
        Some(kilobytes("MemAvailable")? + kilobytes("SwapFree").unwrap_or(0))
    }

    /// What the container has left.
    pub fn control_group() -> Option<u64> {
        let number = |path: &str| read_to_string(format!("/sys/fs/cgroup/{path}")).ok()?.trim().parse::<u64>().ok();
        let (limit, used, statistics) = match number("memory.max") {
            Some(limit) => (limit, number("memory.current")?, "memory.stat"),
            None => {
                (number("memory/memory.limit_in_bytes")?, number("memory/memory.usage_in_bytes")?, "memory/memory.stat")
            }
        };
        // Files that the system keeps in memory count as used, and go when the space is needed.
        let text = read_to_string(format!("/sys/fs/cgroup/{statistics}")).unwrap_or_default();
        let cached = value(&text, "inactive_file", ' ').unwrap_or(0);
        Some((limit + cached).saturating_sub(used))
    }

    /// The number behind a name at the beginning of a line.
    fn value(text: &str, name: &str, separator: char) -> Option<u64> {
        let mut pairs = text.lines().filter_map(|line| line.split_once(separator));
        let (_, rest) = pairs.find(|(found, _)| *found == name)?;
        rest.split_whitespace().next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_fit_is_refused_with_its_bytes() {
        let message = |sizes: &[usize]| expect_room("a batch", sizes).unwrap_err().to_string();
        assert!(message(&[1 << 20, 3, 1024, 1024, 4]).starts_with("[OutOfMemory] a batch: 13194139533312 bytes"));
        assert!(message(&[usize::MAX, usize::MAX]).starts_with("[OutOfMemory] a batch: 18446744073709551615 bytes"));
        assert_eq!(expect_room("a batch", &[1 << 10, 1 << 10, 4]), Ok(()));
        assert_eq!(expect_room("a batch", &[0, usize::MAX]), Ok(()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_machine_says_what_it_has() {
        let left = available().unwrap();
        assert!((1 << 20..1 << 50).contains(&left), "{left} bytes");
    }
}
