//! The world: what happens, in order of virtual time.
//!
//! One loop takes the next event from the agenda, lets it happen, and then polls every expert that it woke. Between two
//! events nothing changes, so the statistics are exact areas.

mod audit;
mod calls;
mod experts;
mod jobs;

use std::time::Duration;

use fastrand::Rng;
use tidegate_core::Timestamp;
use tidegate_limiter::{Limiter, ManualDriver, Snapshot};

use self::audit::Tally;
use self::calls::Call;
use self::experts::Expert;
use self::jobs::Job;
use crate::agenda::Agenda;
use crate::ledger::{Gauges, Ledger};
use crate::model::{DatabaseModel, PoolModel, Published};
use crate::num::{Nanos, SECOND, nanos};
use crate::ready::Ready;
use crate::rivals::RivalLaw;
use crate::slab::{Key, Slab};
use crate::{Policy, Report, Scenario, SimError};

/// The law looks ten times a second, as in production.
const TICK: Nanos = SECOND / 10;
/// The driver looks at the brake this often per tick.
const LOOKS_PER_TICK: u64 = 4;

/// Plays a scenario once.
///
/// # Errors
///
/// If the policy cannot be built for this pool, or if the run broke a law of conservation: a fault of the limiter or of
/// the simulator.
pub fn run(scenario: &Scenario, policy: &Policy, seed: u64) -> Result<Report, SimError> {
    World::new(scenario, policy, seed)?.play(policy, seed)
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The caller's acquire has lasted as long as the pool allows.
    AcquireExpires(Key),
    /// The call's connection is open and tested.
    Connected(Key),
    /// The driver looks, for the n-th time.
    Look(u64),
    /// What is due in the database happens, unless the plan was changed since this one was made.
    Served { plan: u64 },
    /// The database's speed changes.
    Speed(f64),
    /// The job slot starts its next job.
    StartJob(usize),
    /// The expert has thought.
    Thought(Key),
    /// The law ticks.
    Tick,
}

struct World<'a> {
    scenario: &'a Scenario,
    now: Nanos,
    end: Nanos,
    agenda: Agenda<Event>,
    limiter: Limiter,
    driver: ManualDriver,
    /// The law, if it wants to hear of every call.
    rival: Option<RivalLaw>,
    pool: PoolModel,
    published: Published,
    database: DatabaseModel,
    /// The moment of the `Served` event that counts, and how often it was planned anew.
    served_at: Option<Nanos>,
    served_plan: u64,
    /// The source of randomness of each job slot: so that a slot's n-th job is the same under every policy.
    slots: Vec<Rng>,
    jobs: Slab<Job>,
    experts: Slab<Expert>,
    calls: Slab<Call>,
    ready: Ready,
    gauges: Gauges,
    /// The whole run first, then the spans that expectations name.
    ledgers: Vec<Ledger>,
    tally: Tally,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, policy: &Policy, seed: u64) -> Result<Self, SimError> {
        let timeout = nanos(scenario.pool.acquire_timeout_ms / 1e3);
        let pool = PoolModel::new(scenario.pool.max, Duration::from_nanos(timeout));
        let published = Published::default();
        published.set(pool.evidence(0));
        let builder = Limiter::builder()
            .name("simulated")
            .pool(published.clone())
            .connections_per_call(scenario.limiter.connections_per_call);
        let (builder, rival) = policy.configure(builder, seed);
        let (limiter, driver) = builder.build_manual().map_err(SimError::new)?;
        let mut rng = Rng::with_seed(seed);
        let end = nanos(scenario.duration_s);
        let spans = scenario.expectations.iter().filter_map(|expectation| expectation.during_s);
        let windows = spans.map(|[from, to]| Ledger::new(nanos(from), nanos(to)));
        let ledgers = std::iter::once(Ledger::new(0, end)).chain(windows).collect();
        Ok(Self {
            scenario,
            now: 0,
            end,
            agenda: Agenda::new(),
            limiter,
            driver,
            rival,
            pool,
            published,
            database: DatabaseModel::new(&scenario.database),
            served_at: None,
            served_plan: 0,
            slots: (0..scenario.load.jobs).map(|_| rng.fork()).collect(),
            jobs: Slab::new(),
            experts: Slab::new(),
            calls: Slab::new(),
            ready: Ready::default(),
            gauges: Gauges::default(),
            ledgers,
            tally: Tally::default(),
        })
    }

    fn play(mut self, policy: &Policy, seed: u64) -> Result<Report, SimError> {
        let (scenario, policy) = (self.scenario, policy.name());
        let named = |fault: SimError| {
            SimError::new(format_args!("scenario {}, policy {policy}, seed {seed}: {fault}", scenario.name))
        };
        let events = self.play_events().map_err(named)?;
        self.audit().map_err(named)?;
        let figures = |ledger: &Ledger| ledger.figures(scenario.pool.max);
        Ok(Report {
            policy: policy.to_owned(),
            seed,
            whole: figures(&self.ledgers[0]),
            windows: self.ledgers[1..].iter().map(figures).collect(),
            decisions: self.limiter.decisions(),
            events,
        })
    }

    /// Lets everything happen up to the end; how many events that were.
    fn play_events(&mut self) -> Result<u64, SimError> {
        self.plan_beginning();
        self.read_gauges();
        let mut events = 0;
        while let Some((at, event)) = self.agenda.next() {
            self.pass(at.min(self.end));
            if at > self.end {
                break;
            }
            events += 1;
            self.happen(event);
            self.poll_ready()?;
            self.read_gauges();
        }
        Ok(events)
    }

    fn plan_beginning(&mut self) {
        for change in &self.scenario.database.changes {
            self.agenda.plan(nanos(change.at_s), Event::Speed(change.speed));
        }
        for slot in 0..self.slots.len() {
            self.agenda.plan(0, Event::StartJob(slot));
        }
        self.agenda.plan(TICK / LOOKS_PER_TICK, Event::Look(1));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::AcquireExpires(call) => self.acquire_expires(call),
            Event::Connected(call) => self.connected(call),
            Event::Look(count) => self.look(count),
            Event::Served { plan } => self.served(plan),
            Event::Speed(speed) => {
                self.database.set_speed(self.now, speed);
                self.plan_served();
            }
            Event::StartJob(slot) => self.start_job(slot),
            Event::Thought(expert) => self.thought(expert),
            Event::Tick => self.driver.tick(self.timestamp()),
        }
    }

    /// What the driver's task does in production, at the same moments.
    fn look(&mut self, count: u64) {
        self.published.set(self.pool.evidence(self.now));
        self.driver.look(self.timestamp());
        if count.is_multiple_of(LOOKS_PER_TICK) {
            // An event of its own: those whom the look let in are seen to be in before the law may lower the limit.
            self.agenda.plan(self.now, Event::Tick);
        }
        self.agenda.plan((count + 1) * TICK / LOOKS_PER_TICK, Event::Look(count + 1));
    }

    const fn timestamp(&self) -> Timestamp {
        Timestamp::from_start(Duration::from_nanos(self.now))
    }

    fn pass(&mut self, to: Nanos) {
        for ledger in &mut self.ledgers {
            ledger.pass(self.now, to, &self.gauges);
        }
        self.now = to;
    }

    fn read_gauges(&mut self) {
        let Snapshot { limit, in_flight, queued, .. } = self.limiter.snapshot();
        let (pending, held, used) = (self.pool.pending(), self.pool.held(), self.pool.used());
        self.gauges = Gauges { limit, in_flight, queued, pending, held, used };
    }
}
