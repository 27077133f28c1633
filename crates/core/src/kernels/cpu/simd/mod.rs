//! A deliberately small vector trait: every kernel is written once against [`Simd`] and compiled for each
//! instruction set behind the [`isa_entry`] macro.
//!
//! Two rules keep the kernels fast. Everything generic over `S: Simd` is `#[inline(always)]`, so that it takes on the target
//! features of the entry point it is inlined into; and kernels use loops and macros, never closures, because a closure
//! does not inherit those features and turns each vector instruction into a function call (about 100 times slower).

#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

use core::sync::atomic::{AtomicU8, Ordering};

#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use scalar::Scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) use wasm::Simd128;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

/// Rows of buffers that kernels share are padded to this many floats, a multiple of every instruction set's lanes.
pub(crate) const ALIGN: usize = 16;

/// `n` rounded up to a whole number of the widest vectors.
pub(crate) fn padded(n: usize) -> usize {
    n.next_multiple_of(ALIGN)
}

/// One instruction set. A value of the type is the proof that the processor has it, so arithmetic is safe;
/// only memory access through pointers is not.
pub(crate) trait Simd: Copy {
    /// A vector register of `LANES` floats.
    type V: Copy;
    const LANES: usize;
    /// Rows of a register tile of the matrix kernel (see `microkernel`): 4 or 6.
    const TILE_ROWS: usize = 6;
    /// Vectors side by side in it.
    const TILE_VECTORS: usize;
    /// Steps of its depth that are written out.
    const TILE_STEPS: usize = 4;

    fn splat(self, x: f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    fn sqrt(self, a: Self::V) -> Self::V;
    /// `a < b ? a : b`.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a > b ? a : b`.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, in one rounding where the instruction set has it.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `2^n` for lanes holding whole numbers in `[-126, 128]`, infinity for 128.
    fn pow2(self, n: Self::V) -> Self::V;

    /// # Safety
    /// `LANES` floats must be readable at `p`.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// # Safety
    /// `LANES` floats must be writable at `p`.
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// Stores past the caches.
    /// # Safety
    /// `LANES` floats must be writable at `p`, which must be aligned to the vector.
    #[inline(always)]
    unsafe fn stream(self, p: *mut f32, v: Self::V) {
        // SAFETY: the caller's promise.
        unsafe { self.store(p, v) }
    }
    /// Loads the first `n <= LANES` lanes, the others are zero.
    /// # Safety
    /// `n` floats must be readable at `p`.
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> Self::V {
        let mut lanes = [0.0; ALIGN];
        // SAFETY: the caller's promise, and `lanes` holds the widest vector.
        unsafe {
            core::ptr::copy_nonoverlapping(p, lanes.as_mut_ptr(), n);
            self.load(lanes.as_ptr())
        }
    }
    /// Stores the first `n <= LANES` lanes.
    /// # Safety
    /// `n` floats must be writable at `p`.
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize, v: Self::V) {
        let mut lanes = [0.0; ALIGN];
        // SAFETY: the caller's promise, and `lanes` holds the widest vector.
        unsafe {
            self.store(lanes.as_mut_ptr(), v);
            core::ptr::copy_nonoverlapping(lanes.as_ptr(), p, n);
        }
    }

    /// A vector, or only its first `n < LANES` lanes at the end of a row.
    /// # Safety
    /// `n` floats must be readable at `p`.
    #[inline(always)]
    unsafe fn load_lanes(self, p: *const f32, n: usize) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { if n >= Self::LANES { self.load(p) } else { self.load_first(p, n) } }
    }
    /// Stores a vector, or only its first `n < LANES` lanes at the end of a row.
    /// # Safety
    /// `n` floats must be writable at `p`.
    #[inline(always)]
    unsafe fn store_lanes(self, p: *mut f32, n: usize, v: Self::V) {
        // SAFETY: the caller's promise.
        unsafe { if n >= Self::LANES { self.store(p, v) } else { self.store_first(p, n, v) } }
    }

    /// `e^x` to about 1e-7 relative; `e^-87` below -87, infinity above 88.37: `2^n e^r` with `n = round(x / ln 2)`
    /// and a polynomial for `|r| <= ln 2 / 2` (Cephes `expf`).
    #[inline(always)]
    fn exp(self, x: Self::V) -> Self::V {
        // The second operand is the one that survives when it is not a number.
        let x = self.max(self.splat(-87.0), self.min(self.splat(89.0), x));
        // Adding and subtracting 1.5 * 2^23 rounds to a whole number.
        let magic = self.splat(12_582_912.0);
        let n = self.sub(self.fma(x, self.splat(core::f32::consts::LOG2_E), magic), magic);
        let r = self.fma(n, self.splat(-0.693_359_4), x);
        let r = self.fma(n, self.splat(2.121_944_4e-4), r);
        let mut p = self.splat(1.987_569_1e-4);
        p = self.fma(p, r, self.splat(1.398_199_9e-3));
        p = self.fma(p, r, self.splat(8.333_452e-3));
        p = self.fma(p, r, self.splat(4.166_579_6e-2));
        p = self.fma(p, r, self.splat(1.666_666_5e-1));
        p = self.fma(p, r, self.splat(0.5));
        let p = self.fma(self.mul(r, r), p, self.add(r, self.splat(1.0)));
        self.mul(p, self.pow2(n))
    }

    /// The logistic function `1 / (1 + e^-x)`.
    #[inline(always)]
    fn sigmoid(self, x: Self::V) -> Self::V {
        let one = self.splat(1.0);
        self.div(one, self.add(one, self.exp(self.sub(self.splat(0.0), x))))
    }

    /// `d/dx x σ(x) = σ(x) (1 + x (1 - σ(x)))`.
    #[inline(always)]
    fn silu_derivative(self, x: Self::V) -> Self::V {
        let (one, sigmoid) = (self.splat(1.0), self.sigmoid(x));
        self.mul(sigmoid, self.fma(x, self.sub(one, sigmoid), one))
    }
}

/// Asks for the cache line of `p`, which may be any address, in the second-level cache.
#[inline(always)]
pub(crate) fn prefetch(p: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint; nothing is accessed.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T1 }>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// The instruction sets kernels are compiled for; not every one exists on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Isa {
    Scalar = 1,
    Simd128 = 2,
    Neon = 3,
    Avx2 = 4,
    Avx512 = 5,
}

/// `Isa as u8` in use, 0 until the first kernel runs.
static CURRENT: AtomicU8 = AtomicU8::new(0);

impl Isa {
    const ALL: [Isa; 5] = [Isa::Scalar, Isa::Simd128, Isa::Neon, Isa::Avx2, Isa::Avx512];

    /// The instruction set kernels run with: the one `EMBERWING_SIMD` (`scalar`, `neon`, `avx2`, `avx512`) names if the machine has
    /// it, otherwise the widest one there is. Decided once.
    pub fn current() -> Isa {
        let current = CURRENT.load(Ordering::Relaxed);
        match Isa::ALL.into_iter().find(|isa| *isa as u8 == current) {
            Some(isa) => isa,
            None => Isa::initialise(),
        }
    }

    #[cold]
    fn initialise() -> Isa {
        let wanted = Isa::from_environment().filter(|isa| isa.available());
        let widest = Isa::ALL.into_iter().rev().find(|isa| isa.available());
        let isa = wanted.or(widest).unwrap_or(Isa::Scalar);
        CURRENT.store(isa as u8, Ordering::Relaxed);
        isa
    }

    #[cfg(not(target_family = "wasm"))]
    fn from_environment() -> Option<Isa> {
        match std::env::var("EMBERWING_SIMD").ok()?.as_str() {
            "scalar" => Some(Isa::Scalar),
            "neon" => Some(Isa::Neon),
            "avx2" => Some(Isa::Avx2),
            "avx512" => Some(Isa::Avx512),
            _ => None,
        }
    }

    #[cfg(target_family = "wasm")]
    fn from_environment() -> Option<Isa> {
        None
    }

    /// Whether this machine can run the instruction set.
    pub fn available(self) -> bool {
        match self {
            Isa::Scalar => true,
            Isa::Simd128 => cfg!(all(target_arch = "wasm32", target_feature = "simd128")),
            Isa::Neon => cfg!(target_arch = "aarch64"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                Isa::Avx2.available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => false,
        }
    }

    /// Runs `body` once for every instruction set of this machine; tests that call this take turns.
    #[cfg(test)]
    pub(crate) fn for_each(mut body: impl FnMut(Isa)) {
        static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for isa in Isa::ALL.into_iter().filter(|isa| isa.available()) {
            CURRENT.store(isa as u8, Ordering::Relaxed);
            body(isa);
        }
        CURRENT.store(0, Ordering::Relaxed);
    }
}

/// Defines `unsafe fn name(job)`, which runs `body(token, job)` compiled for the instruction set in use.
macro_rules! isa_entry {
    ($(#[$meta:meta])* $vis:vis unsafe fn $name:ident($job:ident: $ty:ty) = $body:path;) => {
        $(#[$meta])*
        $vis unsafe fn $name($job: $ty) {
            use $crate::kernels::cpu::simd::Isa;
            // SAFETY: `Isa::current` names only instruction sets this machine has; `job` is the caller's promise.
            match Isa::current() {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => {
                    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                    unsafe fn compiled($job: $ty) {
                        unsafe { $body($crate::kernels::cpu::simd::Avx512::new(), $job) }
                    }
                    unsafe { compiled($job) }
                }
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => {
                    #[target_feature(enable = "avx2,fma")]
                    unsafe fn compiled($job: $ty) {
                        unsafe { $body($crate::kernels::cpu::simd::Avx2::new(), $job) }
                    }
                    unsafe { compiled($job) }
                }
                #[cfg(target_arch = "aarch64")]
                Isa::Neon => unsafe { $body($crate::kernels::cpu::simd::Neon::new(), $job) },
                #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
                Isa::Simd128 => unsafe { $body($crate::kernels::cpu::simd::Simd128, $job) },
                _ => unsafe { $body($crate::kernels::cpu::simd::Scalar, $job) },
            }
        }
    };
}
pub(crate) use isa_entry;
