/// Declares the constants once: as fields with their values, and by name for the table of their sensitivity.
macro_rules! constants {
    ($($(#[$doc:meta])+ $name:ident: $value:expr,)+) => {
        /// The constants of [`PoolAimd`](super::PoolAimd). They are no settings: the reason for each value, and what other
        /// values do, is in `docs/control-law.md`, and the simulator varies them to show that.
        ///
        /// Plain numbers; those whose name ends in `_s` are seconds.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct PoolAimdConstants {
            $($(#[$doc])+ pub $name: f64,)+
        }

        impl Default for PoolAimdConstants {
            fn default() -> Self {
                Self { $($name: $value,)+ }
            }
        }

        impl PoolAimdConstants {
            /// Every constant by its name.
            pub const NAMES: &[&str] = &[$(stringify!($name)),+];

            /// The constant of that name, to be read or changed; `None` if there is none.
            pub fn named(&mut self, name: &str) -> Option<&mut f64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)+
                    _ => None,
                }
            }
        }
    };
}

constants! {
    /// The length of the queue in front of the pool that is accepted, in connections held, is this over √connections:
    /// a small pool needs a relatively longer queue to stay busy, since randomness averages out with the square root.
    queue_factor: 4.0,
    /// The accepted queue is never shorter than this share of the connections held…
    target_min: 0.25,
    /// …and never longer than this multiple.
    target_max: 4.0,
    /// The accepted pool wait is at most this share of the pool's acquire timeout.
    timeout_share: 0.05,

    /// A mean wait of this share of the acquire timeout is acted on at the end of the first round that shows it.
    threat_share: 0.1,

    /// A decrease leaves this share of the accepted queue standing.
    keep: 0.75,
    /// The largest decrease, as a factor of the limit.
    backoff_min: 0.5,
    /// The largest for calls that report overload, where next to all do: to the share of those that do not, and to this at
    /// most.
    backoff_worst: 0.2,
    /// The largest decrease for a queue that does not near the timeout: what it wins is small, and who waits may be waiting
    /// for several connections each, so that fewer calls are too many than acquires are.
    backoff_standing: 0.85,
    /// The smallest decrease for pool wait, as a factor of the limit.
    backoff_max: 0.98,
    /// After a decrease for pool wait nothing is measured until the calls that are left have ended so many times over, or nobody
    /// waits any more: those that are left wait in the pool, and until as many think again as belong there, it looks as if they
    /// were still too many.
    settle_turns: 2.0,
    /// The decrease when no connection was free for rounds; it makes limiters on one pool converge to equal shares.
    backoff_mild: 0.97,
    /// A mild decrease needs a wait of at least this share of the target.
    mild_wait: 0.4,
    /// Below this utilisation a queue is no sign of too many calls: on average there were connections for all of them.
    utilisation_busy: 0.9,
    /// At or above this utilisation no connection counts as free.
    utilisation_full: 0.985,
    /// Weight of the newest round in the moving average of utilisation.
    utilisation_weight: 0.2,

    /// Below this utilisation the limit jumps to where it would be reached.
    utilisation_goal: 0.97,
    /// The largest jump of one round, as a factor of the limit.
    jump_max: 8.0,
    /// The additive increase of one round: permits…
    increase: 1.0,
    /// …or this share of the limit, whichever is more.
    increase_share: 0.02,
    /// The limit only grows when the mean in-flight count was at least this share of it.
    bound_share: 0.5,

    /// While an acquire has waited for this share of the acquire timeout, nobody new is admitted, and the limit shrinks at
    /// once.
    brake_share: 0.25,

    /// The part of a round's acquires that is not measured, because it still shows the previous limit.
    skip: 0.5,
    /// The fewest acquires a round may be decided on.
    round_min: 10.0,

    /// A round measures for at least as long as a call holds its permit, so that calls in step with each other are seen
    /// thinking as well as queueing; but it does not wait longer than this for it.
    span_max_s: 0.5,

    /// A limit that nobody came near for so long begins to fade…
    fade_after_s: 4.0,
    /// …and halves in this time.
    half_life_s: 2.0,
    /// It fades in steps of this length, so that each step is a decision worth telling.
    fade_step_s: 1.0,
    /// After a shrink for timeouts, no other one for at least this long…
    epoch_min_s: 0.1,
    /// …and at most this long; in between, for the mean time of a call.
    epoch_max_s: 1.0,
    /// The mean time of a call is taken over this many turns of the calls in flight, so that calls in step do not make it
    /// swing.
    residence_turns: 2.0,

    /// The limit never exceeds this many times the pool's size, unless `max_limit` is set.
    pool_multiple: 100.0,

    /// A call that was given up on is old at this many times the mean time of a call…
    abandoned_old: 5.0,
    /// …and never below this age, which is a few looks of the driver.
    abandoned_min_s: 0.1,
    /// Old calls given up on are a loss when they are this share of the calls that ended over the last turns, so that in a
    /// database that works a kind of call whose callers often give up cannot hold the limit down…
    abandoned_share: 0.25,
    /// …and at least so many: one caller may have reasons of its own.
    abandoned_least: 2.0,

    /// The limit starts at half the pool, at most at this many permits; and a jump may lead to this many connections held,
    /// or to twice as many as before. Beyond that a database has to show first that it can serve them.
    start: 20.0,

    /// A query that takes this many times as long as with fewer connections is suspect, and so many times the connections
    /// without that are proof: throughput grew.
    suspect_ratio: 1.5,
    /// Up to this many times the connections that were as fast as fewer are no more than those: it is not they that slow each
    /// other…
    suspect_more: 1.1,
    /// …unless it lasts for so long: then it may be that these are too many by now.
    suspect_lasting_s: 20.0,
    /// The fewest connections held, on average, that say something.
    suspect_held: 0.3,
    /// Rounds add up while the limit changes by less than this share.
    suspect_range: 0.2,
    /// What is known rests on the last queries, so many…
    suspect_memory: 100.0,
    /// …and a trial needs this many suspect ones.
    suspect_done: 40.0,

    /// The limit that is tried leaves this share of the connections in use, if the suspicion is right.
    trial_share: 0.5,
    /// A first ceiling takes a gain of this much (a logarithm)…
    trial_gain: 0.1,
    /// …by this many standard errors, for in most databases there is none to be found…
    trial_sure: 2.5,
    /// …and is out of the question once the lower limit is worse by this many. A trial that ends otherwise is repeated.
    trial_doubt: 1.25,
    /// Below a ceiling the limit that is tried leaves this share of the connections in use: near the best, small steps do.
    tune_share: 0.7,
    /// Limits near a ceiling differ little: this many standard errors decide between them.
    tune_sure: 2.0,
    /// A round of a trial waits for slow calls, at most for so long: those that were let in think first.
    trial_span_max_s: 2.0,
    /// A trial is over after so many queries under either limit…
    trial_done: 300.0,
    /// …or so many rounds;
    trial_rounds: 60.0,
    /// then the other limit is taken if it gained this much.
    tune_gain: 0.03,
    /// The step above a ceiling, as a share of it; doubled after each success.
    tune_step: 0.25,
    /// A trial is given up when the base would have done this much since, and the other limit did…
    trial_stall: 8.0,
    /// …less than this share of it.
    trial_stall_share: 0.1,
    /// The pause after a trial that changed nothing, in lengths of it: trials cost a few percent at most. It doubles…
    patience: 3.0,
    /// …up to this.
    patience_max_s: 120.0,
    /// Where calls report overload it grows by this factor: what a trial let in fails for as long as a deadlock takes to be seen.
    patience_of_losses: 4.0,

    /// Calls that report overload lower the limit when they are this share of those that ended lately: a rare deadlock in a
    /// database that works is none of the limit's business.
    overload_share: 0.05,
    /// Lately: over two turns of the calls in flight, and so many calls at least.
    overload_calls: 50.0,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_can_be_changed_by_its_name() {
        for &name in PoolAimdConstants::NAMES {
            let mut changed = PoolAimdConstants::default();
            let value = changed.named(name).unwrap();
            assert!(*value > 0.0, "{name}");
            *value *= 2.0;
            assert_ne!(changed, PoolAimdConstants::default(), "{name}");
        }
        assert_eq!(PoolAimdConstants::default().named("KEEP"), None);
    }
}
