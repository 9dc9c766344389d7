//! How a job gets to its experts.

use std::sync::Arc;
use std::time::Duration;

use tidegate_limiter::{Class, Key, Priority};
use tidegate_tower::{ByJob, ClassOf, Job};
use tokio::time::Instant;
use tokio_test::task;

#[tokio::test(start_paused = true)]
async fn a_job_is_the_class_of_its_calls() {
    let deadline = Instant::now() + Duration::from_secs(3);
    let class = Class::default().key(Key::new(17)).share(4).priority(Priority::Low).deadline(deadline);
    let job = Job::new(17).share(4).priority(Priority::Low);
    assert_eq!(job.deadline(deadline).class(), class);
    assert_eq!(job.within(Duration::from_secs(3)).class(), class);
    assert_eq!(Job::new(17), Job::new(17));
    assert_ne!(Job::new(17), Job::new(18));
}

#[tokio::test]
async fn a_scope_says_which_job_it_is_and_hides_the_one_around_it() {
    let (outer, inner) = (Job::new("outer"), Job::new("inner"));
    assert_eq!(Job::current(), None);
    outer
        .scope(async {
            assert_eq!(Job::current(), Some(outer));
            inner.scope(async { assert_eq!(ByJob.class_of(&()), inner.class()) }).await;
            tokio::task::yield_now().await;
            assert_eq!(ByJob.class_of(&()), outer.class());
        })
        .await;
    assert_eq!(ByJob.class_of(&()), Class::default(), "a call without a job");
}

#[tokio::test]
async fn a_spawned_task_is_part_of_no_job_unless_it_takes_it_along() {
    let job = Job::new(17);
    let (bare, carried) = job
        .scope(async {
            let bare = tokio::spawn(async { Job::current() });
            let carried = tokio::spawn(job.scope(async { Job::current() }));
            (bare.await.unwrap(), carried.await.unwrap())
        })
        .await;
    assert_eq!((bare, carried), (None, Some(job)));
}

#[test]
fn a_scope_that_is_dropped_drops_its_future_and_leaves_nothing_behind() {
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    let mut scope = task::spawn(Job::new(17).scope(async move {
        let _kept = kept;
        std::future::pending::<()>().await;
    }));
    assert!(scope.poll().is_pending());
    assert_eq!((Job::current(), Arc::strong_count(&held)), (None, 2));
    drop(scope);
    assert_eq!((Job::current(), Arc::strong_count(&held)), (None, 1));
}

/// One that panics is over all the same.
#[test]
fn a_scope_ends_with_a_panic() {
    let mut scope = task::spawn(Job::new(17).scope(async {
        assert_eq!(Job::current(), None, "it is inside");
    }));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scope.poll().is_ready()));
    assert!(panicked.is_err());
    assert_eq!(Job::current(), None);
}
