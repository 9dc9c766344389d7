//! Who goes first between keys of different priority.

use super::load::Load;
use super::manual::{Rig, granted, still_waits};
use tidegate_limiter::{Class, Key, Priority};

fn of(priority: Priority) -> Class {
    Class::default().priority(priority)
}

#[test]
fn the_highest_priority_goes_first_whoever_came_first() {
    let rig = Rig::new(1);
    let mut held = Some(rig.admitted(None));
    let mut calls =
        [Priority::Low, Priority::Normal, Priority::High].map(|priority| rig.waiting(of(priority)));
    for turn in (0..3).rev() {
        drop(held.take());
        held = Some(granted(&mut calls[turn]));
        calls[..turn].iter_mut().for_each(still_waits);
    }
}

#[test]
fn a_call_without_a_class_is_of_normal_priority() {
    let rig = Rig::new(1);
    let held = rig.admitted(None);
    let mut low = rig.waiting(of(Priority::Low));
    let mut plain = rig.waiting(None);
    let mut high = rig.waiting(of(Priority::High));
    drop(held);
    drop(granted(&mut high));
    drop(granted(&mut plain));
    drop(granted(&mut low));
}

#[test]
fn a_lower_priority_that_waits_gets_one_permit_in_ten() {
    for limit in [1, 2, 7, 20] {
        let rig = Rig::new(limit);
        let mut load = Load::new(&rig);
        let held = (0..limit).map(|_| rig.admitted(of(Priority::High))).collect();
        load.add(of(Priority::High), 1);
        load.add(of(Priority::Low), 1);
        load.start(held);
        for turn in 1..=1000_u64 {
            load.step();
            let low = load.given()[1];
            let total: u64 = load.given().iter().sum();
            assert!(low >= total / 10, "turn {turn}, limit {limit}: {:?}", load.given());
            assert!(low <= total / 10 + 1, "turn {turn}, limit {limit}: {:?}", load.given());
        }
    }
}

#[test]
fn each_priority_gets_one_in_ten_of_what_it_and_higher_ones_get() {
    let rig = Rig::new(3);
    let mut load = Load::new(&rig);
    let held = (0..3).map(|_| rig.admitted(None)).collect();
    for priority in [Priority::Low, Priority::Normal, Priority::High] {
        load.add(of(priority), 1);
    }
    load.start(held);
    (0..10_000).for_each(|_| load.step());
    let given = load.given();
    let [low, normal, high] = [given[0], given[1], given[2]];
    assert!(low.abs_diff((low + normal + high) / 10) <= 1, "{given:?}");
    assert!(normal.abs_diff((normal + high) / 10) <= 1, "{given:?}");
}

#[test]
fn a_single_low_call_waits_for_nine_others_at_most() {
    let rig = Rig::new(1);
    let mut load = Load::new(&rig);
    let held = vec![rig.admitted(None)];
    load.add(of(Priority::High), 1);
    let mut low = rig.waiting(of(Priority::Low));
    load.start(held);
    let mut others = 1;
    while !low.is_woken() {
        load.step();
        others += 1;
        assert!(others <= 10, "the low call is starved");
    }
    drop(granted(&mut low));
}

#[test]
fn the_floor_is_shared_among_the_keys_of_the_lower_priority() {
    let rig = Rig::new(1);
    let mut load = Load::new(&rig);
    let held = vec![rig.admitted(None)];
    load.add(of(Priority::High), 1);
    load.add(of(Priority::Low).key(Key::new("a")).share(3), 1);
    load.add(of(Priority::Low).key(Key::new("b")), 1);
    load.start(held);
    (0..1200).for_each(|_| load.step());
    let given = load.given();
    assert!((88..=92).contains(&given[1]) && (29..=31).contains(&given[2]), "{given:?}");
}

#[test]
fn one_key_at_two_priorities_is_served_in_their_order() {
    let rig = Rig::new(1);
    let held = rig.admitted(None);
    let mut low = rig.waiting(of(Priority::Low).key(Key::new("one")));
    let mut high = rig.waiting(of(Priority::High).key(Key::new("one")));
    drop(held);
    drop(granted(&mut high));
    drop(granted(&mut low));
}
