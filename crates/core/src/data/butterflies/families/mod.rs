//! The kinds that the set is drawn from, in their real families: each function is one kind with its natural variation.

pub mod lycaenids;
pub mod moths;
pub mod nymphalids;
pub mod papilionids;
pub mod pierids;
