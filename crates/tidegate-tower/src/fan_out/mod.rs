//! The experts of one job, run at the same time.

mod expert;
mod progress;
mod stream;

pub use progress::{Progress, ProgressWatch};
pub use stream::FanOut;
