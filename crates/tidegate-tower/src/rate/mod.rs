//! A rate beside the limit: so many starts per period.

mod layer;
mod service;
mod starts;

pub mod future;

pub use layer::RateLayer;
pub use service::Rate;
