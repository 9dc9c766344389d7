use crate::{ConfigChecks, ConfigError, ControlLaw, Decision, Evidence, MAX_LIMIT, Reason, Timestamp};

/// The law that never changes its mind: one limit for ever.
///
/// ```
/// use tidegate_core::{ControlLaw, Fixed};
///
/// assert_eq!(Fixed::new(5)?.limit(), 5);
/// assert_eq!(Fixed::new(0).unwrap_err().to_string(), "limit is 0, allowed is 1 to 1048575");
/// # Ok::<(), tidegate_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fixed {
    limit: u32,
}

impl Fixed {
    /// A law that holds `limit` permits.
    ///
    /// # Errors
    ///
    /// If `limit` is 0 or above [`MAX_LIMIT`].
    pub fn new(limit: u32) -> Result<Self, ConfigError> {
        let mut checks = ConfigChecks::default();
        checks.require((1..=MAX_LIMIT).contains(&limit), "limit", limit, format_args!("1 to {MAX_LIMIT}"));
        checks.finish(Self { limit })
    }
}

impl ControlLaw for Fixed {
    fn limit(&self) -> u32 {
        self.limit
    }

    fn tick(&mut self, _now: Timestamp, _evidence: &Evidence) -> Decision {
        Decision::new(self.limit, self.limit, Reason::Fixed)
    }
}
