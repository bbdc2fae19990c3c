//! The clients: sixteen, each with practices of its own and one way in, and some that look after the database.

mod accounts;
mod backend;
mod client;
mod crowd;
mod dentist;
pub mod maintenance;
mod visitor;

use std::sync::Mutex;

use crate::door::Door;
use crate::model::Practice;
use crate::random::Random;
use crate::world::{DATABASE, World};

pub use client::{Client, books_expression, stored_books, stored_statement};
pub use dentist::MARK;

/// Half of them through PostgREST, half through SQL.
pub const CLIENTS: usize = 16;

/// How many practices a client looks after.
const PRACTICES: usize = 3;

/// Works until the soak is over. Everything random in it follows from `random`.
pub fn work(world: &World, number: usize, random: Random, practices: &Mutex<Vec<Practice>>) {
    let door =
        if number.is_multiple_of(2) { Door::api(world.postgrest.url()) } else { Door::sql(&world.cluster, DATABASE) };
    let mut client = Client::new(world, door, random);
    while !world.is_over() {
        let _inside = world.gate.enter();
        let mut practices = practices.lock().unwrap();
        step(&mut client, &mut practices);
    }
}

fn step(client: &mut Client<'_>, practices: &mut Vec<Practice>) {
    practices.retain(|practice| !practice.is_broken);
    if practices.len() < PRACTICES {
        practices.extend(accounts::sign_up(client));
        return;
    }
    let place = client.random.below(practices.len());
    let practice = &mut practices[place];
    match client.random.below(1200) {
        0..450 => backend::step(client, practice),
        450..870 => dentist::step(client, practice),
        870..990 => visitor::step(client, practice),
        990..1199 => crowd::step(client),
        _ => {
            if accounts::delete(client, practice) {
                practices.remove(place);
            }
        }
    }
}
