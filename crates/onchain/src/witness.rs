//! What the witness of a spend tells: who took an output of a commitment, and by what.
//!
//! The scripts of BOLT 3 force the number of items, so that the form of a witness that a block or a mempool has accepted is
//! proof of the way that was taken. They force no more than that: an item that only chooses a branch is signed by nobody, and
//! its owner, or whoever passes the transaction on, may put other bytes in its place that choose the same.

use astrape_primitives::PaymentPreimage;
use bitcoin::Witness;

/// How an output of a commitment, or of an HTLC transaction, was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By an HTLC transaction of the commitment's owner: HTLC-success with its preimage, or HTLC-timeout.
    SecondStage(Option<PaymentPreimage>),
    /// By the other side's key alone with a preimage.
    Preimage(PaymentPreimage),
    /// By one signature and nothing more: by timeout, or after a delay.
    Plain,
    /// By a penalty; of an HTLC perhaps by timeout.
    Penalty,
    /// Without a signature, as anybody may spend an anchor that is 16 blocks old.
    Anyone,
    /// In no form that these scripts allow.
    Other,
}

/// Reads the form of a witness.
pub(crate) fn way(witness: &Witness) -> Way {
    let item = |index: usize| witness.nth(index).unwrap_or_default();
    let preimage = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).ok().map(PaymentPreimage);
    match witness.len() {
        // Whatever has not 32 bytes chooses the branch of HTLC-timeout.
        5 => Way::SecondStage(preimage(item(3))),
        3 => match preimage(item(1)) {
            Some(preimage) => Way::Preimage(preimage),
            None if is_false(item(1)) => Way::Plain,
            None => Way::Penalty,
        },
        2 if item(0).is_empty() => Way::Anyone,
        _ => Way::Other,
    }
}

/// Whether an item is zero to a script, as long or negative as it may be written.
fn is_false(item: &[u8]) -> bool {
    item.split_last()
        .is_none_or(|(last, rest)| matches!(last, 0 | 0x80) && rest.iter().all(|byte| *byte == 0))
}

impl Way {
    /// The preimage that it shows.
    pub(crate) fn preimage(self) -> Option<PaymentPreimage> {
        match self {
            Way::SecondStage(preimage) => preimage,
            Way::Preimage(preimage) => Some(preimage),
            Way::Plain | Way::Penalty | Way::Anyone | Way::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_has_its_form() {
        let of = |items: &[&[u8]]| {
            let mut witness = Witness::new();
            items.iter().for_each(|item| witness.push(item));
            way(&witness)
        };
        let (sig, key, pre, script) = ([1_u8; 72], [2_u8; 33], [3_u8; 32], [4_u8; 130]);
        for dummy in [&[][..], &[1], &[0], &key] {
            assert_eq!(of(&[&[], &sig, &sig, dummy, &script]), Way::SecondStage(None), "no preimage");
        }
        assert_eq!(of(&[&[], &sig, &sig, &pre, &script]).preimage(), Some(PaymentPreimage(pre)));
        assert_eq!(of(&[&sig, &pre, &script]), Way::Preimage(PaymentPreimage(pre)));
        for zero in [&[][..], &[0], &[0x80], &[0, 0], &[0, 0x80]] {
            assert_eq!(of(&[&sig, zero, &script]), Way::Plain);
        }
        assert_eq!(of(&[&sig, &key, &script]), Way::Penalty);
        for one in [&[1][..], &[2], &[0x80, 0]] {
            assert_eq!(of(&[&sig, one, &script]), Way::Penalty);
        }
        assert_eq!(of(&[&[], &script]), Way::Anyone);
        assert_eq!(of(&[&sig, &script]), Way::Other, "an anchor by its owner");
        for odd in [&[][..], &[&sig[..]], &[&sig[..]; 4], &[&sig[..]; 400]] {
            assert_eq!(of(odd), Way::Other);
        }
    }
}
