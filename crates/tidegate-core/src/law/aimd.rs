mod config;

pub use config::AimdConfig;
