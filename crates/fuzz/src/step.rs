//! The step with hostile messages in every state of a channel: the moment of its life and who lies, then deeds.

use crate::bytes::Bytes;
use crate::tally;
use astrape_primitives::Msat;
use astrape_simulator::{Deed, Siege};

/// Most deeds of one input.
const MAX_DEEDS: usize = 48;

/// Plays a siege: the node never stumbles, and is its disk after each step.
///
/// # Panics
/// When it does, or is not.
pub fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let moment = bytes.number();
    let mut siege = Siege::begin(moment.into(), bytes.byte() & 1 == 1);
    for _ in 0..MAX_DEEDS {
        if bytes.is_empty() {
            break;
        }
        match siege.deed(deed(&mut bytes)) {
            Ok(Some(heard)) => {
                tally::count(heard.message, heard.tolerated);
                tally::count(heard.state, heard.tolerated);
            }
            Ok(None) => {}
            Err(violation) => panic!("{violation}"),
        }
    }
    if let Err(violation) = siege.end() {
        panic!("at the end: {violation}");
    }
    tally::input_is_over();
}

/// The next deed.
fn deed(bytes: &mut Bytes<'_>) -> Deed {
    match bytes.below(20) {
        0..4 => {
            let addressed = bytes.byte() & 1 == 0;
            Deed::Say { bytes: bytes.piece().to_vec(), addressed }
        }
        4 | 5 => Deed::Change { at: bytes.number(), by: bytes.byte() },
        6 => Deed::Drop,
        7 => Deed::Repeat(bytes.byte()),
        8 => Deed::Sign,
        9 => Deed::Revoke,
        10..13 => Deed::GoOn(bytes.byte()),
        13 => Deed::Wait(u32::from(bytes.number()) * 50),
        14 => Deed::Cut,
        15 => Deed::Mine(bytes.byte()),
        16 => {
            let (payer, payee) = (bytes.byte(), bytes.byte());
            Deed::Pay { payer, payee, amount: Msat(u64::from(bytes.number()) * 10_000 + 1) }
        }
        17 => {
            if bytes.byte() & 1 == 0 {
                Deed::Close
            } else {
                Deed::Open
            }
        }
        18 => Deed::Feerate(bytes.number()),
        _ => Deed::Die,
    }
}
