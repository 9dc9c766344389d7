//! A worker process, to be killed: `job_worker URL NAME PERMITS JOB_MILLIS` works on a queue until it is ended.

use std::error::Error;
use std::time::Duration;

use tidegate::Limiter;
use tidegate_tests::job_queue::{JobQueue, JobWorker, WorkerPlan, work};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [url, name, permits, millis] = <[String; 4]>::try_from(std::env::args().skip(1).collect::<Vec<_>>())
        .map_err(|given| format!("job_worker URL NAME PERMITS JOB_MILLIS, not {given:?}"))?;
    let limiter = Limiter::builder().name("jobs").fixed(permits.parse()?).build()?;
    let pause = Duration::from_millis(millis.parse()?);
    let queue = JobQueue::open(&url).await;
    let job = work(move |_| async move {
        tokio::time::sleep(pause).await;
        Ok(())
    });
    JobWorker::start(&queue, WorkerPlan::new(&name).limiter(&limiter), job).ended().await?;
    Ok(())
}
