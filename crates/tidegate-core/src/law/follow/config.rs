use crate::{ConfigChecks, ConfigError, MAX_LIMIT};

/// Settings of [`Follow`](super::Follow).
///
/// ```
/// use tidegate_core::FollowConfig;
///
/// let config = FollowConfig::default().experts_per_job(4).max_limit(20);
/// assert_eq!(config.check(), Ok(()));
///
/// let fault = config.experts_per_job(0).check().unwrap_err();
/// assert_eq!(fault.to_string(), "experts_per_job is 0, allowed is 1 to 1048575");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct FollowConfig {
    /// The permits of the followed limiter that there are to be for each permit of this one: 1 to 1,048,575. Default 2: the
    /// followed limit can then be halved before a job that was admitted is left without an expert at work.
    ///
    /// With 1 as many jobs are started as can each have one expert at work, and all of them take longer. Raise it to the
    /// experts that a job runs at once, and a job is started only if its experts can start with it; fewer jobs then end sooner
    /// each, but permits stand idle when a job is down to its last experts.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_LIMIT)))]
    pub experts_per_job: u32,
    /// The highest limit, in permits: 1 to 1,048,575. Default 100: a job holds memory and its row of the job queue for as long
    /// as it runs, and other processes may have experts to spare for it.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_LIMIT)))]
    pub max_limit: u32,
}

impl Default for FollowConfig {
    fn default() -> Self {
        Self { experts_per_job: 2, max_limit: 100 }
    }
}

impl FollowConfig {
    /// Sets [`experts_per_job`](Self#structfield.experts_per_job).
    #[must_use]
    pub const fn experts_per_job(mut self, permits: u32) -> Self {
        self.experts_per_job = permits;
        self
    }

    /// Sets [`max_limit`](Self#structfield.max_limit).
    #[must_use]
    pub const fn max_limit(mut self, permits: u32) -> Self {
        self.max_limit = permits;
        self
    }

    /// Checks every setting against its range.
    ///
    /// # Errors
    ///
    /// If a setting is outside its range; all of them are named.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut checks = ConfigChecks::default();
        for (name, given) in [("experts_per_job", self.experts_per_job), ("max_limit", self.max_limit)] {
            let is_allowed = (1..=MAX_LIMIT).contains(&given);
            checks.require(is_allowed, name, given, format_args!("1 to {MAX_LIMIT}"));
        }
        checks.finish(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_named_with_its_range_at_once() {
        assert_eq!(FollowConfig::default().check(), Ok(()));
        assert_eq!(FollowConfig::default().experts_per_job(MAX_LIMIT).max_limit(1).check(), Ok(()));
        let bad = FollowConfig::default().experts_per_job(0).max_limit(MAX_LIMIT + 1);
        assert_eq!(
            bad.check().unwrap_err().to_string(),
            "experts_per_job is 0, allowed is 1 to 1048575; max_limit is 1048576, allowed is 1 to 1048575"
        );
    }
}
