//! What a statement of credits must say.

/// A month that began, and what became of the one before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Month {
    pub begins_at: i64,
    pub is_by_hand: bool,
    pub granted: i64,
    pub expired: i64,
    pub carried_over: i64,
    /// Of plan, rollover and bonus.
    pub spent: [i64; 3],
}

/// A row of credit_events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub kind: String,
    pub reference: Option<String>,
    /// Of a purchase and a revocation: how many were asked for.
    pub asked: Option<i64>,
    /// used, hidden, rollover, bonus, settled_rollover, settled_bonus after it; zeros without an account.
    pub after: [i64; 6],
    pub month: Option<Month>,
}

/// A line of auria.credit_statement().
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub what: String,
    pub operation: Option<String>,
    pub reference: Option<String>,
    pub credits: Option<i64>,
    pub used: i64,
    pub rollover: i64,
    pub bonus: i64,
    pub available: Option<i64>,
}
