//! The counters of a subscription.

use auria_credits::{Allowance, CountedOperation, CreditPool};

/// The counters of a subscription.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    pub rollover: i32,
    pub bonus: i32,
    pub used: i32,
    pub hidden: i32,
    pub settled_rollover: i32,
    pub settled_bonus: i32,
    pub cases: i32,
    pub simulations: i32,
}

impl Counters {
    /// The credits, given what the plan grants.
    pub fn pool(self, monthly: Allowance) -> CreditPool {
        let Self { rollover, bonus, used, hidden, settled_rollover, settled_bonus, .. } = self;
        CreditPool { monthly, rollover, bonus, used, hidden, settled_rollover, settled_bonus }
    }

    /// These operations, and the credits of the pool.
    pub fn with(self, pool: CreditPool) -> Self {
        let CreditPool { rollover, bonus, used, hidden, settled_rollover, settled_bonus, .. } = pool;
        Self { rollover, bonus, used, hidden, settled_rollover, settled_bonus, ..self }
    }

    pub fn operations(&mut self, counted: CountedOperation) -> &mut i32 {
        match counted {
            CountedOperation::CaseAnalysis => &mut self.cases,
            CountedOperation::DsdSimulation => &mut self.simulations,
        }
    }
}
