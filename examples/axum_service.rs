//! An HTTP service that fans out on a metered pool, with its metrics for Prometheus.
//!
//! `cargo run --release -p tidegate-examples --example axum_service -- 127.0.0.1:3000`, then
//! `curl 127.0.0.1:3000/scan`, `curl 127.0.0.1:3000/limiter`, `curl 127.0.0.1:3000/metrics`.
//! A second argument is the URL of a database, `postgres://…` or `sqlite://…`; without one it is SQLite in memory.
//!
//! `docs/observability/` has a Grafana dashboard and Prometheus alert rules for what it serves.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use futures_util::future::try_join_all;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sqlx::Any;
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use tidegate::{Class, Limiter, MeteredPool, QueueLayer, classify_box_error, time_connects};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};

const EXPERTS: i64 = 11;

/// How long a caller of `/scan` is patient.
const PATIENCE: Duration = Duration::from_secs(2);

/// Upper bounds of the histograms' buckets, in seconds: from the wait for a free connection to the usual timeouts.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Clone)]
struct App {
    expert: BoxCloneSyncService<i64, i64, BoxError>,
    limiter: Limiter,
    metrics: PrometheusHandle,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let database = arguments.next().unwrap_or_else(|| "sqlite::memory:".to_owned());

    let metrics =
        PrometheusBuilder::new().with_recommended_naming(true).set_buckets(&BUCKETS)?.install_recorder()?;
    tokio::spawn(keep_up(metrics.clone()));

    install_default_drivers();
    let pool = time_connects(AnyPoolOptions::new())
        .max_connections(20)
        .acquire_timeout(Duration::from_secs(1))
        .connect(&database)
        .await?;
    let pool = MeteredPool::new(pool).with_name("scans");
    let limiter = Limiter::builder().name("experts").pool(pool.probe()).build()?;
    let expert = ServiceBuilder::new()
        .layer(
            QueueLayer::new(limiter.clone())
                .class(|_: &i64| Class::default().within(PATIENCE))
                .classify_errors(classify_box_error),
        )
        .service_fn(move |n| ask(pool.clone(), n));
    let app = axum::Router::new()
        .route("/scan", get(scan))
        .route("/limiter", get(explain))
        .route("/metrics", get(|State(app): State<App>| async move { app.metrics.render() }))
        .with_state(App { expert: BoxCloneSyncService::new(expert), limiter, metrics });

    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, app).with_graceful_shutdown(interrupted).await?;
    Ok(())
}

/// The recorder keeps every value of a histogram until somebody asks for the metrics, or this is done.
async fn keep_up(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        metrics.run_upkeep();
    }
}

/// One expert: a query that holds its connection for 20 ms, as a slower database than this one would.
async fn ask(pool: MeteredPool<Any>, n: i64) -> Result<i64, BoxError> {
    let mut connection = pool.acquire().await?;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let query = sqlx::query_scalar("SELECT CAST($1 AS BIGINT) * 2").bind(n);
    Ok(query.fetch_one(&mut *connection).await?)
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
