//! The README and the pages of `docs/`, pulled in so that every sample in them is compiled and run as a doc test.
//!
//! The tidy test asserts that no page is left out.

#[doc = include_str!("../../README.md")]
mod readme {}

#[doc = include_str!("../../docs/README.md")]
mod index {}

#[doc = include_str!("../../docs/admission.md")]
mod admission {}

#[doc = include_str!("../../docs/coalescing.md")]
mod coalescing {}

#[doc = include_str!("../../docs/configuration.md")]
mod configuration {}

#[doc = include_str!("../../docs/comparison.md")]
mod comparison {}

#[doc = include_str!("../../docs/control-law.md")]
mod control_law {}

#[doc = include_str!("../../docs/deep-scan.md")]
mod deep_scan {}

#[doc = include_str!("../../docs/glossary.md")]
mod glossary {}

#[doc = include_str!("../../docs/job-queue.md")]
mod job_queue {}

#[doc = include_str!("../../docs/laws.md")]
mod laws {}

#[doc = include_str!("../../docs/metrics.md")]
mod metrics {}

#[doc = include_str!("../../docs/migration.md")]
mod migration {}

#[doc = include_str!("../../docs/nested.md")]
mod nested {}

#[doc = include_str!("../../docs/retries.md")]
mod retries {}

#[doc = include_str!("../../docs/rivals.md")]
mod rivals {}

#[doc = include_str!("../../docs/rollout.md")]
mod rollout {}

#[doc = include_str!("../../docs/simulate.md")]
mod simulate {}

#[doc = include_str!("../../docs/tiers.md")]
mod tiers {}

#[doc = include_str!("../../docs/troubleshooting.md")]
mod troubleshooting {}

#[doc = include_str!("../../docs/tuning.md")]
mod tuning {}
