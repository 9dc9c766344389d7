//! The bounded queue: when it is full, who goes, and who is told of room.

use std::time::Duration;

use super::manual::{Rig, granted, still_waits, turned_away};
use tidegate_limiter::{Class, Limiter, LimiterBuilder, OverloadReason, Priority, Room};
use tokio_test::task::{self, Spawn};
use tokio_test::{assert_pending, assert_ready};

fn call() -> Class {
    Class::default()
}

fn of(priority: Priority) -> Class {
    call().priority(priority)
}

fn rig(limit: u32, places: u32) -> Rig {
    Rig::with(limit, |builder| builder.queue_limit(places))
}

#[test]
fn a_call_that_finds_the_queue_full_is_refused_at_once() {
    let rig = rig(1, 2);
    let held = rig.admitted(call());
    let (mut first, second) = (rig.waiting(call()), rig.waiting(call()));
    assert_eq!(rig.refused(call()).reason(), OverloadReason::QueueFull);
    assert_eq!(rig.counts(), (1, 0, 2), "a refused call leaves nothing behind");
    drop(held);
    let permit = granted(&mut first);
    drop((rig.waiting(call()), second, permit));
    rig.assert_nothing_is_lost();
}

#[test]
fn a_call_that_leaves_the_queue_makes_a_place_in_it() {
    let rig = rig(1, 1);
    let _held = rig.admitted(call());
    let first = rig.waiting(call());
    assert_eq!(rig.refused(call()).reason(), OverloadReason::QueueFull);
    drop(first);
    drop(rig.waiting(call()));
}

#[test]
fn calls_without_a_class_are_not_bounded_and_take_no_place() {
    let rig = rig(1, 1);
    let _held = rig.admitted(None);
    let mut plain: Vec<_> = (0..100).map(|_| rig.waiting(None)).collect();
    let classed = rig.waiting(call());
    assert_eq!(rig.refused(call()).reason(), OverloadReason::QueueFull);
    plain.push(rig.waiting(None));
    assert_eq!(rig.counts(), (1, 0, 102));
    drop(classed);
}

#[test]
fn a_full_queue_gives_up_the_newest_of_the_lowest_priority() {
    let rig = rig(1, 4);
    let _held = rig.admitted(None);
    let mut low = [rig.waiting(of(Priority::Low)), rig.waiting(of(Priority::Low))];
    let mut normal = [rig.waiting(of(Priority::Normal)), rig.waiting(of(Priority::Normal))];
    let mut high = vec![rig.waiting(of(Priority::High))];
    assert_eq!(turned_away(&mut low[1]), OverloadReason::Displaced);
    still_waits(&mut low[0]);
    high.push(rig.waiting(of(Priority::High)));
    assert_eq!(turned_away(&mut low[0]), OverloadReason::Displaced);
    high.push(rig.waiting(of(Priority::High)));
    assert_eq!(turned_away(&mut normal[1]), OverloadReason::Displaced);
    assert_eq!(rig.counts(), (1, 0, 4));
    still_waits(&mut normal[0]);
}

#[test]
fn nobody_is_displaced_by_an_equal_or_a_lesser_call() {
    let rig = rig(1, 1);
    let _held = rig.admitted(None);
    let mut normal = rig.waiting(of(Priority::Normal));
    for priority in [Priority::Low, Priority::Normal] {
        assert_eq!(rig.refused(of(priority)).reason(), OverloadReason::QueueFull);
    }
    still_waits(&mut normal);
}

#[test]
fn calls_without_a_class_are_never_displaced() {
    let rig = rig(1, 1);
    let held = rig.admitted(None);
    let mut plain = rig.waiting(None);
    let _high = rig.waiting(of(Priority::High));
    assert_eq!(rig.refused(of(Priority::High)).reason(), OverloadReason::QueueFull);
    still_waits(&mut plain);
    drop(held);
}

/// It used to wait for the next release, though the permit was free.
#[test]
fn a_call_that_displaces_a_wide_one_gets_the_permits_that_were_kept_for_it() {
    let rig = rig(2, 1);
    let _held = rig.admitted(None);
    let mut wide = rig.waiting(of(Priority::Low).weight(2));
    let mut high = rig.call(of(Priority::High));
    let first = high.poll();
    assert_eq!(turned_away(&mut wide), OverloadReason::Displaced);
    drop(if first.is_ready() { assert_ready!(first).unwrap() } else { granted(&mut high) });
}

#[test]
fn a_displaced_call_that_is_dropped_unseen_leaves_nothing_behind() {
    let rig = rig(1, 1);
    let held = rig.admitted(None);
    let low = rig.waiting(of(Priority::Low));
    let high = rig.waiting(of(Priority::High));
    assert!(low.is_woken());
    drop((low, high, held));
    rig.assert_nothing_is_lost();
}

#[test]
fn the_places_follow_the_limit() {
    let mut rig = Rig::with(1, |builder| builder.queue_limit_per_permit(2));
    let _held = rig.admitted(call());
    let mut waiting = vec![rig.waiting(call()), rig.waiting(call())];
    assert_eq!(rig.refused(call()).reason(), OverloadReason::QueueFull);
    rig.set_limit(3);
    let _admitted: Vec<_> = waiting.iter_mut().map(granted).collect();
    waiting = (0..6).map(|_| rig.waiting(call())).collect();
    assert_eq!(rig.refused(call()).reason(), OverloadReason::QueueFull);
    rig.set_limit(2);
    assert_eq!(rig.counts().2, 6, "a shrink refuses nobody who waits");
    drop(waiting.drain(..3));
    let _last = rig.waiting(call());
    assert_eq!(rig.refused(call()).reason(), OverloadReason::QueueFull);
}

#[test]
fn fixed_places_do_not_follow_the_limit() {
    let mut rig = rig(1, 2);
    let _held = rig.admitted(call());
    rig.set_limit(5);
    let _more: Vec<_> = (0..4).map(|_| rig.admitted(call())).collect();
    let _waiting = [rig.waiting(call()), rig.waiting(call())];
    assert_eq!(rig.refused(call()).reason(), OverloadReason::QueueFull);
}

#[test]
fn by_default_a_hundred_calls_may_wait_for_each_permit() {
    let rig = Rig::new(3);
    let _held: Vec<_> = (0..3).map(|_| rig.admitted(call())).collect();
    let _waiting: Vec<_> = (0..300).map(|_| rig.waiting(call())).collect();
    assert_eq!(rig.refused(call()).reason(), OverloadReason::QueueFull);
}

fn room(rig: &Rig) -> Spawn<Room> {
    task::spawn(Room::new(&rig.limiter))
}

fn poll(room: &mut Spawn<Room>) -> std::task::Poll<()> {
    room.enter(|cx, mut room| room.poll_ready(cx))
}

#[test]
fn there_is_room_until_the_queue_is_full_and_again_when_a_place_comes_free() {
    let rig = rig(1, 1);
    let mut room = room(&rig);
    assert_ready!(poll(&mut room));
    let held = rig.admitted(call());
    assert_ready!(poll(&mut room));
    let mut waiting = rig.waiting(call());
    assert_pending!(poll(&mut room));
    drop(held);
    assert!(room.is_woken());
    assert_ready!(poll(&mut room));
    drop(granted(&mut waiting));
}

#[test]
fn each_place_that_comes_free_is_told_to_one() {
    let rig = rig(1, 2);
    let _held = rig.admitted(call());
    let mut waiting = vec![rig.waiting(call()), rig.waiting(call())];
    let mut rooms = [room(&rig), room(&rig), room(&rig)];
    rooms.iter_mut().for_each(|room| assert_pending!(poll(room)));
    waiting.pop();
    assert_eq!(rooms.each_ref().map(Spawn::is_woken), [true, false, false]);
    waiting.pop();
    assert_eq!(rooms.each_ref().map(Spawn::is_woken), [true, true, false]);
}

#[test]
fn one_that_was_told_and_is_dropped_passes_it_on() {
    let rig = rig(1, 1);
    let _held = rig.admitted(call());
    let waiting = rig.waiting(call());
    let (mut first, mut second) = (room(&rig), room(&rig));
    assert_pending!(poll(&mut first));
    assert_pending!(poll(&mut second));
    drop(waiting);
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(second.is_woken());
    assert_ready!(poll(&mut second));
}

#[test]
fn one_that_waits_for_room_and_is_dropped_is_not_told() {
    let rig = rig(1, 1);
    let _held = rig.admitted(call());
    let waiting = rig.waiting(call());
    let (mut first, mut second) = (room(&rig), room(&rig));
    assert_pending!(poll(&mut first));
    assert_pending!(poll(&mut second));
    drop(first);
    drop(waiting);
    assert!(second.is_woken());
}

#[test]
fn one_that_was_told_and_does_nothing_keeps_the_others_from_it_for_a_look_at_most() {
    let rig = rig(1, 1);
    let _held = rig.admitted(call());
    let waiting = rig.waiting(call());
    let (mut idle, mut other) = (room(&rig), room(&rig));
    assert_pending!(poll(&mut idle));
    assert_pending!(poll(&mut other));
    drop(waiting);
    assert!(!other.is_woken());
    rig.look();
    assert!(other.is_woken());
    assert_ready!(poll(&mut other));
}

#[test]
fn one_that_was_told_of_room_is_not_refused_if_others_were_faster() {
    let rig = rig(1, 1);
    let _held = rig.admitted(call());
    let waiting = rig.waiting(call());
    let mut told = room(&rig);
    assert_pending!(poll(&mut told));
    drop(waiting);
    let _faster = rig.waiting(call());
    assert_ready!(poll(&mut told));
    let mut late = task::spawn(told.acquire_with(call()));
    assert_pending!(late.poll());
    assert_eq!(rig.limiter.snapshot().queued, 2);
    // It was told of one place, and asks for no second one unasked.
    let mut second = task::spawn(told.acquire_with(call()));
    assert!(assert_ready!(second.poll()).is_err());
}

#[test]
fn one_that_found_room_without_waiting_may_find_it_taken() {
    let rig = rig(1, 1);
    let _held = rig.admitted(call());
    let mut ready = room(&rig);
    assert_ready!(poll(&mut ready));
    let _faster = rig.waiting(call());
    let mut late = task::spawn(ready.acquire_with(call()));
    assert_eq!(assert_ready!(late.poll()).unwrap_err().reason(), OverloadReason::QueueFull);
}

#[test]
fn growth_under_the_brake_is_told_within_a_look() {
    let mut rig = Rig::with(1, |builder| builder.queue_limit_per_permit(1));
    rig.set_brake(true);
    let _waiting = rig.waiting(call());
    let mut room = room(&rig);
    assert_pending!(poll(&mut room));
    rig.set_limit(2);
    rig.look();
    assert!(room.is_woken());
    assert_ready!(poll(&mut room));
}

#[test]
fn a_closed_limiter_has_room_so_that_calls_hear_of_it() {
    let rig = rig(1, 1);
    let _held = rig.admitted(call());
    let mut waiting = rig.waiting(call());
    let mut room = room(&rig);
    assert_pending!(poll(&mut room));
    rig.limiter.close();
    assert!(room.is_woken());
    assert_ready!(poll(&mut room));
    assert_eq!(turned_away(&mut waiting), OverloadReason::Closed);
    assert_ready!(poll(&mut room));
    let mut call = task::spawn(room.acquire_with(call()));
    assert_eq!(assert_ready!(call.poll()).unwrap_err().reason(), OverloadReason::Closed);
}

#[test]
fn a_clone_of_a_room_waits_for_itself() {
    let rig = rig(1, 1);
    let _held = rig.admitted(call());
    let waiting = rig.waiting(call());
    let mut first = room(&rig);
    assert_pending!(poll(&mut first));
    let mut second = task::spawn(Room::clone(&first));
    assert_pending!(poll(&mut second));
    drop(first);
    drop(waiting);
    assert!(second.is_woken());
}

#[track_caller]
fn check_refused(set: impl FnOnce(LimiterBuilder) -> LimiterBuilder, text: &str) {
    let error = set(Limiter::builder().fixed(1)).build_manual().unwrap_err();
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_bad_setting_is_refused_with_its_name_its_value_and_what_is_allowed() {
    const MS: Duration = Duration::from_millis(1);
    const HOUR: Duration = Duration::from_hours(1);
    check_refused(|b| b.queue_limit(0), "queue.places is 0, allowed is 1 to 1000000");
    check_refused(|b| b.queue_limit(1_000_001), "queue.places is 1000001, allowed is 1 to 1000000");
    check_refused(|b| b.queue_limit_per_permit(0), "queue.places_per_permit is 0, allowed is 1 to 1000000");
    check_refused(
        |b| b.queue_limit_per_permit(u32::MAX),
        "queue.places_per_permit is 4294967295, allowed is 1 to 1000000",
    );
    check_refused(|b| b.sojourn(Duration::ZERO, MS), "queue.sojourn.target is 0ns, allowed is 1ms to 3600s");
    check_refused(
        |b| b.sojourn(5 * MS, 4 * MS),
        "queue.sojourn.interval is 4ms, allowed is 5ms (target) to 3600s",
    );
    check_refused(
        |b| b.sojourn(MS, HOUR + MS),
        "queue.sojourn.interval is 3600.001s, allowed is 1ms (target) to 3600s",
    );
    check_refused(|b| b.tick(Duration::MAX), &format!("tick is {:?}, allowed is 10ms to 1s", Duration::MAX));
}

#[test]
fn the_bounds_themselves_are_allowed() {
    const HOUR: Duration = Duration::from_hours(1);
    let ms = Duration::from_millis(1);
    for set in [
        |b: LimiterBuilder, _| b.queue_limit(1),
        |b: LimiterBuilder, _| b.queue_limit(1_000_000),
        |b: LimiterBuilder, _| b.queue_limit_per_permit(1_000_000),
        |b: LimiterBuilder, ms| b.sojourn(ms, ms),
        |b: LimiterBuilder, _| b.sojourn(HOUR, HOUR),
    ] {
        assert!(set(Limiter::builder().fixed(1), ms).build_manual().is_ok());
    }
}

#[test]
fn all_bad_settings_are_named_at_once() {
    let builder =
        Limiter::builder().tick(Duration::ZERO).queue_limit(0).sojourn(Duration::ZERO, Duration::MAX);
    let error = builder.fixed(0).build_manual().unwrap_err().to_string();
    let fields = error.split("; ").filter_map(|fault| fault.split(" is ").next());
    let fields: Vec<_> = fields.collect();
    assert_eq!(
        fields,
        ["law.limit", "tick", "queue.places", "queue.sojourn.target", "queue.sojourn.interval"],
        "{error}"
    );
    let error = Limiter::builder().tick(Duration::ZERO).build_manual().unwrap_err().to_string();
    assert!(error.starts_with("tick is 0ns, allowed is 10ms to 1s; pool is not given"), "{error}");
}
