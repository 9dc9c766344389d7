//! The simulator against queueing theory, where there is an exact answer.
#![expect(clippy::unwrap_used, reason = "a test's helper that cannot help ends the test")]

use tidegate_sim::{Figures, Policy, Scenario, run};

/// One expert per job: customers that think and are served, with nothing between.
fn machine_repair(customers: u32, think_ms: f64, servers: u32, query_ms: f64, queries: u32) -> Scenario {
    Scenario::parse(&format!(
        r#"
        name = "theory"
        about = "customers between a delay station and {servers} servers"
        seeds = [1]
        duration_s = 700
        load = {{ jobs = {customers}, experts = 1, queries = {queries}, think = {{ mean_ms = {think_ms} }} }}
        pool = {{ max = {servers}, acquire_timeout_ms = 1000000, connect_ms = 0, ping_ms = 0 }}
        database = {{ query = {{ mean_ms = {query_ms} }} }}
        expect = [{{ statistic = "goodput", min = 0, during_s = [100, 700] }}]
        "#
    ))
    .unwrap()
}

/// The figures of the steady state.
fn steady(scenario: &Scenario, policy: &Policy) -> Figures {
    run(scenario, policy, 7).unwrap().windows[0]
}

/// Queries per second and mean wait in seconds of the closed network M/M/c with a delay station.
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
    let throughput = mean(&|n| n.min(servers)) / service;
    (throughput, mean(&|n| n.saturating_sub(servers)) / throughput)
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found / expected - 1.0).abs() < tolerance, "{what} is {found}, theory says {expected}");
}

/// The expected figures were computed apart from this file.
#[test]
fn a_closed_pool_agrees_with_the_machine_repair_model() {
    for (customers, queries_per_s, wait_ms) in [(151, 300.9, 1.25), (217, 393.5, 50.94), (245, 396.0, 118.1)]
    {
        let (throughput, wait) = exact(customers, 0.45, 20, 0.0505);
        close(throughput, queries_per_s, 0.001, "the calculator's throughput");
        close(wait * 1e3, wait_ms, 0.01, "the calculator's wait");
        let figures = steady(&machine_repair(customers, 450.0, 20, 50.5, 1), &Policy::none());
        close(figures.goodput, throughput, 0.005, "throughput");
        close(figures.pool_wait.mean, wait, if wait < 0.01 { 0.1 } else { 0.03 }, "wait");
        close(figures.in_flight_mean, customers.into(), 1e-9, "customers");
    }
}

/// The network does not feel how the thinking is distributed: 0.9 s before two queries are 0.45 s before each.
#[test]
fn two_queries_in_turn_are_two_cycles_of_half_the_think_time() {
    let (throughput, wait) = exact(217, 0.45, 20, 0.0505);
    let figures = steady(&machine_repair(217, 900.0, 20, 50.5, 2), &Policy::none());
    close(2.0 * figures.goodput, throughput, 0.005, "throughput");
    close(figures.pool_wait.mean, wait, 0.05, "wait");
}

#[test]
fn behind_a_fixed_limit_the_pool_sees_only_as_many_customers_as_the_limit_lets_in() {
    let (throughput, wait) = exact(40, 0.05, 20, 0.05);
    let figures = steady(&machine_repair(100, 50.0, 20, 50.0, 1), &Policy::fixed(40));
    close(figures.goodput, throughput, 0.005, "throughput");
    close(figures.pool_wait.mean, wait, 0.05, "pool wait");
    close(figures.queued_mean, 60.0, 1e-3, "queued");
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
    let wait = waits * service / (f64::from(servers) - load);
    // A cycle is 100 s of thought against 0.1 s of service, so the stream hardly feels who waits.
    let figures = steady(&machine_repair(4_006, 100_000.0, servers, 100.0, 1), &Policy::none());
    close(figures.goodput, 40.0, 0.01, "throughput");
    close(figures.pool_wait.mean, wait, 0.08, "wait");
}
