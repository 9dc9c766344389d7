/// How one unit of work ended, as evidence for a control law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It says nothing about load: a business error, a bad statement, a cancelled caller.
    Ignored,
    /// The work failed because the database or its pool had no room for it: evidence of too much parallelism.
    Overload,
    /// The work was done.
    Success,
}

impl Outcome {
    /// The name used as a metric label: `ignored`, `overload` or `success`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::Overload => "overload",
            Self::Success => "success",
        }
    }
}
