//! Bytes as operations on a limiter, two for each: what is done, and to which. Any bytes are a program.
//!
//! The fuzz target and the replay of its regressions, a test of `tidegate-limiter`, share this file.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tidegate_core::{ControlLaw, Decision, Evidence, PoolEvidence, Reason, Timestamp};
use tidegate_limiter::{
    Acquire, Claim, Class, Key, Limiter, ManualDriver, Mode, Permit, PoolProbe, Priority, Reservation, Room,
    Snapshot,
};

#[derive(Clone, Debug, Default)]
struct Told {
    limit: Arc<AtomicU32>,
    brake: Arc<AtomicBool>,
    current: u32,
}

impl ControlLaw for Told {
    fn limit(&self) -> u32 {
        self.current
    }

    fn tick(&mut self, _now: Timestamp, _evidence: &Evidence) -> Decision {
        let from = std::mem::replace(&mut self.current, self.limit.load(Ordering::Relaxed));
        Decision::new(from, self.current, Reason::Configured)
    }

    fn brakes(&self, _pool: &PoolEvidence) -> bool {
        self.brake.load(Ordering::Relaxed)
    }
}

struct NoPool;

impl PoolProbe for NoPool {
    fn read(&self) -> PoolEvidence {
        PoolEvidence::default()
    }

    fn name(&self) -> &str {
        "none"
    }
}

struct World {
    limiter: Limiter,
    driver: ManualDriver,
    told: Told,
    now: Duration,
    waiting: Vec<Pin<Box<Acquire>>>,
    permits: Vec<Permit>,
    reservations: Vec<Reservation>,
    claims: Vec<Claim>,
    rooms: Vec<Room>,
    /// Whether a call wanted more than one permit: then permits may be free while calls wait.
    has_wide: bool,
}

/// Runs the program; panics where the limiter breaks its word.
pub(crate) fn run(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O").block_on(async {
        let mut world = World::new(bytes.first().copied().unwrap_or(0));
        for step in bytes.get(1..).unwrap_or(&[]).chunks_exact(2) {
            let before = world.limiter.snapshot();
            world.step(step[0], step[1]).await;
            world.check(&before);
        }
        world.end().await;
    });
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The nth of what there is, counted round, taken out.
fn pick<T>(from: &mut Vec<T>, which: u8) -> Option<T> {
    (!from.is_empty()).then(|| from.remove(usize::from(which) % from.len()))
}

fn class(of: u8) -> Class {
    let priority = [Priority::Low, Priority::Normal, Priority::High][usize::from(of) % 3];
    let class = Class::default().priority(priority).share(1 + u32::from(of >> 6));
    let class = if of & 8 == 0 { class } else { class.weight(1 + u32::from(of >> 4 & 3)) };
    let class = if of & 4 == 0 { class } else { class.key(Key::new(of >> 4 & 7)) };
    if of & 3 == 3 { class.within(Duration::from_millis(u64::from(of))) } else { class }
}

impl World {
    fn new(config: u8) -> Self {
        let limit = 1 + u32::from(config & 7);
        let told = Told { limit: Arc::new(AtomicU32::new(limit)), brake: Arc::default(), current: limit };
        let builder = Limiter::builder().pool(NoPool).law(told.clone());
        let builder = if config & 8 == 0 {
            builder.queue_limit(u32::from(config >> 5) + 1)
        } else {
            builder.queue_limit_per_permit(2)
        };
        let times = (Duration::from_millis(5), Duration::from_millis(40));
        let builder = if config & 16 == 0 { builder } else { builder.sojourn(times.0, times.1) };
        let (limiter, driver) = builder.build_manual().expect("all settings are in range");
        Self {
            limiter,
            driver,
            told,
            now: Duration::ZERO,
            waiting: Vec::new(),
            permits: Vec::new(),
            reservations: Vec::new(),
            claims: Vec::new(),
            rooms: Vec::new(),
            has_wide: false,
        }
    }

    async fn step(&mut self, what: u8, which: u8) {
        match what % 18 {
            0 => self.permits.extend(self.limiter.try_acquire().ok()),
            1 => self.permits.extend(self.limiter.try_acquire_with(class(which)).ok()),
            2 => self.begin(self.limiter.acquire()),
            3..=5 => {
                self.has_wide |= which & 8 != 0;
                self.begin(self.limiter.acquire_with(class(which)));
            }
            6 => {
                if let Some(call) = pick(&mut self.waiting, which) {
                    self.begin_pinned(call);
                }
            }
            7 => drop(pick(&mut self.waiting, which)),
            8 | 9 => drop(pick(&mut self.permits, which)),
            10 => self.poll_reservation(which),
            11 => {
                if let Some(mut reservation) = pick(&mut self.reservations, which) {
                    self.claims.extend(reservation.claim());
                }
            }
            12 => drop(pick(&mut self.reservations, which)),
            13 => drop(pick(&mut self.claims, which)),
            14 => self.set_limit(1 + u32::from(which & 7)).await,
            15 => {
                self.told.brake.store(which & 3 == 3, Ordering::Relaxed);
                self.look(u64::from(which)).await;
            }
            16 => self.wait_for_room(which),
            _ if which == 255 => self.limiter.close(),
            _ if which >= 236 => self.change(which),
            _ => self.look(u64::from(which)).await,
        }
    }

    /// What the owner may change while it runs. All but the mode waits for the driver's next look.
    fn change(&mut self, which: u8) {
        let done = match which % 4 {
            0 => self.limiter.freeze(),
            1 => self.limiter.resume(),
            2 => {
                self.limiter.set_mode(Mode::Shadow);
                Ok(())
            }
            _ => {
                self.limiter.set_mode(Mode::Enforce);
                Ok(())
            }
        };
        done.expect("the driver is there");
    }

    fn begin(&mut self, call: Acquire) {
        self.begin_pinned(Box::pin(call));
    }

    fn begin_pinned(&mut self, mut call: Pin<Box<Acquire>>) {
        match poll(call.as_mut()) {
            Poll::Ready(answer) => self.permits.extend(answer.ok()),
            Poll::Pending => self.waiting.push(call),
        }
    }

    fn poll_reservation(&mut self, which: u8) {
        let is_new = which & 128 != 0 || self.reservations.is_empty();
        let other = if is_new { None } else { pick(&mut self.reservations, which) };
        let mut reservation = other.unwrap_or_else(|| Reservation::new(&self.limiter));
        let _ = reservation.poll_ready(&mut Context::from_waker(Waker::noop()));
        self.reservations.push(reservation);
    }

    fn wait_for_room(&mut self, which: u8) {
        let mut room = pick(&mut self.rooms, which).unwrap_or_else(|| Room::new(&self.limiter));
        let is_told = room.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready();
        if !is_told && self.rooms.len() < 8 {
            self.rooms.push(room);
        }
    }

    async fn wait(&mut self, millis: u64) {
        let time = Duration::from_millis(millis);
        tokio::time::advance(time).await;
        self.now += time;
    }

    async fn look(&mut self, millis: u64) {
        self.wait(millis).await;
        self.driver.look(Timestamp::from_start(self.now));
    }

    async fn set_limit(&mut self, limit: u32) {
        self.told.limit.store(limit, Ordering::Relaxed);
        self.wait(1).await;
        self.driver.tick(Timestamp::from_start(self.now));
    }

    fn check(&mut self, before: &Snapshot) {
        let seen = self.limiter.snapshot();
        let held: u32 = self.permits.iter().map(Permit::weight).sum();
        assert!(seen.in_flight >= held, "{held} permits are held: {seen:?}");
        let (occupied, occupied_before) =
            (seen.in_flight + seen.reserved, before.in_flight + before.reserved);
        let is_kept = seen.mode == Mode::Shadow || occupied <= seen.limit.max(occupied_before);
        assert!(is_kept, "admitted above the limit: {before:?} {seen:?}");
        let waiting = self.waiting.len() + self.claims.len() + self.reservations.len();
        assert!(seen.queued as usize <= waiting, "{waiting} may wait: {seen:?}");
        assert!(seen.reserved as usize <= self.reservations.len(), "a reservation of nobody: {seen:?}");
        if seen.queued > 0 && !seen.is_braked && !seen.is_closed && !self.has_wide {
            assert!(occupied >= seen.limit, "permits are free while calls wait: {seen:?}");
        }
    }

    /// Gives all back; then the limiter is as good as new.
    async fn end(mut self) {
        self.told.brake.store(false, Ordering::Relaxed);
        self.limiter.set_mode(Mode::Enforce);
        self.look(1).await;
        for mut call in std::mem::take(&mut self.waiting) {
            // Half of them by being polled once more, all by being dropped.
            if let Poll::Ready(Ok(permit)) = poll(call.as_mut()) {
                drop(permit);
            }
        }
        self.permits.clear();
        self.reservations.clear();
        self.claims.clear();
        self.rooms.clear();
        let seen = self.limiter.snapshot();
        assert_eq!((seen.in_flight, seen.reserved, seen.queued), (0, 0, 0), "{seen:?}");
        let all = self.limiter.try_acquire_with(Class::default().weight(seen.limit));
        assert_eq!(all.is_ok(), !seen.is_closed, "{seen:?}");
        drop(all);
        let mut drain = std::pin::pin!(self.limiter.drain());
        assert!(poll(drain.as_mut()).is_ready(), "an idle limiter is drained at once");
    }
}
