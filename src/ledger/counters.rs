//! The counters of a subscription.

use auria_credits::{Allowance, CountedOperation, CreditPool};

/// The counters of a subscription.
#[derive(Clone, Copy)]
pub struct Counters {
    pub rollover: i32,
    pub bonus: i32,
    pub used: i32,
    pub hidden: i32,
    pub cases: i32,
    pub simulations: i32,
}

impl Counters {
    /// The credits, given what the plan grants.
    pub fn pool(self, monthly: Allowance) -> CreditPool {
        let Self { rollover, bonus, used, hidden, .. } = self;
        CreditPool { monthly, rollover, bonus, used, hidden }
    }

    /// These operations, and the credits of the pool.
    pub fn with(self, pool: CreditPool) -> Self {
        let CreditPool { rollover, bonus, used, hidden, .. } = pool;
        Self { rollover, bonus, used, hidden, ..self }
    }

    pub fn operations(&mut self, counted: CountedOperation) -> &mut i32 {
        match counted {
            CountedOperation::CaseAnalysis => &mut self.cases,
            CountedOperation::DsdSimulation => &mut self.simulations,
        }
    }
}
