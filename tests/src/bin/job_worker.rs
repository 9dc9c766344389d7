//! A worker process, to be killed: `job_worker URL NAME PERMITS JOB_MILLIS [TABLE]` works on a queue until it is ended.
//! Each job has the table of PostgreSQL, if there is one, for itself.

use std::error::Error;
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Executor as _};
use tidegate::Limiter;
use tidegate_tests::job_queue::{JobQueue, JobWorker, WorkerPlan, work};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut given: Vec<String> = std::env::args().skip(1).collect();
    let table = if given.len() > 4 { given.pop() } else { None };
    let [url, name, permits, millis] = <[String; 4]>::try_from(given)
        .map_err(|given| format!("job_worker URL NAME PERMITS JOB_MILLIS [TABLE], not {given:?}"))?;
    let limiter = Limiter::builder().name("jobs").fixed(permits.parse()?).build()?;
    let pause = Duration::from_millis(millis.parse()?);
    let queue = JobQueue::open(&url).await;
    let database = PgPoolOptions::new().connect_lazy(&url);
    let locked = table.map(|table| Ok::<_, sqlx::Error>((database?, table))).transpose()?;
    let job = work(move |_| {
        let locked = locked.clone();
        async move {
            let Some((database, table)) = locked else {
                tokio::time::sleep(pause).await;
                return Ok(());
            };
            let mut tx = database.begin().await?;
            tx.execute(AssertSqlSafe(format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))).await?;
            tokio::time::sleep(pause).await;
            Ok(tx.commit().await?)
        }
    });
    JobWorker::start(&queue, WorkerPlan::new(&name).limiter(&limiter), job).ended().await?;
    Ok(())
}
