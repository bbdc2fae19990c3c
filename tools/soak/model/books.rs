//! One user's credits as the documentation says they must be: written from docs/credits.md, not from the crate that
//! the extension uses, so that an error in one does not hide in the other.

use uuid::Uuid;

/// What a plan of the soak's database grants.
pub struct Plan {
    pub id: &'static str,
    /// `None` is unlimited.
    pub monthly: Option<i64>,
    pub carries_over: Option<i64>,
}

/// The seed's plans, and one without limit that the soak adds.
pub const PLANS: [Plan; 5] = [
    Plan { id: "starter", monthly: Some(5), carries_over: None },
    Plan { id: "price_essencial_monthly", monthly: Some(20), carries_over: None },
    Plan { id: "price_pro_monthly_v2", monthly: Some(60), carries_over: Some(30) },
    Plan { id: "price_elite_monthly", monthly: Some(200), carries_over: Some(100) },
    Plan { id: UNLIMITED, monthly: None, carries_over: None },
];

pub const UNLIMITED: &str = "soak_unlimited";
pub const CASE: &str = "case_analysis";
pub const DSD: &str = "dsd_simulation";

fn plan(id: Option<&str>) -> Plan {
    PLANS.into_iter().find(|plan| Some(plan.id) == id).unwrap_or(Plan { id: "", monthly: Some(0), carries_over: None })
}

/// What an operation costs in the soak's database.
pub fn cost(operation: &str) -> i64 {
    if operation == DSD { 2 } else { 1 }
}

/// A row of the ledger, and what a refund needs to know about the moment it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub row: Row,
    month: u32,
    plan_of_month: u32,
}

/// What is stored of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    pub operation: String,
    pub credits: i64,
    pub reference: Option<Uuid>,
    pub free: bool,
    /// A use that was not refunded.
    pub open: bool,
    pub from_rollover: i64,
    pub from_bonus: i64,
    pub from_hidden: i64,
}

/// A row of public.subscriptions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub plan: Option<String>,
    pub status: String,
    pub used: i64,
    pub hidden: i64,
    pub rollover: i64,
    pub bonus: i64,
    pub cases: i64,
    pub dsd: i64,
}

/// What the database stores of [`Books`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stored {
    pub account: Option<Account>,
    pub ledger: Vec<Row>,
}

/// Account and ledger of one user.
#[derive(Clone, Debug, Default)]
pub struct Books {
    account: Option<Account>,
    ledger: Vec<Entry>,
    /// How many months have ended, and how many plans the present one has seen.
    month: u32,
    plan_of_month: u32,
}

impl Books {
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    pub fn is(&self, stored: &Stored) -> bool {
        self.account == stored.account
            && self.ledger.len() == stored.ledger.len()
            && self.ledger.iter().zip(&stored.ledger).all(|(entry, row)| entry.row == *row)
    }

    /// The first difference, for a person to read.
    pub fn difference(&self, stored: &Stored) -> String {
        if self.account != stored.account {
            return format!("the account is {:?}, expected {:?}", stored.account, self.account);
        }
        let place = self.ledger.iter().zip(&stored.ledger).position(|(entry, row)| entry.row != *row);
        match place {
            Some(place) => format!(
                "entry {place} of the ledger is {:?}, expected {:?}",
                stored.ledger[place], self.ledger[place].row
            ),
            None => format!(
                "the ledger has {} entries, expected {}: {:?} / {:?}",
                stored.ledger.len(),
                self.ledger.len(),
                stored.ledger.last(),
                self.ledger.last().map(|entry| &entry.row)
            ),
        }
    }

    fn counts(&self) -> bool {
        self.account.as_ref().is_some_and(|account| matches!(account.status.as_str(), "active" | "trialing"))
    }

    fn open_use(&self, operation: &str, reference: Option<Uuid>) -> Option<usize> {
        self.ledger.iter().rposition(|entry| {
            entry.row.operation == operation
                && entry.row.open
                && (reference.is_none() || entry.row.reference == reference)
        })
    }

    /// What use_credits would answer now.
    pub fn affords(&self, operation: &str) -> bool {
        if let Some(account) = self.account.as_ref().filter(|_| self.counts()) {
            return match plan(account.plan.as_deref()).monthly {
                None => true,
                Some(monthly) => monthly + account.rollover + account.bonus - account.used >= cost(operation),
            };
        }
        let allowed = match operation {
            CASE => 3,
            DSD => 2,
            _ => 0,
        };
        let used =
            self.ledger.iter().filter(|entry| entry.row.operation == operation && entry.row.free && entry.row.open);
        used.count() < allowed
    }

    /// What use_credits answers, and does.
    pub fn charge(&mut self, operation: &str, reference: Option<Uuid>) -> bool {
        if reference.is_some() && self.open_use(operation, reference).is_some() {
            return true;
        }
        if !self.affords(operation) {
            return false;
        }
        let credits = cost(operation);
        let mut row = Row {
            operation: operation.to_owned(),
            credits,
            reference,
            free: !self.counts(),
            open: true,
            from_rollover: 0,
            from_bonus: 0,
            from_hidden: 0,
        };
        if let Some(account) = self.account.as_mut().filter(|_| !row.free) {
            let before = account.split();
            account.used += credits;
            let after = account.split();
            row.from_rollover = after.1 - before.1;
            row.from_bonus = after.2 - before.2;
            account.cases += i64::from(operation == CASE);
            account.dsd += i64::from(operation == DSD);
        }
        self.write(row);
        true
    }

    /// What refund_credits answers, and does.
    pub fn refund(&mut self, operation: &str, reference: Option<Uuid>) -> bool {
        let Some(place) = self.open_use(operation, reference) else {
            return reference.is_some()
                && self
                    .ledger
                    .iter()
                    .any(|entry| entry.row.operation == operation && entry.row.reference == reference);
        };
        self.ledger[place].row.open = false;
        let given = self.ledger[place].clone();
        let total = given.row.credits;
        let mut row = Row {
            operation: format!("{operation}_refund"),
            credits: -total,
            open: false,
            from_rollover: 0,
            from_bonus: 0,
            from_hidden: 0,
            ..given.row.clone()
        };
        if !given.row.free {
            let (month, plan_of_month) = (self.month, self.plan_of_month);
            if let Some(account) = &mut self.account {
                let (mut off_used, mut off_hidden, mut to_rollover) = (0, 0, 0);
                if given.month == month && given.plan_of_month == plan_of_month {
                    off_used = total.min(account.used);
                } else if given.month == month {
                    let monthly = total - given.row.from_rollover - given.row.from_bonus;
                    to_rollover = given.row.from_rollover;
                    off_hidden = monthly.min(account.hidden);
                    off_used = (monthly - off_hidden).min(account.used);
                }
                let to_bonus = total - off_used - off_hidden - to_rollover;
                account.used -= off_used;
                account.hidden -= off_hidden;
                account.rollover += to_rollover;
                account.bonus += to_bonus;
                account.cases = (account.cases - i64::from(operation == CASE)).max(0);
                account.dsd = (account.dsd - i64::from(operation == DSD)).max(0);
                (row.from_rollover, row.from_bonus, row.from_hidden) = (-to_rollover, -to_bonus, -off_hidden);
            }
        }
        self.write(row);
        true
    }

    /// What add_bonus_credits does.
    pub fn purchase(&mut self, credits: i64) {
        self.account.get_or_insert_with(|| Account::new("starter", "active")).bonus += credits;
    }

    /// What a webhook's upsert of the subscription does.
    pub fn subscribe(&mut self, plan_id: &str, status: &str) {
        let Some(account) = &mut self.account else {
            self.account = Some(Account::new(plan_id, status));
            return;
        };
        status.clone_into(&mut account.status);
        if account.plan.as_deref() == Some(plan_id) {
            return;
        }
        let before = account.used;
        let (monthly, rollover, bonus) = account.split();
        let spent = monthly + account.hidden;
        account.rollover -= rollover;
        account.bonus -= bonus;
        account.plan = Some(plan_id.to_owned());
        account.used = plan(Some(plan_id)).monthly.map_or(spent, |monthly| spent.min(monthly));
        account.hidden = spent - account.used;
        let difference = account.used - before;
        self.plan_of_month += 1;
        if difference != 0 {
            self.write(Row {
                operation: "plan_change".to_owned(),
                credits: difference,
                reference: None,
                free: false,
                open: true,
                from_rollover: 0,
                from_bonus: 0,
                from_hidden: 0,
            });
        }
    }

    /// What the reset does to a subscription whose month is over.
    pub fn end_month(&mut self) {
        let Some(account) = &mut self.account else {
            return;
        };
        let plan = plan(account.plan.as_deref());
        let (monthly, rollover, bonus) = account.split();
        let left = plan.monthly.map_or(0, |granted| granted - monthly);
        account.bonus -= bonus;
        account.rollover = match plan.carries_over {
            Some(most) => (left + account.rollover - rollover).min(most),
            None => 0,
        };
        (account.used, account.hidden, account.cases, account.dsd) = (0, 0, 0, 0);
        self.month += 1;
        self.plan_of_month = 0;
    }

    fn write(&mut self, row: Row) {
        self.ledger.push(Entry { row, month: self.month, plan_of_month: self.plan_of_month });
    }
}

impl Account {
    fn new(plan: &str, status: &str) -> Self {
        Account {
            plan: Some(plan.to_owned()),
            status: status.to_owned(),
            used: 0,
            hidden: 0,
            rollover: 0,
            bonus: 0,
            cases: 0,
            dsd: 0,
        }
    }

    /// What was used, by where it came from: plan, rollover, bonus.
    fn split(&self) -> (i64, i64, i64) {
        let monthly = plan(self.plan.as_deref()).monthly.map_or(self.used, |granted| self.used.min(granted));
        let rollover = (self.used - monthly).min(self.rollover);
        let bonus = (self.used - monthly - rollover).min(self.bonus);
        (monthly, rollover, bonus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_change_down_and_up_gains_nothing() {
        let mut books = Books::default();
        books.subscribe("price_pro_monthly_v2", "active");
        for _ in 0..50 {
            assert!(books.charge(CASE, None));
        }
        books.subscribe("starter", "active");
        assert!(!books.affords(CASE));
        books.subscribe("price_pro_monthly_v2", "active");
        let left = (0..100).filter(|_| books.charge(CASE, None)).count();
        assert_eq!(left, 10);
    }

    #[test]
    fn a_refund_after_the_month_becomes_bonus() {
        let mut books = Books::default();
        books.subscribe("starter", "active");
        assert!(books.charge(CASE, None));
        books.end_month();
        assert!(books.refund(CASE, None));
        assert!(!books.refund(CASE, None));
        assert_eq!(books.account().unwrap().bonus, 1);
    }
}
