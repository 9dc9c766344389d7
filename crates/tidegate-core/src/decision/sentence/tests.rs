use std::collections::HashSet;

use super::*;

/// The round of the brief case: 9 acquires wait for 6 connections, each used for 20 ms.
fn terms() -> Terms {
    Terms {
        pending: 9.0,
        held: 6.0,
        wait_ratio: 1.55,
        target_ratio: 0.9,
        utilisation: 1.0,
        in_flight: 7.4,
        use_time: Duration::from_millis(20),
        throughput: 49.26,
        losses: 4,
        oldest_pending: Duration::from_micros(1_312_700),
        leader_limit: 12,
        ..Terms::default()
    }
}

fn decision(reason: Reason, terms: Option<Terms>) -> Decision {
    Decision { from: 7, to: 6, reason, bound: Bound::None, terms }
}

const WAIT: &str =
    "; 9 acquires waited, mean 31ms against a use time of 20ms (18ms accepted); no connection free";

/// What is said after `limit 7 → 6: `, and whether the figures of the wait follow.
const fn expected(reason: Reason) -> (&'static str, bool) {
    match reason {
        Reason::Abandoned => (
            "callers gave up on 4 permits of work, out for far longer than usual; what it asks may hang",
            false,
        ),
        Reason::Balanced => ("nothing to change", true),
        Reason::CallTime => ("calls take too long", true),
        Reason::Configured => ("set from outside", false),
        Reason::Emergency => ("an acquire has waited 1.3s in the pool, near its timeout", true),
        Reason::Fixed => ("it is fixed", false),
        Reason::Followed => ("it follows another limiter, whose limit is 12", false),
        Reason::FreeConnections => ("calls were held back, with no connection free", false),
        Reason::Hung => ("no call has ended for much longer than one takes, with 4 permits out", false),
        Reason::LowDemand => ("nobody came near it for a while, so what is unproven of it fades", false),
        Reason::NoEvidence => ("no evidence, as nothing was done", false),
        Reason::NoFreeConnection => ("for rounds there was no connection to spare", true),
        Reason::Overload => ("4 calls reported overload or were refused since the last look", false),
        Reason::PoolResized => ("the pool was resized, and the limit with it", false),
        Reason::PoolTimeout => ("acquires timed out in the pool, 4 losses since the last look", true),
        Reason::PoolWait => ("the pool's queue is too long", true),
        Reason::Probe => ("calls were held back, and more may get done", true),
        Reason::RoundOpen => ("too little was seen yet to decide", false),
        Reason::Throughput => {
            ("trials showed under which limit most gets done; 49.3/s in the last round", false)
        }
        Reason::Trial => {
            ("another limit is tried in turn, to see which gets more done; 49.3/s in the last round", false)
        }
    }
}

#[test]
fn every_reason_has_a_sentence_of_its_own() {
    let mut said = HashSet::new();
    for reason in Reason::ALL {
        let text = decision(reason, Some(terms())).to_string();
        let (why, has_figures) = expected(reason);
        assert_eq!(text, format!("limit 7 → 6: {why}{}", if has_figures { WAIT } else { "" }));
        assert!(said.insert(text), "{reason}");
    }
}

#[test]
fn every_reason_can_be_said_without_figures_and_with_absurd_ones() {
    let absurd = |figure: f64| Terms {
        pending: figure,
        held: figure,
        wait_ratio: figure,
        target_ratio: figure,
        utilisation: figure,
        in_flight: figure,
        use_time: Duration::MAX,
        throughput: figure,
        losses: u64::MAX,
        oldest_pending: Duration::MAX,
        call_time: Duration::MAX,
        call_time_max: Duration::MAX,
        leader_limit: u32::MAX,
    };
    let all = [None, Some(Terms::default())];
    let all = all.into_iter().chain([f64::NAN, f64::INFINITY, -1.0, 1e300].map(absurd).map(Some));
    for terms in all {
        for reason in Reason::ALL {
            let text = decision(reason, terms).to_string();
            assert!(text.starts_with("limit 7 → 6: ") && !text.contains('\n'), "{text}");
        }
    }
}

#[test]
fn what_has_not_moved_has_no_arrow() {
    assert_eq!(Decision::new(5, 5, Reason::Fixed).to_string(), "limit 5: it is fixed");
    assert_eq!(
        Decision::new(5, 5, Reason::Configured).to_string(),
        "limit 5: settings were changed, and it stays as it is"
    );
}

#[test]
fn calls_given_up_on_earlier_only_hold_the_limit_down() {
    let earlier = Terms { losses: 0, ..terms() };
    assert_eq!(
        decision(Reason::Abandoned, Some(earlier)).to_string(),
        "limit 7 → 6: it does not grow while callers give up on calls that are out for long"
    );
}

#[test]
fn the_bound_stands_at_the_end() {
    #[track_caller]
    fn check(bound: Bound, end: &str) {
        let text = Decision { bound, ..Decision::new(1, 1, Reason::RoundOpen) }.to_string();
        assert_eq!(text, format!("limit 1: too little was seen yet to decide{end}"));
    }
    check(Bound::ConnectionSets, "; with more, calls that hold several connections could deadlock");
    check(Bound::Max, "; it may not be higher (max_limit)");
    check(Bound::Min, "; it may not be lower (min_limit)");
    check(Bound::None, "");
    check(Bound::Throughput, "; above it less gets done, or that is being tried");
}

#[test]
fn figures_are_said_as_far_as_they_are_known() {
    #[track_caller]
    fn check(terms: &Terms, text: &str) {
        assert_eq!(Figures(terms).to_string(), text);
    }
    check(&Terms::default(), "");
    let (call_time, call_time_max) = (Duration::from_millis(31), Duration::from_millis(20));
    check(&Terms { call_time, ..Terms::default() }, "; a call took 31ms");
    check(&Terms { call_time, call_time_max, ..Terms::default() }, "; a call took 31ms (20ms accepted)");
    let some = terms();
    let none = Terms { pending: 0.04, wait_ratio: 0.0, utilisation: 0.916, ..some };
    check(&none, "; no acquire waited, use time 20ms (18ms accepted); 92% of the pool used");
    let unknown = Terms { pending: 1.0, use_time: Duration::ZERO, ..some };
    check(&unknown, "; 1 acquire waited; no connection free");
    let unbounded = Terms { pending: 0.5, wait_ratio: f64::INFINITY, ..some };
    check(&unbounded, "; 0.5 acquire waited, use time 20ms (18ms accepted); no connection free");
}

#[test]
fn times_have_two_figures() {
    #[track_caller]
    fn check(nanos: u64, text: &str) {
        assert_eq!(Rounded(Duration::from_nanos(nanos)).to_string(), text);
    }
    check(0, "0ns");
    check(7, "7ns");
    check(31_400_000, "31ms");
    check(995_000_000, "1s");
    check(812_300_000, "810ms");
    check(61_234_000_000, "61s");
}
