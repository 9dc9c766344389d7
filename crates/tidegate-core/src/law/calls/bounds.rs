use crate::{ConfigChecks, MAX_LIMIT};

/// The bounds of a law that knows no pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::law) struct Bounds {
    pub(in crate::law) min: u32,
    pub(in crate::law) max: u32,
    pub(in crate::law) initial: Option<u32>,
}

impl Bounds {
    /// Few services mind twenty calls at once, and doubling gets a law to the limit of most within a few rounds.
    const INITIAL: u32 = 20;

    pub(in crate::law) fn check(&self, checks: &mut ConfigChecks) {
        let Self { min, max, initial } = *self;
        checks.require((1..=MAX_LIMIT).contains(&max), "max_limit", max, format_args!("1 to {MAX_LIMIT}"));
        checks.require(
            (1..=max.max(1)).contains(&min),
            "min_limit",
            min,
            format_args!("1 to {max} (max_limit)"),
        );
        if let Some(initial) = initial {
            checks.require(
                (min..=max).contains(&initial),
                "initial_limit",
                initial,
                format_args!("{min} (min_limit) to {max} (max_limit)"),
            );
        }
    }

    /// The limit before there is evidence.
    pub(in crate::law) fn initial(&self) -> u32 {
        self.initial.unwrap_or(Self::INITIAL).clamp(self.min, self.max)
    }
}
