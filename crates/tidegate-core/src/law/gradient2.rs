mod config;

pub use config::Gradient2Config;
