//! The order in which the rows of tables can be deleted.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::TableId;

/// The tables in an order in which their rows can be deleted: what refers, or is
/// found by others, first. Those that refer to each other are one element.
///
/// `references` are pairs of a table and another that it comes before.
pub fn referring_first(
    tables: BTreeSet<TableId>,
    references: impl Iterator<Item = (TableId, TableId)>,
) -> Vec<Vec<TableId>> {
    let mut before: BTreeMap<TableId, BTreeSet<TableId>> =
        tables.iter().map(|table| (*table, BTreeSet::new())).collect();
    for (from, to) in references.filter(|(from, _)| tables.contains(from)) {
        if let Some(before) = before.get_mut(&to) {
            before.insert(from);
        }
    }
    // What comes before a table, whatever the number of steps.
    let all_before: BTreeMap<TableId, BTreeSet<TableId>> =
        tables.iter().map(|table| (*table, reached(*table, &before))).collect();
    let in_cycle =
        |one: TableId, other: TableId| all_before[&one].contains(&other) && all_before[&other].contains(&one);
    let (mut placed, mut order) = (BTreeSet::new(), Vec::new());
    let mut waiting = Vec::from_iter(tables);
    while !waiting.is_empty() {
        let ready =
            |table: &TableId| all_before[table].iter().all(|first| placed.contains(first) || in_cycle(*table, *first));
        // There is one: what keeps all others waiting would be in a cycle.
        let Some(next) = waiting.iter().copied().find(ready) else {
            break;
        };
        let (cycle, rest): (Vec<TableId>, Vec<TableId>) =
            waiting.iter().partition(|table| **table == next || in_cycle(next, **table));
        placed.extend(cycle.iter().copied());
        order.push(cycle);
        waiting = rest;
    }
    order
}

/// What is reached from a table, itself only through a cycle.
fn reached(table: TableId, before: &BTreeMap<TableId, BTreeSet<TableId>>) -> BTreeSet<TableId> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![table]);
    while let Some(table) = next.pop() {
        next.extend(before[&table].iter().copied().filter(|first| seen.insert(*first)));
    }
    seen
}
