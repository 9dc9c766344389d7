//! Admission without waiting: a call gets its permits at once or is refused.

mod layer;
mod service;

pub mod future;

pub use layer::ShedLayer;
pub use service::Shed;
