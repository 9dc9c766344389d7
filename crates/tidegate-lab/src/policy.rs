//! What stands in front of the experts.

use std::fmt;

use tidegate::Nested;

use crate::faults::Fault;
use crate::parse;
use crate::workload::Workload;

/// How the experts' parallelism is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Tidegate: a limit found from the pool.
    Adaptive,
    /// Tidegate on all tiers: jobs, experts by job, retries, joined updates, sets of connections.
    AdaptiveTiers,
    /// One fixed limit over all jobs.
    Fixed(u32),
    /// Nothing.
    None,
    /// The best fixed limit, found by trying.
    Oracle,
    /// A fixed limit in each job: the ticket's `p-limit(5)`.
    PerJob(u32),
    /// Nothing that holds back: a limiter that only says what it would have done.
    Shadow,
    /// The ticket's own recipe: a pool of 40, 5 experts of each job, 2 jobs at once, 2 starts a second.
    Ticket,
}

const MOST: u32 = 100_000;

const TICKET_POOL: u32 = 40;

impl Policy {
    /// Reads a list such as `none,per-job:5,adaptive`.
    pub(crate) fn list(text: &str) -> Result<Vec<Self>, Fault> {
        parse::list("policy", "policy", text, Self::one, Self::to_string)
    }

    fn one(item: &str) -> Result<Self, Fault> {
        let limit = |text| parse::count("policy", text, 1, MOST).ok();
        match item.split_once(':') {
            None if item == "none" => Some(Self::None),
            None if item == "adaptive" => Some(Self::Adaptive),
            None if item == "adaptive-tiers" => Some(Self::AdaptiveTiers),
            None if item == "ticket" => Some(Self::Ticket),
            None if item == "oracle" => Some(Self::Oracle),
            None if item == "shadow" => Some(Self::Shadow),
            Some(("fixed", n)) => limit(n).map(Self::Fixed),
            Some(("per-job", n)) => limit(n).map(Self::PerJob),
            _ => None,
        }
        .ok_or_else(|| {
            Fault::new(
                "policy",
                item,
                format_args!("none, fixed:N, per-job:N, ticket, adaptive, adaptive-tiers, shadow or oracle, N from 1 to {MOST}"),
            )
        })
    }
}

impl Policy {
    /// What its pool does about a second connection of one expert.
    pub(crate) fn nested(self, workload: &Workload) -> Nested {
        let per_call = workload.connections_per_call();
        if self == Self::AdaptiveTiers && per_call > 1 { Nested::reserve(per_call) } else { Nested::Warn }
    }

    /// Connections of its pool, for a workload with a pool of so many.
    pub(crate) const fn pool(self, pool: u32) -> u32 {
        if matches!(self, Self::Ticket) { TICKET_POOL } else { pool }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adaptive => f.write_str("adaptive"),
            Self::AdaptiveTiers => f.write_str("adaptive-tiers"),
            Self::Fixed(limit) => write!(f, "fixed:{limit}"),
            Self::None => f.write_str("none"),
            Self::Oracle => f.write_str("oracle"),
            Self::PerJob(limit) => write!(f, "per-job:{limit}"),
            Self::Shadow => f.write_str("shadow"),
            Self::Ticket => f.write_str("ticket"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_as_it_was_written() {
        let text = "none,per-job:5,ticket,adaptive,adaptive-tiers,fixed:12,shadow,oracle";
        let written: Vec<_> = Policy::list(text).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(written.join(","), text);
    }

    #[test]
    fn bad_policies_are_named() {
        for (text, given) in [
            ("none,magic", "magic"),
            ("fixed:0", "fixed:0"),
            ("fixed", "fixed"),
            ("per-job:NaN", "per-job:NaN"),
            ("adaptive:3", "adaptive:3"),
            ("", "empty"),
        ] {
            let line = Policy::list(text).unwrap_err().to_string();
            assert!(line.starts_with(&format!("policy is {given}, allowed is none, fixed:N")), "{line}");
        }
        assert!(Policy::list("none,none").unwrap_err().to_string().contains("each policy once"));
    }
}
