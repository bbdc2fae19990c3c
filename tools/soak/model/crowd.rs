//! A user whom all clients charge at once. The order of their calls is not known, so what is expected is a sum with
//! as much room as there are calls whose outcome their clients do not know; at each check that room is closed again.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

/// What the clients of one user know together.
#[derive(Default)]
pub struct Crowd {
    /// References that were charged and are never refunded.
    pub charged: BTreeSet<Uuid>,
    /// Purchases by whether they are known to have been done.
    pub bought: i64,
    pub perhaps_bought: Vec<i64>,
    /// References whose purchase was answered, and what was answered to revocations.
    pub packs: BTreeSet<String>,
    pub revoked: BTreeMap<String, i64>,
    /// Operations that are charged once each, without a reference: what the client was answered, if anything.
    pub single: BTreeMap<String, Option<bool>>,
}

impl Crowd {
    /// What was bought, if the database's number can be that; from then on it is known.
    pub fn settle_purchases(&mut self, stored: i64) -> bool {
        let mut sums = BTreeSet::from([self.bought]);
        for credits in std::mem::take(&mut self.perhaps_bought) {
            let more: Vec<i64> = sums.iter().map(|sum| sum + credits).collect();
            sums.extend(more);
        }
        let possible = sums.contains(&stored);
        self.bought = stored;
        possible
    }
}

#[cfg(test)]
mod tests {
    use super::Crowd;

    #[test]
    fn only_a_sum_of_purchases_is_accepted() {
        let crowd = || Crowd { bought: 10, perhaps_bought: vec![3, 5], ..Crowd::default() };
        for (stored, possible) in [(10, true), (13, true), (18, true), (11, false), (9, false), (23, false)] {
            assert_eq!(crowd().settle_purchases(stored), possible, "{stored}");
        }
    }
}
