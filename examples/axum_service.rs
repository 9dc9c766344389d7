//! An HTTP service that fans out on a metered pool, with its metrics for Prometheus.
//!
//! `cargo run --release -p tidegate-examples --example axum_service -- 127.0.0.1:3000`, then
//! `curl 127.0.0.1:3000/scan`, `curl 127.0.0.1:3000/limiter`, `curl 127.0.0.1:3000/metrics`.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use futures_util::future::try_join_all;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Error, Sqlite};
use tidegate::{LimitLayer, Limiter, MeteredPool, classify_sqlx};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

const EXPERTS: i64 = 11;

#[derive(Clone)]
struct App {
    expert: BoxCloneSyncService<i64, i64, Error>,
    limiter: Limiter,
    metrics: PrometheusHandle,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The recorder comes first: limiters and pools make their metric handles when they are built.
    let metrics = PrometheusBuilder::new().install_recorder()?;
    let pool = SqlitePoolOptions::new()
        .max_connections(20)
        .acquire_timeout(Duration::from_secs(1))
        .connect("sqlite::memory:")
        .await?;
    let pool = MeteredPool::new(pool).with_name("scans");
    let limiter = Limiter::builder().name("experts").pool(pool.probe()).build()?;
    let expert = ServiceBuilder::new()
        .layer(LimitLayer::new(limiter.clone()).classify_errors(classify_sqlx))
        .service_fn(move |n| ask(pool.clone(), n));
    let app = axum::Router::new()
        .route("/scan", get(scan))
        .route("/limiter", get(explain))
        .route("/metrics", get(|State(app): State<App>| async move { app.metrics.render() }))
        .with_state(App { expert: BoxCloneSyncService::new(expert), limiter, metrics });

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, app).with_graceful_shutdown(interrupted).await?;
    Ok(())
}

/// One expert: a query that holds its connection for 20 ms, as a slower database than this one would.
async fn ask(pool: MeteredPool<Sqlite>, n: i64) -> Result<i64, Error> {
    let mut connection = pool.acquire().await?;
    tokio::time::sleep(Duration::from_millis(20)).await;
    sqlx::query_scalar("SELECT ? * 2").bind(n).fetch_one(&mut *connection).await
}

/// One job: eleven experts at once. However many jobs there are, the limiter keeps the pool from timing out.
async fn scan(State(app): State<App>) -> Result<String, (StatusCode, String)> {
    let answers = try_join_all((0..EXPERTS).map(|n| app.expert.clone().oneshot(n)));
    let answers = answers.await.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok(format!("{answers:?}\n"))
}

/// What the limiter does, and why.
async fn explain(State(app): State<App>) -> String {
    format!("{}\n", app.limiter.explain())
}
