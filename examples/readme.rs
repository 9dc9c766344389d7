//! The README's example: 110 experts at once on a pool of 20, none of which fails.
//!
//! `cargo run --release -p tidegate-examples --example readme`

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use futures_util::future::try_join_all;
use sqlx::sqlite::SqlitePoolOptions;
use tidegate::{LimitLayer, Limiter, MeteredPool};
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = SqlitePoolOptions::new().max_connections(20).connect("sqlite::memory:").await?;
    let pool = MeteredPool::new(pool).with_name("scans");
    let limiter = Limiter::builder().name("experts").pool(pool.probe()).build()?;

    let expert = ServiceBuilder::new().layer(LimitLayer::new(limiter.clone())).service_fn(move |n: i64| {
        let pool = pool.clone();
        async move { sqlx::query_scalar::<_, i64>("SELECT ? * 2").bind(n).fetch_one(&pool).await }
    });

    let answers = try_join_all((0..110).map(|n| expert.clone().oneshot(n))).await?;
    println!("{} experts answered; {:?}", answers.len(), limiter.snapshot());
    Ok(())
}
