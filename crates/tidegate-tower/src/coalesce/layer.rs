use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;

use tidegate_core::ConfigError;
use tower::BoxError;
use tower_layer::Layer;
use tower_service::Service;

use super::service::Coalesce;
use super::split::Split;
use super::worker::Worker;
use crate::CoalesceConfig;

/// What tells rows apart: rows of one key are never in two statements at a time, nor twice in one.
pub(super) type KeyOf<Row> = Arc<dyn Fn(&Row) -> u64 + Send + Sync>;

/// Joins calls of one row each into calls of many rows, and gives each caller its own result.
///
/// The inner service takes a `Vec<Row>` and answers with a `Vec` of as many results, in the same order.
/// Of it there are clones, one for each batch. Put the layer above a limiter's: then a batch takes one permit, and while
/// it waits for that the next rows join it.
///
/// Each batch runs in a task of its own, where task-locals of its callers are not set.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower::BoxError> {
/// use tidegate_limiter::Limiter;
/// use tidegate_tower::{CoalesceConfig, CoalesceLayer, ServiceBuilderExt};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// let limiter = Limiter::builder().name("writes").fixed(5).build()?;
/// let double = ServiceBuilder::new()
///     .layer(CoalesceLayer::new(CoalesceConfig::default())?)
///     .limit(limiter)
///     .service(service_fn(|rows: Vec<u64>| async move {
///         Ok::<_, std::io::Error>(rows.into_iter().map(|row| row * 2).collect::<Vec<u64>>())
///     }));
/// let (a, b) = tokio::join!(double.clone().oneshot(1), double.oneshot(21));
/// assert_eq!((a?, b?), (2, 42));
/// # Ok(()) }
/// ```
pub struct CoalesceLayer<Row, E = BoxError> {
    name: Arc<str>,
    config: CoalesceConfig,
    key_of: Option<KeyOf<Row>>,
    split: Option<Split<Row, E>>,
}

impl<Row, E> CoalesceLayer<Row, E> {
    /// A layer that joins calls as `config` says, never splits a batch, and does not look for rows of one key.
    ///
    /// # Errors
    ///
    /// A setting out of its range; the error names all of them.
    pub fn new(config: CoalesceConfig) -> Result<Self, ConfigError> {
        let config = config.check()?;
        Ok(Self { name: "coalesce".into(), config, key_of: None, split: None })
    }

    /// The name that metrics carry as their label `coalesce`; `coalesce` unless it is given.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Keeps rows of one key apart: while a row is in a batch, another one of its key waits until that batch has ended.
    ///
    /// Needed for statements that change rows by a key: PostgreSQL's `UPDATE … FROM` applies one of two rows with the
    /// same key and drops the other, its `INSERT … ON CONFLICT DO UPDATE` fails. With it, rows of one key are written in
    /// the order in which they came, and two batches at the same time never lock the same row.
    ///
    /// `key_of` runs in `call`. Two keys with the same hash (of 64 bits, seeded) are kept apart as if they were one.
    #[must_use]
    pub fn distinct<K: Hash>(mut self, key_of: impl Fn(&Row) -> K + Send + Sync + 'static) -> Self {
        let hasher = RandomState::new();
        self.key_of = Some(Arc::new(move |row| hasher.hash_one(key_of(row))));
        self
    }

    /// Tries a failed batch again in halves if `is_of_a_row` says that its error is about a row (a constraint, a value
    /// out of range), until each bad row has failed alone with its own error and all others are written.
    ///
    /// One bad row in `n` costs at most 2 log₂ n further calls; if all are bad it is `2n − 2`.
    /// A caller that has gone meanwhile is left out.
    ///
    /// **Only for an inner service that has changed nothing when it fails**: one statement that failed by itself, or a
    /// transaction that was rolled back. And only for errors of which the database has spoken: after a lost connection
    /// nobody knows whether the rows are written. Say no to overload, too: more calls would make it worse.
    #[must_use]
    pub fn split_when(mut self, is_of_a_row: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self
    where
        Row: Clone,
    {
        self.split = Some(Split::new(is_of_a_row));
        self
    }
}

impl<S, Row, T, E> Layer<S> for CoalesceLayer<Row, E>
where
    S: Service<Vec<Row>, Response = Vec<T>, Error = E> + Clone + Send + 'static,
    S::Future: Send,
    E: Into<BoxError> + Send + 'static,
    Row: Send + 'static,
    T: Send + 'static,
{
    type Service = Coalesce<Row, T>;

    /// The task that makes the batches is spawned when the service is first asked whether it is ready, so this needs no
    /// runtime.
    fn layer(&self, inner: S) -> Self::Service {
        let (name, config) = (Arc::clone(&self.name), self.config);
        let (worker, asks) = Worker::new(inner, name, config, self.split.clone());
        Coalesce::new(asks, self.key_of.clone(), worker.run())
    }
}

impl<Row, E> Clone for CoalesceLayer<Row, E> {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            config: self.config,
            key_of: self.key_of.clone(),
            split: self.split.clone(),
        }
    }
}

impl<Row, E> fmt::Debug for CoalesceLayer<Row, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, config) = (&self.name, &self.config);
        f.debug_struct("CoalesceLayer").field("name", name).field("config", config).finish_non_exhaustive()
    }
}
