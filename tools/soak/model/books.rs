//! One user's credits as the documentation says they must be: written from docs/credits.md, not from the crate that
//! the extension uses, so that an error in one does not hide in the other.

use uuid::Uuid;

use super::months::{Billing, DAY, Moment, NOW, may_be_now};
use super::statement::{Event, Line, Month};

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
    pub settled_rollover: i64,
    pub settled_bonus: i64,
    pub cases: i64,
    pub dsd: i64,
    pub stripe: Option<String>,
    pub billing: Billing,
    /// When the month began. The server's own time is known within some hours.
    pub reset_at: Moment,
}

/// What the database stores of [`Books`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stored {
    pub account: Option<Account>,
    pub ledger: Vec<Row>,
    pub events: Vec<Event>,
}

/// What a statement writes to the row; what is not given stays.
#[derive(Clone, Default, Debug)]
pub struct Written {
    pub plan: Option<&'static str>,
    pub status: Option<&'static str>,
    pub stripe: Option<String>,
    /// Beginning and end of the period, and whether the subscription ends there.
    pub period: Option<(Moment, Moment, bool)>,
    pub reset_at: Option<Moment>,
    /// Whether nothing is used any more.
    pub clears_used: bool,
    /// What is added.
    pub rollover: i64,
    pub bonus: i64,
}

/// Account, ledger and events of one user.
#[derive(Clone, Debug, Default)]
pub struct Books {
    account: Option<Account>,
    ledger: Vec<Entry>,
    events: Vec<Event>,
    lines: Vec<Line>,
    /// How many months have ended, and how many plans the present one has seen.
    month: u32,
    plan_of_month: u32,
}

impl Books {
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether this is what is stored: months that are over may be settled or not, since anybody's statement does it, and
    /// the job.
    pub fn is(&self, stored: &Stored) -> bool {
        self.is_exactly(stored) || self.is_due() && self.settled().is_exactly(stored)
    }

    fn is_exactly(&self, stored: &Stored) -> bool {
        self.account_as_stored(stored) == stored.account
            && self.events == stored.events
            && self.ledger.len() == stored.ledger.len()
            && self.ledger.iter().zip(&stored.ledger).all(|(entry, row)| entry.row == *row)
    }

    /// With the server's own time as it is stored.
    fn account_as_stored(&self, stored: &Stored) -> Option<Account> {
        let mut account = self.account.clone()?;
        let shown = stored.account.as_ref().map_or(account.reset_at, |account| account.reset_at);
        if account.reset_at == *NOW && may_be_now(shown) {
            account.reset_at = shown;
        }
        Some(account)
    }

    /// The first difference, for a person to read.
    pub fn difference(&self, stored: &Stored) -> String {
        let account = self.account_as_stored(stored);
        if account != stored.account {
            return format!("the account is {:?}, expected {account:?}, due: {}", stored.account, self.is_due());
        }
        let place = self.ledger.iter().zip(&stored.ledger).position(|(entry, row)| entry.row != *row);
        if let Some(place) = place {
            return format!(
                "entry {place} of the ledger is {:?}, expected {:?}",
                stored.ledger[place], self.ledger[place].row
            );
        }
        if self.ledger.len() != stored.ledger.len() {
            return format!(
                "the ledger has {} entries, expected {}: {:?} / {:?}",
                stored.ledger.len(),
                self.ledger.len(),
                stored.ledger.last(),
                self.ledger.last().map(|entry| &entry.row)
            );
        }
        let place = self.events.iter().zip(&stored.events).position(|(event, row)| event != row);
        let place = place.unwrap_or(self.events.len().min(stored.events.len()));
        format!("event {place} is {:?}, expected {:?}", stored.events.get(place), self.events.get(place))
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
        let settled = self.settled();
        if settled.counts() {
            return settled.available().is_none_or(|available| available >= cost(operation));
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
        self.settle();
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
        self.say("charge", Some(operation), reference.map(|id| id.to_string()), if row.free { 0 } else { -credits });
        self.write(row);
        true
    }

    /// What refund_credits answers, and does.
    pub fn refund(&mut self, operation: &str, reference: Option<Uuid>) -> bool {
        self.settle();
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
                let (mut off_hidden, mut to_rollover, mut to_bonus) = (0, 0, 0);
                let mut rest = total;
                if given.month == month {
                    if given.plan_of_month != plan_of_month {
                        let bonus = given.row.from_bonus.min(account.settled_bonus);
                        account.settled_bonus -= bonus;
                        to_bonus += bonus;
                        let rollover = given.row.from_rollover.min(account.settled_rollover);
                        account.settled_rollover -= rollover;
                        to_rollover += rollover;
                        rest -= bonus + rollover;
                        off_hidden = rest.min(account.hidden);
                        rest -= off_hidden;
                    }
                    let off_used = rest.min(account.used);
                    account.used -= off_used;
                    rest -= off_used;
                    let rollover = rest.min(account.settled_rollover);
                    account.settled_rollover -= rollover;
                    to_rollover += rollover;
                    rest -= rollover;
                    account.settled_bonus -= rest.min(account.settled_bonus);
                }
                to_bonus += rest;
                account.hidden -= off_hidden;
                account.rollover += to_rollover;
                account.bonus += to_bonus;
                account.cases = (account.cases - i64::from(operation == CASE)).max(0);
                account.dsd = (account.dsd - i64::from(operation == DSD)).max(0);
                (row.from_rollover, row.from_bonus, row.from_hidden) = (-to_rollover, -to_bonus, -off_hidden);
            }
        }
        let reference = row.reference.map(|id| id.to_string());
        self.say("refund", Some(operation), reference, if row.free { 0 } else { total });
        self.write(row);
        true
    }

    /// What add_bonus_credits does.
    pub fn purchase(&mut self, credits: i64, reference: Option<&str>) {
        self.settle();
        if self.account.is_none() {
            self.insert(Account::new("starter", "active"));
        }
        let mut added = credits;
        if let Some(reference) = reference {
            if self.posted("purchase", reference).is_some() {
                return;
            }
            if let Some((asked, taken)) = self.posted("revocation", reference) {
                added = (credits - (asked - taken)).max(0);
            }
        }
        if let Some(account) = &mut self.account {
            account.bonus += added;
        }
        self.post("purchase", reference, credits, added);
    }

    /// What revoke_bonus_credits answers, and does.
    pub fn revoke(&mut self, credits: i64, reference: &str) -> i64 {
        self.settle();
        if let Some((_, taken)) = self.posted("revocation", reference) {
            return taken;
        }
        let mut taken = 0;
        if let Some(account) = &mut self.account {
            taken = credits.min(account.bonus - account.split().2);
            account.bonus -= taken;
        }
        self.post("revocation", Some(reference), credits, -taken);
        taken
    }

    /// What was asked for under a reference, and what a revocation took.
    fn posted(&self, kind: &str, reference: &str) -> Option<(i64, i64)> {
        let place =
            self.events.iter().position(|event| event.kind == kind && event.reference.as_deref() == Some(reference))?;
        let line = self.lines.iter().find(|line| line.what == kind && line.reference.as_deref() == Some(reference))?;
        Some((self.events[place].asked?, -line.credits?))
    }

    fn post(&mut self, kind: &str, reference: Option<&str>, asked: i64, changed: i64) {
        let reference = reference.map(str::to_owned);
        self.say(kind, None, reference.clone(), changed);
        let event = Event { kind: kind.to_owned(), reference, asked: Some(asked), after: self.balance(), month: None };
        self.events.push(event);
    }

    /// What an INSERT of a row does.
    fn insert(&mut self, account: Account) {
        self.account = Some(account);
        self.record("start", None);
    }

    /// What an upsert of the row does, and any other statement that writes it.
    pub fn subscribe(&mut self, written: &Written) {
        let Some(before) = self.account.clone() else {
            let mut account = Account::new(written.plan.unwrap_or_default(), written.status.unwrap_or_default());
            account.stripe.clone_from(&written.stripe);
            account.bill(written);
            return self.insert(account);
        };
        let mut after = before.clone();
        if let Some(status) = written.status {
            status.clone_into(&mut after.status);
        }
        let names_another = written.stripe.is_some() && written.stripe != before.stripe;
        after.stripe = written.stripe.clone().or(after.stripe);
        after.bill(written);

        // As the row was: its plan, its status.
        let months = self.events.len();
        self.settle_until_now(before.billing);
        self.settle_until_now(after.billing);
        let begun = |books: &Self| books.account.as_ref().map_or(0, |account| account.reset_at);
        let is_paid = after.status == "active"
            && (names_another || !matches!(before.status.as_str(), "active" | "past_due" | "unpaid"));
        if is_paid && let Some(paid) = after.billing.paid_after(begun(self)).filter(|paid| *paid <= *NOW) {
            self.begin_month(paid, false);
        }
        let clears_used = written.clears_used || before.used == 0;
        let by_hand = written.reset_at.filter(|set| *set > before.reset_at && clears_used && *set > begun(self));
        if let Some(by_hand) = by_hand {
            self.begin_month(by_hand, true);
        }
        let begins_month = self.events.len() > months;

        let Some(account) = &mut self.account else { return };
        (account.status, account.stripe, account.billing) = (after.status, after.stripe, after.billing);
        if !begins_month && let Some(reset_at) = written.reset_at {
            account.reset_at = reset_at;
        }
        let changed_plan = written.plan.filter(|plan| before.plan.as_deref() != Some(plan));
        if let Some(plan) = changed_plan {
            account.change_plan(plan);
            self.plan_of_month += 1;
            self.record("plan_change", None);
        }
        let settled = self.balance();
        let Some(account) = &mut self.account else { return };
        if by_hand.is_some() {
            // No more than what the rules give, and what the statement adds to what was bought.
            if written.rollover != 0 {
                account.rollover = account.rollover.min((before.rollover + written.rollover).max(0));
            }
            if written.bonus != 0 {
                let most = account.bonus + written.bonus.max(0);
                account.bonus = most.min((before.bonus + written.bonus).max(0));
            }
        } else {
            if written.clears_used {
                account.used = 0;
            }
            account.rollover += written.rollover;
            account.bonus += written.bonus;
        }
        if self.balance() != settled {
            self.record("adjustment", None);
        }
        let used = self.account.as_ref().map_or(0, |account| account.used);
        let difference = used - if begins_month { 0 } else { before.used };
        if changed_plan.is_some() && difference != 0 {
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

    pub fn is_due(&self) -> bool {
        let next = |account: &Account| account.billing.month_after(account.reset_at);
        self.account.as_ref().and_then(next).is_some_and(|next| next <= *NOW)
    }

    /// What the reset does, and whatever locks the account.
    pub fn settle(&mut self) {
        if let Some(account) = &self.account {
            self.settle_until_now(account.billing);
        }
    }

    pub fn settled(&self) -> Self {
        let mut settled = self.clone();
        settled.settle();
        settled
    }

    fn settle_until_now(&mut self, billing: Billing) {
        let next = |books: &Self| books.account.as_ref().and_then(|account| billing.month_after(account.reset_at));
        while let Some(beginning) = next(self).filter(|next| *next <= *NOW) {
            self.begin_month(beginning, false);
        }
    }

    fn begin_month(&mut self, begins_at: Moment, is_by_hand: bool) {
        let Some(account) = &mut self.account else { return };
        let plan = plan(account.plan.as_deref());
        let (monthly, rollover, bonus) = account.split();
        let left_of_plan = plan.monthly.map_or(0, |granted| granted - monthly);
        // A trial, and whoever did not pay, carries nothing of the plan.
        let carried_of_plan = if account.status == "active" { left_of_plan } else { 0 };
        let left_of_rollover = account.rollover - rollover;
        let carried_over = plan.carries_over.map_or(0, |most| (carried_of_plan + left_of_rollover).min(most));
        account.bonus -= bonus;
        account.rollover = carried_over;
        (account.used, account.hidden, account.cases, account.dsd) = (0, 0, 0, 0);
        (account.settled_rollover, account.settled_bonus) = (0, 0);
        account.reset_at = begins_at;
        self.month += 1;
        self.plan_of_month = 0;
        let month = Month {
            begins_at,
            is_by_hand,
            granted: plan.monthly.unwrap_or(-1),
            expired: left_of_plan + left_of_rollover - carried_over,
            carried_over,
            spent: [monthly, rollover, bonus],
        };
        self.record("month", Some(month));
    }

    /// An event, and its line: what it changed is what can be spent after it.
    fn record(&mut self, kind: &str, month: Option<Month>) {
        let before = self.lines.last().filter(|_| kind != "start").map_or(Some(0), |line| line.available);
        let credits = self.available().zip(before).map(|(after, before)| after - before);
        let line = self.line(kind, None, None, credits);
        self.lines.push(line);
        self.events.push(Event { kind: kind.to_owned(), reference: None, asked: None, after: self.balance(), month });
    }

    fn say(&mut self, what: &str, operation: Option<&str>, reference: Option<String>, credits: i64) {
        let line = self.line(what, operation.map(str::to_owned), reference, Some(credits));
        self.lines.push(line);
    }

    fn line(&self, what: &str, operation: Option<String>, reference: Option<String>, credits: Option<i64>) -> Line {
        let [used, _, rollover, bonus, ..] = self.balance();
        Line {
            what: what.to_owned(),
            operation,
            reference,
            credits,
            used,
            rollover,
            bonus,
            available: self.available(),
        }
    }

    fn available(&self) -> Option<i64> {
        self.account.as_ref().map_or(Some(0), |account| {
            let monthly = plan(account.plan.as_deref()).monthly?;
            Some(monthly + account.rollover + account.bonus - account.used)
        })
    }

    fn balance(&self) -> [i64; 6] {
        self.account.as_ref().map_or([0; 6], Account::balance)
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
            settled_rollover: 0,
            settled_bonus: 0,
            cases: 0,
            dsd: 0,
            stripe: None,
            billing: Billing::default(),
            reset_at: *NOW,
        }
    }

    /// The latest beginning counts; one that is more than a day ahead is an error.
    fn bill(&mut self, written: &Written) {
        if let Some((start, end, ends_there)) = written.period {
            let start = Some(start).filter(|start| *start <= *NOW + DAY);
            self.billing = Billing { start: self.billing.start.max(start), end: Some(end), ends_there };
        }
    }

    fn change_plan(&mut self, to: &str) {
        let (monthly, rollover, bonus) = self.split();
        let spent = monthly + self.hidden;
        self.rollover -= rollover;
        self.bonus -= bonus;
        self.settled_rollover += rollover;
        self.settled_bonus += bonus;
        self.plan = Some(to.to_owned());
        self.used = plan(Some(to)).monthly.map_or(spent, |monthly| spent.min(monthly));
        self.hidden = spent - self.used;
    }

    fn balance(&self) -> [i64; 6] {
        [self.used, self.hidden, self.rollover, self.bonus, self.settled_rollover, self.settled_bonus]
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
    use crate::model::months::in_days;

    fn on(plan: &'static str) -> Written {
        Written { plan: Some(plan), status: Some("active"), ..Written::default() }
    }

    #[test]
    fn a_plan_change_down_and_up_gains_nothing() {
        let mut books = Books::default();
        books.subscribe(&on("price_pro_monthly_v2"));
        for _ in 0..50 {
            assert!(books.charge(CASE, None));
        }
        books.subscribe(&on("starter"));
        assert!(!books.affords(CASE));
        books.subscribe(&on("price_pro_monthly_v2"));
        let left = (0..100).filter(|_| books.charge(CASE, None)).count();
        assert_eq!(left, 10);
    }

    #[test]
    fn a_refund_after_the_month_becomes_bonus() {
        let mut books = Books::default();
        books.subscribe(&on("starter"));
        assert!(books.charge(CASE, None));
        books.subscribe(&Written { reset_at: Some(in_days(-31)), ..Written::default() });
        assert!(books.refund(CASE, None));
        assert!(!books.refund(CASE, None));
        assert_eq!(books.account().unwrap().bonus, 1);
        let kinds: Vec<&str> = books.lines().iter().map(|line| line.what.as_str()).collect();
        assert_eq!(kinds, ["start", "charge", "month", "refund"]);
    }

    #[test]
    fn a_revocation_that_comes_first_is_taken_off_the_purchase() {
        let mut books = Books::default();
        assert_eq!(books.revoke(4, "pi_1"), 0);
        for _ in 0..2 {
            books.purchase(10, Some("pi_1"));
            assert_eq!(books.account().unwrap().bonus, 6);
        }
    }
}
