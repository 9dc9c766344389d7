//! From the samples of all passes to rows.

use crate::case::Case;
use crate::num::{round3, spread};
use crate::row::Row;
use crate::sample::Sample;
use crate::subjects::{BARE, FLOOR, SEMAPHORE, TOWER};

/// The samples of one subject in one case, one of each pass.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) subject: &'static str,
    pub(crate) case: Case,
    pub(crate) samples: Vec<Sample>,
}

/// The row of each series.
pub(crate) fn rows(all: &[Series]) -> Vec<Row> {
    all.iter().filter_map(|series| row(series, all)).collect()
}

fn row(series: &Series, all: &[Series]) -> Option<Row> {
    let own = over_bare(series, all);
    let of = |figure: fn(&Sample) -> f64| spread(own.iter().map(figure));
    let (ns, ns_min, ns_max) = of(|sample| sample.ns)?;
    let fairness = spread(own.iter().filter_map(|sample| sample.fairness));
    let is_limit = series.subject != BARE;
    let ratio = |to: &str| is_limit.then(|| ratio_of_ns(&own, to, series.case, all)).flatten();
    let is_contended = matches!(series.case, Case::Contended { .. });
    Some(Row {
        subject: series.subject,
        case: series.case.name(),
        ns: round3(ns),
        ns_min: round3(ns_min),
        ns_max: round3(ns_max),
        wall_ns: round3(of(|sample| sample.wall_ns)?.0),
        allocs: round3(of(|sample| sample.allocs)?.0),
        bytes: round3(of(|sample| sample.bytes)?.0),
        ratio_to_tower: ratio(TOWER),
        ratio_to_floor: ratio(FLOOR),
        ratio_to_semaphore: ratio(SEMAPHORE),
        work_ratio_to_tower: is_contended.then(|| ratio_of_work(series, all)).flatten(),
        heap_bytes: spread(own.iter().filter_map(|sample| sample.heap_bytes))
            .map(|(median, ..)| round3(median)),
        fairness: fairness.map(|(median, ..)| round3(median)),
        fairness_max: fairness.map(|(.., most)| round3(most)),
        threads: series.case.threads(),
        instructions: None,
        clock_reads: None,
    })
}

fn find<'a>(subject: &str, case: Case, all: &'a [Series]) -> Option<&'a Series> {
    all.iter().find(|series| series.subject == subject && series.case == case)
}

/// Each sample less the bare one of the same pass.
fn over_bare(series: &Series, all: &[Series]) -> Vec<Sample> {
    match find(BARE, series.case, all) {
        Some(bare) if series.subject != BARE && series.case.is_over_bare() => {
            series.samples.iter().zip(&bare.samples).map(|(sample, bare)| sample.over(*bare)).collect()
        }
        _ => series.samples.clone(),
    }
}

/// The ratio of the medians.
fn ratio_of_ns(own: &[Sample], to: &str, case: Case, all: &[Series]) -> Option<f64> {
    let other = over_bare(find(to, case, all)?, all);
    let median =
        |samples: &[Sample]| spread(samples.iter().map(|sample| sample.ns)).map(|(median, ..)| median);
    quotient(median(own)?, median(&other)?)
}

/// The ratio of the times that the same number of calls takes, service and runtime included.
fn ratio_of_work(series: &Series, all: &[Series]) -> Option<f64> {
    let median = |series: &Series| {
        spread(series.samples.iter().map(|sample| sample.wall_ns)).map(|(median, ..)| median)
    };
    quotient(median(series)?, median(find(TOWER, series.case, all)?)?)
}

fn quotient(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| round3(part / whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(subject: &'static str, ns: &[f64]) -> Series {
        let samples =
            ns.iter().map(|&ns| Sample { ns, wall_ns: ns, bytes: 10.0, ..Sample::default() }).collect();
        Series { subject, case: Case::Free, samples }
    }

    #[test]
    fn figures_are_over_the_bare_service_of_the_same_pass() {
        let all = [
            series(BARE, &[1.0, 101.0, 2.0]),
            series(TOWER, &[21.0, 121.0, 22.0]),
            series("own", &[11.0, 111.0, 10.0]),
        ];
        let rows = rows(&all);
        assert_eq!((rows[2].ns, rows[2].ns_min, rows[2].ns_max, rows[2].bytes), (10.0, 8.0, 10.0, 0.0));
        assert_eq!(
            (rows[2].ratio_to_tower, rows[1].ratio_to_tower, rows[0].ratio_to_tower),
            (Some(0.5), Some(1.0), None)
        );
        assert_eq!((rows[0].ns, rows[0].bytes), (2.0, 10.0));
    }

    #[test]
    fn changes_of_the_limit_have_nothing_taken_off() {
        let case = Case::Resize { has_waiters: true };
        let all = [Series { case, ..series("own", &[7.0]) }];
        assert_eq!((rows(&all)[0].ns, rows(&all)[0].ratio_to_tower), (7.0, None));
    }
}
