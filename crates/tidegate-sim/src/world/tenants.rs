//! What happens to the pools: others come and go, and the size changes.

use super::World;
use super::calls::User;
use crate::model::Opening;

impl World<'_> {
    /// The tenant asks every pool for its connections.
    pub(super) fn tenant_comes(&mut self, tenant: usize) {
        for pool in 0..self.pools.len() {
            for _ in 0..self.scenario.pool.tenants[tenant].connections {
                let call = self.ask_for(User::Tenant, pool);
                self.tenants[tenant].push(call);
            }
        }
    }

    /// The tenant gives back what it has, and waits no longer for the rest.
    pub(super) fn tenant_goes(&mut self, tenant: usize) {
        for call in std::mem::take(&mut self.tenants[tenant]) {
            self.abandon(call);
        }
    }

    pub(super) fn resize_pools(&mut self, max: u32) {
        for pool in 0..self.pools.len() {
            if let Some(gate) = &mut self.gates[pool] {
                gate.sets.resize(max);
            }
            for call in self.pool(pool).resize(max) {
                self.open(call, Opening::Connect);
            }
        }
    }
}
