//! How keys share the limit.

use super::load::Load;
use super::manual::{Rig, granted, still_waits};
use proptest::prelude::*;
use tidegate_limiter::{Class, Key};

fn key(name: &str) -> Class {
    Class::default().key(Key::new(name))
}

/// At limits 1 to 5 congestion-limiter serves the tenth 0 %, and Netflix's partitions exceed the limit.
#[test]
fn a_key_is_never_more_than_one_permit_from_its_share_at_any_limit() {
    for shares in [&[1, 1][..], &[9, 1], &[7, 2, 1]] {
        for limit in 1..=20 {
            let rig = Rig::new(limit);
            let mut load = Load::of_shares(&rig, shares);
            for turn in 0..1000 {
                load.step();
                let error = load.error(shares);
                assert!(error <= 1.0 + 1e-6, "{shares:?} at {limit}, turn {turn}: {:?}", load.given());
            }
        }
    }
}

proptest! {
    /// In-flight and virtual time pull apart a little where a share is not a whole number of permits.
    #[test]
    fn any_shares_at_any_limit_are_exact_to_two_permits(
        shares in prop::collection::vec(1_u32..100, 2..8),
        limit in 1_u32..=20,
    ) {
        let rig = Rig::new(limit);
        let mut load = Load::of_shares(&rig, &shares);
        for _ in 0..500 {
            load.step();
            prop_assert!(load.error(&shares) <= 2.0, "{:?}", load.given());
        }
    }
}

#[test]
fn a_key_of_long_calls_holds_its_share_of_the_limit_and_no_more() {
    for limit in 2..=20 {
        let rig = Rig::new(limit);
        let mut load = Load::new(&rig);
        let held = (0..limit).map(|_| rig.admitted(None)).collect();
        load.add(key("long"), 50);
        load.add(key("short"), 1);
        load.start(held);
        for _ in 0..1000 {
            load.step();
            assert!(load.keys[0].held <= limit.div_ceil(2), "{} of {limit}", load.keys[0].held);
            assert!(load.keys[1].held <= limit.div_ceil(2), "{} of {limit}", load.keys[1].held);
        }
    }
}

#[test]
fn a_key_alone_has_the_whole_limit() {
    let rig = Rig::new(5);
    let _all: Vec<_> = (0..5).map(|_| rig.admitted(key("alone").share(1))).collect();
    assert_eq!(rig.counts(), (5, 0, 0));
}

#[test]
fn a_lent_share_comes_back_within_one_service_time() {
    let rig = Rig::new(4);
    let mut lent: Vec<_> = (0..4).map(|_| rig.admitted(key("borrower"))).collect();
    let mut borrower = [rig.waiting(key("borrower")), rig.waiting(key("borrower"))];
    let mut lender = [rig.waiting(key("lender")), rig.waiting(key("lender"))];
    // The first two permits that come back are the lender's half, though others waited before it.
    let mut own = Vec::new();
    for call in &mut lender {
        lent.pop();
        own.push(granted(call));
    }
    borrower.iter_mut().for_each(still_waits);
    drop(own);
    assert_eq!(borrower.each_mut().map(granted).len(), 2, "and what it leaves is lent again");
}

#[test]
fn calls_of_one_key_are_served_oldest_first() {
    let rig = Rig::new(1);
    let mut held = Some(rig.admitted(None));
    let mut calls: Vec<_> = (0..5).map(|_| rig.waiting(key("one"))).collect();
    for turn in 0..5 {
        drop(held.take());
        held = Some(granted(&mut calls[turn]));
        calls[turn + 1..].iter_mut().for_each(still_waits);
    }
}

#[test]
fn calls_without_a_class_are_one_key_of_share_one() {
    let rig = Rig::new(4);
    let mut load = Load::new(&rig);
    let held = (0..4).map(|_| rig.admitted(None)).collect();
    load.add(None, 1);
    load.add(key("three").share(3), 1);
    load.start(held);
    for _ in 0..400 {
        load.step();
        assert!(load.error(&[1, 3]) <= 1.0 + 1e-6, "{:?}", load.given());
    }
}

#[test]
fn calls_with_a_class_and_no_key_are_one_key() {
    let rig = Rig::new(2);
    let mut load = Load::new(&rig);
    let held = (0..2).map(|_| rig.admitted(None)).collect();
    load.add(Class::default().share(2), 1);
    load.add(key("one"), 1);
    load.start(held);
    for _ in 0..300 {
        load.step();
        assert!(load.error(&[2, 1]) <= 1.0 + 1e-6, "{:?}", load.given());
    }
}

#[test]
fn the_last_call_of_a_key_says_what_its_share_is() {
    let rig = Rig::new(1);
    let mut load = Load::of_shares(&rig, &[1, 1]);
    (0..100).for_each(|_| load.step());
    let before = load.given();
    // One call more of the first key is enough, also if it is gone again.
    drop(rig.waiting(Class::default().key(Key::new(0_usize)).share(3)));
    load.set_share(0, 3);
    (0..400).for_each(|_| load.step());
    let after = load.given();
    let given = [after[0] - before[0], after[1] - before[1]];
    assert!((298..=302).contains(&given[0]), "{given:?}");
}

#[test]
fn equal_things_make_equal_keys_and_different_things_do_not() {
    assert_eq!(Key::new("job 17"), Key::new(String::from("job 17")));
    assert_ne!(Key::new("job 17"), Key::new("job 18"));
}

#[test]
fn a_share_or_weight_outside_its_range_is_taken_as_the_nearest_bound() {
    assert_eq!(Class::default().share(0), Class::default().share(1));
    assert_eq!(Class::default().share(u32::MAX), Class::default().share(Class::MAX));
    assert_eq!(Class::default().weight(0), Class::default().weight(1));
    assert_eq!(Class::default().weight(u32::MAX), Class::default().weight(Class::MAX));
}

#[test]
fn the_widest_span_of_shares_is_exact_still() {
    let rig = Rig::new(1);
    let shares = [Class::MAX, 1];
    let mut load = Load::of_shares(&rig, &shares);
    for _ in 0..1000 {
        load.step();
        assert!(load.error(&shares) <= 1.0 + 1e-6, "{:?}", load.given());
    }
}

#[test]
fn an_idle_key_saves_nothing_up() {
    let rig = Rig::new(1);
    let mut load = Load::of_shares(&rig, &[1]);
    // The other key was not there for a long time, and has no more than its half when it comes.
    (0..200).for_each(|_| load.step());
    let before = load.given()[0];
    load.add(key("late"), 1);
    (0..100).for_each(|_| load.step());
    assert!((49..=51).contains(&load.given()[1]), "{:?}", load.given());
    assert!((49..=51).contains(&(load.given()[0] - before)), "{:?}", load.given());
}
