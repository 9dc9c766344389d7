//! A limiter whose law, driver and clock the test holds, and calls that it polls by hand.

use std::cell::RefCell;
use std::task::Poll;
use std::time::Duration;

use super::util::{Told, ToldPool};
use tidegate_core::Timestamp;
use tidegate_limiter::{
    Acquire, Claim, Class, Limiter, LimiterBuilder, ManualDriver, OverloadReason, Overloaded, Permit,
    Reservation,
};
use tokio::time::{Instant, advance};
use tokio_test::task::{self, Spawn};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok};

/// A call that is polled by hand and knows whether it was woken since.
pub(crate) type Call = Spawn<Acquire>;

pub(crate) struct Rig {
    pub(crate) limiter: Limiter,
    pub(crate) law: Told,
    /// Looked through by rigs that are shared.
    driver: RefCell<ManualDriver>,
    start: Instant,
}

impl Rig {
    pub(crate) fn new(limit: u32) -> Self {
        Self::with(limit, |builder| builder)
    }

    pub(crate) fn with(limit: u32, set: impl FnOnce(LimiterBuilder) -> LimiterBuilder) -> Self {
        let law = Told::new(limit);
        let builder = Limiter::builder().pool(ToldPool::default()).law(law.clone());
        let start = Instant::now();
        let (limiter, driver) = set(builder).build_manual().unwrap();
        Self { limiter, law, driver: RefCell::new(driver), start }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_start(self.start.elapsed())
    }

    pub(crate) fn tick(&mut self) {
        let now = self.now();
        self.driver.get_mut().tick(now);
    }

    pub(crate) fn look(&self) {
        self.driver.borrow_mut().look(self.now());
    }

    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.law.set_limit(limit);
        self.tick();
    }

    pub(crate) fn set_brake(&self, on: bool) {
        self.law.set_brake(on);
        self.look();
    }

    /// Lets the paused clock go on by so much, in one step, and the driver look.
    pub(crate) async fn pass(&self, ms: u64) {
        advance(Duration::from_millis(ms)).await;
        self.look();
    }

    /// A call of this class, or without one, that has not been polled.
    pub(crate) fn call(&self, class: impl Into<Option<Class>>) -> Call {
        task::spawn(match class.into() {
            Some(class) => self.limiter.acquire_with(class),
            None => self.limiter.acquire(),
        })
    }

    /// A call that waits.
    #[track_caller]
    pub(crate) fn waiting(&self, class: impl Into<Option<Class>>) -> Call {
        let mut call = self.call(class);
        assert_pending!(call.poll());
        call
    }

    /// The permit of a call that is admitted at once.
    #[track_caller]
    pub(crate) fn admitted(&self, class: impl Into<Option<Class>>) -> Permit {
        assert_ready_ok!(self.call(class).poll())
    }

    /// The answer to a call that is refused at once.
    #[track_caller]
    pub(crate) fn refused(&self, class: impl Into<Option<Class>>) -> Overloaded {
        assert_ready!(self.call(class).poll()).unwrap_err()
    }

    /// Permits out, permits reserved, and callers that wait.
    pub(crate) fn counts(&self) -> (u32, u32, u32) {
        let seen = self.limiter.snapshot();
        (seen.in_flight, seen.reserved, seen.queued)
    }

    /// Nothing is out, nobody waits, and the whole limit can be had.
    #[track_caller]
    pub(crate) fn assert_nothing_is_lost(&self) {
        assert_eq!(self.counts(), (0, 0, 0));
        let limit = self.limiter.snapshot().limit;
        let all: Vec<_> = (0..limit).map(|_| self.admitted(None)).collect();
        assert!(self.limiter.try_acquire().is_err(), "more than the limit");
        drop(all);
        assert_eq!(self.admitted(Class::default().weight(limit)).weight(), limit);
        assert_eq!(self.counts(), (0, 0, 0));
    }
}

/// The permit of a call that waited and was woken for it.
#[track_caller]
pub(crate) fn granted(call: &mut Call) -> Permit {
    assert!(call.is_woken(), "nobody woke the call");
    assert_ready_ok!(call.poll())
}

/// Why a call that waited was woken to be refused.
#[track_caller]
pub(crate) fn turned_away(call: &mut Call) -> OverloadReason {
    assert!(call.is_woken(), "nobody woke the call");
    assert_ready!(call.poll()).unwrap_err().reason()
}

/// The call of a service that has said "ready".
pub(crate) fn claimed(handle: &mut Spawn<Reservation>) -> Spawn<Claim> {
    task::spawn(handle.enter(|_, mut reservation| reservation.claim()).unwrap())
}

/// Whether the permit of the call is there.
pub(crate) fn poll_held(claim: &mut Spawn<Claim>) -> Poll<()> {
    claim.enter(|cx, mut claim| claim.poll_held(cx))
}

/// The call still waits, and nobody woke it for nothing.
#[track_caller]
pub(crate) fn still_waits(call: &mut Call) {
    assert!(!call.is_woken(), "the call was woken");
    assert_pending!(call.poll());
}
