//! The simulator against queueing theory, where there is an exact answer.
//!
//! Each figure is the mean of thirty spans of a run; the scatter between the spans says how exact it is. Theory must lie
//! within four of its standard errors, and these must be small enough for that to mean something.
#![expect(clippy::unwrap_used, reason = "a test's helper that cannot help ends the test")]

use std::fmt::Write as _;

use tidegate_sim::{Figures, Policy, Scenario, run};

/// Spans of the run, in which a figure is measured on its own.
const SPANS: u32 = 30;
const WARM_UP_S: f64 = 100.0;

/// Customers that think and are served, one after the other, with nothing between.
struct Station {
    customers: u32,
    think_ms: f64,
    queries: u32,
    pool: u32,
    query: &'static str,
    /// What the database has besides, in the words of a scenario file.
    database: &'static str,
    span_s: f64,
}

impl Station {
    /// As many servers as the pool has connections, each with exponential times.
    const fn pool(customers: u32, think_ms: f64, servers: u32, query: &'static str) -> Self {
        Self { customers, think_ms, queries: 1, pool: servers, query, database: "", span_s: 60.0 }
    }

    /// A database that all customers may use at once.
    const fn database(customers: u32, think_ms: f64, query: &'static str, database: &'static str) -> Self {
        Self { customers, think_ms, queries: 1, pool: customers, query, database, span_s: 60.0 }
    }

    fn scenario(&self) -> Scenario {
        let Self { customers, think_ms, queries, pool, query, database, span_s } = self;
        let mut spans = String::new();
        for span in 0..SPANS {
            let from = WARM_UP_S + f64::from(span) * span_s;
            let to = from + span_s;
            write!(spans, r#"{{ statistic = "goodput", min = 0, during_s = [{from}, {to}] }},"#).unwrap();
        }
        let end = WARM_UP_S + f64::from(SPANS) * span_s;
        Scenario::parse(&format!(
            r#"
            name = "theory"
            about = "customers between a delay station and a pool or database"
            seeds = [1]
            duration_s = {end}
            load = {{ jobs = {customers}, experts = 1, queries = {queries}, think = {{ mean_ms = {think_ms} }} }}
            pool = {{ max = {pool}, acquire_timeout_ms = 1000000, connect_ms = 0, ping_ms = 0 }}
            database = {{ query = {query}, {database} }}
            expect = [{spans}]
            "#
        ))
        .unwrap()
    }

    fn play(&self, policy: &Policy) -> Steady {
        Steady(run(&self.scenario(), policy, 7).unwrap().windows)
    }
}

/// The figures of the spans of a steady state.
struct Steady(Vec<Figures>);

impl Steady {
    /// The mean over the spans lies within four standard errors of `expected`, which are at most `error` of it.
    #[track_caller]
    fn check(&self, what: &str, of: impl Fn(&Figures) -> f64, expected: f64, error: f64) {
        let spans = f64::from(SPANS);
        let mean = self.0.iter().map(&of).sum::<f64>() / spans;
        let variance = self.0.iter().map(|figures| (of(figures) - mean).powi(2)).sum::<f64>() / (spans - 1.0);
        let allowed = 4.0 * (variance / spans).sqrt();
        assert!(allowed <= error * expected, "{what} is known to {allowed} only: measure longer");
        // What does not scatter is exact.
        let off = (mean - expected).abs();
        assert!(off <= allowed.max(1e-9 * expected), "{what} is {mean} ± {allowed}, theory says {expected}");
    }
}

/// Queries per second and mean number of customers beyond the servers in the closed network M/M/c with a delay station.
///
/// The chance of n customers at the servers is proportional to N!/(N-n)! (s/z)^n / (1 · 2 … min(n, c) …).
fn exact(customers: u32, think: f64, servers: u32, service: f64) -> (f64, f64) {
    let mut weights = vec![1.0];
    for n in 1..=customers {
        let rate_in = f64::from(customers - n + 1) / think;
        let rate_out = f64::from(n.min(servers)) / service;
        weights.push(weights[weights.len() - 1] * rate_in / rate_out);
    }
    let total: f64 = weights.iter().sum();
    let mean = |of: &dyn Fn(u32) -> u32| -> f64 {
        (0..).zip(&weights).map(|(n, weight)| f64::from(of(n)) * weight / total).sum()
    };
    (mean(&|n| n.min(servers)) / service, mean(&|n| n.saturating_sub(servers)))
}

/// The expected figures were computed apart from this file.
#[test]
fn a_closed_pool_agrees_with_the_machine_repair_model() {
    for (customers, queries_per_s, wait_ms) in [(151, 300.9, 1.25), (217, 393.5, 50.94), (245, 396.0, 118.1)]
    {
        let (throughput, waiting) = exact(customers, 0.45, 20, 0.0505);
        assert!(
            (throughput / queries_per_s - 1.0).abs() < 0.001,
            "the calculator's throughput: {throughput}"
        );
        let wait = waiting / throughput * 1e3;
        assert!((wait / wait_ms - 1.0).abs() < 0.01, "the calculator's wait: {wait}");
        let steady = Station::pool(customers, 450.0, 20, "{ mean_ms = 50.5 }").play(&Policy::none());
        steady.check("throughput", |figures| figures.goodput, throughput, 0.01);
        steady.check("waiting", |figures| figures.pending_mean, waiting, 0.25);
        steady.check("customers", |figures| figures.in_flight_mean, customers.into(), 1e-9);
    }
}

/// The network does not feel how the thinking is distributed: 0.9 s before two queries are 0.45 s before each.
#[test]
fn two_queries_in_turn_are_two_cycles_of_half_the_think_time() {
    let (throughput, waiting) = exact(217, 0.45, 20, 0.0505);
    let station = Station { queries: 2, ..Station::pool(217, 900.0, 20, "{ mean_ms = 50.5 }") };
    let steady = station.play(&Policy::none());
    steady.check("throughput", |figures| 2.0 * figures.goodput, throughput, 0.01);
    steady.check("waiting", |figures| figures.pending_mean, waiting, 0.1);
}

#[test]
fn behind_a_fixed_limit_the_pool_sees_only_as_many_customers_as_the_limit_lets_in() {
    let (throughput, waiting) = exact(40, 0.05, 20, 0.05);
    let steady = Station::pool(100, 50.0, 20, "{ mean_ms = 50 }").play(&Policy::fixed(40));
    steady.check("throughput", |figures| figures.goodput, throughput, 0.01);
    steady.check("waiting", |figures| figures.pending_mean, waiting, 0.05);
    steady.check("queued", |figures| figures.queued_mean, 60.0, 1e-3);
}

/// Many customers that rarely come are a Poisson stream, so the wait is Erlang's.
#[test]
fn an_open_pool_agrees_with_erlang_c() {
    let (servers, service, load) = (5_u32, 0.1, 4.0);
    let mut busy = 1.0;
    for n in 1..=servers {
        busy = load * busy / (f64::from(n) + load * busy);
    }
    let waits = busy / (1.0 - load / f64::from(servers) * (1.0 - busy));
    let waiting = waits * load / (f64::from(servers) - load);
    // Forty per second come of 40,000 that think for 1,000 s: the stream does not feel who waits. They all begin
    // to think at once, so the stream is steady from the start.
    let (throughput, closed) = exact(40_004, 1_000.0, servers, service);
    assert!((throughput - 40.0).abs() < 0.01 && (closed / waiting - 1.0).abs() < 0.01, "{closed}, {waiting}");
    let station = Station { span_s: 120.0, ..Station::pool(40_004, 1e6, servers, "{ mean_ms = 100 }") };
    let steady = station.play(&Policy::none());
    steady.check("throughput", |figures| figures.goodput, 40.0, 0.02);
    steady.check("waiting", |figures| figures.pending_mean, waiting, 0.2);
}

/// With processor sharing only the mean of the work matters, not its distribution (M/G/1-PS, here with a finite source).
#[test]
fn shared_processors_do_not_feel_how_the_work_is_distributed() {
    for query in [
        "{ mean_ms = 20 }",
        "{ mean_ms = 20, distribution = \"deterministic\" }",
        "{ mean_ms = 20, distribution = { lognormal = { cv = 2 } } }",
        "{ mean_ms = 20, distribution = { pareto = { alpha = 2.5 } } }",
    ] {
        let (throughput, beyond) = exact(20, 0.5, 1, 0.02);
        let steady = Station::database(20, 500.0, query, "cores = 1").play(&Policy::none());
        steady.check("throughput", |figures| figures.goodput, throughput, 0.05);
        // At the one core, sharing or waiting to share.
        let present = beyond + throughput * 0.02;
        steady.check("present", |figures| figures.utilisation * 20.0, present, 0.2);
    }
}

/// Some cores: the customers beyond them do not wait, but slow each other as much.
#[test]
fn shared_processors_are_as_fast_as_a_queue_for_as_many_servers() {
    let (throughput, beyond) = exact(30, 0.1, 8, 0.05);
    let steady = Station::database(30, 100.0, "{ mean_ms = 50 }", "cores = 8").play(&Policy::none());
    steady.check("throughput", |figures| figures.goodput, throughput, 0.01);
    let present = beyond + throughput * 0.05;
    steady.check("present", |figures| figures.utilisation * 30.0, present, 0.02);
}

/// √((1 − 0.02) / 0.02) = 7: fewer and more queries at once are slower, as far as the law says.
#[test]
fn the_universal_scalability_law_peaks_where_it_says() {
    let station = Station::database(30, 0.0, "{ mean_ms = 20 }", "usl = { sigma = 0.02, kappa = 0.02 }");
    let mut found = Vec::new();
    for n in [1_u32, 3, 5, 6, 7, 8, 9, 12, 20, 30] {
        let size = f64::from(n);
        let capacity = size / (1.0 + 0.02 * (size - 1.0) + 0.02 * size * (size - 1.0));
        let steady = station.play(&Policy::fixed(n));
        steady.check("throughput", |figures| figures.goodput, capacity / 0.02, 0.03);
        found.push((n, capacity));
    }
    let best = found.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert_eq!(best.0, 7);
}

/// Eight cores and 10% for each query beyond: 20 at once get 8 / 2.2.
#[test]
fn beyond_the_knee_each_query_slows_all() {
    let station = Station::database(20, 0.0, "{ mean_ms = 20 }", "cores = 8, knee = { at = 8, cost = 0.1 }");
    for (n, capacity) in [(4, 4.0), (8, 8.0), (12, 8.0 / 1.4), (20, 8.0 / 2.2)] {
        let steady = station.play(&Policy::fixed(n));
        steady.check("throughput", |figures| figures.goodput, capacity / 0.02, 0.03);
    }
}

/// Slots inside the server are servers that the pool does not see.
#[test]
fn a_server_with_few_slots_is_a_queue_of_its_own() {
    let (throughput, beyond) = exact(30, 0.1, 8, 0.05);
    let steady = Station::database(30, 100.0, "{ mean_ms = 50 }", "slots = 8").play(&Policy::none());
    steady.check("throughput", |figures| figures.goodput, throughput, 0.01);
    let present = beyond + throughput * 0.05;
    steady.check("present", |figures| figures.utilisation * 30.0, present, 0.02);
}
