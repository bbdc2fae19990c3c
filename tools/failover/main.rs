//! Failover with Patroni: two servers and an etcd on this machine. The leader is killed, again and again, while clients
//! charge with references and others read. `scripts/soak-failover` prepares the directory and runs this as the account
//! of the servers.
//!
//! What must hold: every charge that was answered is in the ledger of the next leader, once; reads on the server that
//! survives never fail; `auria.doctor()` finds nothing on the new leader; a charge that was sent again is not charged again.

// A driver that cannot do its work stops there.
#![allow(clippy::unwrap_used)]

mod clients;
mod servers;

use std::time::{Duration, Instant};

use clients::Clients;
use servers::Servers;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().expect("usage: failover PROGRAMS DIRECTORY TIMES");
    let (programs, directory, times) = (next(), next(), next().parse::<usize>().unwrap());
    let mut servers = Servers::start(programs.as_ref(), directory.as_ref());
    println!("two servers, {} leads", servers.wait_for_a_pair());
    clients::prepare(&servers);
    servers.wait_for_a_pair();

    let clients = Clients::start(&servers);
    for time in 1..=times {
        let leader = servers.wait_for_a_pair();
        clients.work_for(Duration::from_secs(3));
        let survivor = 1 - leader;
        let killed_at = Instant::now();
        servers.kill(leader);
        let answered_before = clients.answered().len();
        let promoted = servers.wait_for_leader(survivor);
        let charging_again = clients.wait_for_charges(answered_before);
        let reads = clients.reads_of(survivor, killed_at);
        assert_eq!(reads.failed, 0, "reads on the survivor failed");
        assert!(reads.answered > 0, "nobody read on the survivor");
        let answered = clients.answered();
        let mut admin = servers.superuser(survivor, "auria");
        let lost = clients::missing(&mut admin, &answered);
        assert_eq!(lost, 0, "acknowledged charges are lost");
        let complaints = clients::complaints(&mut admin);
        assert!(complaints.is_empty(), "the doctor: {complaints:?}");
        println!(
            "failover {time:2}: server {leader} killed, server {survivor} leads after {:4.1} s, charges again after {:4.1} s, \
             {} reads on it meanwhile, none failed; {} charges acknowledged so far, 0 lost; doctor green",
            promoted.duration_since(killed_at).as_secs_f32(),
            charging_again.duration_since(killed_at).as_secs_f32(),
            reads.answered,
            answered.len(),
        );
        servers.restart(leader);
    }
    let leader = servers.wait_for_a_pair();
    let (answered, sent_again) = clients.stop();
    let mut admin = servers.superuser(leader, "auria");
    assert_eq!(clients::missing(&mut admin, &answered), 0);
    let entries = clients::entries(&mut admin);
    // Each client repeats a charge until it is answered: nothing else is in the ledger.
    assert_eq!(entries, answered.len() as i64, "entries of the ledger");
    println!(
        "{times} failovers: {} charges acknowledged, {sent_again} sent again, {entries} entries in the ledger, 0 lost, 0 twice",
        answered.len()
    );
}
