//! Calls that are no longer of use after a while, and the hint when to try again.

use std::time::Duration;

use super::manual::{Call, Rig, granted, still_waits, turned_away};
use tidegate_limiter::{Class, Key, OverloadReason, Permit, Priority};
use tokio::time::{Instant, advance};
use tokio_test::assert_ready_ok;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn within(time: Duration) -> Class {
    Class::default().within(time)
}

/// A limiter of one permit that comes back ten times in a second, and calls that wait for it.
struct Busy {
    rig: Rig,
    held: Option<Permit>,
    waiting: Vec<Call>,
}

impl Busy {
    /// So many still wait once the pace is known.
    async fn new(queued: usize) -> Self {
        let rig = Rig::new(1);
        let held = Some(rig.admitted(Class::default()));
        let waiting = (0..queued + 40).map(|_| rig.waiting(Class::default())).collect();
        let mut busy = Self { rig, held, waiting };
        busy.rig.tick();
        for _ in 0..40 {
            busy.complete();
            busy.tick(100).await;
        }
        busy
    }

    fn complete(&mut self) {
        drop(self.held.take());
        self.held = Some(granted(&mut self.waiting.remove(0)));
    }

    async fn tick(&mut self, ms: u64) {
        advance(Duration::from_millis(ms)).await;
        self.rig.tick();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_turn_would_come_after_its_deadline_is_refused_at_once() {
    let busy = Busy::new(20).await;
    assert_eq!(busy.rig.refused(within(2050 * MS)).reason(), OverloadReason::Deadline);
    assert_eq!(busy.rig.counts(), (1, 0, 20), "a refused call leaves nothing behind");
    drop(busy.rig.waiting(within(2150 * MS)));
    drop(busy.rig.waiting(Class::default()));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_refused_has_its_turn_before_its_deadline() {
    let mut busy = Busy::new(20).await;
    let call = busy.rig.waiting(within(2150 * MS));
    busy.waiting.push(call);
    let begun = Instant::now();
    for _ in 0..21 {
        busy.tick(100).await;
        busy.complete();
    }
    assert!(busy.waiting.is_empty() && begun.elapsed() < 2150 * MS);
}

#[tokio::test(start_paused = true)]
async fn the_turn_is_that_of_the_calls_own_key_and_priority() {
    let busy = Busy::new(20).await;
    let other = |class: Class| class.key(Key::new("other"));
    // Every second permit is the other key's.
    drop(busy.rig.waiting(other(within(250 * MS))));
    assert_eq!(busy.rig.refused(other(within(150 * MS))).reason(), OverloadReason::Deadline);
    // Nobody waits at a higher priority, everybody before a lower one.
    drop(busy.rig.waiting(within(150 * MS).priority(Priority::High)));
    let low = |time| other(within(time)).priority(Priority::Low);
    assert_eq!(busy.rig.refused(low(2050 * MS)).reason(), OverloadReason::Deadline);
    drop(busy.rig.waiting(low(2150 * MS)));
}

/// All who wait without a class used to count as before everybody else.
#[tokio::test(start_paused = true)]
async fn calls_without_a_class_are_ahead_of_a_key_as_one_key_is() {
    let mut busy = Busy::new(0).await;
    let plain: Vec<_> = (0..100).map(|_| busy.rig.waiting(None)).collect();
    let keyed = |time| within(time).key(Key::new("keyed"));
    assert_eq!(busy.rig.refused(keyed(150 * MS)).reason(), OverloadReason::Deadline);
    let mut call = busy.rig.waiting(keyed(250 * MS));
    assert_eq!(
        busy.rig.refused(keyed(9 * SECOND).priority(Priority::Low)).reason(),
        OverloadReason::Deadline
    );
    drop(busy.rig.waiting(keyed(150 * MS).priority(Priority::High)));
    // And so it is: its turn comes at the second permit at the latest.
    drop(busy.held.take());
    if !call.is_woken() {
        drop(plain);
    }
    drop(granted(&mut call));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_refused_for_a_deadline_while_the_pace_is_not_known() {
    let rig = Rig::new(1);
    let _held = rig.admitted(None);
    let _waiting: Vec<_> = (0..50).map(|_| rig.waiting(Class::default())).collect();
    drop(rig.waiting(within(MS)));
}

/// Two ticks without a return used to be a pace of zero.
#[tokio::test(start_paused = true)]
async fn a_queue_that_has_just_formed_says_nothing_about_the_pace() {
    let mut rig = Rig::new(1);
    let held = rig.admitted(Class::default());
    let mut waiting = rig.waiting(Class::default());
    for _ in 0..9 {
        advance(100 * MS).await;
        rig.tick();
        drop(rig.waiting(within(30 * SECOND)));
    }
    drop(held);
    drop(granted(&mut waiting));
}

#[tokio::test(start_paused = true)]
async fn when_nothing_comes_back_for_seconds_calls_with_a_deadline_are_refused() {
    let mut rig = Rig::new(1);
    let _held = rig.admitted(Class::default());
    let _waiting = rig.waiting(Class::default());
    for _ in 0..30 {
        advance(100 * MS).await;
        rig.tick();
    }
    let refusal = rig.refused(within(30 * SECOND));
    assert_eq!((refusal.reason(), refusal.retry_after()), (OverloadReason::Deadline, None));
    drop(rig.waiting(Class::default()));
}

#[tokio::test(start_paused = true)]
async fn a_database_that_stops_is_noticed_within_seconds() {
    let mut busy = Busy::new(3).await;
    drop(busy.rig.waiting(within(SECOND)));
    for _ in 0..30 {
        busy.tick(100).await;
    }
    assert_eq!(busy.rig.refused(within(SECOND)).reason(), OverloadReason::Deadline);
    // And that it goes on again.
    for _ in 0..3 {
        busy.waiting.push(busy.rig.waiting(Class::default()));
        busy.complete();
        busy.tick(100).await;
    }
    drop(busy.rig.waiting(within(2 * SECOND)));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_passes_while_it_waits_is_refused_then() {
    let rig = Rig::new(1);
    let held = rig.admitted(None);
    let mut call = rig.waiting(within(SECOND));
    let mut next = rig.waiting(Class::default());
    advance(999 * MS).await;
    still_waits(&mut call);
    advance(2 * MS).await;
    assert_eq!(turned_away(&mut call), OverloadReason::Expired);
    assert_eq!(rig.counts(), (1, 0, 1));
    drop(held);
    drop(granted(&mut next));
    rig.assert_nothing_is_lost();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_asks_after_its_deadline_is_refused_even_if_a_permit_is_free() {
    let rig = Rig::new(1);
    let late = Class::default().deadline(Instant::now());
    assert_eq!(rig.refused(late).reason(), OverloadReason::Expired);
    let call = rig.call(within(MS));
    advance(2 * MS).await;
    let mut call = call;
    assert_eq!(tokio_test::assert_ready_err!(call.poll()).reason(), OverloadReason::Expired);
    rig.assert_nothing_is_lost();
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_was_handed_over_in_time_is_kept_though_the_deadline_has_passed() {
    let rig = Rig::new(1);
    let held = rig.admitted(None);
    let mut call = rig.waiting(within(SECOND));
    drop(held);
    advance(2 * SECOND).await;
    let permit = granted(&mut call);
    advance(2 * SECOND).await;
    drop(permit);
    rig.assert_nothing_is_lost();
}

#[tokio::test(start_paused = true)]
async fn a_time_beyond_the_clock_is_no_deadline() {
    assert_eq!(within(Duration::MAX), Class::default());
    let rig = Rig::new(1);
    let held = rig.admitted(None);
    let mut call = rig.waiting(within(1_000_000 * SECOND));
    advance(100_000 * SECOND).await;
    drop(held);
    drop(granted(&mut call));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_wait_has_no_use_for_a_deadline() {
    let rig = Rig::new(1);
    let late = Class::default().deadline(Instant::now());
    drop(rig.limiter.try_acquire_with(late).unwrap());
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_the_time_that_those_who_wait_need_at_the_pace() {
    let busy = Busy::new(20).await;
    for refusal in [
        busy.rig.refused(within(MS)),
        busy.rig.limiter.try_acquire().unwrap_err(),
        busy.rig.limiter.try_acquire_with(Class::default()).unwrap_err(),
    ] {
        let hint = refusal.retry_after().unwrap();
        assert!((2099 * MS..=2101 * MS).contains(&hint), "{hint:?}");
    }
    let text = busy.rig.limiter.try_acquire().unwrap_err().to_string();
    assert_eq!(text, "the call was refused: no permit is free; try again in 2.1s");
}

#[tokio::test(start_paused = true)]
async fn there_is_no_hint_where_trying_again_is_of_no_use_or_nothing_is_known() {
    let mut busy = Busy::new(3).await;
    busy.rig.limiter.close();
    let refusal = busy.rig.limiter.try_acquire().unwrap_err();
    assert_eq!((refusal.reason(), refusal.retry_after()), (OverloadReason::Closed, None));

    busy = Busy::new(3).await;
    for _ in 0..200 {
        busy.tick(100).await;
    }
    let hint = busy.rig.limiter.try_acquire().unwrap_err().retry_after();
    assert_eq!(hint, None, "nothing has come back for 20 s");

    let rig = Rig::new(1);
    let _held = rig.admitted(None);
    assert_eq!(rig.limiter.try_acquire().unwrap_err().retry_after(), None, "the pace is not known");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_gets_in_at_once_does_not_wait_for_its_deadline() {
    let rig = Rig::new(1);
    drop(assert_ready_ok!(rig.call(within(SECOND)).poll()));
    rig.assert_nothing_is_lost();
}
