//! AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) as `torch.optim.AdamW` computes it, in one sweep over memory together with
//! the scaling of clipped gradients.

use core::ops::Range;

use super::parallel::{Shared, parallel_for};
use super::simd::{Simd, isa_entry};

/// The numbers of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    pub learning_rate: f64,
    pub betas: (f64, f64),
    pub epsilon: f64,
    pub weight_decay: f64,
    /// 1 for the first step.
    pub step: u32,
    /// What gradients are multiplied by first: the clipping factor, or 1.
    pub gradient_scale: f32,
}

/// One parameter with its gradient and moments, all of the same length.
pub struct Parameter<'a> {
    pub value: &'a mut [f32],
    pub gradient: &'a [f32],
    pub first_moment: &'a mut [f32],
    pub second_moment: &'a mut [f32],
}

/// Floats of one job.
const CHUNK: usize = 1 << 14;

impl AdamW {
    /// ```text
    /// p ← p (1 - lr λ);  m ← m + (1 - β₁) (g - m);  v ← β₂ v + (1 - β₂) g²
    /// p ← p - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)
    /// ```
    pub fn update(&self, parameter: Parameter) {
        let len = parameter.value.len();
        let gradient = parameter.gradient;
        assert_eq!((gradient.len(), parameter.first_moment.len()), (len, len), "AdamW");
        assert_eq!(parameter.second_moment.len(), len, "AdamW");
        let numbers = Numbers::new(self);
        let value = Shared::new(parameter.value);
        let moments = [Shared::new(parameter.first_moment), Shared::new(parameter.second_moment)];
        parallel_for(len.div_ceil(CHUNK), |chunk| {
            let range = chunk * CHUNK..len.min((chunk + 1) * CHUNK);
            // SAFETY: each job has its own chunk of slices of one length.
            unsafe { sweep(&Job { numbers, value, gradient, moments, range }) };
        });
    }
}

/// The constants of [`AdamW::update`], rounded from double precision once.
#[derive(Clone, Copy)]
struct Numbers {
    gradient_scale: f32,
    keep: f32,
    first_rate: f32,
    second_keep: f32,
    second_rate: f32,
    root_correction: f32,
    epsilon: f32,
    step_size: f32,
}

impl Numbers {
    fn new(adamw: &AdamW) -> Self {
        let (beta_1, beta_2) = adamw.betas;
        let correction = |beta: f64| 1.0 - beta.powf(adamw.step as f64);
        Numbers {
            gradient_scale: adamw.gradient_scale,
            keep: (1.0 - adamw.learning_rate * adamw.weight_decay) as f32,
            first_rate: (1.0 - beta_1) as f32,
            second_keep: beta_2 as f32,
            second_rate: (1.0 - beta_2) as f32,
            root_correction: correction(beta_2).sqrt() as f32,
            epsilon: adamw.epsilon as f32,
            step_size: (adamw.learning_rate / correction(beta_1)) as f32,
        }
    }
}

struct Job<'a> {
    numbers: Numbers,
    value: Shared<'a>,
    gradient: &'a [f32],
    moments: [Shared<'a>; 2],
    range: Range<usize>,
}

isa_entry! {
    unsafe fn sweep(job: &Job<'_>) = body;
}

#[inline(always)]
unsafe fn body<S: Simd>(s: S, job: &Job<'_>) {
    let n = job.numbers;
    let mut i = job.range.start;
    while i < job.range.end {
        let lanes = S::LANES.min(job.range.end - i);
        // SAFETY: `lanes` floats from `i` on exist in every slice and are this job's.
        unsafe {
            let (p_at, m_at, v_at) =
                (job.value.pointer().add(i), job.moments[0].pointer().add(i), job.moments[1].pointer().add(i));
            let g = s.mul(s.load_lanes(job.gradient.as_ptr().add(i), lanes), s.splat(n.gradient_scale));
            let m = s.load_lanes(m_at, lanes);
            let m = s.fma(s.splat(n.first_rate), s.sub(g, m), m);
            let v = s.mul(s.load_lanes(v_at, lanes), s.splat(n.second_keep));
            let v = s.fma(s.mul(g, s.splat(n.second_rate)), g, v);
            let denominator = s.add(s.div(s.sqrt(v), s.splat(n.root_correction)), s.splat(n.epsilon));
            let p = s.mul(s.load_lanes(p_at, lanes), s.splat(n.keep));
            let p = s.fma(s.splat(-n.step_size), s.div(m, denominator), p);
            s.store_lanes(m_at, lanes, m);
            s.store_lanes(v_at, lanes, v);
            s.store_lanes(p_at, lanes, p);
        }
        i += S::LANES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::Isa;
    use crate::kernels::cpu::reference::{Noise, assert_close};

    /// Three steps against the formula in double precision.
    #[test]
    fn three_steps() {
        let len = 20_003;
        Isa::for_each(|isa| {
            let mut noise = Noise::new(17);
            let mut p = noise.vec(len);
            let (mut m, mut v) = (vec![0.0; len], vec![0.0; len]);
            let wide = |x: &[f32]| x.iter().map(|&x| x as f64).collect::<Vec<_>>();
            let (mut ep, mut em, mut ev) = (wide(&p), vec![0.0; len], vec![0.0; len]);
            for step in 1..=3 {
                let g = noise.vec(len);
                let adamw = AdamW {
                    learning_rate: 1e-2,
                    betas: (0.95, 0.999),
                    epsilon: 1e-8,
                    weight_decay: 0.1,
                    step,
                    gradient_scale: 0.5,
                };
                adamw.update(Parameter { value: &mut p, gradient: &g, first_moment: &mut m, second_moment: &mut v });
                for i in 0..len {
                    let g = g[i] as f64 * 0.5;
                    ep[i] *= 1.0 - 1e-2 * 0.1;
                    em[i] = 0.95 * em[i] + 0.05 * g;
                    ev[i] = 0.999 * ev[i] + 0.001 * g * g;
                    let denominator = (ev[i] / (1.0 - 0.999f64.powi(step as i32))).sqrt() + 1e-8;
                    ep[i] -= 1e-2 * em[i] / (1.0 - 0.95f64.powi(step as i32)) / denominator;
                }
            }
            for (name, actual, expected) in [("p", &p, &ep), ("m", &m, &em), ("v", &v, &ev)] {
                assert_close(actual, expected, 1e-6, &format!("{name} {isa:?}"));
            }
        });
    }
}
