use tidegate_core::{
    Aimd, AimdConfig, ConfigError, ControlLaw, Fixed, Follow, FollowConfig, Gradient2, Gradient2Config,
    PoolAimd, PoolAimdConfig, PoolAimdConstants, Vegas, VegasConfig,
};

use crate::BuildError;

/// The control law of a limiter, with its settings.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum LawSettings {
    /// From the pool's wait and its free connections; it needs a pool.
    PoolAimd(PoolAimdConfig),
    /// One limit for ever.
    Fixed {
        /// The limit, in permits: 1 to 1,048,575. No default: nobody but you knows it.
        #[cfg_attr(feature = "schema", schemars(range(min = 1, max = tidegate_core::MAX_LIMIT), example = 10))]
        limit: u32,
    },
    /// From lost calls and, if a target is set, call times: for a service without a pool that refuses what it cannot serve.
    Aimd(AimdConfig),
    /// From call times against their long average: for a service without a pool that refuses nothing.
    Gradient2(Gradient2Config),
    /// From call times against their floor: for a service without a pool in which next to no queue is to stand.
    Vegas(VegasConfig),
    /// From the limit of another limiter, which the builder is given: for jobs, whose experts that one holds.
    Follow(FollowConfig),
    /// A law of your own, given to the builder as a value; its settings are its own matter.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "nothing_more"))]
    Custom,
}

/// Serde lets whatever stands beside the tag of a variant without fields pass.
#[cfg(feature = "serde")]
fn nothing_more<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    let Nothing {} = serde::Deserialize::deserialize(deserializer)?;
    Ok(())
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
            Self::Aimd(config) => config.check(),
            Self::Gradient2(config) => config.check(),
            Self::Vegas(config) => config.check(),
            Self::Follow(config) => config.check(),
            Self::Custom => Ok(()),
        }
    }

    /// The law, for a pool of that size and a leader with that limit; `given` is the law for [`Custom`](Self::Custom).
    ///
    /// # Errors
    ///
    /// If a setting is outside its range, or if what the law needs is missing: a pool, a leader, or the law itself.
    pub(crate) fn build(
        &self,
        pool_max: Option<u32>,
        leader: Option<u32>,
        given: Option<Box<dyn ControlLaw>>,
        constants: PoolAimdConstants,
    ) -> Result<Box<dyn ControlLaw>, BuildError> {
        Ok(match self {
            Self::PoolAimd(config) => {
                let pool_max = pool_max.ok_or(BuildError::NO_POOL)?;
                Box::new(PoolAimd::with_constants(*config, constants, pool_max)?)
            }
            Self::Fixed { limit } => Box::new(Fixed::new(*limit)?),
            Self::Aimd(config) => Box::new(Aimd::new(*config)?),
            Self::Gradient2(config) => Box::new(Gradient2::new(*config)?),
            Self::Vegas(config) => Box::new(Vegas::new(*config)?),
            Self::Follow(config) => Box::new(Follow::new(*config, leader.ok_or(BuildError::NO_LEADER)?)?),
            Self::Custom => given.ok_or(BuildError::NO_LAW)?,
        })
    }
}
