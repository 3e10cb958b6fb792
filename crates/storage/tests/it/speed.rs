//! What a commit costs. Printed, not judged: it is the disk's to say. `cargo nextest run -p astrape-storage speed --no-capture`

use crate::support::{open, typical};
use astrape_node::Journal as _;
use std::time::Instant;

#[test]
fn the_cost_of_a_commit_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    let commits = 200;
    let start = Instant::now();
    for number in 0..commits {
        journal.commit(&typical(number)).unwrap();
    }
    let micros = start.elapsed().as_micros() / u128::from(commits);
    println!("{micros} us a commit: a forward, two channels, one at a time");
    let start = Instant::now();
    let records = journal.load().unwrap().len();
    println!("{} us to load {records} records", start.elapsed().as_micros());
}
