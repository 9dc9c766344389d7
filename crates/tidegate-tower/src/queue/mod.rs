//! Admission when a service is called: the request decides its place in a bounded queue.

mod layer;
mod service;

pub mod future;

pub use layer::QueueLayer;
pub use service::Queue;
