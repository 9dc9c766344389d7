use super::score::{Converged, Phase};

/// What a limit must be worth to count as near the best.
const NEAR: f64 = 0.9;

/// When the limit came near the phase's best to stay, and after how many changes.
///
/// `limits` are the moments in seconds from which a limit held, in their order, the first of them at or before the
/// phase. `None` if it never came, or not to stay.
///
/// What is looked for is the lowest point of the lead over 90% of the best. Before it the limits lost ground; from it on,
/// over every span, they were worth 90% or more.
pub(super) fn converge(phase: &Phase, limits: &[(f64, u32)]) -> Option<Converged> {
    let first = limits.partition_point(|(at, _)| *at <= phase.from_s).saturating_sub(1);
    let last = limits.partition_point(|(at, _)| *at < phase.to_s).max(first);
    let within = &limits[first..last];
    let ends = within.iter().skip(1).map(|(at, _)| *at).chain([phase.to_s]);
    let (mut lead, mut lowest, mut found) = (0.0, 0.0, None);
    for (changes, (&(at, limit), end)) in within.iter().zip(ends).enumerate() {
        let from = at.max(phase.from_s);
        let gain = phase.curve.share(limit) - NEAR;
        if gain >= 0.0 && (found.is_none() || lead < lowest) {
            lowest = lead;
            found = Some(Converged { seconds: from - phase.from_s, decisions: changes });
        }
        lead += gain * (end - from);
    }
    found.filter(|_| lead >= lowest)
}

#[cfg(test)]
mod tests {
    use super::super::curve::Curve;
    use super::*;

    /// Worth 1 from 15 to 30, 0.8 below and 0 above.
    #[track_caller]
    fn check(limits: &[(f64, u32)], expected: Option<(f64, usize)>) {
        let curve = Curve::new([(14, 80.0), (15, 100.0), (30, 100.0), (31, 0.0)], 15);
        let phase = Phase { from_s: 10.0, to_s: 110.0, limit: 20, curve };
        let found = converge(&phase, limits);
        assert_eq!(found.map(|found| (found.seconds, found.decisions)), expected, "{limits:?}");
    }

    #[test]
    fn a_limit_that_is_near_from_the_start_needs_no_decision() {
        check(&[(0.0, 20)], Some((0.0, 0)));
        check(&[(0.0, 5), (10.0, 15), (60.0, 30)], Some((0.0, 0)));
    }

    #[test]
    fn the_changes_within_the_phase_count_up_to_the_one_that_comes_near() {
        check(&[(0.0, 1), (5.0, 10), (11.0, 12), (12.5, 16), (13.0, 18)], Some((2.5, 2)));
    }

    #[test]
    fn a_limit_that_never_comes_near_or_not_to_stay_is_not_near() {
        check(&[(0.0, 10)], None);
        check(&[(0.0, 20), (20.0, 31)], None);
        check(&[(0.0, 10), (110.0, 20)], None);
        check(&[], None);
    }

    #[test]
    fn what_is_lost_later_is_forgiven_if_it_is_less_than_what_was_gained() {
        // 30 s at 1.0 gain what 30 s at 0.8 or 3.3 s at 0 lose.
        check(&[(0.0, 10), (20.0, 20), (50.0, 10), (79.0, 20)], Some((10.0, 1)));
        check(&[(0.0, 10), (20.0, 20), (50.0, 10), (81.0, 20)], Some((71.0, 3)));
        check(&[(0.0, 10), (20.0, 20), (50.0, 31), (53.0, 20)], Some((10.0, 1)));
        check(&[(0.0, 10), (20.0, 20), (50.0, 31), (54.0, 20)], Some((44.0, 3)));
    }
}
