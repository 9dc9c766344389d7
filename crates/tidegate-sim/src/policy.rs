use std::fmt;
use std::time::Duration;

use tidegate_core::{AimdConfig, ControlLaw, Gradient2Config, MAX_LIMIT, VegasConfig};
use tidegate_limiter::LimiterBuilder;

use crate::SimError;
use crate::rivals::{MakeRival, RIVALS, RivalLaw};

/// What decides how many experts run at once.
///
/// Every policy runs the real limiter with its real queue; only the law differs.
pub struct Policy {
    name: String,
    law: Law,
}

enum Law {
    Built(Box<dyn Fn(LimiterBuilder) -> LimiterBuilder + Send + Sync>),
    Guarded(Guard),
    Rival(MakeRival),
}

type Guard = fn(LimiterBuilder) -> LimiterBuilder;

/// The laws for services without a pool, with their default settings. What is called as a law of others has guards that the
/// other has not.
const GUARDED: [(&str, Guard); 3] = [
    ("guarded_aimd", |builder| builder.aimd(AimdConfig::default())),
    ("guarded_gradient2", |builder| builder.gradient2(Gradient2Config::default())),
    ("guarded_vegas", |builder| builder.vegas(VegasConfig::default())),
];

impl Policy {
    /// The default law, `default` by name.
    #[must_use]
    pub fn adaptive() -> Self {
        Self::new("default", |builder| builder)
    }

    /// One limit for ever, in permits; `fixed:LIMIT` by name.
    #[must_use]
    pub fn fixed(limit: u32) -> Self {
        Self::new(format!("fixed:{limit}"), move |builder| builder.fixed(limit))
    }

    /// Everybody at once, `none` by name.
    #[must_use]
    pub fn none() -> Self {
        Self::new("none", |builder| builder.fixed(MAX_LIMIT))
    }

    /// A law of your own; `make` is called once for each limiter of each run.
    pub fn law<L: ControlLaw>(name: impl Into<String>, make: impl Fn() -> L + Send + Sync + 'static) -> Self {
        Self::new(name, move |builder| builder.law(make()))
    }

    /// The default law with other settings or constants, for showing how much they matter.
    pub fn varied(
        name: impl Into<String>,
        vary: impl Fn(LimiterBuilder) -> LimiterBuilder + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, vary)
    }

    /// The policy of this name: `default`, `none`, `fixed:LIMIT`, one of our laws for services without a pool
    /// (`guarded_aimd:MS` with a target for the mean call time), or a rival's (see [`names`](Self::names)).
    ///
    /// ```
    /// use tidegate_sim::Policy;
    ///
    /// assert_eq!(Policy::named("vegas")?.name(), "vegas");
    /// assert_eq!(Policy::named("fixed:20")?.name(), "fixed:20");
    /// let unknown = Policy::named("vegs").unwrap_err().to_string();
    /// assert!(unknown.starts_with("law is \"vegs\", allowed is default, none, fixed:LIMIT, "));
    /// # Ok::<(), tidegate_sim::SimError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no such policy, or the limit is outside its range.
    pub fn named(name: &str) -> Result<Self, SimError> {
        if let Some(limit) = name.strip_prefix("fixed:") {
            return match limit.parse() {
                Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(Self::fixed(limit)),
                _ => Err(SimError::new(format_args!(
                    "limit of fixed:LIMIT is {limit:?}, allowed is 1 to {MAX_LIMIT}"
                ))),
            };
        }
        if let Some(ms) = name.strip_prefix("guarded_aimd:") {
            return Self::aimd_with_target(name, ms);
        }
        let guarded = GUARDED.iter().find(|(guarded, _)| *guarded == name);
        let rival = RIVALS.iter().find(|(rival, _)| *rival == name);
        match (name, guarded, rival) {
            ("default", ..) => Ok(Self::adaptive()),
            ("none", ..) => Ok(Self::none()),
            (_, Some(guarded), _) => Ok(Self::guarded(guarded)),
            (_, _, Some(rival)) => Ok(Self::rival(rival)),
            _ => {
                let names: Vec<&str> = Self::names().collect();
                Err(SimError::new(format_args!("law is {name:?}, allowed is {}", names.join(", "))))
            }
        }
    }

    /// One of each: the default law, no limit, a fixed limit of 20, our laws for services without a pool, and every rival.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let ours = [Self::adaptive(), Self::none(), Self::fixed(20)];
        let laws = GUARDED.iter().map(Self::guarded).chain(RIVALS.iter().map(Self::rival));
        ours.into_iter().chain(laws).collect()
    }

    /// The names that [`named`](Self::named) knows; LIMIT and MS stand for numbers.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let guarded = GUARDED.iter().map(|(name, _)| *name).chain(["guarded_aimd:MS"]);
        ["default", "none", "fixed:LIMIT"]
            .into_iter()
            .chain(guarded)
            .chain(RIVALS.iter().map(|(name, _)| *name))
    }

    /// Its name in reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn aimd_with_target(name: &str, ms: &str) -> Result<Self, SimError> {
        let fault =
            |_| SimError::new(format_args!("MS of guarded_aimd:MS is {ms:?}, allowed is 1 to 3600000"));
        let target = ms.parse().map_err(|error: std::num::ParseIntError| fault(error.to_string()))?;
        let config = AimdConfig::default().latency_target(Duration::from_millis(target));
        config.check().map_err(|error| fault(error.to_string()))?;
        Ok(Self::new(name, move |builder| builder.aimd(config)))
    }

    fn guarded((name, guard): &(&str, Guard)) -> Self {
        Self { name: (*name).to_owned(), law: Law::Guarded(*guard) }
    }

    fn rival((name, make): &(&str, MakeRival)) -> Self {
        Self { name: (*name).to_owned(), law: Law::Rival(*make) }
    }

    fn new(
        name: impl Into<String>,
        configure: impl Fn(LimiterBuilder) -> LimiterBuilder + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), law: Law::Built(Box::new(configure)) }
    }

    /// Gives the law to a limiter that is being built. A rival also has to be told of every call; `seed` is for what it draws
    /// at random.
    pub(crate) fn configure(&self, builder: LimiterBuilder, seed: u64) -> (LimiterBuilder, Option<RivalLaw>) {
        match &self.law {
            Law::Built(configure) => (configure(builder), None),
            Law::Guarded(guard) => (guard(builder), None),
            Law::Rival(make) => {
                let law = RivalLaw::new(make(seed));
                (builder.law(law.clone()), Some(law))
            }
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_found_by_its_own_name() {
        for policy in Policy::all() {
            assert_eq!(Policy::named(policy.name()).unwrap().name(), policy.name());
        }
        // Of those with a number there is no more than one each.
        assert_eq!(Policy::all().len() + 1, Policy::names().count());
        assert_eq!(Policy::named("guarded_aimd:250").unwrap().name(), "guarded_aimd:250");
    }

    #[test]
    fn what_is_no_policy_is_named_with_what_is_one() {
        for bad in ["fixed:0", "fixed:", "fixed:1048576", "fixed:-3"] {
            let fault = Policy::named(bad).unwrap_err().to_string();
            assert!(fault.ends_with("allowed is 1 to 1048575"), "{fault}");
        }
        for bad in ["guarded_aimd:", "guarded_aimd:0", "guarded_aimd:3600001", "guarded_aimd:x"] {
            let fault = Policy::named(bad).unwrap_err().to_string();
            assert!(fault.ends_with("allowed is 1 to 3600000"), "{fault}");
        }
        let fault = Policy::named("all").unwrap_err().to_string();
        assert!(fault.contains("\"all\"") && fault.contains("netflix_aimd"), "{fault}");
    }
}
