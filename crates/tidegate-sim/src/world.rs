//! The world: what happens, in order of virtual time.
//!
//! One loop takes the next event from the agenda, lets it happen, and then polls every expert that it woke. Between two
//! events nothing changes, so the statistics are exact areas.

mod audit;
mod calls;
mod demand;
mod experts;
mod gate;
mod jobs;
mod process;
mod tenants;

use std::time::Duration;

use fastrand::Rng;
use tidegate_limiter::ManualClock;

use self::calls::Call;
use self::experts::Expert;
use self::gate::Gate;
use self::jobs::Job;
use self::process::{LOOKS_PER_TICK, Process, TICK, timestamp};
use crate::agenda::Agenda;
use crate::books::Books;
use crate::ledger::Totals;
use crate::model::{DatabaseModel, PoolModel};
use crate::num::{Nanos, nanos};
use crate::ready::Ready;
use crate::slab::{Key, Slab};
use crate::{Policy, Report, Scenario, SimError};

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
    /// A job comes by itself, unless the plan was changed since this one was made.
    Arrive { process: usize, plan: u64 },
    /// The load changes, as the scenario's change of this number says.
    ChangeLoad(usize),
    /// The call's connection is open and tested.
    Connected(Key),
    /// The process's driver looks, for the n-th time.
    Look { process: usize, count: u64 },
    /// The expert's caller waits no longer.
    PatienceEnds(Key),
    /// The recorded job of this number comes.
    Recorded(usize),
    /// The pools' size changes.
    Resize(u32),
    /// A job that came by itself and failed is tried again.
    Retry(usize),
    /// What is due in the database happens, unless the plan was changed since this one was made.
    Served { plan: u64 },
    /// The database's speed changes.
    Speed(f64),
    /// The job slot starts its next job.
    StartJob { process: usize, slot: usize },
    /// The tenant of this number asks for its connections.
    TenantComes(usize),
    /// The tenant of this number goes.
    TenantGoes(usize),
    /// The expert has thought.
    Thought(Key),
    /// The process's law ticks.
    Tick(usize),
}

struct World<'a> {
    scenario: &'a Scenario,
    now: Nanos,
    /// The same for the limiters, which read it where a law wants the time of calls.
    clock: ManualClock,
    end: Nanos,
    agenda: Agenda<Event>,
    processes: Vec<Process>,
    /// Processes whose gauges may have changed in this event.
    touched: Vec<usize>,
    /// One for all processes, or one for each.
    pools: Vec<PoolModel>,
    /// The gate of each pool, if it has one.
    gates: Vec<Option<Gate>>,
    touched_pools: Vec<usize>,
    database: DatabaseModel,
    /// The moment of the `Served` event that counts, and how often it was planned anew.
    served_at: Option<Nanos>,
    served_plan: u64,
    jobs: Slab<Job>,
    experts: Slab<Expert>,
    calls: Slab<Call>,
    /// The calls of each tenant.
    tenants: Vec<Vec<Key>>,
    ready: Ready,
    totals: Totals,
    /// The part of `totals` that each pool last contributed: used connections and size.
    seen_pools: Vec<(u32, u32)>,
    books: Books,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, policy: &Policy, seed: u64) -> Result<Self, SimError> {
        let pool_of = |process: u32| if scenario.pool.per_process { process as usize } else { 0 };
        let pools: Vec<PoolModel> =
            (0..=pool_of(scenario.processes - 1)).map(|_| PoolModel::new(scenario.pool.max)).collect();
        let mut rng = Rng::with_seed(seed);
        let mut processes = Vec::new();
        let clock = ManualClock::default();
        for process in 0..scenario.processes {
            // Laws that draw at random draw apart, and alone as ever.
            let seed = seed ^ u64::from(process).rotate_right(16);
            let reading = pools[pool_of(process)].reading(acquire_timeout(scenario));
            processes.push(Process::new(
                scenario,
                policy,
                seed,
                pool_of(process),
                reading,
                &clock,
                &mut rng,
            )?);
        }
        Ok(Self {
            scenario,
            now: 0,
            clock,
            end: nanos(scenario.duration_s),
            agenda: Agenda::new(),
            touched: (0..processes.len()).collect(),
            processes,
            touched_pools: (0..pools.len()).collect(),
            seen_pools: vec![(0, 0); pools.len()],
            gates: gates(scenario, pools.len()),
            pools,
            database: DatabaseModel::new(&scenario.database),
            served_at: None,
            served_plan: 0,
            jobs: Slab::new(),
            experts: Slab::new(),
            calls: Slab::new(),
            tenants: vec![Vec::new(); scenario.pool.tenants.len()],
            ready: Ready::default(),
            totals: Totals::default(),
            books: Books::new(scenario),
        })
    }

    fn play(mut self, policy: &Policy, seed: u64) -> Result<Report, SimError> {
        let (scenario, policy) = (self.scenario, policy.name());
        let named = |fault: SimError| {
            SimError::new(format_args!("scenario {}, policy {policy}, seed {seed}: {fault}", scenario.name))
        };
        let events = self.play_events().map_err(named)?;
        self.audit().map_err(named)?;
        let limits = self.processes.into_iter().map(|process| process.limits).collect();
        Ok(self.books.report(policy, seed, events, limits))
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

    /// What changes at a moment is in place before anything else happens at it.
    fn plan_beginning(&mut self) {
        let Scenario { database, load, pool, .. } = self.scenario;
        for change in &database.changes {
            self.agenda.plan(nanos(change.at_s), Event::Speed(change.speed));
        }
        for (index, change) in load.changes.iter().enumerate() {
            self.agenda.plan(nanos(change.at_s), Event::ChangeLoad(index));
        }
        for resize in &pool.resizes {
            self.agenda.plan(nanos(resize.at_s), Event::Resize(resize.max));
        }
        for (index, tenant) in pool.tenants.iter().enumerate() {
            self.agenda.plan(nanos(tenant.from_s), Event::TenantComes(index));
            self.agenda.plan(nanos(tenant.to_s), Event::TenantGoes(index));
        }
        self.plan_recorded(0);
        for process in 0..self.processes.len() {
            self.plan_first_jobs(process);
            self.plan_look(process, 1);
        }
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::AcquireExpires(call) => self.acquire_expires(call),
            Event::Arrive { process, plan } => self.arrive(process, plan),
            Event::ChangeLoad(change) => self.change_load(&self.scenario.load.changes[change]),
            Event::Connected(call) => self.connected(call),
            Event::Look { process, count } => self.look(process, count),
            Event::PatienceEnds(expert) => self.patience_ends(expert),
            Event::Recorded(number) => self.recorded(number),
            Event::Resize(max) => self.resize_pools(max),
            Event::Retry(process) => self.retry(process),
            Event::Served { plan } => self.served(plan),
            Event::Speed(speed) => {
                self.database.set_speed(now, speed);
                self.plan_served();
            }
            Event::StartJob { process, slot } => self.start_in_slot(process, slot),
            Event::TenantComes(tenant) => self.tenant_comes(tenant),
            Event::TenantGoes(tenant) => self.tenant_goes(tenant),
            Event::Thought(expert) => self.thought(expert),
            Event::Tick(process) => self.process(process).tick(timestamp(now)),
        }
    }

    /// The drivers of several processes are not in phase with each other: each next one begins 0.618 of a tick later, and with
    /// that share, the golden one, no two of them ever coincide.
    fn plan_look(&mut self, process: usize, count: u64) {
        let offset = process as u64 * 618_033_989 % 1_000_000_000 * TICK / 1_000_000_000;
        self.agenda.plan(offset + count * TICK / LOOKS_PER_TICK, Event::Look { process, count });
    }

    /// What the driver's task does in production, at the same moments.
    fn look(&mut self, index: usize, count: u64) {
        let (now, timeout) = (self.now, acquire_timeout(self.scenario));
        let reading = self.pools[self.processes[index].pool].reading(timeout);
        self.process(index).look(now, reading);
        if count.is_multiple_of(LOOKS_PER_TICK) {
            // An event of its own: those whom the look let in are seen to be in before the law may lower the limit.
            self.agenda.plan(now, Event::Tick(index));
        }
        self.plan_look(index, count + 1);
    }

    /// The process, whose gauges may change now.
    fn process(&mut self, index: usize) -> &mut Process {
        if self.touched.last() != Some(&index) {
            self.touched.push(index);
        }
        &mut self.processes[index]
    }

    /// The pool, whose connections may change now.
    fn pool(&mut self, index: usize) -> &mut PoolModel {
        if self.touched_pools.last() != Some(&index) {
            self.touched_pools.push(index);
        }
        &mut self.pools[index]
    }

    fn pass(&mut self, to: Nanos) {
        self.books.pass(self.now, to, &self.totals);
        self.now = to;
        self.clock.set(timestamp(to));
    }

    /// Reads the counts of whatever this event may have changed.
    fn read_gauges(&mut self) {
        while let Some(index) = self.touched.pop() {
            let process = &mut self.processes[index];
            let before = process.gauges;
            process.read_gauges(self.now);
            let after = process.gauges;
            self.totals.in_flight = self.totals.in_flight - before.in_flight + after.in_flight;
            self.totals.queued = self.totals.queued - before.queued + after.queued;
            self.totals.pending = self.totals.pending - before.pending + after.pending;
        }
        while let Some(index) = self.touched_pools.pop() {
            let after = (self.pools[index].used(), self.pools[index].max());
            let before = std::mem::replace(&mut self.seen_pools[index], after);
            self.totals.used = self.totals.used - before.0 + after.0;
            self.totals.size = self.totals.size - before.1 + after.1;
        }
    }
}

fn gates(scenario: &Scenario, pools: usize) -> Vec<Option<Gate>> {
    let gate = || scenario.pool.reserve.map(|per_call| Gate::new(scenario.pool.max, per_call));
    (0..pools).map(|_| gate()).collect()
}

fn acquire_timeout(scenario: &Scenario) -> Duration {
    Duration::from_nanos(nanos(scenario.pool.acquire_timeout_ms / 1e3))
}
