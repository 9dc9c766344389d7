//! The retries a limiter lends: a share of what has just succeeded, and none while the database is in trouble.
//!
//! The driver alone deposits, out of the counts it makes anyway, so a call that succeeds pays nothing for it. Callers
//! withdraw, after a failure. Both do it under one lock that is held for some arithmetic; what is withdrawn is spent, so no
//! guard has to bring anything back.

mod account;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tidegate_core::Timestamp;

use self::account::Account;
pub(crate) use self::account::Terms;
use crate::Limiter;
use crate::limiter::Shared;

/// The retries that a limiter lends; made by [`Limiter::retry_budget`].
///
/// A call that failed and is tried again is load that nobody asked for, and it comes when the database can least bear it. So
/// a retry is made only if one is lent:
///
/// - a share of the permits that came back with a success is deposited ([`RetrySettings::share`], a tenth), and lapses after
///   a while if nobody wants it ([`RetrySettings::window`], 10 s);
/// - a small reserve lets a service of few calls retry at all ([`RetrySettings::reserve`], 3 in each window);
/// - nothing is deposited or lent while the brake is on, while the limit gives way to an overload, and while a recovery epoch
///   lasts, in which calls still fail for what is past; see [`RetryDenied`].
///
/// So retries add no more than that share to the load, over any span: what is lent in it is at most the share of what
/// succeeded in it and in the window before it, and the reserves of the windows it touches.
///
/// The brake and the shrink are known from the driver's last look (a quarter of a tick ago) or its last tick. In shadow mode
/// every retry is lent, since nothing is held back there; those that would not have been are counted. A law that holds one
/// limit never shrinks it and has no epochs, so then the share alone is what bounds retries.
///
/// A clone shares the account, and so do all budgets of one limiter. It keeps the limiter alive, as a clone of that does.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tidegate_limiter::{Limiter, RetryDenied};
///
/// let limiter = Limiter::builder().name("experts").fixed(5).build()?;
/// let budget = limiter.retry_budget();
/// // Nothing has succeeded yet, so there is the reserve and no more.
/// for _ in 0..3 {
///     budget.withdraw()?;
/// }
/// assert_eq!(budget.withdraw(), Err(RetryDenied::Spent));
/// # Ok(()) }
/// ```
///
/// [`RetrySettings::share`]: crate::RetrySettings::share
/// [`RetrySettings::reserve`]: crate::RetrySettings::reserve
/// [`RetrySettings::window`]: crate::RetrySettings::window
#[derive(Clone)]
pub struct RetryBudget {
    shared: Arc<Shared>,
}

/// Why no retry was lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryDenied {
    /// The brake is on: the pool has stopped answering.
    Braked,
    /// A recovery epoch lasts: calls let in before the last decrease still fail for what is past.
    Recovering,
    /// The limit is shrinking, because there is more to do than the database can: it has, or would have if it were not at its
    /// least, and the law has not said since that it is over.
    Shrinking,
    /// As many retries were made as recent successes and the reserve allow.
    Spent,
}

impl RetryDenied {
    /// Every reason, in the order of the metric's documentation.
    pub const ALL: [Self; 4] = [Self::Braked, Self::Recovering, Self::Shrinking, Self::Spent];

    /// The reason as a metric label: lower case, one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Braked => "braked",
            Self::Recovering => "recovering",
            Self::Shrinking => "shrinking",
            Self::Spent => "spent",
        }
    }
}

impl fmt::Display for RetryDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Braked => "no retry is lent: the brake is on",
            Self::Recovering => "no retry is lent: a recovery epoch lasts",
            Self::Shrinking => "no retry is lent: the limit is shrinking",
            Self::Spent => "no retry is lent: the budget is spent",
        })
    }
}

impl Error for RetryDenied {}

/// What became of the wish to retry; the label `outcome` of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Lent,
    /// Lent in shadow mode alone.
    WouldDeny,
    Denied(RetryDenied),
}

impl RetryBudget {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Takes one retry out of the budget. It is spent, whether or not the retry is made in the end.
    ///
    /// # Errors
    ///
    /// Why none is lent. Then the failure is the answer: a wait for a retry is a retry too many.
    pub fn withdraw(&self) -> Result<(), RetryDenied> {
        let Shared { retries, gate, telemetry, .. } = &*self.shared;
        let withdrawn = retries.withdraw();
        let answer = match withdrawn {
            Ok(()) => Answer::Lent,
            Err(_) if gate.peek().is_shadow => Answer::WouldDeny,
            Err(denied) => Answer::Denied(denied),
        };
        telemetry.retried(answer);
        if answer == Answer::WouldDeny { Ok(()) } else { withdrawn }
    }

    /// How many retries would be lent now: none while one of the reasons to lend none holds.
    #[must_use]
    pub fn balance(&self) -> u32 {
        self.shared.retries.balance()
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("limiter", &self.shared.name)
            .field("balance", &self.balance())
            .finish_non_exhaustive()
    }
}

impl Limiter {
    /// The retries that this limiter lends, for a retry policy above it; see [`RetryBudget`].
    #[must_use]
    pub fn retry_budget(&self) -> RetryBudget {
        RetryBudget::new(Arc::clone(self.shared()))
    }
}

/// A limiter's account, and whether anybody has asked for a retry.
#[derive(Debug)]
pub(crate) struct Retries {
    account: Mutex<Account>,
    is_used: AtomicBool,
}

impl Retries {
    pub(crate) const fn new(terms: Terms) -> Self {
        Self { account: Mutex::new(Account::new(terms)), is_used: AtomicBool::new(false) }
    }

    pub(crate) fn set_terms(&self, terms: Terms) {
        self.account.lock().set_terms(terms);
    }

    /// A look of the driver, which found this reason to lend nothing, or none.
    pub(crate) fn look(&self, now: Timestamp, hold: Option<RetryDenied>) {
        self.account.lock().look(now, hold);
    }

    /// What succeeded since the last tick, and whether it can be lent on.
    pub(crate) fn deposit(&self, successes: u64) {
        self.account.lock().deposit(successes);
    }

    fn withdraw(&self) -> Result<(), RetryDenied> {
        self.is_used.store(true, Ordering::Relaxed);
        self.account.lock().withdraw()
    }

    pub(crate) fn balance(&self) -> u32 {
        self.account.lock().balance()
    }

    /// Why nothing is lent, if a limiter that is asked for retries lends none whatever succeeds.
    pub(crate) fn hold(&self) -> Option<RetryDenied> {
        self.account.lock().hold().filter(|_| self.is_used.load(Ordering::Relaxed))
    }
}
