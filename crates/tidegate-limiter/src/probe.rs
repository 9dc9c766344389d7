use tidegate_core::PoolEvidence;

/// What produces the readings of a pool.
///
/// The driver asks a few times per tick, so a probe must be cheap and must not block or await; counters and gauges that
/// are kept anyway are what it returns. [`PoolMeter`](crate::PoolMeter) keeps them for any pool.
pub trait PoolProbe: Send + Sync + 'static {
    /// The pool's state now. `activity` holds totals since the pool was made; the driver takes the differences.
    fn read(&self) -> PoolEvidence;

    /// The name of the pool, as the `db.client.connection.pool.name` label of its metrics.
    fn name(&self) -> &str;
}
