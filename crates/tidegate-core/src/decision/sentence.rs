//! A decision as a person on call reads it. Events, explanations and reports all use this text.

use std::fmt;
use std::time::Duration;

use super::{Bound, Decision, Reason, Terms};

/// One line without a full stop: `limit 7 → 6: the pool's queue is too long; 9 acquires waited …`.
///
/// Figures are rounded to what a person takes in; [`Decision::terms`] has the exact ones.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, .. } = self;
        if self.is_change() {
            write!(f, "limit {from} → {to}: ")?;
        } else {
            write!(f, "limit {to}: ")?;
        }
        why(f, self)?;
        f.write_str(held_by(self.bound))
    }
}

fn why(f: &mut fmt::Formatter<'_>, decision: &Decision) -> fmt::Result {
    let terms = decision.terms.unwrap_or_default();
    let (figures, done, losses) = (Figures(&terms), Done(terms.throughput), terms.losses);
    match decision.reason {
        Reason::Abandoned if losses > 0 => write!(
            f,
            "callers gave up on {}, out for far longer than usual; what it asks may hang",
            Counted(losses, "permit of work", "permits of work")
        ),
        Reason::Abandoned => {
            f.write_str("it does not grow while callers give up on calls that are out for long")
        }
        Reason::Balanced => write!(f, "nothing to change{figures}"),
        Reason::CallTime => write!(f, "calls take too long{figures}"),
        Reason::Configured if decision.is_change() => f.write_str("set from outside"),
        Reason::Configured => f.write_str("settings were changed, and it stays as it is"),
        Reason::Emergency => {
            let oldest = Rounded(terms.oldest_pending);
            write!(f, "an acquire has waited {oldest} in the pool, near its timeout{figures}")
        }
        Reason::Fixed => f.write_str("it is fixed"),
        Reason::Followed if terms.leader_limit > 0 => {
            write!(f, "it follows another limiter, whose limit is {}", terms.leader_limit)
        }
        Reason::Followed => f.write_str("it follows another limiter"),
        Reason::FreeConnections => write!(f, "calls were held back, with {}", Use(terms.utilisation)),
        Reason::Hung => write!(
            f,
            "no call has ended for much longer than one takes, with {}",
            Counted(losses, "permit out", "permits out")
        ),
        Reason::LowDemand => f.write_str("nobody came near it for a while, so what is unproven of it fades"),
        Reason::NoEvidence => f.write_str("no evidence, as nothing was done"),
        Reason::NoFreeConnection => write!(f, "for rounds there was no connection to spare{figures}"),
        Reason::Overload => {
            let calls = Counted(
                losses,
                "call reported overload or was refused",
                "calls reported overload or were refused",
            );
            write!(f, "{calls} since the last look")
        }
        Reason::PoolResized => f.write_str("the pool was resized, and the limit with it"),
        Reason::PoolTimeout => {
            let losses = Counted(losses, "loss", "losses");
            write!(f, "acquires timed out in the pool, {losses} since the last look{figures}")
        }
        Reason::PoolWait => write!(f, "the pool's queue is too long{figures}"),
        Reason::Probe => write!(f, "calls were held back, and more may get done{figures}"),
        Reason::RoundOpen => f.write_str("too little was seen yet to decide"),
        Reason::Throughput => {
            write!(f, "trials showed under which limit most gets done; {done} in the last round")
        }
        Reason::Trial => {
            write!(f, "another limit is tried in turn, to see which gets more done; {done} in the last round")
        }
    }
}

/// What holds the limit, after the reason.
const fn held_by(bound: Bound) -> &'static str {
    match bound {
        Bound::ConnectionSets => "; with more, calls that hold several connections could deadlock",
        Bound::Max => "; it may not be higher (max_limit)",
        Bound::Min => "; it may not be lower (min_limit)",
        Bound::None => "",
        Bound::Throughput => "; above it less gets done, or that is being tried",
    }
}

/// The figures a law goes by, after what it makes of them: who waited for a connection, how long, and whether any was
/// free; or how long a call took. Nothing where the law does not say.
struct Figures<'a>(&'a Terms);

impl fmt::Display for Figures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Terms { pending, held, call_time, call_time_max, utilisation, .. } = *self.0;
        if pending > 0.0 || held > 0.0 {
            write!(f, "; {}; {}", Waited(self.0), Use(utilisation))
        } else if call_time.is_zero() {
            Ok(())
        } else {
            write!(f, "; a call took {}{}", Rounded(call_time), Accepted(call_time_max))
        }
    }
}

/// Who waited for a connection, and for how long.
struct Waited<'a>(&'a Terms);

impl fmt::Display for Waited<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Terms { pending, wait_ratio, target_ratio, use_time, .. } = *self.0;
        match tenths(pending) {
            pending if pending <= 0.0 => f.write_str("no acquire waited")?,
            pending if pending <= 1.0 => write!(f, "{pending} acquire waited")?,
            pending => write!(f, "{pending} acquires waited")?,
        }
        if use_time.is_zero() {
            return Ok(());
        }
        let (mean, accepted) = (times(use_time, wait_ratio), Accepted(times(use_time, target_ratio)));
        if mean.is_zero() {
            write!(f, ", use time {}{accepted}", Rounded(use_time))
        } else {
            write!(f, ", mean {} against a use time of {}{accepted}", Rounded(mean), Rounded(use_time))
        }
    }
}

/// The time that is accepted; nothing where that is not known.
struct Accepted(Duration);

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() { Ok(()) } else { write!(f, " ({} accepted)", Rounded(self.0)) }
    }
}

/// How much of the pool was used, from 0 to 1.
struct Use(f64);

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= 0.995 {
            f.write_str("no connection free")
        } else {
            write!(f, "{:.0}% of the pool used", 100.0 * self.0)
        }
    }
}

/// A count of what got done per second.
struct Done(f64);

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", tenths(self.0))
    }
}

/// A count, with the word for one and the word for several.
struct Counted(u64, &'static str, &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, one, several) = *self;
        write!(f, "{count} {}", if count == 1 { one } else { several })
    }
}

/// A time to two figures: `31ms`, `1.3s`.
struct Rounded(Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let unit = 10_u128.pow(nanos.checked_ilog10().unwrap_or_default().saturating_sub(1));
        let rounded = (nanos + unit / 2) / unit * unit;
        write!(f, "{:?}", u64::try_from(rounded).map_or(self.0, Duration::from_nanos))
    }
}

/// Zero where that is no time.
fn times(time: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or_default()
}

/// To one digit behind the point, which is left out where it is 0.
fn tenths(figure: f64) -> f64 {
    (10.0 * figure).round() / 10.0
}

#[cfg(test)]
mod tests;
