//! The modelled plant: the pool and the database. Pure state machines, driven by the world.

mod database;
mod locks;
mod meter;
mod pool;
mod processors;

pub(crate) use database::{DatabaseModel, Ended, Query};
pub(crate) use meter::{GiveUp, MeterModel, Published, Ticket};
pub(crate) use pool::{Opening, PoolModel};
