//! What the witness of a spend tells: who took an output of a commitment, and by what.
//!
//! The scripts of BOLT 3 force the number of items, so that the form of a witness that a block or a mempool has accepted is
//! proof of the way that was taken.

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
    /// By a penalty.
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
        5 if item(3).is_empty() => Way::SecondStage(None),
        5 => preimage(item(3)).map_or(Way::Other, |p| Way::SecondStage(Some(p))),
        3 if item(1).is_empty() => Way::Plain,
        3 => preimage(item(1)).map_or(Way::Penalty, Way::Preimage),
        2 if item(0).is_empty() => Way::Anyone,
        _ => Way::Other,
    }
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
        assert_eq!(of(&[&[], &sig, &sig, &[], &script]), Way::SecondStage(None));
        assert_eq!(of(&[&[], &sig, &sig, &pre, &script]).preimage(), Some(PaymentPreimage(pre)));
        assert_eq!(of(&[&sig, &pre, &script]), Way::Preimage(PaymentPreimage(pre)));
        assert_eq!(of(&[&sig, &[], &script]), Way::Plain);
        assert_eq!(of(&[&sig, &key, &script]), Way::Penalty);
        assert_eq!(of(&[&sig, &[1], &script]), Way::Penalty);
        assert_eq!(of(&[&[], &script]), Way::Anyone);
        assert_eq!(of(&[&sig, &script]), Way::Other, "an anchor by its owner");
        for odd in [&[][..], &[&sig[..]], &[&[], &sig, &sig, &key, &script], &[&sig[..]; 400]] {
            assert_eq!(of(odd), Way::Other);
        }
    }
}
