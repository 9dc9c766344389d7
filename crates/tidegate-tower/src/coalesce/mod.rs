//! Many calls of one row each become one call of many rows.

mod batch;
mod config;
mod error;
mod layer;
mod service;
mod split;
mod worker;

pub mod future;

pub use config::CoalesceConfig;
pub use error::CoalesceError;
pub use layer::CoalesceLayer;
pub use service::Coalesce;
