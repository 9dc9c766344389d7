//! Real threads: everything at once, bounded by count.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::util::{Told, ToldPool};
use tidegate_limiter::{
    Class, Key, LawSettings, Limiter, Mode, Overloaded, Permit, Priority, QueueSettings, Reservation,
    Settings, SojournSettings,
};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

const TASKS: u32 = 64;
const CALLS: u32 = 400;

/// The permits that are inside, counted by those who hold them.
#[derive(Clone, Default)]
struct Inside {
    now: Arc<AtomicU32>,
    peak: Arc<AtomicU32>,
}

impl Inside {
    /// Work with what was `held` for it, which is given back after it is counted out, also where the work is dropped.
    async fn work<T>(&self, held: T, weight: u32, yields: u32) {
        let now = self.now.fetch_add(weight, Ordering::SeqCst) + weight;
        self.peak.fetch_max(now, Ordering::SeqCst);
        let guard = Guard { inside: self, weight };
        for _ in 0..yields {
            yield_now().await;
        }
        drop(guard);
        drop(held);
    }

    async fn work_with(&self, permit: Permit, yields: u32) {
        let weight = permit.weight();
        self.work(permit, weight, yields).await;
    }
}

struct Guard<'a> {
    inside: &'a Inside,
    weight: u32,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.inside.now.fetch_sub(self.weight, Ordering::SeqCst);
    }
}

/// A small generator of its own for each task, so that a run can be told by its tasks' numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap() % sides
    }

    fn class(&mut self) -> Class {
        let priority = [Priority::Low, Priority::Normal, Priority::High][self.roll(3) as usize];
        let class = Class::default().priority(priority).weight(1 + self.roll(8) / 6).share(1 + self.roll(3));
        let class = if self.roll(5) > 0 { class.key(Key::new(self.roll(6))) } else { class };
        if self.roll(4) == 0 { class.within(Duration::from_micros(u64::from(self.roll(500)))) } else { class }
    }
}

/// A call of any kind; given up at some point, or carried through.
async fn call(limiter: &Limiter, inside: &Inside, dice: &mut Dice) -> Result<(), Overloaded> {
    let yields = dice.roll(4);
    match dice.roll(8) {
        0 => inside.work_with(limiter.try_acquire()?, yields).await,
        1 => inside.work_with(limiter.try_acquire_with(dice.class())?, yields).await,
        2 => inside.work_with(limiter.acquire().await?, yields).await,
        3 => {
            let work = async {
                inside.work_with(limiter.acquire().await?, yields).await;
                Ok(())
            };
            return timeout(Duration::from_micros(u64::from(dice.roll(300))), work).await.unwrap_or(Ok(()));
        }
        4 => {
            let mut reservation = Reservation::new(limiter);
            // Services of a closed limiter are never ready again.
            let is_ready =
                timeout(Duration::from_millis(2), poll_fn(|cx| reservation.poll_ready(cx))).await.is_ok();
            yield_now().await;
            if is_ready && dice.roll(3) > 0 {
                let mut claim = reservation.claim().unwrap();
                poll_fn(|cx| claim.poll_held(cx)).await;
                inside.work(claim, 1, yields).await;
            }
        }
        5 => {
            let class = dice.class();
            let work = async {
                inside.work_with(limiter.acquire_with(class).await?, yields).await;
                Ok(())
            };
            return timeout(Duration::from_micros(u64::from(dice.roll(300))), work).await.unwrap_or(Ok(()));
        }
        _ => inside.work_with(limiter.acquire_with(dice.class()).await?, yields).await,
    }
    Ok(())
}

fn spawn_all(limiter: &Limiter, inside: &Inside) -> JoinSet<u32> {
    let spawn = |tasks: &mut JoinSet<u32>, task: u32| {
        let (limiter, inside) = (limiter.clone(), inside.clone());
        tasks.spawn(async move {
            let mut dice = Dice(u64::from(task) + 1);
            let mut served = 0;
            for _ in 0..CALLS {
                served += u32::from(call(&limiter, &inside, &mut dice).await.is_ok());
                yield_now().await;
            }
            served
        });
    };
    let mut tasks = JoinSet::new();
    (0..TASKS).for_each(|task| spawn(&mut tasks, task));
    tasks
}

fn assert_idle(limiter: &Limiter) {
    let seen = limiter.snapshot();
    assert_eq!((seen.in_flight, seen.reserved, seen.queued, seen.overhang), (0, 0, 0, 0), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_constant_limit_is_never_exceeded_and_nothing_is_lost() {
    for limit in [1, 3, 8] {
        let limiter = Limiter::builder().fixed(limit).tick(Duration::from_millis(10)).build().unwrap();
        let inside = Inside::default();
        let served: u32 = spawn_all(&limiter, &inside).join_all().await.into_iter().sum();
        assert!(served > TASKS * CALLS / 10, "only {served} calls were served");
        assert!(inside.peak.load(Ordering::SeqCst) <= limit, "more than {limit} inside");
        assert_idle(&limiter);
        assert_eq!(limiter.try_acquire_with(Class::default().weight(limit)).unwrap().weight(), limit);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_limit_that_moves_is_kept_and_a_close_in_the_middle_drains() {
    let law = Told::new(8);
    let limiter = Limiter::builder()
        .pool(ToldPool::default())
        .law(law.clone())
        .queue_limit(40)
        .sojourn(Duration::from_millis(1), Duration::from_millis(20))
        .tick(Duration::from_millis(10))
        .build()
        .unwrap();
    let inside = Inside::default();
    let mut tasks = spawn_all(&limiter, &inside);
    let mut dice = Dice(0);
    for _ in 0..40 {
        law.set_limit(1 + dice.roll(8));
        law.set_brake(dice.roll(8) == 0);
        // Above the limit, nobody is let in: what is out can only become less.
        let before = limiter.snapshot();
        yield_now().await;
        let after = limiter.snapshot();
        assert!(after.in_flight <= before.in_flight.max(8), "{before:?} {after:?}");
        let ticks = law.seen().len();
        while law.seen().len() == ticks && !tasks.is_empty() {
            if let Ok(Some(done)) = timeout(Duration::from_millis(1), tasks.join_next()).await {
                done.unwrap();
            }
        }
    }
    law.set_brake(false);
    limiter.drain().await;
    assert_eq!(inside.now.load(Ordering::SeqCst), 0, "drained with calls inside");
    assert!(limiter.try_acquire().is_err());
    tasks.join_all().await;
    assert!(inside.peak.load(Ordering::SeqCst) <= 8, "more than the highest limit inside");
    assert_idle(&limiter);
}

/// Everything an owner can change, in turn and many times, while calls of every kind come and go.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_limiter_that_is_changed_ten_thousand_times_loses_nothing() {
    const CHANGES: u32 = 10_000;
    let law = LawSettings::Fixed { limit: 8 };
    let mut settings = Settings::default();
    settings.law = law.clone();
    settings.tick = Duration::from_millis(10);
    let limiter = Limiter::builder().settings(settings.clone()).build().unwrap();
    let inside = Inside::default();
    let tasks = spawn_all(&limiter, &inside);
    let mut dice = Dice(7);
    for change in 0..CHANGES {
        match dice.roll(8) {
            0 => limiter.set_mode(Mode::Shadow),
            1 => limiter.set_mode(Mode::Enforce),
            2 => limiter.freeze().unwrap(),
            3 => limiter.resume().unwrap(),
            4 => limiter.set_limit(1 + dice.roll(12)).unwrap(),
            5 => limiter.set_law(Told::new(1 + dice.roll(8))).unwrap(),
            _ => {
                settings.law = LawSettings::Fixed { limit: 1 + dice.roll(8) };
                settings.queue.places = Some(1 + dice.roll(100));
                settings.mode = if dice.roll(2) == 0 { Mode::Shadow } else { Mode::Enforce };
                let (target, interval) = (Duration::from_millis(1), Duration::from_millis(20));
                settings.queue.sojourn = (dice.roll(2) == 0).then(|| SojournSettings::new(target, interval));
                limiter.reconfigure(settings.clone()).unwrap();
            }
        }
        if change % 10 == 0 {
            yield_now().await;
        }
    }
    limiter.resume().unwrap();
    settings.law = law;
    settings.mode = Mode::Enforce;
    settings.queue = QueueSettings::default();
    limiter.reconfigure(settings.clone()).unwrap();
    assert_eq!(limiter.settings(), settings);
    let done = timeout(Duration::from_secs(60), tasks.join_all()).await.expect("a call is stuck");
    assert_eq!(done.len(), TASKS as usize);
    assert_idle(&limiter);
    // The driver has heard of it by now, or does at its next look.
    timeout(Duration::from_secs(10), async {
        while limiter.snapshot().limit != 8 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("the last change was lost");
    let held = limiter.try_acquire_with(Class::default().weight(8)).unwrap();
    assert_eq!(held.weight(), 8);
    assert!(limiter.try_acquire().is_err(), "shadow mode was left on");
}
