mod config;

pub use config::VegasConfig;
