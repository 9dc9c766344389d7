//! What the account lends, over any span.

use std::time::Duration;

use proptest::prelude::*;
use tidegate_core::Timestamp;

use super::RetryDenied::{self, Braked, Spent};
use super::account::{Account, Terms};

fn terms(share: f64, reserve: u32) -> Terms {
    Terms::new(share, reserve, Duration::from_secs(10))
}

/// Takes what there is.
fn all_of(account: &mut Account) -> u32 {
    let balance = account.balance();
    for _ in 0..balance {
        assert_eq!(account.withdraw(), Ok(()));
    }
    assert_ne!(account.withdraw(), Ok(()), "the balance was all");
    balance
}

fn at(account: &mut Account, ms: u64, hold: Option<RetryDenied>) {
    account.look(Timestamp::from_millis(ms), hold);
}

#[test]
fn a_tenth_of_the_successes_is_lent_and_then_nothing() {
    let mut account = Account::new(terms(0.1, 0));
    assert_eq!(account.withdraw(), Err(Spent));
    at(&mut account, 100, None);
    account.deposit(39);
    assert_eq!(all_of(&mut account), 3);
    account.deposit(1);
    assert_eq!(all_of(&mut account), 1, "the rest of 39 was kept");
}

#[test]
fn a_deposit_lapses_after_a_window() {
    let mut account = Account::new(terms(0.1, 0));
    at(&mut account, 100, None);
    account.deposit(50);
    at(&mut account, 9_000, None);
    assert_eq!(account.balance(), 5);
    at(&mut account, 10_200, None);
    assert_eq!(account.balance(), 0);
    // And after a time without looks, too.
    account.deposit(50);
    at(&mut account, 3_600_000, None);
    assert_eq!(account.balance(), 0);
    account.deposit(50);
    at(&mut account, 3_609_000, None);
    assert_eq!(account.balance(), 5, "not before");
}

#[test]
fn the_oldest_deposit_is_lent_first() {
    let mut account = Account::new(terms(0.1, 0));
    at(&mut account, 100, None);
    account.deposit(10);
    at(&mut account, 5_000, None);
    account.deposit(10);
    assert_eq!(account.withdraw(), Ok(()));
    at(&mut account, 11_000, None);
    assert_eq!(account.balance(), 1, "the newer one has not lapsed");
}

#[test]
fn the_reserve_is_there_at_once_and_fills_in_a_window() {
    let mut account = Account::new(terms(0.1, 3));
    assert_eq!(all_of(&mut account), 3);
    at(&mut account, 3_000, None);
    assert_eq!(account.balance(), 0);
    at(&mut account, 4_000, None);
    assert_eq!(account.balance(), 1);
    at(&mut account, 3_600_000, None);
    assert_eq!(all_of(&mut account), 3, "and no further");
}

#[test]
fn nothing_is_deposited_or_lent_while_it_holds() {
    let mut account = Account::new(terms(0.1, 3));
    at(&mut account, 100, Some(Braked));
    account.deposit(1_000);
    assert_eq!((account.balance(), account.withdraw()), (0, Err(Braked)));
    at(&mut account, 200, None);
    assert_eq!(all_of(&mut account), 3, "the reserve alone");
}

#[test]
fn other_terms_hold_from_now_on() {
    let mut account = Account::new(terms(0.1, 3));
    account.set_terms(Terms::new(0.5, 1, Duration::from_secs(2)));
    assert_eq!(all_of(&mut account), 1);
    at(&mut account, 100, None);
    account.deposit(4);
    assert_eq!(account.balance(), 2);
    at(&mut account, 2_300, None);
    assert_eq!(account.balance(), 1, "the deposit lapsed, the reserve filled");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Look { ms: u64, holds: bool },
    Deposit(u64),
    Withdraw(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_000_u64, prop::bool::weighted(0.2)).prop_map(|(ms, holds)| Step::Look { ms, holds }),
        (0..200_u64).prop_map(Step::Deposit),
        (0..30_u32).prop_map(Step::Withdraw),
    ]
}

/// What happened when, in ms.
#[derive(Default)]
struct Log {
    deposited: Vec<(u64, u64)>,
    lent: Vec<u64>,
}

fn play(steps: &[Step], terms: Terms) -> Log {
    let (mut account, mut log, mut now, mut is_held) = (Account::new(terms), Log::default(), 0, false);
    for step in steps {
        match *step {
            Step::Look { ms, holds } => {
                (now, is_held) = (now + ms, holds);
                at(&mut account, now, holds.then_some(Braked));
            }
            Step::Deposit(successes) => {
                account.deposit(successes);
                log.deposited.extend((!is_held).then_some((now, successes)));
            }
            Step::Withdraw(retries) => {
                let lent = (0..retries).filter(|_| account.withdraw().is_ok()).count();
                assert!(lent == 0 || !is_held, "lent while it held");
                log.lent.extend(std::iter::repeat_n(now, lent));
            }
        }
    }
    log
}

proptest! {
    /// Over any span no more is lent than the share of what succeeded in it and in the window before, and the reserve.
    #[test]
    fn no_more_is_lent_than_was_deposited(
        steps in prop::collection::vec(step(), 1..120),
        percent in 0..=100_u32,
        reserve in 0..=5_u32,
    ) {
        let log = play(&steps, terms(f64::from(percent) / 100.0, reserve));
        let hundredths = u64::from(percent);
        for (i, &from) in log.lent.iter().enumerate() {
            for (count, &to) in (1_u64..).zip(&log.lent[i..]) {
                let usable = |&&(at, _): &&(u64, u64)| at + 10_000 >= from && at <= to;
                let successes: u64 = log.deposited.iter().filter(usable).map(|&(_, successes)| successes).sum();
                // The reserve may be full at the beginning, and fills once in each window.
                let reserves = u64::from(reserve) * (10_000 + to - from);
                prop_assert!(
                    count * 1_000_000 <= successes * hundredths * 10_000 + reserves * 100,
                    "{count} lent from {from} to {to} for {successes} successes"
                );
            }
        }
    }
}
