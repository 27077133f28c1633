//! Scaled dot-product attention over heads, `o = softmax(q kᵀ / √d) v`, without storing the scores (Rabe and Staats 2021,
//! arXiv:2112.05682): the forward pass saves one logarithm of a sum per query, the backward pass computes the scores again.
//!
//! One lane of a vector is one query (or one key, where the gradient of keys is summed), so that the softmax and both products run
//! down the lanes without ever summing across them, for any head dimension.

mod backward;
mod forward;
mod lanes;

pub use backward::{AttentionGradients, attention_gradient};
pub use forward::attention;

/// Extents: queries are `[batch][queries][heads * dim]`, keys and values `[batch][keys][heads * dim]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    pub batch: usize,
    pub queries: usize,
    pub keys: usize,
    pub heads: usize,
    pub dim: usize,
}

impl AttentionShape {
    fn channels(&self) -> usize {
        self.heads * self.dim
    }

    fn scale(&self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }

    fn assert(&self, q: &[f32], k: &[f32], v: &[f32], o: &[f32], logsumexp: &[f32]) {
        let (queries, keys) = (self.batch * self.queries * self.channels(), self.batch * self.keys * self.channels());
        assert_eq!((q.len(), o.len()), (queries, queries), "attention queries");
        assert_eq!((k.len(), v.len()), (keys, keys), "attention keys and values");
        assert_eq!(logsumexp.len(), self.batch * self.heads * self.queries, "attention logsumexp");
    }

    /// Parts the tokens of one head are cut into, so that a few long sequences still make enough jobs.
    fn parts(&self, tokens: usize) -> usize {
        const JOBS: usize = 16;
        const TOKENS: usize = 128;
        JOBS.div_ceil((self.batch * self.heads).max(1)).min(tokens.div_ceil(TOKENS)).max(1)
    }

    /// The rows of one head: `tokens x dim`, a row every `channels` floats.
    fn head(&self, image: usize, head: usize, tokens: usize) -> lanes::Head {
        lanes::Head {
            offset: image * tokens * self.channels() + head * self.dim,
            stride: self.channels(),
            tokens,
            dim: self.dim,
        }
    }
}

#[cfg(test)]
mod tests;
