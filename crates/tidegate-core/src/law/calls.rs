//! What the laws have in common that look at calls and not at a pool.

mod bounds;

pub(super) use bounds::Bounds;
