//! Jobs that ask 11 experts each, in plain tokio tasks: a job limit, an expert limit shared by job, queries on a pool of
//! ten connections. On SQLite in a file of its own, or on `DATABASE_URL`. With a job queue: `apalis_worker`.
//!
//! `cargo run --release -p tidegate-examples --example deep_scan -- 12`

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::time::Duration;

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use tidegate::{ByJob, FollowConfig, Job, Limiter, MeteredPool, QueueLayer, classify_sqlx};
use tokio::task::JoinSet;
use tower::ServiceBuilder;

const QUERY: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT COUNT(*) FROM n";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let count: u64 = std::env::args().nth(1).map_or(Ok(12), |count| count.parse())?;
    let folder = tempfile::tempdir()?;
    let file = format!("sqlite://{}?mode=rwc", folder.path().join("scans.db").display());
    let url = std::env::var("DATABASE_URL").unwrap_or(file);

    install_default_drivers();
    let options = AnyPoolOptions::new().max_connections(10).acquire_timeout(Duration::from_secs(5));
    let pool = MeteredPool::new(options.connect(&url).await?).with_name("scans");
    let experts = Limiter::builder().name("experts").pool(pool.probe()).build()?;
    // No more jobs than the experts have room for.
    let jobs =
        Limiter::builder().name("jobs").follow(&experts, FollowConfig::default().max_limit(5)).build()?;

    // Jobs share the limit, however many experts each of them asks.
    let expert = ServiceBuilder::new()
        .layer(QueueLayer::new(experts.clone()).class(ByJob).classify_errors(classify_sqlx))
        .service_fn(move |_question: u32| {
            let pool = pool.clone();
            async move { sqlx::query_scalar::<_, i64>(QUERY).fetch_one(&pool).await }
        });

    let mut scans = JoinSet::new();
    for job in 0..count {
        let (jobs, expert) = (jobs.clone(), expert.clone());
        scans.spawn(async move {
            // A job that has no permit has not begun, and holds nothing.
            let answers = jobs.run(Job::new(job).fan_out(expert, 0..11).all()).await??;
            Ok::<_, Box<dyn Error + Send + Sync>>((job, answers.len()))
        });
    }
    while let Some(scan) = scans.join_next().await {
        let (job, answers) = scan??;
        println!("job {job}: {answers} experts answered");
    }
    println!("{}\n{}", jobs.explain(), experts.explain());
    Ok(())
}
