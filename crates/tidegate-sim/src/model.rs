//! The modelled plant: the pool and the database. Pure state machines, driven by the world.

mod database;
mod pool;

pub(crate) use database::DatabaseModel;
pub(crate) use pool::{GiveUp, Opening, PoolModel, Published};
