//! Settings from a file and the environment, read again when the file changes; and a limit that survives a restart.
//!
//! `cargo run --release -p tidegate-examples --example config_file -- limiter.toml limit.txt`, then change the file.
//! `TIDEGATE__LAW__MAX_LIMIT=32` in the environment goes over what the file says. Ctrl-C saves the last good limit.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use config::{Config, Environment, File};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use sqlx::Sqlite;
use sqlx::sqlite::SqlitePoolOptions;
use tidegate::{Limiter, MeteredPool, Settings};
use tokio::sync::Notify;
use tokio::time::sleep;

type Failure = Box<dyn Error>;

/// An editor may write a file in several steps.
const SETTLE: Duration = Duration::from_millis(50);

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let settings = args.next().unwrap_or_else(|| "limiter.toml".into());
    let limit = args.next().unwrap_or_else(|| "limit.txt".into());
    match run(&settings, &limit).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", one_line(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: &Path, limit: &Path) -> Result<(), Failure> {
    let pool =
        MeteredPool::new(SqlitePoolOptions::new().max_connections(20).connect("sqlite::memory:").await?);
    let limiter = Limiter::builder().name("experts").pool(pool.probe()).settings(read(settings)?).build()?;
    restore(&limiter, limit);
    for _ in 0..30 {
        tokio::spawn(work(limiter.clone(), pool.clone()));
    }

    let changed = Arc::new(Notify::new());
    let _watcher = watch(settings, &changed)?;
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    say(&limiter).await;
    loop {
        tokio::select! {
            () = changed.notified() => sleep(SETTLE).await,
            interrupted = &mut interrupted => break interrupted?,
        }
        match reload(&limiter, settings) {
            Ok(true) => say(&limiter).await,
            Ok(false) => {}
            Err(error) => {
                let (file, limit) = (settings.display(), limiter.snapshot().limit);
                eprintln!("{file} is not used, limit {limit} stays: {}", one_line(&*error));
            }
        }
    }
    save(&limiter, limit)
}

/// The defaults, under what the file says, under what the environment says.
fn read(file: &Path) -> Result<Settings, Failure> {
    let environment = Environment::with_prefix("TIDEGATE").separator("__").try_parsing(true);
    let config = Config::builder().add_source(File::from(file)).add_source(environment).build()?;
    Ok(Settings::read(config, None)?)
}

/// Whether there was something new. After an error all is as it was.
fn reload(limiter: &Limiter, file: &Path) -> Result<bool, Failure> {
    let settings = read(file)?;
    let is_new = settings != limiter.settings();
    limiter.reconfigure(settings)?;
    Ok(is_new)
}

/// Watches the folder and not the file, which editors and deployments replace by another.
fn watch(file: &Path, changed: &Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let changed = Arc::clone(changed);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Reading the file is an event, too.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            changed.notify_one();
        }
    })?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    watcher.watch(folder.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// Begins where the last run ended. A file that is not there or makes no sense is no reason not to start.
fn restore(limiter: &Limiter, file: &Path) {
    let Ok(text) = std::fs::read_to_string(file) else { return };
    let restored = text.trim().parse().map_err(Failure::from);
    match restored.and_then(|limit| Ok(limiter.set_limit(limit)?)) {
        Ok(()) => println!("restored limit {}", text.trim()),
        Err(error) => eprintln!("{} is not used: {}", file.display(), one_line(&*error)),
    }
}

fn save(limiter: &Limiter, file: &Path) -> Result<(), Failure> {
    if let Some(limit) = limiter.last_good_limit() {
        std::fs::write(file, format!("{limit}\n"))?;
        println!("saved limit {limit}");
    }
    Ok(())
}

/// Says what is in force, once the driver has looked.
async fn say(limiter: &Limiter) {
    let settings = limiter.settings();
    sleep(settings.tick).await;
    println!("limit {}, mode {:?}, tick {:?}", limiter.snapshot().limit, settings.mode, settings.tick);
}

/// Queries without end, as a database that takes 20 ms for one.
async fn work(limiter: Limiter, pool: MeteredPool<Sqlite>) -> Result<(), sqlx::Error> {
    loop {
        let Ok(permit) = limiter.acquire().await else { return Ok(()) };
        let mut connection = pool.acquire().await?;
        sleep(Duration::from_millis(20)).await;
        sqlx::query("SELECT 1").execute(&mut *connection).await?;
        drop((connection, permit));
    }
}

fn one_line(error: &dyn Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
