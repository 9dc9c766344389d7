use crate::{ConfigChecks, ConfigError, MAX_LIMIT};

/// Settings of [`PoolAimd`](super::PoolAimd). The defaults need no tuning; the bounds are for what you know beforehand.
///
/// ```
/// use tidegate_core::{PoolAimd, PoolAimdConfig};
///
/// let config = PoolAimdConfig::default().max_limit(64).connections_per_call(2);
/// let law = PoolAimd::new(config, 20)?;
///
/// let fault = PoolAimd::new(config.min_limit(65), 20).unwrap_err();
/// assert_eq!(fault.to_string(), "min_limit is 65, allowed is 1 to 64 (max_limit)");
/// # Ok::<(), tidegate_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PoolAimdConfig {
    /// The lowest limit the law may reach, in permits: 1 to `max_limit`. Default 1: with less nothing would run and nothing
    /// would be seen.
    ///
    /// Raising it keeps more work running against a pool that is short of connections.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_LIMIT)))]
    pub min_limit: u32,
    /// The highest limit the law may reach, in permits: `min_limit` to 1,048,575. Default: 100 times the pool's size, which
    /// is no bound for calls that mostly think.
    ///
    /// Lower it to bound memory or another resource the calls use.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_LIMIT), example = 64))]
    pub max_limit: Option<u32>,
    /// The limit before there is evidence, in permits: `min_limit` to `max_limit`. Default: half the pool, which one query a
    /// call cannot overfill, and at most 20.
    ///
    /// It matters for the first second only.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_LIMIT), example = 10))]
    pub initial_limit: Option<u32>,
    /// The most connections one call holds *while it waits for another one*: 1 to the pool's size. Default 1: no call does.
    ///
    /// With c of 2 or more, calls can lock each other out of the pool for ever; at most ⌊(max − 1)/(c − 1)⌋ of them at once
    /// leaves one a connection to finish with, and the limit never exceeds that. Queries of one call that run at the same
    /// time do not count: none of them waits for another one's connection.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub connections_per_call: u32,
}

impl Default for PoolAimdConfig {
    fn default() -> Self {
        Self { min_limit: 1, max_limit: None, initial_limit: None, connections_per_call: 1 }
    }
}

impl PoolAimdConfig {
    /// Sets [`min_limit`](Self#structfield.min_limit).
    #[must_use]
    pub const fn min_limit(mut self, permits: u32) -> Self {
        self.min_limit = permits;
        self
    }

    /// Sets [`max_limit`](Self#structfield.max_limit).
    #[must_use]
    pub const fn max_limit(mut self, permits: u32) -> Self {
        self.max_limit = Some(permits);
        self
    }

    /// Sets [`initial_limit`](Self#structfield.initial_limit).
    #[must_use]
    pub const fn initial_limit(mut self, permits: u32) -> Self {
        self.initial_limit = Some(permits);
        self
    }

    /// Sets [`connections_per_call`](Self#structfield.connections_per_call).
    #[must_use]
    pub const fn connections_per_call(mut self, connections: u32) -> Self {
        self.connections_per_call = connections;
        self
    }

    /// Checks every setting against its range, the others and, if it is known, the pool's size.
    ///
    /// # Errors
    ///
    /// If a setting is outside its range; all of them are named.
    pub fn check(&self, pool_max: Option<u32>) -> Result<(), ConfigError> {
        let mut checks = ConfigChecks::default();
        if let Some(pool_max) = pool_max {
            checks.require(pool_max >= 1, "pool_max", pool_max, "1 or more");
        }
        let max = self.max_limit.unwrap_or(MAX_LIMIT);
        checks.require((1..=MAX_LIMIT).contains(&max), "max_limit", max, format_args!("1 to {MAX_LIMIT}"));
        checks.require(
            (1..=max.max(1)).contains(&self.min_limit),
            "min_limit",
            self.min_limit,
            format_args!("1 to {max} (max_limit)"),
        );
        if let Some(initial) = self.initial_limit {
            checks.require(
                (self.min_limit..=max).contains(&initial),
                "initial_limit",
                initial,
                format_args!("{} (min_limit) to {max} (max_limit)", self.min_limit),
            );
        }
        let connections = self.connections_per_call;
        let is_set = (1..=pool_max.unwrap_or(u32::MAX).max(1)).contains(&connections);
        match pool_max {
            Some(size) => {
                let allowed = format_args!("1 to {size} (the pool's size)");
                checks.require(is_set, "connections_per_call", connections, allowed);
            }
            None => checks.require(is_set, "connections_per_call", connections, "1 to the pool's size"),
        }
        checks.finish(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn faults(config: PoolAimdConfig, pool_max: u32) -> String {
        config.check(Some(pool_max)).unwrap_err().to_string()
    }

    #[test]
    fn every_fault_is_named_with_its_range() {
        let config = PoolAimdConfig::default();
        assert_eq!(config.check(Some(1)), Ok(()));
        assert_eq!(config.check(Some(u32::MAX)), Ok(()));
        assert_eq!(faults(config, 0), "pool_max is 0, allowed is 1 or more");
        assert_eq!(faults(config.min_limit(0), 9), "min_limit is 0, allowed is 1 to 1048575 (max_limit)");
        assert_eq!(
            faults(config.initial_limit(9).max_limit(8), 9),
            "initial_limit is 9, allowed is 1 (min_limit) to 8 (max_limit)"
        );
        assert_eq!(
            faults(config.connections_per_call(10), 9),
            "connections_per_call is 10, allowed is 1 to 9 (the pool's size)"
        );
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let config =
            PoolAimdConfig::default().min_limit(0).max_limit(0).initial_limit(7).connections_per_call(0);
        let error = config.check(Some(20)).unwrap_err();
        let fields: Vec<_> = error.fields().collect();
        assert_eq!(fields, ["max_limit", "min_limit", "initial_limit", "connections_per_call"]);
    }

    #[test]
    fn without_a_pool_only_what_depends_on_it_is_not_checked() {
        let config = PoolAimdConfig::default();
        assert_eq!(config.connections_per_call(u32::MAX).check(None), Ok(()));
        assert_eq!(
            config.connections_per_call(0).min_limit(0).check(None).unwrap_err().to_string(),
            "min_limit is 0, allowed is 1 to 1048575 (max_limit); \
             connections_per_call is 0, allowed is 1 to the pool's size"
        );
    }
}
