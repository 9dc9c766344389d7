//! Admission when a service becomes ready.

mod layer;
mod service;

pub mod future;

pub use layer::LimitLayer;
pub use service::Limit;
