use tidegate_core::{ConfigError, ControlLaw, Fixed, PoolAimd, PoolAimdConfig, PoolAimdConstants};

use crate::BuildError;

/// The control law of a limiter, with its settings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LawSettings {
    /// From the pool's wait and its free connections; see [`PoolAimd`]. It needs a pool.
    PoolAimd(PoolAimdConfig),
    /// One limit for ever.
    Fixed {
        /// The limit, in permits: 1 to 1,048,575. No default: nobody but you knows it.
        limit: u32,
    },
    /// A law of your own, given as a value with [`LimiterBuilder::law`](crate::LimiterBuilder::law); its settings are its own
    /// matter.
    Custom,
}

impl Default for LawSettings {
    fn default() -> Self {
        Self::PoolAimd(PoolAimdConfig::default())
    }
}

impl LawSettings {
    pub(super) fn check(&self, pool_max: Option<u32>) -> Result<(), ConfigError> {
        match self {
            Self::PoolAimd(config) => config.check(pool_max),
            Self::Fixed { limit } => Fixed::new(*limit).map(drop),
            Self::Custom => Ok(()),
        }
    }

    /// The law, for a pool of that size; `given` is the law for [`Custom`](Self::Custom).
    ///
    /// # Errors
    ///
    /// If a setting is outside its range, or if what the law needs is missing: a pool, or the law itself.
    pub(crate) fn build(
        &self,
        pool_max: Option<u32>,
        given: Option<Box<dyn ControlLaw>>,
        constants: PoolAimdConstants,
    ) -> Result<Box<dyn ControlLaw>, BuildError> {
        Ok(match self {
            Self::PoolAimd(config) => {
                let pool_max = pool_max.ok_or(BuildError::NO_POOL)?;
                Box::new(PoolAimd::with_constants(*config, constants, pool_max)?)
            }
            Self::Fixed { limit } => Box::new(Fixed::new(*limit)?),
            Self::Custom => given.ok_or(BuildError::NO_LAW)?,
        })
    }
}
