use tidegate_tower::CoalesceError;
use tokio::time::sleep;

use crate::support::{
    BAD, CALL, LINGER, OVERLOAD, Refused, answers, call_all, coalesce, config, layer, values,
};

#[tokio::test(start_paused = true)]
async fn one_bad_row_fails_alone_with_its_own_error() {
    let (service, store) = coalesce(&layer(config()).split_when(|error: &Refused| error.0 < OVERLOAD));
    let rows = [1, 2, 3, 4, 5, BAD, 7, 8];
    let mut answers = answers(call_all(&service, &rows)).await;
    let error = answers.remove(5).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Refused(BAD)));
    let values: Vec<u64> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(values, [10, 20, 30, 40, 50, 70, 80]);
    // Twice the logarithm of the rows, and the first.
    assert_eq!(
        store.sent(),
        [&rows[..], &rows[..4], &rows[4..], &rows[4..6], &rows[4..5], &rows[5..6], &rows[6..]]
    );
}

#[tokio::test(start_paused = true)]
async fn calls_for_bad_rows_alone_are_fewer_than_two_a_row() {
    let (service, store) = coalesce(&layer(config()).split_when(|_| true));
    let rows: Vec<u64> = (BAD..BAD + 8).collect();
    for (row, answer) in rows.iter().zip(answers(call_all(&service, &rows)).await) {
        assert_eq!(answer.unwrap_err().downcast_ref(), Some(&Refused(*row)));
    }
    assert_eq!(store.sent().len(), 15);
}

#[tokio::test(start_paused = true)]
async fn error_that_is_not_of_a_row_fails_all_at_once() {
    let (service, store) = coalesce(&layer(config()).split_when(|error: &Refused| error.0 < OVERLOAD));
    for answer in answers(call_all(&service, &[1, OVERLOAD, 3])).await {
        let error = answer.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(CoalesceError::Batch { rows: 3, .. })));
        let source = error.source().unwrap();
        assert_eq!(source.downcast_ref(), Some(&Refused(OVERLOAD)));
    }
    assert_eq!(store.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_split_unless_it_is_said_to_be_safe() {
    let (service, store) = coalesce(&layer(config()));
    assert!(answers(call_all(&service, &[1, BAD])).await.iter().all(Result::is_err));
    assert_eq!(store.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn caller_that_goes_while_its_batch_fails_is_left_out_of_the_halves() {
    let (service, store) = coalesce(&layer(config()).split_when(|_| true));
    let mut calls = call_all(&service, &[1, BAD, 3, 4]);
    sleep(LINGER + CALL / 2).await;
    calls.remove(1).abort();
    assert_eq!(values(calls).await, [10, 30, 40]);
    assert_eq!(store.sent(), [vec![1, BAD, 3, 4], vec![1], vec![3, 4]]);
}
