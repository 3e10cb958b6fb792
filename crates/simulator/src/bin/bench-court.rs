//! `bench-court`: what revoked states weigh, on a real disk.

use astrape_simulator::weigh_revoked_states;
use std::process::ExitCode;

const HELP: &str = "\
What a channel of very many revoked states costs: bytes on disk, start-up, and the time to punish one of the oldest.

  bench-court [STATES]    how many states (default 1000000)";

fn main() -> ExitCode {
    let given = std::env::args().nth(1);
    let states = match given.as_deref().map(str::parse::<u64>) {
        None => 1_000_000,
        Some(Ok(states)) => states,
        Some(Err(_)) => {
            println!("{HELP}");
            return ExitCode::from(2);
        }
    };
    for htlcs in [10, 400] {
        let directory = std::env::temp_dir().join(format!("bench-court-{}-{htlcs}", std::process::id()));
        let weighed = weigh_revoked_states(states, htlcs, &directory);
        drop(std::fs::remove_dir_all(&directory));
        match weighed {
            Err(violation) => {
                println!("{violation}");
                return ExitCode::FAILURE;
            }
            Ok(weight) => {
                let [bare, whole] = weight.bytes;
                println!(
                    "{states} states, {} HTLCs in the one that is broadcast, {} pending at the start:\n  \
                     database {bare} bytes without and {whole} with their archive: {:.1} bytes a state\n  \
                     start-up {:?} without and {:?} with it\n  \
                     {} penalties on {} outputs signed after {:?} without and {:?} with it",
                    weight.htlcs,
                    weight.pending,
                    (whole.saturating_sub(bare)) as f64 / states.max(1) as f64,
                    weight.start[0],
                    weight.start[1],
                    weight.penalties.0,
                    weight.penalties.1,
                    weight.punish[0],
                    weight.punish[1],
                );
            }
        }
    }
    ExitCode::SUCCESS
}
